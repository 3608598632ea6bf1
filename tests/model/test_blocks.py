import torch

from augmentor.model.blocks import ProjectionDiscriminator, StyledBlock, soften


def test_a_chequered_pattern_is_softened_away_and_a_flat_one_kept():
    checkers = ((torch.arange(16)[:, None] + torch.arange(16)[None]) % 2 * 2.0 - 1).expand(2, 3, 16, 16)
    assert soften(checkers)[..., 1:-1, 1:-1].abs().max() < 1e-6
    assert torch.allclose(soften(torch.full((1, 2, 8, 8), 0.7)), torch.tensor(0.7))


def test_a_styled_block_starts_without_a_style():
    block = StyledBlock(3, 8, style=4)
    images = torch.randn(2, 3, 8, 8)
    assert torch.equal(block(images, torch.zeros(2, 4)), block(images, torch.ones(2, 4)))


def test_the_discriminators_answer_depends_on_the_class_it_is_told():
    network = ProjectionDiscriminator(16, 1, 2, 8)
    images = torch.randn(4, 1, 16, 16)
    assert not torch.equal(
        network(images, torch.zeros(4, dtype=torch.long)), network(images, torch.ones(4, dtype=torch.long))
    )
