import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from augmentor.data.intensity import Intensity
from augmentor.errors import UsageError
from augmentor.model.checkpoint import Card, load_checkpoint, save_checkpoint, save_tensors
from augmentor.model.gan import build_generator
from augmentor.model.lesions import TrainingLesions
from augmentor.recipe import ModelSection
from augmentor.sampling import draw, sample


def saved(tmp_path, name="cgan"):
    section = ModelSection(name=name, size=16, generator_channels=8)
    images, labels = torch.rand(5, 1, 16, 16) * 2 - 1, torch.tensor([1, 0, 1, 1, 0])
    generator = build_generator(section, TrainingLesions(images, labels, 2)).eval()
    card = Card(section, ("a", "b"), 1, (2, 3), Intensity(-100, 200, "int16"), (0.8, 0.8), 7, "abc")
    save_checkpoint(tmp_path / "c.safetensors", generator, card)
    return generator, card


@pytest.mark.parametrize("name", ["cgan", "dcgan"])
def test_a_checkpoint_makes_the_lesions_that_its_network_made(tmp_path, name):
    generator, card = saved(tmp_path, name)
    loaded, read = load_checkpoint(tmp_path / "c.safetensors")
    assert read == card
    before, after = ([lesion for lesion, _ in sample(g, [0, 1], [3, 4])] for g in (generator, loaded))
    # The training lesions are stored in half precision.
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("name", ["cgan", "dcgan"])
def test_a_checkpoint_of_volumes_with_masks_makes_them_again(tmp_path, name):
    section = ModelSection(
        name=name,
        size=16,
        spatial_dims=3,
        with_mask=True,
        condition_on="size" if name == "cgan" else None,
        generator_channels=8,
    )
    images, labels = torch.rand(5, 2, 16, 16, 16) * 2 - 1, torch.tensor([1, 0, 1, 1, 0])
    sides = torch.tensor([20.0, 30, 40, 50, 60])
    generator = build_generator(
        section, TrainingLesions(images, labels, 2, sides if section.condition_on else None)
    ).eval()
    card = Card(section, ("a", "b"), 1, (2, 3), Intensity(-100, 200, "int16"), (2.0, 0.8, 0.8), 7, "abc")
    save_checkpoint(tmp_path / "c.safetensors", generator, card)
    loaded, read = load_checkpoint(tmp_path / "c.safetensors")
    assert read == card
    before, after = (list(draw(g, card, [0, 1], [3, 4])) for g in (generator, loaded))
    for one, other in zip(before, after, strict=True):
        assert np.allclose(one.image, other.image, atol=1e-6)
        assert (one.mask == other.mask).all()
        assert set(np.unique(one.mask)) <= {0, 1}
        assert one.image.shape == one.mask.shape == (1, 16, 16, 16)
        assert one.roi_side_mm == other.roi_side_mm
        assert (one.roi_side_mm in sides.tolist()) == (name == "cgan")


def test_a_checkpoint_is_read_without_a_draw_of_the_callers_random_numbers(tmp_path):
    saved(tmp_path)
    before = torch.get_rng_state()
    load_checkpoint(tmp_path / "c.safetensors")
    assert torch.equal(torch.get_rng_state(), before)


def test_whoever_may_read_the_card_may_read_the_weights(tmp_path):
    saved(tmp_path)
    modes = {file.stat().st_mode for file in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_card_of_an_earlier_version_is_one_of_images_without_masks(tmp_path):
    generator, card = saved(tmp_path)
    file = tmp_path / "c.json"
    content = json.loads(file.read_text())
    for name in ("spatial_dims", "with_mask", "condition_on"):
        del content["model"][name]
    file.write_text(json.dumps(content))
    loaded, read = load_checkpoint(tmp_path / "c.safetensors")
    assert read == card
    assert torch.equal(next(sample(loaded, [0], [3]))[0], next(sample(generator, [0], [3]))[0])


def test_a_lesion_of_a_size_has_the_training_lesions_proportions_of_spacing(tmp_path):
    _, card = saved(tmp_path)
    size, oblong = card.model.size, replace(card, spacing_mm=(3.0, 0.75))
    assert oblong.spacing_of(6.0 * size) == pytest.approx((6.0, 1.5), rel=0.05)
    assert oblong.spacing_of(None) == pytest.approx((3.0, 0.75), rel=0.05)
    none = replace(card, spacing_mm=None)
    assert none.spacing_of(6.0 * size) == pytest.approx((6.0,) * card.model.spatial_dims, rel=0.025)
    assert none.spacing_of(None) is None


def test_no_spacing_names_the_one_training_lesion_that_it_comes_from(tmp_path):
    """Sides within 5 % of each other become at most two, none of them a lesion's own, and each is off by 2.5 % at
    most."""
    _, card = saved(tmp_path)
    sides = np.random.default_rng(0).uniform(20, 21, 200)
    by_side = {card.spacing_of(side) for side in sides}
    by_median = {replace(card, spacing_mm=(side / 16,) * 2).spacing_of(None) for side in sides}
    oblong = {replace(card, spacing_mm=(side / 16, 1.0)).spacing_of(None) for side in sides}
    assert len({round(row, 9) for row, _ in by_side}) <= 2
    assert {round(16 * row, 6) for row, _ in by_side}.isdisjoint(sides.round(6))
    for found in (by_side, by_median):
        assert all(row == column for row, column in found)
        assert {round(row, 9) for row, _ in found} == {round(row, 9) for row, _ in by_side}
    assert len({round(row / column, 9) for row, column in oblong}) <= 2
    for side in sides:
        assert 16 * card.spacing_of(side)[0] == pytest.approx(side, rel=0.025)


def test_pixels_that_are_square_but_for_rounding_stay_square(tmp_path):
    _, card = saved(tmp_path)
    for side in 1.05 ** np.arange(40.5, 80.5):  # half way between two steps
        row, column = replace(card, spacing_mm=(side * (1 + 1e-7), side)).spacing_of(None)
        assert row == pytest.approx(column, rel=1e-9)


def test_a_damaged_checkpoint_is_named(tmp_path):
    saved(tmp_path)
    file = tmp_path / "c.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UsageError, match=r"c\.safetensors"):
        load_checkpoint(file)


@pytest.mark.parametrize("change", [{"extra": 1}, {"model": {"unheard": 1}}, {"intensity": {}}, {"step": None}])
def test_a_card_of_another_version_is_told(tmp_path, change):
    saved(tmp_path)
    file = tmp_path / "c.json"
    content = json.loads(file.read_text()) | change
    file.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))
    with pytest.raises(UsageError, match=r"c\.json: was made by another version .* Fit again"):
        load_checkpoint(tmp_path / "c.safetensors")


@pytest.mark.parametrize(
    "change",
    [
        {"bank_sizes": [2, 10**12]},
        {"bank_sizes": [-1, 3]},
        {"bank_sizes": [5]},
        {"bank_sizes": ["a", 3]},
        {"channels": 10**9},
        {"classes": ["a", "a"]},
        {"spacing_mm": ["a"]},
        {"intensity": {"low": "a", "high": 1, "dtype": "int16"}},
        {"intensity": {"low": float("nan"), "high": 1, "dtype": "int16"}},
        {"intensity": {"low": 0, "high": 1, "dtype": "object"}},
        {"intensity": {"low": 0, "high": 1, "dtype": "xx"}},
    ],
)
def test_a_card_that_no_fit_has_written_is_refused_whatever_it_asks_for(tmp_path, change):
    saved(tmp_path)
    file = tmp_path / "c.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(UsageError, match=r"c\.(json|safetensors): .*or is damaged. Fit again"):
        load_checkpoint(tmp_path / "c.safetensors")


@pytest.mark.parametrize("content", [b"", b"null", b'{"step"', b"\xff\xfe"])
def test_a_card_that_is_no_json_is_named(tmp_path, content):
    saved(tmp_path)
    (tmp_path / "c.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"c\.json: is damaged"):
        load_checkpoint(tmp_path / "c.safetensors")


def test_a_missing_card_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"none\.json"):
        load_checkpoint(tmp_path / "none.safetensors")


def test_weights_of_other_networks_are_told(tmp_path):
    generator, _ = saved(tmp_path)
    weights = dict(generator.state_dict())
    weights.pop("out.weight")
    save_tensors(tmp_path / "c.safetensors", weights)
    with pytest.raises(UsageError, match=r"c\.safetensors: was made by another version .* Fit again"):
        load_checkpoint(tmp_path / "c.safetensors")
