import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from augmentor.model.convolution import SLOPE, Convolution, leaky

SHAPES = [(3, 8, 1), (3, 9, 2), (64, 8, 1), (64, 15, 2), (64, 5, 2)]  # channels, side, stride; four of them: few places


def _pair(inputs: int, stride: int):
    torch.manual_seed(0)
    ours, torchs = Convolution(inputs, 6, stride), torch.nn.Conv2d(inputs, 6, 3, stride, 1)
    torchs.load_state_dict(ours.state_dict())
    return ours.to(memory_format=torch.channels_last), torchs.to(memory_format=torch.channels_last)


def _with_penalty(result, images, layer):
    """Result, its gradient, and the gradients of both, as a discriminator's step with a gradient penalty has them."""
    (slope,) = torch.autograd.grad(result.square().sum(), images, create_graph=True)
    by_all = torch.autograd.grad(result.sum() + slope.square().sum(), [images, *layer.parameters()])
    return [result, slope, *by_all]


@pytest.mark.parametrize("activated", [False, True])
@pytest.mark.parametrize(("inputs", "side", "stride"), SHAPES)
def test_results_gradients_and_their_gradients_are_torchs(inputs, side, stride, activated):
    ours, torchs = (layer.double() for layer in _pair(inputs, stride))
    images = torch.randn(2, inputs, side, side, dtype=torch.float64).requires_grad_()
    found = leaky(ours, images) if activated else ours(images)
    known = F.leaky_relu(torchs(images), SLOPE) if activated else torchs(images)
    for one, other in zip(_with_penalty(found, images, ours), _with_penalty(known, images, torchs), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("inputs", "side", "stride"), SHAPES)
def test_what_is_trained_in_the_networks_precision_is_torchs(inputs, side, stride, dtype):
    ours, torchs = _pair(inputs, stride)
    images = torch.randn(4, inputs, side, side).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
        found, known = leaky(ours, images), F.leaky_relu(torchs(images), SLOPE)
    assert found.dtype == known.dtype == dtype
    close = {"atol": 0.02, "rtol": 0.02} if dtype == torch.bfloat16 else {"atol": 1e-5, "rtol": 1e-4}
    torch.testing.assert_close(found, known, **close)
    found.float().mean().backward()
    known.float().mean().backward()
    for one, other in zip(ours.parameters(), torchs.parameters(), strict=True):
        assert one.grad.dtype == torch.float32
        torch.testing.assert_close(one.grad, other.grad, **close)


def test_frozen_weights_get_no_gradient_and_pass_one_on():
    ours, torchs = _pair(64, 2)
    ours.requires_grad_(False)
    images = torch.randn(2, 64, 8, 8).requires_grad_()
    (found,) = torch.autograd.grad(leaky(ours, images).square().sum(), images)
    (known,) = torch.autograd.grad(F.leaky_relu(torchs(images), SLOPE).square().sum(), images)
    assert ours.weight.grad is None
    torch.testing.assert_close(found, known)


def test_without_gradients_nothing_is_computed_otherwise_than_torch_does():
    ours, torchs = _pair(3, 1)
    images = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(leaky(ours, images), F.leaky_relu(torchs(images), SLOPE))


def test_a_volumes_layer_is_torchs():
    layer, volumes = torch.nn.Conv3d(2, 3, 3, 1, 1), torch.randn(1, 2, 4, 4, 4)
    assert torch.equal(leaky(layer, volumes), F.leaky_relu(layer(volumes), SLOPE))


def test_a_bias_is_trained_beside_frozen_weights():
    ours, torchs = _pair(64, 2)
    images = torch.randn(2, 64, 8, 8)
    for layer in (ours, torchs):
        layer.weight.requires_grad_(False)
        layer(images).square().sum().backward()
    torch.testing.assert_close(ours.bias.grad, torchs.bias.grad)


def test_no_images_have_no_gradient():
    ours, _ = _pair(64, 2)
    leaky(ours, torch.zeros(0, 64, 8, 8)).sum().backward()
    assert not ours.weight.grad.any()


def test_bfloat16_is_trained_on_processors_that_have_none():
    """Where oneDNN refuses it, torch computes it otherwise. In a process of its own: oneDNN looks at the limit once."""
    code = (
        "import torch; from augmentor.model.convolution import Convolution, leaky\n"
        "with torch.autocast('cpu', torch.bfloat16):\n"
        "    found = leaky(Convolution(3, 4), torch.rand(1, 3, 8, 8))\n"
        "found.float().sum().backward(); print(found.dtype)"
    )
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == "torch.bfloat16", ran.stderr
