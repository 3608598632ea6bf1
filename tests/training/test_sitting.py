"""How a sitting ends before the fit does."""

import shlex
import signal

import pytest
import torch

from augmentor.errors import AugmentorError, InterruptedFitError
from augmentor.model.checkpoint import load_tensors
from augmentor.training.fit import fit, resume_fit
from augmentor.training.loop import Trainer
from augmentor.training.run import Run, open_run
from tests.lesion_sets import tiny_recipe

pytestmark = pytest.mark.usefixtures("elsewhere")  # runs/ is one of the working folder


@pytest.mark.parametrize(("stop", "by"), [(3, signal.SIGINT), (4, signal.SIGTERM), (6, signal.SIGINT)])
def test_an_interrupted_fit_goes_on_to_the_same_weights(tmp_path, lesions, monkeypatch, stop, by, snapshots_of):
    whole = fit(lesions, tiny_recipe(), tmp_path / "whole")
    step = Trainer.train_step

    def interrupted(trainer):
        if trainer.step == stop - 1:  # in the middle of a step
            signal.raise_signal(by)
        return step(trainer)

    monkeypatch.setattr(Trainer, "train_step", interrupted)
    with pytest.raises(InterruptedFitError, match="--resume") as told:
        fit(lesions, tiny_recipe(), tmp_path / "halted")
    assert told.value.exit_code == 128 + by
    monkeypatch.setattr(Trainer, "train_step", step)
    resumed = resume_fit(tmp_path / "halted")
    for file in whole.checkpoints.glob("*.safetensors"):
        ours, theirs = load_tensors(file), load_tensors(resumed.checkpoints / file.name)
        assert all((ours[k] == theirs[k]).all() for k in ours)
    assert [s["step"] for s in snapshots_of(resumed)] == [0, 2, 8]


@pytest.mark.parametrize("stop", [4, 8])
def test_the_command_that_goes_on_can_be_copied(tmp_path, lesions, monkeypatch, stop):
    step, folder = Trainer.train_step, tmp_path / "Läuf 1"

    def interrupted(trainer):
        if trainer.step == stop - 1:
            signal.raise_signal(signal.SIGINT)
        return step(trainer)

    monkeypatch.setattr(Trainer, "train_step", interrupted)
    with pytest.raises(InterruptedFitError) as told:
        fit(lesions, tiny_recipe(), folder)
    *_, command, _ = str(told.value).split("`")
    words = ["fit", "--resume", "--out"] if stop < 8 else ["expand", "--run"]
    assert shlex.split(command) == ["augmentor", *words, str(folder)]


@pytest.mark.parametrize(
    ("name", "by"),
    [("train_step", signal.SIGINT), ("state", signal.SIGINT), ("state", signal.SIGTERM)],
)  # a step; a snapshot, which saves the state
def test_a_signal_in_the_last_step_or_snapshot_ends_the_run_and_says_that_it_was_heard(
    tmp_path, lesions, monkeypatch, name, by
):
    original = getattr(Trainer, name)

    def interrupted(trainer):
        if trainer.step == (7 if name == "train_step" else 8):
            signal.raise_signal(by)
        return original(trainer)

    monkeypatch.setattr(Trainer, name, interrupted)
    with pytest.raises(InterruptedFitError, match="complete") as told:
        fit(lesions, tiny_recipe(), tmp_path / "run")
    assert told.value.exit_code == 128 + by
    assert open_run(tmp_path / "run").summary["steps"] == 8


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_losses_that_are_no_numbers_end_the_fit_and_leave_the_snapshots_before(
    tmp_path, lesions, monkeypatch, precision
):
    step = Trainer.train_step
    monkeypatch.setattr(Trainer, "train_step", lambda trainer: step(trainer) | {"loss_d": torch.tensor(torch.nan)})
    rates = r"generator_lr \(0\.0001\) or training\.discriminator_lr \(0\.5\)"
    recipe = tiny_recipe(training={"discriminator_lr": 0.5, "precision": precision})
    with pytest.raises(
        AugmentorError, match=rf"the losses left the numbers at step 1 .*Lower training\.{rates}"
    ) as told:
        fit(lesions, recipe, tmp_path / "run")
    assert ("set training.precision to 32-true" in str(told.value)) == (precision == "bf16-mixed")
    assert Run(tmp_path / "run").resumable
    assert [m["kind"] for m in Run(tmp_path / "run").metrics] == ["snapshot"]


def test_after_a_fit_signals_are_heard_as_before(tmp_path, lesions):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    fit(lesions, tiny_recipe(), tmp_path / "run")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
