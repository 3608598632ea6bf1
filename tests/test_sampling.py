import pytest
import torch

from augmentor.model.gan import build_generator
from augmentor.model.lesions import TrainingLesions
from augmentor.recipe import ModelSection
from augmentor.sampling import latents_of, sample, seed_of


def make_generator(name: str = "cgan", size: int = 28):
    section = ModelSection(name=name, size=size, generator_channels=8)
    torch.manual_seed(0)
    images, labels = torch.rand(10, 1, size, size) * 2 - 1, torch.arange(10) % 2
    network = build_generator(section, TrainingLesions(images, labels, 2))
    for weights in network.parameters():  # the last layer of an untrained cgan is zero
        torch.nn.init.normal_(weights, std=0.05)
    return network.eval()


@pytest.mark.parametrize("name", ["cgan", "dcgan"])
@pytest.mark.parametrize("together", [1, 2, 7, 40])
def test_the_same_seed_gives_the_same_lesion_at_any_batch_size(name, together):
    generator = make_generator(name)
    labels, seeds = [i % 2 for i in range(80)], list(range(100, 180))
    whole = [lesion for lesion, _ in sample(generator, labels, seeds)]
    parts = [
        lesion
        for start in range(0, 80, together)
        for lesion, _ in sample(generator, labels[start : start + together], seeds[start : start + together])
    ]
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


def test_the_side_of_a_lesion_is_that_of_its_own_latents_wherever_it_stands_in_a_batch():
    sides = torch.arange(10) + 20.5
    section = ModelSection(size=16, generator_channels=8, condition_on="size")
    lesions = TrainingLesions(torch.rand(10, 1, 16, 16) * 2 - 1, torch.arange(10) % 2, 2, sides)
    generator = build_generator(section, lesions).eval()
    labels, seeds = [i % 2 for i in range(40)], list(range(100, 140))
    told = [side for _, side in sample(generator, labels, seeds)]
    for side, label, seed in zip(told, labels, seeds, strict=True):
        latents = latents_of([seed], generator.latent_dim, generator.secret)
        assert side == generator.sides_mm(latents, torch.tensor([label])).item()
    assert set(told) == set(sides.tolist())
    assert {side for _, side in sample(make_generator(), [0, 1], [3, 4])} == {None}


def test_other_seeds_and_other_classes_give_other_lesions():
    generator = make_generator()
    a, b, c = (lesion for lesion, _ in sample(generator, [0, 0, 1], [1, 2, 1]))
    assert not torch.equal(a, b)
    assert not torch.equal(a, c)


def test_lesions_are_in_range_and_of_the_asked_size():
    for lesion, _ in sample(make_generator(size=64), [0, 1], [0, 1]):
        assert lesion.shape == (1, 64, 64)
        assert lesion.abs().max() <= 1


def test_no_two_lesions_share_a_seed():
    seeds = {seed_of(b, c, n) for b in (0, 1, 1000, 2000) for c in range(8) for n in (0, 1, 77, 2**31)}
    assert len(seeds) == 4 * 8 * 4
    assert max(seeds) < 2**63


def test_neither_class_nor_base_repeats_another_ones_latents():
    latents = latents_of([seed_of(b, c, n) for b in (0, 1, 2000) for c in (0, 1) for n in (0, 1)], 64)
    assert torch.corrcoef(latents).fill_diagonal_(0).abs().max() < 0.6


@pytest.mark.parametrize("count", [7, 50, 200])
def test_each_training_lesion_is_started_from_as_often_as_any_other(count):
    latents = latents_of([seed_of(3, 1, n) for n in range(4 * count)], 64)
    lesion, partner = (torch.special.ndtr(latents[:, i]) for i in (0, 1))
    times = torch.bincount((lesion * count).long(), minlength=count)
    assert 2 <= times.min() <= times.max() <= 6, "four each, where independent draws leave some out"
    assert len(set(zip((lesion * count).long().tolist(), (partner * 16).long().tolist(), strict=True))) > 3 * count


def test_latents_are_standard_normal():
    latents = latents_of(range(500), 64)
    assert latents.dtype == torch.float32
    assert latents.mean().abs() < 0.02
    assert latents.std().sub(1).abs() < 0.02


def test_a_seed_alone_tells_nothing_of_what_a_lesion_started_from():
    """Who holds the files knows the seeds, and this code, but not the training lesions."""
    one, other = make_generator(), make_generator()
    other.bank[0, 0, 0, 0] += 0.1  # a pixel of one of ten
    seeds = [seed_of(1000, 0, n) for n in range(400)]
    told = [latents_of(seeds, 64, secret) for secret in (0, one.secret, other.secret)]
    for latents, others in ((0, 1), (0, 2), (1, 2)):
        pairs = torch.stack([told[latents].flatten(), told[others].flatten()])
        assert torch.corrcoef(pairs)[0, 1].abs() < 0.02
        starts = [torch.special.ndtr(told[i][:, 0]) for i in (latents, others)]
        same = ((starts[0] * 50).long() == (starts[1] * 50).long()).float().mean()
        assert same < 0.06, "one in fifty by chance"


def test_numbers_do_not_tell_which_lesions_started_alike():
    """An additive recurrence comes near where it was after certain steps, whatever its start."""
    latents = latents_of([seed_of(1000, 0, n) for n in range(3200)], 64, secret=2**200 + 1)
    rows = (torch.special.ndtr(latents[:, 0]) * 50).long()
    again = [(rows[step:] == rows[:-step]).float().mean() for step in range(1, 200)]
    assert max(again) < 0.1, "0.88 where numbers are in order"


def test_the_secret_is_that_of_the_lesions_a_checkpoint_holds():
    one, other = make_generator(), make_generator()
    other.bank.mul_(0.5)
    secret = one.secret
    assert secret.bit_length() > 200
    assert secret == make_generator().secret != other.secret
    one.load_state_dict(other.state_dict())
    assert one.secret == other.secret
    assert make_generator("dcgan").secret == 0  # holds no training lesion


def test_the_order_of_starts_hangs_on_the_secret():
    """Or whoever knows the numbers could tell which steps lie between the starts of a block."""
    starts = [torch.special.ndtr(latents_of(range(16), 2, secret).double())[:, 0] for secret in (1, 2)]
    one, other = ((start.diff() % 1) for start in starts)
    assert (one - other).abs().max() > 0.1
