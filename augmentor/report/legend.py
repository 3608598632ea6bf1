"""What each arm of a benchmark is, in one line for a reader."""

from __future__ import annotations

from collections.abc import Iterable

from augmentor.recipe import ArmName

ARMS: dict[ArmName, str] = {
    "real": "the real training lesions as they are.",
    "classic": "real lesions, turned, mirrored, shifted and zoomed at random; what every other arm is compared with.",
    "resampled": "classic, with real lesions drawn again until the set is as large as with synthetic ones.",
    "mixup": "classic, with pairs of lesions and of their labels blended (Zhang et al. 2018).",
    "classic+gan": "classic, and synthetic lesions of cgan mixed in: one GAN for all classes, from real lesions.",
    "classic+dcgan": "classic, and synthetic lesions of DCGANs, one for each class, mixed in (Frid-Adar et al. 2018).",
    "classic+acgan": "classic, and synthetic lesions of one ACGAN for all classes mixed in (Frid-Adar et al. 2018).",
    "gan-only": "synthetic lesions of cgan instead of the real ones.",
    "pretrain-gan": "trained on synthetic lesions of cgan first, then on the real ones as in classic.",
    "auto": "synthetic lesions of cgan as they help held-out training patients: how many and used how, or none.",
}


def explained(arms: Iterable[str]) -> dict[str, str]:
    """The arms that are known, in the order given, with what each is."""
    known = {str(arm): text for arm, text in ARMS.items()}
    return {arm: known[arm] for arm in dict.fromkeys(arms) if arm in known}
