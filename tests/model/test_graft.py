import pytest
import torch

from augmentor.model import graft as grafting
from augmentor.model.graft import Bank, GraftRange, draw_graft, graft_latents, warp
from augmentor.model.partners import find_partners
from tests.torch_modes import odd_torch

SIDES = {2: 32, 3: 24}
BANKS = {
    dims: torch.rand(6, 1, *[side] * dims, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for dims, side in SIDES.items()
}
STILL = GraftRange(0, 0, 0, 0, 0)
either = pytest.mark.parametrize("dims", [2, 3])


def draw(latents: torch.Tensor, reach: GraftRange, first: int = 0, count: int = 6, bank: Bank | None = None):
    n = len(latents)
    images = BANKS[next(d for d in SIDES if graft_latents(d) == latents.shape[1])]
    bank = bank or Bank(images, find_partners(images, torch.tensor([first, count, len(images) - first - count])))
    return draw_graft(latents, bank, torch.full((n,), first), torch.full((n,), count), reach)


def latents(count: int, dims: int) -> torch.Tensor:
    return torch.randn(count, graft_latents(dims), generator=torch.Generator().manual_seed(1))


def warp_latents(dims: int) -> int:
    return (graft_latents(dims) - 3 - 4**dims) // 2


def nearest(side: torch.Tensor, known: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For each lesion the largest difference from the most similar of `known`, and which that is."""
    return (side[:, None] - known[None]).abs().flatten(2).amax(2).min(1)


@either
def test_only_lesions_of_the_class_are_used(dims):
    graft = draw(latents(60, dims), STILL, first=2, count=3)
    bank = BANKS[dims]
    known = torch.cat([bank, bank.flip(-1)])
    for side in (graft.lesion, graft.surround):
        distance, row = nearest(side, known)
        assert distance.max() < (0.1 if dims == 2 else 0.7)  # white noise is the hardest there is to sample
        assert set((row % 6).tolist()) == {2, 3, 4}


@either
def test_the_surround_is_never_the_lesion_itself_and_every_pair_occurs(dims):
    graft = draw(latents(200, dims), STILL, first=1, count=3)
    own = torch.cat([BANKS[dims][1:4], BANKS[dims][1:4].flip(-1)])
    rows = [nearest(side, own)[1] % 3 for side in (graft.lesion, graft.surround)]
    assert (rows[0] != rows[1]).all()
    assert len(set(zip(*(r.tolist() for r in rows), strict=True))) == 6


@either
def test_a_class_of_one_lesion_is_grafted_with_itself(dims):
    graft = draw(latents(5, dims), GraftRange(), first=4, count=1)
    assert torch.isfinite(graft.image).all()


@either
def test_the_centre_is_the_lesion_and_the_border_is_the_surround(dims):
    graft = draw(latents(200, dims), GraftRange())
    edge, middle = graft.edge.mean(0)[0], SIDES[dims] // 2
    assert edge[(middle,) * dims] < 0.1
    assert edge[(0,) * dims] > 0.9


def two_of(one: torch.Tensor, other: torch.Tensor, dims: int) -> Bank:
    return Bank(torch.stack([x.expand(1, *[SIDES[dims]] * dims) for x in (one, other)]), torch.tensor([[1], [0]]))


@either
def test_no_step_is_left_between_two_brightnesses(dims):
    graft = draw(latents(40, dims), STILL, 0, 2, two_of(torch.tensor(-0.5), torch.tensor(0.5), dims))
    narrow = graft.lesion * (1 - graft.seam) + graft.surround * graft.seam
    assert graft.image.amax() - graft.image.amin() > 0.8
    assert graft.image.diff(dim=-1).square().mean() < 0.5 * narrow.diff(dim=-1).square().mean()


@either
def test_grain_is_not_averaged_away_where_two_lesions_meet(dims):
    """Blended over a wide edge, the grain of two lesions loses up to half of its energy there."""
    noise = torch.randn(2, *[SIDES[dims]] * dims, generator=torch.Generator().manual_seed(3)) / 4
    bank = two_of(noise[0], noise[1], dims)
    graft = draw(latents(40, dims), STILL, 0, 2, bank)
    between = (graft.edge > 0.2) & (graft.edge < 0.8)
    wide = graft.lesion * (1 - graft.edge) + graft.surround * graft.edge
    assert graft.image[between].var() > 1.15 * wide[between].var()
    assert graft.image[between].var() > 0.8 * graft.lesion[between].var()


@either
def test_a_range_without_mirroring_mirrors_nothing(dims):
    upright = GraftRange(0, 0, 0, 0, 0, mirror=0)
    graft = draw(latents(60, dims), upright)
    bank, mirrored = BANKS[dims], BANKS[dims].flip(-1)
    assert (nearest(graft.lesion, bank)[0] < nearest(graft.lesion, mirrored)[0]).all()


@either
def test_a_lesion_and_its_surround_are_mirrored_and_turned_alike(dims):
    """The surround is the lesion again: only bending and the like, which is left out here, could set them apart."""
    bank = Bank(BANKS[dims], torch.arange(6)[:, None])
    graft = draw(latents(60, dims), GraftRange(90, 0, 0, 0, 0), bank=bank)
    assert torch.allclose(graft.lesion, graft.surround, atol=1e-6)
    assert (graft.lesion - BANKS[dims][0]).abs().mean() > 0.1


@either
def test_a_warp_keeps_range_and_changes_the_picture(dims):
    moved = warp(BANKS[dims], torch.randn(6, warp_latents(dims)), GraftRange())
    assert moved.shape == BANKS[dims].shape
    assert moved.abs().max() <= 1
    assert (moved - BANKS[dims]).abs().mean() > 0.05


@pytest.mark.parametrize(("dims", "kept"), [(2, 0.85), (3, 0.68)])
def test_sampling_between_pixels_does_not_blur(dims, kept):
    """Half a pixel aside, white noise keeps most of its energy (bilinear sampling leaves a quarter, bicubic a half;
    trilinear sampling an eighth)."""
    still = torch.zeros(6, warp_latents(dims))
    still[:, 3 if dims == 2 else 6] = 3.0  # not mirrored
    still[:, slice(4, 6) if dims == 2 else slice(7, 10)] = 3.0  # the whole shift to one side
    aside = warp(BANKS[dims], still, GraftRange(0, 0, 0, shift=1 / SIDES[dims], elastic=0))
    assert (aside.var() / BANKS[dims].var()).item() > kept


def test_over_all_places_a_warped_volume_keeps_the_energy_of_the_finest_grain():
    moved = warp(BANKS[3], torch.randn(6, warp_latents(3), generator=torch.Generator().manual_seed(2)), GraftRange())
    inner = (slice(None), slice(None), *[slice(4, -4)] * 3)  # the borders are mirrored in
    assert 0.8 < (moved[inner].var() / BANKS[3][inner].var()).item() < 1.1


def ball(side: int, radius: float, dims: int) -> torch.Tensor:
    """The distance channel of a ball in the middle, as `augmentor.data.masks` makes it."""
    line = (torch.arange(side) - (side - 1) / 2) ** 2
    squared = line
    for _ in range(dims - 1):
        squared = squared[..., None] + line
    return ((radius - squared.sqrt()) / (side / 8)).clamp(-1, 1)


@either
def test_the_mask_of_a_graft_is_that_of_its_lesion_and_nothing_of_the_others_lesion_is_left(dims):
    """A small bright lesion set into the surround of a large one: no ring of the large one is left, and the mask, which
    is blended as the image is, says of every place whether it shows lesion."""
    side = SIDES[dims]
    masks = torch.stack([ball(side, r, dims)[None] for r in (0.15 * side, 0.42 * side)])
    bank = Bank(torch.cat([(masks * 2).clamp(-1, 1), masks], 1), torch.tensor([[1], [0]]), masks=1)
    graft = draw(latents(60, dims), GraftRange(), 0, 2, bank)
    image, mask = graft.image[:, 0], graft.image[:, 1] > 0
    own = graft.lesion[:, 1] > 0
    overlap = 2 * (mask & own).flatten(1).sum(1) / (mask.flatten(1).sum(1) + own.flatten(1).sum(1))
    assert overlap.min() > 0.97
    shown = image > 0
    assert ((shown & mask).flatten(1).sum(1) / shown.flatten(1).sum(1)).min() > 0.95


@pytest.mark.parametrize(("dims", "size"), [(2, 16), (2, 33), (3, 9)])
def test_places_are_those_of_torchs_affine_grid_in_training_too(dims, size):
    affine = torch.randn(5, dims, dims + 1, generator=torch.Generator().manual_seed(2))
    theirs = torch.nn.functional.affine_grid(affine, [5, 1, *[size] * dims], align_corners=False)
    for mixed in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            places = grafting._places(affine, size)
        assert places.dtype == torch.float32
        assert torch.allclose(places.movedim(1, -1), theirs, atol=1e-5)


def test_smoothing_that_was_first_asked_for_in_another_mode_of_torch_serves_a_training_as_well():
    grafting._smoothing.cache_clear()
    with odd_torch():
        grafting._coarse(torch.ones(1, 1, 9, 9, dtype=torch.float32), 0)
    images = torch.ones(1, 1, 9, 9, requires_grad=True)
    grafting._coarse(images, 0).sum().backward()
    assert images.grad.sum() == pytest.approx(81, abs=1e-3)
