import torch

from augmentor.model.graft import LATENTS, GraftRange, draw_graft, warp

SIZE = 32
BANK = torch.rand(6, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1


def draw(latents: torch.Tensor, reach: GraftRange, first: int = 0, count: int = 6):
    n = len(latents)
    return draw_graft(latents, BANK, torch.full((n,), first), torch.full((n,), count), reach)


def test_only_lesions_of_the_class_are_used():
    still = GraftRange(0, 0, 0, 0, 0)
    graft = draw(torch.randn(60, LATENTS), still, first=2, count=3)
    known = torch.cat([BANK, BANK.flip(3)])
    for side in (graft.lesion, graft.surround):
        distance, nearest = (side[:, None] - known[None]).abs().amax((2, 3, 4)).min(1)
        assert distance.max() < 0.1  # white noise is the hardest there is to sample between pixels
        assert set((nearest % 6).tolist()) == {2, 3, 4}


def test_the_surround_is_never_the_lesion_itself_and_every_pair_occurs():
    graft = draw(torch.randn(400, LATENTS), GraftRange(0, 0, 0, 0, 0), first=1, count=3)
    own = torch.cat([BANK[1:4], BANK[1:4].flip(3)])
    rows = [(side[:, None] - own[None]).abs().amax((2, 3, 4)).argmin(1) % 3 for side in (graft.lesion, graft.surround)]
    assert (rows[0] != rows[1]).all()
    assert len(set(zip(*(r.tolist() for r in rows), strict=True))) == 6


def test_a_class_of_one_lesion_is_grafted_with_itself():
    graft = draw(torch.randn(5, LATENTS), GraftRange(), first=4, count=1)
    assert torch.isfinite(graft.image).all()


def test_the_centre_is_the_lesion_and_the_border_is_the_surround():
    graft = draw(torch.randn(200, LATENTS), GraftRange())
    edge = graft.edge.mean(0)[0]
    assert edge[SIZE // 2, SIZE // 2] < 0.1
    assert edge[0, 0] > 0.9


def test_a_warp_keeps_range_and_changes_the_picture():
    latents = torch.randn(6, (LATENTS - 19) // 2)
    moved = warp(BANK, latents, GraftRange())
    assert moved.shape == BANK.shape
    assert moved.abs().max() <= 1
    assert (moved - BANK).abs().mean() > 0.05


def test_sampling_between_pixels_does_not_blur():
    """Half a pixel aside, white noise keeps most of its energy (bilinear sampling leaves a quarter, bicubic a half)."""
    still = torch.zeros(6, (LATENTS - 19) // 2)
    still[:, 3:5] = torch.tensor([3.0, 3.0])  # not mirrored; the whole shift to one side
    aside = warp(BANK, still, GraftRange(0, 0, 0, shift=1 / SIZE, elastic=0))
    assert (aside.var() / BANK.var()).item() > 0.85
