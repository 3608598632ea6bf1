import torch

from augmentor.model.graft import LATENTS, GraftRange, draw_graft, warp

SIZE = 32
BANK = torch.rand(6, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1


def draw(latents: torch.Tensor, reach: GraftRange, first: int = 0, count: int = 6):
    n = len(latents)
    return draw_graft(latents, BANK, torch.full((n,), first), torch.full((n,), count), reach)


def test_without_reach_a_graft_is_a_training_lesion_or_its_mirror_image():
    still = GraftRange(0, 0, 0, 0, 0, grafted_share=0)
    images = draw(torch.randn(40, LATENTS), still).image
    known = torch.cat([BANK, BANK.flip(3)])
    nearest = (images[:, None] - known[None]).abs().amax((2, 3, 4)).amin(1)
    assert nearest.max() < 1e-4


def test_only_lesions_of_the_class_are_used():
    still = GraftRange(0, 0, 0, 0, 0, grafted_share=1)
    graft = draw(torch.randn(60, LATENTS), still, first=2, count=3)
    own = torch.cat([BANK[2:5], BANK[2:5].flip(3)])
    for side in (graft.lesion, graft.surround):
        assert (side[:, None] - own[None]).abs().amax((2, 3, 4)).amin(1).max() < 1e-4


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
    graft = draw(torch.randn(200, LATENTS), GraftRange(grafted_share=1))
    edge = graft.edge.mean(0)[0]
    assert edge[SIZE // 2, SIZE // 2] < 0.1
    assert edge[0, 0] > 0.9


def test_the_share_of_grafts_is_the_asked_one():
    graft = draw(torch.randn(2000, LATENTS), GraftRange(grafted_share=0.3))
    share = (graft.edge.amax((1, 2, 3)) > 0).float().mean()
    assert abs(share - 0.3) < 0.04


def test_a_warp_keeps_range_and_changes_the_picture():
    latents = torch.randn(6, (LATENTS - 20) // 2)
    moved = warp(BANK, latents, GraftRange())
    assert moved.shape == BANK.shape
    assert moved.abs().max() <= 1
    assert (moved - BANK).abs().mean() > 0.05
