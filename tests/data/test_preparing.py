from dataclasses import replace

import numpy as np
import pytest

from augmentor.data.check import inspect
from augmentor.data.preparing import at_own_size, prepare, shrinking
from augmentor.data.readers import read_lesions
from augmentor.errors import DataError, UsageError
from augmentor.recipe import Recipe
from tests.data.small_sets import picture, sound, write


def test_a_fit_without_held_out_patients_is_not_warned_of_them(tmp_path):
    lesions = write(tmp_path, *sound("a"), *sound("b"))
    for share in (0, 0.2):
        ready = prepare(lesions, Recipe().with_options(training={"holdout": share}))
        assert any("Class 'a' has 2 patients" in line for line in ready.warnings) is bool(share)


@pytest.mark.parametrize(("side", "size", "advised"), [(16, 64, 16), (9, 16, None), (30, 64, 32), (30, 32, None)])
def test_enlarging_every_image_brings_a_warning_with_the_size_that_fits(tmp_path, side, size, advised):
    rows = [(label, f"{label}{p}", picture(ord(label) * 10 + p, side - p)) for label in "ab" for p in range(2)]
    ready = prepare(write(tmp_path, *rows), Recipe().with_options(model={"size": size}))
    told = [line for line in ready.warnings if "enlarged" in line]
    assert len(told) == (advised is not None)
    assert all(f"--size {advised} " in line for line in told)


@pytest.mark.parametrize(
    ("sides", "named", "size"),
    [
        ((28, 28), None, 28),
        ((26, 27), None, 28),
        ((9,), None, 16),
        ((28, 60), None, 64),
        ((28,), 32, 32),
        ((28,), 64, 64),
    ],
)
def test_networks_see_small_images_at_their_own_side_unless_a_size_is_named(tmp_path, sides, named, size):
    rows = [("a", f"a{n}", picture(n, side)) for n, side in enumerate(sides)]
    recipe = Recipe().with_options(model={"size": named})
    assert recipe.named_size == named
    assert at_own_size(recipe, inspect(write(tmp_path, *rows))).named_size == size


def test_lesions_are_prepared_as_the_recipe_asks(lesion_folder):
    lesions, told = read_lesions(lesion_folder, patient_pattern="<patient>_<anything>"), []
    ready = prepare(lesions, Recipe().with_options(data={"max_per_class": 3}), lambda done, _note: told.append(done))
    assert ready.lesions.counts() == {"a": 3, "b": 3, "c": 3}
    assert (ready.lesions.table["content"] != "").all()
    assert ready.recipe.named_size == 16
    assert not ready.warnings
    assert told == list(range(1, 25))
    named = prepare(lesions, Recipe().with_options(model={"size": 64}))
    assert named.lesions.paths == lesions.paths
    assert named.recipe.named_size == 64
    assert any("enlarged to 64" in line for line in named.warnings)
    with pytest.raises(DataError, match=r"holds images \(16x16\), and 3 spatial dimensions"):
        prepare(lesions, Recipe().with_options(model={"spatial_dims": 3, "size": 32}))


def of_sizes(folder, **sizes):
    """An inspection of images of these sizes, as in `_96x40=2`: two of them."""
    found = inspect(write(folder, *sound("a"), *sound("b")))
    return replace(found, sizes={name.removeprefix("_"): count for name, count in sizes.items()})


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ({"_96x96": 5}, "Images of 96x96 are shrunk to 64x64"),
        ({"_40x96": 5}, "Images of 40x96 are shrunk to 64x64"),
        ({"_95x95": 5}, None),
        ({"_64x64": 5}, None),
        ({"_128x128": 3, "_64x64": 2}, "Images of 128x128 and other sizes are shrunk to 64x64"),
        ({"_128x128": 2, "_64x64": 2}, None),
        ({"_128x128": 2, "_64x64": 3}, None),
        ({"_96x96x96": 5}, None),
    ],
)
def test_where_most_images_are_clearly_larger_than_the_usual_size_it_is_told(tmp_path, sizes, told):
    found = shrinking(of_sizes(tmp_path, **sizes), Recipe())
    assert len(found) == (told is not None)
    assert all(line.startswith(told) for line in found)


def test_the_size_that_keeps_their_detail_is_one_that_a_network_may_have(tmp_path):
    found = of_sizes(tmp_path)
    for side in range(96, 600, 7):
        (line,) = shrinking(replace(found, sizes={f"{side}x{side}": 9}), Recipe())
        size = int(line.partition("--size ")[2].partition(" ")[0])
        assert Recipe().with_options(model={"size": size}).model.size == size
        if size >= side:
            assert size < side + 4
            assert "keep their detail" in line
            continue
        assert "keep more of their detail" in line
        with pytest.raises(UsageError):
            Recipe().with_options(model={"size": size + 4})


def test_volumes_have_no_size_above_the_usual_one_to_be_advised(tmp_path):
    of_volumes = Recipe().with_options(model={"spatial_dims": 3})
    assert not shrinking(of_sizes(tmp_path, _128x128x128=9), of_volumes)
    with pytest.raises(UsageError):
        of_volumes.with_options(model={"size": of_volumes.model.size + 4})


@pytest.mark.parametrize("named", [{"model": {"size": 64}}, {"model": {"size": 32}}, {"extract": {"size": 128}}])
def test_who_named_a_size_is_told_of_no_other(tmp_path, named):
    assert not shrinking(of_sizes(tmp_path, _128x128=9), Recipe().with_options(**named))


def test_a_fit_is_warned_of_shrinking_until_it_names_the_size(tmp_path):
    lesions = write(tmp_path, *((c, f"{c}{p}", picture(ord(c) * 10 + p, 128)) for c in "ab" for p in range(3)))
    ready = prepare(lesions, Recipe())
    assert ready.recipe.named_size == 64
    assert ready.warnings == [
        "Images of 128x128 are shrunk to 64x64 where no size is named, and so are the real lesions that expand writes. "
        "To keep their detail give --size 128 (model.size in a recipe); the work grows with its square."
    ]
    for size in (64, 128):
        assert not prepare(lesions, Recipe().with_options(model={"size": size})).warnings
    assert not prepare(lesions, ready.recipe).warnings


@pytest.mark.parametrize(("dims", "asked"), [(2, 3), (3, 2)])
def test_lesions_of_other_dimensions_than_are_asked_for_are_refused(tmp_path, dims, asked):
    for label in "ab":
        for number in range(3):
            (tmp_path / label).mkdir(exist_ok=True)
            np.save(tmp_path / label / f"{label}{number}.npy", np.full((16,) * dims, ord(label) + number, np.uint8))
    lesions = read_lesions(tmp_path, patient_pattern="<patient>")
    with pytest.raises(DataError, match=f"and {asked} spatial dimensions are asked for. Give --spatial-dims {dims}"):
        prepare(lesions, Recipe().with_options(model={"spatial_dims": asked, "size": 16}))


def test_check_and_fit_count_the_lesions_without_a_mask_alike(tmp_path):
    lesions = write(tmp_path, *[(c, f"{c}{n}", picture(ord(c) * 10 + n)) for c in "ab" for n in range(4)])
    lesions = replace(lesions, table=lesions.table.assign(mask=[""] + [str(tmp_path / "gone.png")] * 7))
    with pytest.raises(DataError, match="1 of 8 lesions have no mask") as refused:
        prepare(lesions, Recipe().with_options(model={"with_mask": True}))
    assert refused.value.problems[0] in inspect(lesions).warnings
    assert prepare(lesions, Recipe())
