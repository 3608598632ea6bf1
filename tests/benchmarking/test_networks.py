"""The networks that are compared: every arm gets the same."""

import pytest
import torch

from augmentor.benchmarking.networks import NETWORKS

NAMES = sorted(NETWORKS)


def weights_of(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_a_network_gives_a_logit_a_class_at_the_smallest_side(name, dims):
    network = NETWORKS[name].build(2, 16, 4, dims).eval()
    with torch.no_grad():
        logits = network(torch.randn(3, 2, *[16] * dims))
    assert logits.shape == (3, 4)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_one_step_moves_every_weight_and_lowers_the_loss_on_its_batch(name):
    torch.manual_seed(0)
    how = NETWORKS[name]
    network = how.build(1, 16, 2, 2)
    images, labels = torch.randn(how.batch, 1, 16, 16), torch.arange(how.batch) % 2
    images[labels == 1] += 1
    optimiser = how.optimiser(network)
    losses = []
    for _ in range(8):
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(("name", "millions"), [("cnn", 0.2), ("densenet", 0.2), ("densenet121", 7)])
def test_a_network_is_as_large_as_its_page_says(name, millions):
    assert weights_of(NETWORKS[name].build(1, 64, 3, 2)) / 1e6 == pytest.approx(millions, rel=0.3)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"paper-cnn"}))
def test_a_network_without_dense_layers_on_the_map_is_the_same_at_every_side(name):
    small, large = (NETWORKS[name].build(1, size, 3, 2) for size in (32, 64))
    assert weights_of(small) == weights_of(large)


@pytest.mark.parametrize("name", NAMES)
def test_the_lesions_of_a_batch_move_each_other_in_the_densenets_alone(name):
    """Batch norm would let synthetic lesions move what a network makes of the real ones beside them."""
    torch.manual_seed(0)
    network = NETWORKS[name].build(1, 16, 2, 2).train()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout | torch.nn.Dropout2d):
            module.eval()
    lesions, others = torch.randn(4, 1, 16, 16), torch.randn(4, 1, 16, 16) + 2
    with torch.no_grad():
        alone, mixed = (network(torch.cat([lesions, beside]))[:4] for beside in (lesions, others))
    assert torch.allclose(alone, mixed, atol=1e-5) == (not name.startswith("densenet"))


def test_labels_are_smoothed_for_the_small_cnn_alone_and_no_arm_decides_about_it():
    assert {name for name in NAMES if NETWORKS[name].smoothing} == {"cnn"}
    assert {NETWORKS[name].batch for name in ("paper-cnn", "cnn", "densenet")} == {64}
