import pytest
import torch

from augmentor.errors import UsageError
from augmentor.model import devices
from augmentor.model.devices import computes_in_bfloat16, find_device, name_of, require_device
from augmentor.model.gan import precision_of, resolve
from augmentor.recipe import Recipe, TrainingSection


def test_a_device_that_is_missing_is_told(monkeypatch):
    monkeypatch.setattr(devices, "_PRESENT", {"cuda": lambda: False, "mps": lambda: False})
    with pytest.raises(UsageError, match="--device cuda"):
        require_device("cuda")
    assert find_device("auto") == torch.device("cpu")


def test_auto_takes_the_first_that_is_there(monkeypatch):
    monkeypatch.setattr(devices, "_PRESENT", {"cuda": lambda: False, "mps": lambda: True})
    assert find_device("auto") == torch.device("mps")


def test_a_gpu_is_called_by_its_own_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _device: "NVIDIA H200")
    assert name_of(torch.device("cuda")) == "NVIDIA H200"
    assert name_of(torch.device("cpu")) == "cpu"


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_the_precision_is_what_the_processor_is_fast_in(monkeypatch, native, precision):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert computes_in_bfloat16(torch.device("cpu"), dims=2) == native
    assert precision_of(TrainingSection(device="cpu"), dims=2) == precision
    resolved = resolve(Recipe(training=TrainingSection(device="cpu")))
    assert resolved.training.precision == precision


def test_volumes_are_not_computed_in_bfloat16_on_a_processor(monkeypatch):
    """Its weight gradients of small volumes are wrong there (see `computes_in_bfloat16`)."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert not computes_in_bfloat16(torch.device("cpu"), dims=3)
    recipe = Recipe().with_options(model={"spatial_dims": 3, "size": 16}, training={"device": "cpu"})
    assert resolve(recipe).training.precision == "32-true"


def test_a_precision_that_is_asked_for_is_kept():
    assert precision_of(TrainingSection(device="cpu", precision="bf16-mixed"), dims=2) == "bf16-mixed"
