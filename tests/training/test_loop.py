import os
import subprocess
import sys
from typing import get_args

import pytest
import torch

from augmentor.errors import UsageError
from augmentor.model import graft
from augmentor.model.gan import Gan, build_gan, resolve
from augmentor.model.lesions import TrainingLesions
from augmentor.recipe import ModelName, ModelSection, Recipe, TrainingSection
from augmentor.training import loop
from augmentor.training.distributed import start_fabric
from augmentor.training.loop import Trainer

MODELS = get_args(ModelName)


def trainer_of(section: ModelSection, lesions: TrainingLesions, seed: int = 0, **training) -> Trainer:
    """As a fit makes it; training: settings of the recipe's section [training]."""
    asked = TrainingSection(**({"device": "cpu", "seed": seed} | training))
    recipe = resolve(Recipe(model=section, training=asked))
    return Trainer(build_gan(recipe.model, lesions, seed), lesions, recipe.training)


def make_trainer(name: str = "cgan", seed: int = 0, device: str = "cpu", precision: str = "bf16-mixed") -> Trainer:
    section = ModelSection(name=name, size=16, generator_channels=8, discriminator_channels=8)
    randomness = torch.Generator().manual_seed(1)
    images, labels = torch.rand(12, 1, 16, 16, generator=randomness) * 2 - 1, torch.arange(12) % 3
    lesions = TrainingLesions(images, labels, 3)
    return trainer_of(section, lesions, seed, batch=6, device=device, precision=precision)


def make_volume_trainer(name: str = "cgan") -> Trainer:
    """Volumes with masks; cgan by size as well."""
    sizes = name == "cgan"
    section = ModelSection(
        name=name,
        size=16,
        spatial_dims=3,
        with_mask=True,
        condition_on="size" if sizes else None,
        generator_channels=8,
        discriminator_channels=8,
    )
    randomness = torch.Generator().manual_seed(1)
    images, labels = torch.rand(8, 2, 16, 16, 16, generator=randomness) * 2 - 1, torch.arange(8) % 2
    sides = torch.rand(8, generator=randomness) * 20 + 10 if sizes else None
    lesions = TrainingLesions(images, labels, 2, sides)
    return trainer_of(section, lesions, batch=4, precision="32-true")


def test_volumes_are_trained_in_full_precision_where_images_are_in_bfloat16(monkeypatch):
    """A processor's gradients for volumes are wrong in bfloat16 (see `computes_in_bfloat16`)."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    for trainer, precision in ((make_trainer(), "bf16-mixed"), (make_volume_trainer(), "32-true")):
        section = trainer.section.model_copy(update={"precision": "auto"})
        lesions = TrainingLesions(trainer.images, trainer.labels, len(trainer.count), trainer.sides_mm)
        gan = Gan(trainer.generator.module, trainer.discriminator.module, trainer.method, trainer.masks)
        assert Trainer(gan, lesions, section).fabric._precision.precision == precision
    with pytest.raises(UsageError, match="gradients for volumes are wrong"):
        start_fabric(section.model_copy(update={"precision": "bf16-mixed"}), dims=3)


def run(trainer: Trainer, steps: int) -> Trainer:
    for _ in range(steps):
        trainer.train_step()
    return trainer


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("stop", [1, 7, 8])
def test_a_resumed_run_has_the_weights_of_an_uninterrupted_one(name, stop):
    whole = run(make_trainer(name), 12)
    first = run(make_trainer(name), stop)
    resumed = make_trainer(name)
    resumed.restore({k: v.clone().contiguous() for k, v in first.state().items()})
    assert same(run(resumed, 12 - stop).state(), whole.state())


@pytest.mark.parametrize("name", ["cgan", "dcgan", "acgan"])
def test_volumes_with_masks_train_and_resume_to_the_same_weights(name):
    whole, first, resumed = run(make_volume_trainer(name), 3), run(make_volume_trainer(name), 2), None
    resumed = make_volume_trainer(name)
    before = {k: v.clone() for k, v in resumed.state().items()}
    resumed.restore({k: v.clone().contiguous() for k, v in first.state().items()})
    after = run(resumed, 1).state()
    assert same(after, whole.state())
    assert all(torch.isfinite(v.float()).all() for v in after.values())
    for network in ("generator", "discriminator"):
        assert any(not torch.equal(before[k], after[k]) for k in before if k.startswith(network + "."))


def test_seeds_decide_the_weights():
    a, b, c = (run(make_trainer(seed=s), 3).state() for s in (0, 0, 1))
    assert same(a, b)
    assert not torch.equal(a["generator.out.weight"], c["generator.out.weight"])


@pytest.mark.parametrize("name", MODELS)
def test_a_step_moves_both_networks_and_gives_finite_losses(name):
    trainer = make_trainer(name)
    before = {k: v.clone() for k, v in trainer.state().items()}
    losses = [trainer.train_step() for _ in range(4)][-1]
    after = trainer.state()
    assert all(torch.isfinite(v) for v in losses.values())
    for network in ("generator", "discriminator", "ema"):
        assert any(not torch.equal(before[k], after[k]) for k in before if k.startswith(network + "."))


class Watched:
    """One step of a trainer: what it drew, made and judged, and what it descended on, in order."""

    def __init__(self, trainer: Trainer, monkeypatch: pytest.MonkeyPatch):
        self.drawn, self.made, self.judged, self.totals, self.penalties = [], [], [], [], []
        for name, kept in (("_draw_real", self.drawn), ("_judge", self.judged), ("_descend", self.totals)):
            monkeypatch.setattr(trainer, name, self._kept(getattr(trainer, name), kept))
        monkeypatch.setattr(loop, "r1_penalty", self._kept(loop.r1_penalty, self.penalties))
        trainer.generator.module.register_forward_hook(lambda _, given, made: self.made.append((given, made)))
        self.losses = trainer.train_step()

    def _kept(self, act, kept):
        def watched(*given):
            found = act(*given)
            kept.append((given, found))
            return found

        return watched


def test_every_eighth_step_of_the_discriminator_holds_eight_times_half_the_penalty(monkeypatch):
    trainer = make_trainer()
    for step in range(9):
        seen = Watched(trainer, monkeypatch)
        total, penalty = seen.totals[0][0][1], sum(found for _, found in seen.penalties)
        assert len(seen.penalties) == (step % 8 == 0)
        assert total.item() == pytest.approx((seen.losses["loss_d"] + 0.02 / 2 * 8 * penalty).item(), rel=1e-5)
        monkeypatch.undo()


def test_the_generator_descends_on_its_loss_and_three_times_the_distance_to_its_grafts(monkeypatch):
    seen = Watched(run(make_trainer(), 3), monkeypatch)
    ((_, (synthetic, start)),) = seen.made
    anchor = loop.anchor_penalty(synthetic, start)
    assert anchor > 0
    assert seen.totals[1][0][1].item() == pytest.approx((seen.losses["loss_g"] + 3 * anchor).item(), rel=1e-5)


def test_the_discriminator_sees_synthetic_lesions_augmented_in_its_own_step_and_in_the_generators(monkeypatch):
    seen = Watched(make_trainer(), monkeypatch)
    real, synthetic = seen.drawn[0][1][1], seen.made[0][1][0]
    shown = [images for (images, *_), _ in seen.judged]  # real, synthetic, real for its penalty, synthetic
    assert len(shown) == 4
    for images, raw in zip(shown, (real, synthetic, real, synthetic), strict=True):
        assert images.shape == raw.shape
        assert not torch.equal(images, raw)
    assert torch.equal(shown[0], shown[2])
    assert not torch.equal(shown[1], shown[3])


def test_lesions_are_judged_by_their_own_sizes(monkeypatch):
    trainer = make_volume_trainer()
    seen = Watched(trainer, monkeypatch)
    (latents, labels), _ = seen.made[0]
    own = {"real": seen.drawn[0][1][2], "synthetic": trainer.ema.sides_mm(latents, labels)}
    assert not torch.equal(own["real"], own["synthetic"])
    for (given, _), kind in zip(seen.judged, ("real", "synthetic", "real", "synthetic"), strict=True):
        assert torch.equal(given[2], own[kind])


def test_the_discriminator_is_shown_masks_whose_values_stay():
    trainer = make_volume_trainer()
    masks = torch.where(torch.rand(4, 1, 16, 16, 16, generator=torch.Generator().manual_seed(2)) < 0.5, -0.7, 0.7)
    for seed in range(8):
        seen = trainer._for_discriminator(torch.cat([masks / 2, masks], 1), torch.Generator().manual_seed(seed))
        assert set(seen[:, 1].unique().tolist()) == set(masks.unique().tolist())


def test_the_average_moves_every_fourth_step_and_its_half_life_grows_to_what_is_asked():
    trainer = make_trainer()

    def average():
        return torch.cat([w.flatten().clone() for w in trainer.ema.parameters()])

    def moved(before, half_life):  # four steps of six lesions
        now = torch.cat([w.detach().flatten() for w in trainer.generator.module.parameters()])
        assert not torch.allclose(before, now)
        return now + 0.5 ** (0.024 / half_life) * (before - now)

    start = average()
    run(trainer, 3)
    assert torch.equal(average(), start)
    run(trainer, 1)
    torch.testing.assert_close(average(), moved(start, 0.2 * 0.024))  # kimg: a fifth of what has been shown
    start = average()
    run(trainer, 4)
    torch.testing.assert_close(average(), moved(start, 0.2 * 0.048))
    start, trainer.step = average(), 100_000
    for weights in trainer.generator.module.parameters():
        weights.data += 1  # far enough for a small step to be seen
    trainer._update_average()
    torch.testing.assert_close(average(), moved(start, 5.0))


def test_batches_are_balanced_over_the_classes():
    trainer = make_trainer()
    labels, _, _ = trainer._draw_real(torch.Generator().manual_seed(0))
    assert torch.bincount(labels).tolist() == [2, 2, 2]


def test_every_lesion_of_a_class_is_drawn_and_none_of_another_whatever_their_numbers():
    section = ModelSection(size=16, generator_channels=8, discriminator_channels=8)
    labels = torch.tensor([1, 0, 1, 1, 2, 1, 1, 2])
    images = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 1, 16, 16)  # a lesion says its row
    lesions = TrainingLesions(images, labels, 3)
    trainer = trainer_of(section, lesions, batch=6)
    drawn = [trainer._draw_real(torch.Generator().manual_seed(seed)) for seed in range(20)]
    rows = torch.cat([lesions[:, 0, 0, 0] for _, lesions, _ in drawn]).long()
    assert torch.equal(labels[rows], torch.cat([told for told, _, _ in drawn]))
    assert set(rows.tolist()) == set(range(8))


def test_the_training_lesions_in_a_generator_are_not_trained():
    trainer = make_trainer()
    before = trainer.generator.module.bank.clone()
    assert torch.equal(run(trainer, 3).generator.module.bank, before)


@pytest.mark.parametrize("name", ["dcgan", "acgan"])
def test_the_discriminator_never_sees_real_and_synthetic_lesions_in_one_batch(name):
    """Batch norm would tell a mixed batch from a pure one, and the generator would meet another discriminator."""
    trainer, seen = make_trainer(name), []
    for layer in trainer.discriminator.modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.in_channels == 1:
            layer.register_forward_pre_hook(lambda _layer, inputs: seen.append(len(inputs[0])))
    losses = run(trainer, 30).train_step()
    assert set(seen) == {6}
    assert losses["loss_d"] + losses["loss_g"] > 0.1  # both near zero: the two steps meet different discriminators


@pytest.mark.parametrize("name", ["dcgan", "acgan"])
def test_the_papers_models_are_shown_classic_augmentation_and_no_holes(name):
    trainer = make_trainer(name)
    flat = torch.full((64, 1, 16, 16), 0.4)
    seen = trainer._for_discriminator(flat, torch.Generator().manual_seed(0), synthetic=False)
    assert torch.allclose(seen, flat, atol=1e-5)
    assert torch.equal(trainer._for_discriminator(flat, torch.Generator().manual_seed(0)), flat)


@pytest.mark.parametrize(("name", "averaged"), [("cgan", True), ("dcgan", False), ("acgan", False)])
def test_the_default_is_averaged_and_the_papers_is_not(name, averaged):
    trainer = run(make_trainer(name), 7)  # the average moves every fourth step
    now, mean = (list(network.parameters()) for network in (trainer.generator.module, trainer.ema))
    assert all(torch.equal(a, b) for a, b in zip(now, mean, strict=True)) == (not averaged)


def test_an_acgans_class_head_learns_and_its_generator_is_told():
    """Two classes, bright and dark: the head names them, and what is made under a class has its brightness."""
    section = ModelSection(name="acgan", size=16, generator_channels=8, discriminator_channels=8)
    labels = torch.arange(24) % 2
    noise = 0.2 * torch.randn(24, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    images = (noise + (labels * 1.2 - 0.6).view(-1, 1, 1, 1)).clamp(-1, 1)
    lesions = TrainingLesions(images, labels, 2)
    trainer = run(trainer_of(section, lesions), 100)
    discriminator, generator = trainer.discriminator.module.eval(), trainer.ema.eval()
    assert (discriminator.judge(images, labels).classes.argmax(1) == labels).all()
    lesions, _ = generator(torch.randn(24, 100, generator=torch.Generator().manual_seed(2)), labels)
    assert lesions[labels == 1].mean() > lesions[labels == 0].mean() + 0.5


IMPORTED_TWICE = """
import importlib, os, sys
import augmentor.training.fit
print(os.environ["THP_MEM_ALLOC_ENABLE"])
os.environ["THP_MEM_ALLOC_ENABLE"] = "0"
importlib.reload(sys.modules["augmentor.training.loop"])
print(os.environ["THP_MEM_ALLOC_ENABLE"])
"""


def test_huge_pages_are_asked_for_unless_the_environment_says_otherwise():
    environment = {k: v for k, v in os.environ.items() if k != "THP_MEM_ALLOC_ENABLE"}
    command = [sys.executable, "-c", IMPORTED_TWICE]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["1", "0"]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_every_lesion_of_a_large_class_is_started_from_in_training(monkeypatch, precision):
    """As `expand` does. Numbers of 8 bits, as bfloat16 has, leave out every second one from the 257th on."""
    lesions = TrainingLesions(torch.rand(600, 1, 16, 16) * 2 - 1, torch.zeros(600, dtype=torch.long), 1)
    section = ModelSection(name="cgan", size=16, generator_channels=8, discriminator_channels=8)
    trainer = trainer_of(section, lesions, batch=6, precision=precision)
    started: list[torch.Tensor] = []
    pick = graft.pick_rows
    monkeypatch.setattr(graft, "pick_rows", lambda *given: started.append(pick(*given)[0]) or pick(*given))
    with torch.no_grad():
        trainer._generate(torch.randn(4800, trainer.ema.latent_dim), torch.zeros(4800, dtype=torch.long))
    assert len(torch.cat(started).unique()) > 590


def test_lesions_are_moved_in_training_as_expand_moves_them():
    trainer = make_trainer(precision="bf16-mixed")
    latents, labels = torch.randn(6, trainer.ema.latent_dim), torch.arange(6) % 3
    with torch.no_grad():
        assert torch.equal(trainer._generate(latents, labels)[1], trainer.ema(latents, labels)[1])


def drawn_in_a_step(seed: int, step: int) -> tuple[float, ...]:
    trainer, found = make_trainer(seed=seed), []
    trainer.step = step
    trainer._train_step = lambda randomness: found.extend(torch.rand(8, generator=randomness).tolist())
    trainer.train_step()
    return tuple(found)


def test_every_seed_and_every_step_draws_its_own():
    assert len({drawn_in_a_step(seed, step) for seed in range(3) for step in range(4)}) == 12


def test_what_a_step_draws_does_not_hang_on_what_was_drawn_before_it():
    """Of the generator that layers of a network draw from."""
    found = []
    for before in (1, 2):
        trainer = make_trainer()
        trainer._train_step = lambda _: found.append(torch.rand(4).tolist())
        torch.manual_seed(before)
        trainer.train_step()
    assert found[0] == found[1]
