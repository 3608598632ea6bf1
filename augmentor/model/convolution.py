"""3x3 convolutions of images with the leaky ReLU after them, for training on CPUs."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

SLOPE = 0.2  # of every leaky ReLU
_MOST_PLACES, _LEAST_INPUTS = 64, 64  # of the result, each image; channels


class Convolution(nn.Conv2d):
    """`nn.Conv2d` with a kernel of 3, a border of 1 and stride 1 or 2: the same results and gradients.

    Where many channels meet few places, oneDNN's gradient by the weights runs at a tenth of the speed of the forward
    pass on CPUs with bfloat16 tiles: there it is a product of matrices, which takes as long as oneDNN's on other CPUs.
    """

    bias: nn.Parameter
    plain = False  # as torch computes it, to compare with

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__(inputs, outputs, 3, stride, 1)

    def forward(self, images: Tensor, leaky: bool = False) -> Tensor:
        """(B, inputs, S, S) -> (B, outputs, S / stride, S / stride), or its leaky ReLU, which needs no pass over memory
        of its own where it is part of oneDNN's convolution."""
        if self.plain or images.device.type != "cpu" or not torch.is_grad_enabled():
            found = super().forward(images)
            return F.leaky_relu(found, SLOPE) if leaky else found
        inputs: tuple[Tensor, ...] = (images, self.weight, self.bias)
        if torch.is_autocast_enabled("cpu"):
            inputs = tuple(x.to(torch.get_autocast_dtype("cpu")) for x in inputs)
        return _OnCpu.apply(*inputs, self.stride[0], leaky)


def leaky(layer: nn.Module, images: Tensor) -> Tensor:
    """The leaky ReLU of what the layer makes of images or volumes."""
    if isinstance(layer, Convolution):
        return layer(images, leaky=True)
    return F.leaky_relu(layer(images), SLOPE)


class _OnCpu(Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, stride: int, leaky: bool) -> Tensor:
        if not leaky:
            found = F.conv2d(images, weight, bias, stride, 1)
        elif _is_fused(images.dtype):
            found = torch.ops.mkldnn._convolution_pointwise(
                images, weight, bias, [1, 1], [stride] * 2, [1, 1], 1, "leaky_relu", [SLOPE], ""
            )
        else:
            found = F.leaky_relu_(F.conv2d(images, weight, bias, stride, 1), SLOPE)
        ctx.save_for_backward(images, weight, found if leaky else None)
        ctx.stride = stride
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (images, weight, found), stride = gradients, ctx.saved_tensors, ctx.stride
        if found is not None:  # of the same sign as before the leaky ReLU
            gradient = torch.ops.aten.leaky_relu_backward(gradient, found, SLOPE, True)
        wanted = list(ctx.needs_input_grad[:3])
        if not torch.is_grad_enabled():  # no gradient of these gradients is asked for
            return *_gradients(gradient, images, weight, stride, wanted), None, None
        by_images = _ByImages.apply(gradient, images, weight, stride) if wanted[0] else None
        return by_images, *_gradients(gradient, images, weight, stride, [False, *wanted[1:]])[1:], None, None


def _is_fused(dtype: torch.dtype) -> bool:
    """Whether oneDNN has a convolution with a leaky ReLU in it for this processor."""
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


class _ByImages(Function):
    """A convolution's gradient by its images. Torch's own gradient of it by the weights, which a gradient penalty
    needs, is a convolution with kernels as large as the images, and takes ten times as long."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, images: Tensor, weight: Tensor, stride: int) -> Tensor | None:
        ctx.save_for_backward(gradient, weight)
        ctx.stride = stride
        return _gradients(gradient, images, weight, stride, [True, False, False])[0]

    @staticmethod
    def backward(ctx: Any, *further: Tensor) -> tuple[Tensor | None, ...]:
        (images,), (gradient, weight), stride = further, ctx.saved_tensors, ctx.stride
        by_weight = _gradients(gradient, images, weight, stride, [False, True, False])[1]
        return F.conv2d(images, weight, None, stride, 1), None, by_weight, None


def _gradients(
    gradient: Tensor, images: Tensor, weight: Tensor, stride: int, wanted: list[bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """By images, weights and bias, from that by the result, (B, outputs, S / stride, S / stride)."""
    few_places = wanted[1] and gradient.shape[2:].numel() <= _MOST_PLACES and weight.shape[1] >= _LEAST_INPUTS
    by_images, by_weight, by_bias = torch.ops.aten.convolution_backward(
        *(gradient, images, weight, [len(weight)]),
        *([stride] * 2, [1, 1], [1, 1], False, [0, 0], 1),
        [wanted[0], wanted[1] and not few_places, wanted[2] and not few_places],
    )
    if few_places:
        rows = gradient.permute(0, 2, 3, 1).flatten(0, 2)
        by_weight = (rows.t() @ _windows(images, stride)).view(len(weight), 3, 3, -1).permute(0, 3, 1, 2)
        by_bias = rows.sum(0) if wanted[2] else None
    return by_images, by_weight, by_bias


def _windows(images: Tensor, stride: int) -> Tensor:
    """(B, C, S, S) -> (B places, 9 C): what each place of the result is computed from, channels last."""
    padded = F.pad(images.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    windows = padded.unfold(1, 3, stride).unfold(2, 3, stride)  # (B, S / stride, S / stride, C, 3, 3)
    return windows.permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(0, 2)
