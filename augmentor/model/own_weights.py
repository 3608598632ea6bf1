"""The feature spaces that learn nothing here, a user's own network among them: its weights from a safetensors file, its
architecture from their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from augmentor.errors import UsageError
from augmentor.model.blocks import fast_layout
from augmentor.model.features import (
    FeatureSpace,
    has_pretrained,
    lite_network,
    network_features,
    pretrained_features,
    published_names,
    texture_features,
)

Build = Callable[[int], nn.Module]
_HEAD = re.compile(r"^(_fc|fc|class_layers\.out|last_linear)(\.|$)")
_COUNTER = "num_batches_tracked"  # of batch norm; no feature depends on it


def own_features(file: Path) -> Callable[[np.ndarray], np.ndarray]:
    """(N, C, S, S) in [-1, 1] -> (N, D) float32: what the network gives before its last layer.

    Known are EfficientNet-Lite0 and MONAI's DenseNet, ResNet, SEResNet and EfficientNetBN for 2-D images with one or
    three channels. Which it is, is told from the names and shapes of the weights; its last layer may be of any size, or
    missing. Images are brought to 128x128 and stay in [-1, 1]. Raises UsageError where the file does not fit.
    """
    weights = _read(file)
    found = next(_matches(weights), None)
    if found is None:
        raise UsageError(
            f"--features {file}: its weights ({len(weights)}, for example {next(iter(weights), 'none')!r}) fit no "
            f"known network. Known are {', '.join(_known())}, for two-dimensional images of 1 or 3 channels, in "
            "MONAI's names."
        )
    name, channels = found
    with torch.random.fork_rng([]):
        network = _known()[name](channels)
    names = _theirs(network.state_dict(), weights)
    network.load_state_dict({ours: weights[theirs] for ours, theirs in names.items()}, strict=False)
    for part in [part for part, _ in network.named_modules() if _HEAD.match(part)]:
        network.set_submodule(part, nn.Identity())
    fast_layout(network).eval().requires_grad_(False)
    return lambda images: network_features(network, images, channels)


def _read(file: Path) -> dict[str, Tensor]:
    if file.suffix != ".safetensors":
        raise UsageError(
            f"--features {file}: must be a .safetensors file; pickled weights can run code when they are opened. "
            "Convert them with safetensors.torch.save_file(network.state_dict(), ...)."
        )
    try:
        weights = load_file(file)
    except (SafetensorError, OSError) as error:
        raise UsageError(f"--features {file}: can't be read as safetensors ({error}). Give another file.") from error
    broken = next((name for name, w in weights.items() if not w.isfinite().all()), None)
    if broken:
        raise UsageError(
            f"--features {file}: the weight {broken} holds NaN or infinity, so its features would be no numbers. Give "
            "the weights from before the training diverged."
        )
    return {name.removeprefix("module."): w.float() for name, w in weights.items() if not name.endswith(_COUNTER)}


def _known() -> dict[str, Build]:
    """Name -> the network, by its number of channels."""
    from monai.networks import nets  # noqa: PLC0415  takes a second to import

    known: dict[str, Build] = {"EfficientNet-Lite0": lambda _: lite_network()}
    for name in ("DenseNet121", "DenseNet169", "DenseNet201", "DenseNet264", "SEResNet50", "SEResNet101"):
        known[name] = partial(_with_names, getattr(nets, name), "in_channels")
    for depth in (10, 18, 34, 50, 101, 152):
        known[f"ResNet{depth}"] = partial(_with_names, getattr(nets, f"resnet{depth}"), "n_input_channels")
    for number in range(5):
        made = partial(nets.EfficientNetBN, f"efficientnet-b{number}", pretrained=False)
        known[f"EfficientNet-b{number}"] = partial(_with_names, made, "in_channels")
    return known


def _with_names(make: Callable[..., nn.Module], name: str, channels: int) -> nn.Module:
    classes = "out_channels" if "DenseNet" in getattr(make, "__name__", "") else "num_classes"
    return make(**{"spatial_dims": 2, name: channels, classes: 1})


def _matches(weights: dict[str, Tensor]) -> Iterator[tuple[str, int]]:
    """Names of networks, and their channels, that have weights of these names and shapes."""
    theirs = {name for name in weights if not _HEAD.match(name)}
    for name in _known():
        for channels in (3, 1):
            shapes = _shapes(name, channels)
            names = _theirs(shapes, weights)
            if set(names.values()) != theirs:
                break
            if all(weights[them].shape == shapes[ours] for ours, them in names.items()):
                yield name, channels


@cache
def _shapes(name: str, channels: int) -> dict[str, torch.Size]:
    """Of the weights of a network in `_known`. To build all of them takes seconds, also without their numbers."""
    with torch.device("meta"):
        network = _known()[name](channels)
    return {ours: tensor.shape for ours, tensor in network.state_dict().items()}


def _theirs(names: Iterable[str], weights: dict[str, Tensor]) -> dict[str, str]:
    """Our names -> those in the file, of all weights but the last layer's."""
    published = published_names(names)
    ours = [k for k in published if not _HEAD.match(k) and not k.endswith(_COUNTER)]
    return {k: k if k in weights else published[k] for k in ours}


def fixed_spaces(weights: Path | None = None) -> list[FeatureSpace]:
    """The feature spaces that learn nothing from the lesions: `pretrained`, where there are weights, and texture.

    weights: a user's own network, in place of the package's. Raises UsageError for weights that are not known.
    """
    spaces = [FeatureSpace("texture", texture_features)]
    if weights is not None:
        spaces.insert(0, FeatureSpace("pretrained", own_features(weights)))
    elif has_pretrained():
        spaces.insert(0, FeatureSpace("pretrained", pretrained_features))
    return spaces
