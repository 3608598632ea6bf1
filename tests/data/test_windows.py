import numpy as np
import pytest

from augmentor.data.windows import DESCRIPTION, NAMED, RECORD, Scale, Window, parse_window, scale_of, units_of
from augmentor.errors import DataError, UsageError


@pytest.mark.parametrize("name", NAMED)
def test_a_named_window_has_its_level_and_width(name):
    window = parse_window(name)
    assert ((window.low + window.high) / 2, window.high - window.low) == NAMED[name]
    assert not window.percentile


@pytest.mark.parametrize("text", ["liver", " Liver ", "LIVER"])
def test_names_are_read_as_people_write_them(text):
    assert parse_window(text) == Window(-45, 105)
    assert parse_window("soft tissue") == parse_window("Soft_Tissue") == Window(-160, 240)


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("-160,240", Window(-160, 240)),
        ("0.5, 1.5", Window(0.5, 1.5)),
        ("percentile", Window(1, 99, True)),
        ("p0.5,p99.5", Window(0.5, 99.5, True)),
        ("none", None),
        (None, None),
    ],
)
def test_a_window_by_numbers_or_percentiles(text, window):
    assert parse_window(text) == window


@pytest.mark.parametrize("text", ["kidneys", "240", "1,2,3", "a,b", "p1,99", "-160 240"])
def test_what_is_no_window_is_refused_with_those_that_there_are(text):
    with pytest.raises(UsageError, match=r"is no window. Give a name \(abdomen, .*--window -160,240"):
        parse_window(text)


@pytest.mark.parametrize("text", ["240,-160", "5,5", "nan,3", "0,inf", "p99,p1"])
def test_a_window_needs_an_extent(text):
    with pytest.raises(UsageError, match="the first value must be below the second"):
        parse_window(text)


def test_percentiles_lie_between_0_and_100():
    with pytest.raises(UsageError, match=r"percentiles lie in 0\.\.100"):
        parse_window("p1,p101")


def test_a_fixed_window_clips_and_keeps_the_units():
    kept = Window(-160, 240).apply(np.array([-1000, -160, 7, 240, 3000]), (-160.0, 240.0))
    np.testing.assert_array_equal(kept, np.array([-160, -160, 7, 240, 240], np.float32))
    assert Window(-160, 240).range == (-160, 240)


def test_percentiles_bring_a_scan_to_0_1_and_ignore_padding():
    rng = np.random.default_rng(0)
    brain = rng.uniform(300, 1300, (40, 40, 40))
    padded = np.concatenate([brain, np.zeros((200, 40, 40))])
    window = parse_window("p10,p90")
    low, high = window.limits(padded)
    assert (low, high) == (pytest.approx(400, abs=5), pytest.approx(1200, abs=5))
    scaled = window.apply(padded, (low, high))
    assert (scaled.min(), scaled.max()) == (0, 1)
    np.testing.assert_allclose(window.apply(np.array([800.0]), (low, high)), 0.5, atol=0.01)


def test_percentiles_of_a_large_scan_are_those_of_all_its_voxels():
    shape = (256, 256, 20)  # more than are looked at
    values = np.broadcast_to(np.arange(256)[:, None, None], shape) + np.arange(20) / 20
    low, high = Window(1, 99, True).limits(np.asfortranarray(values))
    assert (low, high) == (
        pytest.approx(np.percentile(values, 1), abs=1),
        pytest.approx(np.percentile(values, 99), abs=1),
    )


@pytest.mark.parametrize("values", [np.full(9, 7.0), np.array([]), np.full(4, np.nan)])
def test_a_scan_without_contrast_has_finite_limits_and_becomes_flat(values):
    limits = Window(1, 99, True).limits(values)
    assert np.isfinite(limits).all()
    assert np.isfinite(Window(1, 99, True).apply(np.array([7.0]), limits)).all()


# What the numbers of a lesion mean

SPREAD = "[window]\nlow = -160.0\nhigh = 240.0\npercentile = false\n[png]\nslope = 0.5\nintercept = -160.0\n"
INTENSITY = '{"Intensity": {"slope": 0.5, "intercept": -160.0, "original_dtype": "%s"}}'


@pytest.mark.parametrize(
    ("record", "text", "name", "scale"),
    [
        (RECORD, SPREAD, "1.png", Scale(0.5, -160.0, Window(-160, 240))),
        (RECORD, SPREAD, "1.nii.gz", Scale(1.0, 0.0, Window(-160, 240), dtype="float32")),
        (RECORD, "version = '1'\n", "1.npy", Scale(dtype="float32")),
        (RECORD, "version = '1'\n", "1.png", None),
        (DESCRIPTION, INTENSITY % "int16", "1.PNG", Scale(0.5, -160.0, None, False, "int16")),
        (DESCRIPTION, INTENSITY % "int16", "1.dcm", Scale(1.0, 0.0, None, False, "int16")),
        (DESCRIPTION, INTENSITY % "uint8", "1.png", None),
        (DESCRIPTION, INTENSITY % "uint16", "1.png", None),
        (DESCRIPTION, INTENSITY.replace("0.5", "0.0") % "int16", "1.png", None),
        (DESCRIPTION, '{"Name": "a data set of others"}', "1.png", None),
        (DESCRIPTION, INTENSITY % "int16", "set.npz#train_images/1", None),
        ("notes.txt", "", "1.png", None),
    ],
)
def test_what_stands_beside_a_set_says_what_its_numbers_mean(tmp_path, record, text, name, scale):
    (tmp_path / record).write_text(text)
    assert scale_of(str(tmp_path / "cyst" / name)) == scale


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (RECORD, "[window]\nlow = 'x'\n"),
        (RECORD, SPREAD.replace("0.5", "0.0")),
        (DESCRIPTION, '{"Intensity": 1}'),
        (DESCRIPTION, '{"Intensity"'),
    ],
)
def test_a_damaged_record_is_named_with_the_next_step(tmp_path, record, text):
    (tmp_path / record).write_text(text)
    with pytest.raises(DataError, match=rf"{record}: can't be read .*Restore it, or"):
        scale_of(str(tmp_path / "cyst" / "1.png"))


def test_the_units_of_pictures_are_those_of_their_scale(tmp_path):
    (tmp_path / RECORD).write_text(SPREAD)
    assert units_of(str(tmp_path / "cyst" / "1.png")) == (0.5, -160.0)
    assert units_of(str(tmp_path / "cyst" / "1.npy")) == units_of(str(tmp_path / "1.png")) == (1.0, 0.0)


@pytest.mark.parametrize("record", [(RECORD, SPREAD), (DESCRIPTION, INTENSITY % "int16")])
@pytest.mark.parametrize(("name", "dtype"), [("1.png", "uint8"), ("1.PNG", "int32"), ("1.npy", "uint8")])
def test_an_image_that_was_saved_again_with_other_numbers_holds_greys(tmp_path, record, name, dtype):
    (tmp_path / record[0]).write_text(record[1])
    image = str(tmp_path / "cyst" / name)
    assert units_of(image, dtype) == (1.0, 0.0)
    assert scale_of(image, dtype) is None
    assert scale_of(image, "uint16" if name.lower().endswith("png") else "float32") == scale_of(image) is not None


@pytest.mark.parametrize(
    ("text", "told"),
    [("lung", "lung (-1350 to 150)"), ("-160,200", "-160 to 200"), ("p0.5,p99.5", "percentiles 0.5 to 99.5")],
)
def test_a_window_is_told_by_its_name_and_limits(text, told):
    assert str(parse_window(text)) == told
