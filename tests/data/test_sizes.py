import numpy as np
import pytest

from augmentor.data.images import read_image
from augmentor.data.lesions import make_lesions
from augmentor.data.sizes import load_sides, spacing_at
from augmentor.data.writing import write_image
from augmentor.errors import DataError


def lesions(tmp_path, sides, spacings=((1.5, 0.5, 0.5),)):
    paths = []
    for number in range(len(sides)):
        spacing = spacings[number % len(spacings)]
        file = tmp_path / f"lesion{number}.{'nii.gz' if spacing else 'npy'}"
        write_image(np.zeros((1, 8, 20, 16), np.int16), file, spacing, "")
        paths.append(str(file))
    columns = {"path": paths, "label": ["a"] * len(paths), "patient": paths, "roi_side_mm": sides}
    return make_lesions(columns, tmp_path)


def test_the_table_goes_before_the_files_spacing(tmp_path):
    """Which is that of the cube that the volume is mirrored into: 8 sections of 1.5 mm, wider than 20 rows of 0.5."""
    assert load_sides(lesions(tmp_path, ["34.5", ""])).tolist() == [34.5, 12.0]


def test_a_side_is_that_of_the_image_as_it_is_brought_to_the_networks_size(tmp_path):
    oblong = lesions(tmp_path, [""])
    spacing = spacing_at(read_image(oblong.paths[0]), "", 10)
    assert load_sides(oblong)[0] == pytest.approx(10 * max(spacing))


@pytest.mark.parametrize("side", ["", "34.5"])
def test_a_side_is_the_same_by_the_size_and_by_the_spacing_whoever_tells_it(tmp_path, side):
    told = lesions(tmp_path, [side])
    spacing = spacing_at(read_image(told.paths[0]), side, 10)
    assert load_sides(told)[0] == pytest.approx(10 * max(spacing))


def test_the_tables_side_keeps_the_proportions_of_the_files_pixels(tmp_path):
    write_image(np.zeros((1, 8, 16), np.int16), tmp_path / "flat.nii.gz", (1.0, 0.5), "")
    image = read_image(str(tmp_path / "flat.nii.gz"))
    assert spacing_at(image, "", 8) == pytest.approx((2.0, 1.0))
    assert spacing_at(image, "40", 8) == pytest.approx((5.0, 2.5))


@pytest.mark.parametrize(("side", "told"), [("", "no spacing"), ("wide", "'wide'"), ("-3", "'-3'"), ("nan", "'nan'")])
def test_a_size_that_is_not_known_is_told(tmp_path, side, told):
    with pytest.raises(DataError, match=told) as error:
        load_sides(lesions(tmp_path, [side, "20"], (None,)))
    assert "without --condition-on" in str(error.value)
    assert "lesion0" in str(error.value)


def test_spacing_is_that_of_the_tables_region_or_else_of_the_file(tmp_path):
    known, unknown = lesions(tmp_path, ["40", "40"], ((1.5, 0.5, 0.5), None)).paths
    assert spacing_at(read_image(known), "", 10) == pytest.approx((1.2, 1.2, 1.2))
    assert spacing_at(read_image(known), "40", 10) == pytest.approx((4.0, 4.0, 4.0))
    assert spacing_at(read_image(unknown), "40", 10) == (4.0, 4.0, 4.0)
    assert spacing_at(read_image(unknown), "", 10) is None
