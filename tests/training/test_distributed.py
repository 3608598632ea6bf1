"""Two processes on this machine, started once by torchrun; the tests look at what they left."""

import atexit
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from augmentor.errors import InterruptedFitError, UsageError
from augmentor.model.checkpoint import load_tensors, save_tensors
from augmentor.recipe import TrainingSection
from augmentor.training.distributed import is_first, lead, start_fabric
from augmentor.training.fit import fit, fit_or_resume
from augmentor.training.loop import Trainer
from augmentor.training.run import Run, open_run
from tests.lesion_sets import tiny_recipe, write_set
from tests.training.test_loop import make_trainer

pytestmark = pytest.mark.slow
_ROOT = Path(__file__).resolve().parents[2]


def gradients_of_a_step() -> dict[str, torch.Tensor]:
    """After the first step of a cgan in full precision: with gradient penalty and augmentation."""
    trainer = make_trainer("cgan", precision="32-true")
    trainer.train_step()
    networks = {"generator": trainer.generator.module, "discriminator": trainer.discriminator.module}
    return {f"{name}.{k}": w.grad for name, network in networks.items() for k, w in network.named_parameters()}


def work(out: Path) -> None:
    """What each of the processes does."""
    atexit.register(write_whether_connected, out)  # what is registered last is called first
    fabric = start_fabric(TrainingSection(device="cpu"), dims=2)
    gradients = gradients_of_a_step()
    if is_first():
        save_tensors(out / "gradients.safetensors", gradients)
        write_set(out / "lesions")
    fabric.barrier()
    lesions = fitting_lesions(out)
    fit(lesions, tiny_recipe(), out / "run", latest=False)
    fit(lesions, tiny_recipe(training={"kimg": None, "minutes": 0.01}), out / "by-clock", latest=False)
    refused = [
        complaint(lambda: fit(lesions, tiny_recipe(training={"batch": 7}), out / "odd", latest=False)),
        complaint(lambda: fit(lesions, tiny_recipe(model={"name": "dcgan"}), out / "dcgan", latest=False)),
        complaint(lambda: fit(lesions, tiny_recipe(), out / "run", latest=False)),
        complaint(lambda: lead(fabric, lambda: open_run(out / "nowhere"))),
    ]
    interrupt_one_process(lesions, out / "halted")
    (out / f"refused-{fabric.global_rank}.json").write_text(json.dumps(refused))


def write_whether_connected(out: Path) -> None:
    (out / f"connected-{os.environ['RANK']}.json").write_text(json.dumps(torch.distributed.is_initialized()))


def fitting_lesions(out: Path):
    from augmentor.data.readers import read_lesions

    return read_lesions(out / "lesions", patient_pattern="<patient>_<anything>")


def complaint(act) -> str:
    with pytest.raises(UsageError) as caught:
        act()
    return str(caught.value)


def interrupt_one_process(lesions, out: Path) -> None:
    """Ctrl-C in the second process alone, in the middle of the third step; then go on."""
    step = Trainer.train_step

    def interrupted(trainer):
        if trainer.step == 2 and not is_first():
            signal.raise_signal(signal.SIGINT)
        return step(trainer)

    Trainer.train_step = interrupted
    with pytest.raises(InterruptedFitError, match="at step 3"):
        fit(lesions, tiny_recipe(), out, latest=False)
    Trainer.train_step = step
    fit_or_resume(lesions, tiny_recipe(), out)


@pytest.fixture(scope="module")
def left(made_once) -> Path:
    """The folder in which two processes have done `work`."""
    return made_once("two", work_in_two)


def work_in_two(out: Path) -> None:
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", __name__, str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    started = subprocess.Popen(
        [sys.executable, *command],
        cwd=_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        told, _ = started.communicate(timeout=180)
    except subprocess.TimeoutExpired:
        os.killpg(started.pid, signal.SIGTERM)  # torchrun ends the processes that it started
        told, _ = started.communicate(timeout=30)
    assert started.returncode == 0, told


def test_two_processes_have_the_gradient_of_one_with_the_whole_batch(left):
    theirs, ours = load_tensors(left / "gradients.safetensors"), gradients_of_a_step()
    assert theirs.keys() == ours.keys()
    for network in ("generator", "discriminator"):
        a, b = (torch.cat([g[k].flatten() for k in sorted(g) if k.startswith(network)]) for g in (theirs, ours))
        assert b.norm() > 0
        assert (a - b).norm() / b.norm() < 1e-5


def test_two_processes_leave_one_run_folder(left):
    run = open_run(left / "run")
    assert {f.name for f in run.folder.iterdir()} == {
        *("checkpoints", "lesions.csv", "metrics.jsonl", "recipe.toml", "run.json", "samples", "splits.json")
    }
    assert [m["step"] for m in run.metrics if m["kind"] == "snapshot"] == [0, 2, 8]
    assert len(list(run.samples.glob("*.png"))) == len(list(run.checkpoints.glob("*.safetensors"))) == 3


def test_two_processes_reach_the_checkpoint_of_one(left, tmp_path):
    alone = fit(write_set(tmp_path / "lesions"), tiny_recipe(), tmp_path / "run", latest=False)
    ours, theirs = (load_tensors(Run(r).checkpoints / "0000008.safetensors") for r in (alone.folder, left / "run"))
    assert torch.equal(ours["bank"], theirs["bank"])
    assert torch.allclose(ours["out.weight"], theirs["out.weight"], atol=1e-3)


def test_a_fit_by_the_clock_ends_in_all_processes_after_the_same_step(left):
    run = open_run(left / "by-clock")
    assert run.summary["steps"] == max(m["step"] for m in run.metrics)
    assert run.summary["seconds"] >= 0.6


def test_what_can_not_be_shared_is_refused_by_every_process_in_the_same_words(left):
    refused = [json.loads((left / f"refused-{rank}.json").read_text()) for rank in (0, 1)]
    assert refused[0] == refused[1]
    for told, wanted in zip(refused[0], ("multiple of 2", "batch norm", "already holds files", "no run"), strict=True):
        assert wanted in told
    assert not (left / "odd").exists()
    assert not (left / "dcgan").exists()


def test_ctrl_c_in_one_process_stops_all_and_the_resumed_run_is_the_uninterrupted_one(left):
    for name in ("0000002.safetensors", "0000008.safetensors"):
        whole, resumed = (load_tensors(left / run / "checkpoints" / name) for run in ("run", "halted"))
        assert all(torch.equal(whole[k], resumed[k]) for k in whole)


def test_no_process_is_still_connected_when_its_interpreter_ends(left):
    assert [json.loads((left / f"connected-{rank}.json").read_text()) for rank in (0, 1)] == [False, False]


if __name__ == "__main__":
    work(Path(sys.argv[1]))
