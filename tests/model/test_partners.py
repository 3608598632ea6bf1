"""Whose lesion stands around whose."""

import numpy as np
import pytest
import torch

from augmentor.model.partners import find_partners


def lesions(count: int, dims: int = 2, seed: int = 0) -> torch.Tensor:
    """Discs of all sizes, from 2 to 12 pixels, in the order of chance."""
    radius = torch.rand(count, generator=torch.Generator().manual_seed(seed)) * 10 + 2
    line = (torch.arange(24) - 11.5) ** 2
    squared = line if dims == 1 else line[:, None] + line
    squared = squared if dims == 2 else squared[..., None] + line
    return torch.where(squared.sqrt() < radius.view(-1, 1, *[1] * dims), 0.5, -0.5)


def sizes(images: torch.Tensor) -> torch.Tensor:
    return (images > 0).flatten(1).float().mean(1)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("by_size", [False, True])
@pytest.mark.parametrize("counts", [[1, 2, 9], [40], [17, 16]])
def test_partners_are_other_lesions_of_the_class(dims, by_size, counts):
    partners = find_partners(lesions(sum(counts), dims), torch.tensor(counts), by_size=by_size)
    start = 0
    for count in counts:
        of_class = partners[start : start + count]
        assert set(of_class.flatten().tolist()) == set(range(start, start + count))
        assert (of_class == torch.arange(start, start + count)[:, None]).any() == (count == 1)
        start += count


@pytest.mark.parametrize("count", [2, 12, 40, 520])  # the last is more than are assigned to each other
def test_every_lesion_is_a_surround_as_often_as_any_other(count):
    partners = find_partners(lesions(count), torch.tensor([count]))
    assert (torch.bincount(partners.flatten(), minlength=count) == partners.shape[1]).all()


def test_partners_differ_as_long_as_there_are_others():
    for count in (5, 17, 60):
        partners = find_partners(lesions(count), torch.tensor([count]))
        assert all(len(set(row)) == min(count - 1, partners.shape[1]) for row in partners.tolist())


def test_partners_look_alike():
    images = lesions(60)
    area, partners = sizes(images), find_partners(images, torch.tensor([60]))
    apart = (area[:, None] - area[partners]).abs()
    anyone = (area[:, None] - area).abs()
    assert apart.mean() < 0.5 * anyone.mean()
    assert apart[:, :4].mean() < apart[:, -4:].mean()


def test_a_lesion_of_the_same_patient_is_a_partner_only_where_the_class_has_no_others():
    images, patients = lesions(40), np.arange(40) // 4
    partners = find_partners(images, torch.tensor([40]), patients)
    assert (patients[partners] != patients[:, None]).all()
    alone = find_partners(images[:4], torch.tensor([4]), patients[:4])
    assert (alone != torch.arange(4)[:, None]).all()


@pytest.mark.parametrize("count", [5, 9, 40])
def test_by_size_partners_are_of_about_the_same_size_and_on_both_sides(count):
    partners = find_partners(lesions(count), torch.tensor([count]), by_size=True)
    away = partners - torch.arange(count)[:, None]
    assert away.abs().max() <= max(4, count // 4)
    assert (away[1:-1] > 0).any(1).all()
    assert (away[1:-1] < 0).any(1).all()


def test_a_large_class_by_size_has_partners_too():
    partners = find_partners(lesions(520), torch.tensor([520]), by_size=True)
    away = partners - torch.arange(520)[:, None]
    assert (away != 0).all()
    assert away.abs().max() <= 130
