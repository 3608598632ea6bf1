"""Does the generator give its training patients away?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augmentor.evaluation.intervals import UNKNOWN, Bounded, auc, share, share_over_patients
from augmentor.evaluation.sides import Sides
from augmentor.model.memorisation import chance_of_near, make_copy_check
from augmentor.model.originals import Originals, distance_of
from augmentor.model.thumbnails import views

MOST_NEAR, MOST_AUC = 0.05, 0.8  # above which the alarm is raised, beyond chance
_UNCALIBRATED = (
    "Near-copies can't be judged: what a near-copy is can't be told from these real lesions (see the notes)."
)
_BLIND = (
    "Near-copies can't be judged: nothing says that the numbers of the synthetic and of the real files mean the same, "
    "and a copy on another scale is not recognised (see the notes)."
)


@dataclass(frozen=True)
class Audit:
    """ratios: (M,) how near each synthetic lesion is to the nearest real one that the generator may have seen: 1 is as
    near as another patient's lesion comes, 0 a copy. nearest: (M,) its row. near: (M,) bool, nearer than the nearest
    hundredth of other patients' lesions, of which `compared` were measured.

    authenticity: share of synthetic lesions that are farther from the nearest training lesion than that is from its own
    nearest other one (Alaa et al. 2022, section 3); authenticity_held_out is the same of held-out lesions.
    membership_auc: that a training lesion is nearer to its nearest synthetic lesion than a held-out one is (Chen et al.
    2020, GAN-Leaks, section 5.2); 0.5 gives nothing away. finished and guessed: as in `Sides`. uncalibrated: whether
    only the same picture counts as near here. warning: what is wrong with the real lesions that tell what is near.
    """

    ratios: np.ndarray
    nearest: np.ndarray
    near: np.ndarray
    authenticity: Bounded
    authenticity_held_out: Bounded
    membership_auc: Bounded
    compared: int
    finished: bool = False
    guessed: bool = False
    uncalibrated: bool = False
    warning: str | None = None

    @property
    def near_copies(self) -> Bounded:
        """Of this generator, or this set: lesions are drawn independently, whosever patients they come near to."""
        return share(self.near)

    @property
    def by_chance(self) -> float:
        """The share of near-copies to expect of a generator that knows nothing of its training lesions."""
        return chance_of_near(self.compared)[0]

    @property
    def most_near(self) -> float:
        """The share of near-copies above which the alarm is raised: few real lesions say too little of what is near for
        less."""
        return max(MOST_NEAR, chance_of_near(self.compared)[1])

    @property
    def blind(self) -> bool:
        """Whether copies may have been missed: none, or few, were seen, on a scale that is a guess or by a limit that
        tells little."""
        return (self.guessed or self.uncalibrated) and not self.reasons

    @property
    def alarm(self) -> bool:
        """Raised for a reason, and where there can be none: what was not judged is not harmless."""
        return self.blind or bool(self.reasons)

    @property
    def reasons(self) -> list[str]:
        """Why the alarm is raised; empty where it is not."""
        found, near, member = [], self.near_copies, self.membership_auc
        if (near["low"] or 0) > self.most_near:
            found.append(
                f"{near['value']:.1%} of the synthetic lesions ({near['low']:.1%} to {near['high']:.1%}) are nearer to "
                f"a real lesion that the generator may have seen than the nearest hundredth of {self.compared} real "
                f"lesions of other patients come (by chance {self.by_chance:.1%}; alarm above {self.most_near:.1%})"
            )
        if (member["low"] or 0) > MOST_AUC:
            found.append(
                "by its nearest synthetic lesion, a training lesion is told from a held-out one with an AUC of "
                f"{member['value']:.2f} ({member['low']:.2f} to {member['high']:.2f}; alarm above {MOST_AUC})"
            )
        return found

    @property
    def sentence(self) -> str:
        return _of_set(self) if self.finished else _of_generator(self)


def _of_generator(found: Audit) -> str:
    """What its fresh lesions show; `expand` still refuses those that are near-copies."""
    if found.blind:
        return _UNCALIBRATED
    if not found.reasons:
        return f"No alarm: {_near(found)}, which expand refuses."
    advice = "Fit on more lesions for a generator that makes fewer; what expand writes holds no near-copies."
    return f"Memorisation: {'; '.join(found.reasons)}. {advice}"


def _near(found: Audit) -> str:
    share = found.near_copies["value"] or 0
    return f"{share:.1%} of the synthetic lesions are near-copies of real ones (by chance {found.by_chance:.1%})"


def _of_set(found: Audit) -> str:
    """What its files show, of which nothing is refused any more."""
    count, told = int(found.near.sum()), []
    if found.blind:
        why = _BLIND if found.guessed else _UNCALIBRATED
        told.append(f"{why} Seen even so: {count} of {len(found.near)}." if count else why)
    elif found.reasons:
        told.append(f"Memorisation: {'; '.join(found.reasons)}.")
    else:
        told.append(f"No alarm: {_near(found)}.")
    if count == 1:
        told.append("This file is in the set: take it out; it is the first of `copies` in evaluation.json.")
    elif count:
        told.append(
            f"These {count} files are in the set: take them out; they are the first of `copies` in evaluation.json."
        )
    if found.reasons:
        told.append("Make new ones with a generator that was fitted on more lesions.")
    return " ".join(told)


def audit(sides: Sides) -> Audit:
    """Compare every synthetic lesion with every real one, in chunks."""
    seen, others = sides.seen, sides.held_out
    check = make_copy_check(seen.images, seen.groups.tolist(), others.images if sides.known else None)
    originals = check.originals
    distances, nearest = originals.distances(sides.synthetic.images)
    back = _nearest_image(originals, sides.synthetic.images)
    apart = originals.distances(seen.images, np.eye(len(seen), dtype=bool))[0] if len(seen) > 1 else np.array([np.inf])
    authenticity_held_out, membership = UNKNOWN, UNKNOWN
    if sides.known:
        far, rows = originals.distances(others.images)
        authenticity_held_out = share_over_patients(far > apart[rows], others.groups)
        unseen = _nearest_image(Originals(views(others.images)), sides.synthetic.images)
        members = np.repeat([True, False], [len(back), len(unseen)])
        patients = np.concatenate([2 * seen.groups, 2 * others.groups + 1])
        membership = auc(members, -np.concatenate([back, unseen]), patients)
    return Audit(
        distances / check.typical,
        nearest,
        distances < check.threshold,
        share(distances > apart[nearest]),
        authenticity_held_out,
        membership,
        check.compared,
        sides.finished,
        sides.guessed,
        check.uncalibrated,
        check.warning_with([*seen.paths, *others.paths]),
    )


def _nearest_image(lesions: Originals, images: np.ndarray) -> np.ndarray:
    """(N,): how near each lesion is to its nearest image, by coarse views."""
    back = np.full(len(lesions), -1.0, np.float32)
    for _, likeness in lesions.likenesses(images):
        np.maximum(back, likeness.max(0), out=back)
    return distance_of(back)
