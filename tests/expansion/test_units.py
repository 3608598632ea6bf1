"""A window that was spread over 16-bit pictures is undone where a format can hold the units."""

import json

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from augmentor.data.check import inspect
from augmentor.data.images import read_image
from augmentor.data.readers import read_lesions
from augmentor.data.windows import Window, scale_of, units_of
from augmentor.errors import DataError
from augmentor.expansion.enlarged_set import SetWriter
from augmentor.expansion.expand import expand
from augmentor.extraction.extract import extract
from augmentor.extraction.sources import read_scans
from augmentor.model.checkpoint import load_checkpoint
from augmentor.recipe import ExpandSection, ExtractSection
from augmentor.training.fit import fit
from tests.lesion_sets import tiny_recipe
from tests.scan_sets import write_case

LOW, HIGH = -160.0, 240.0


def lesions_of(folder, window, patients=5):
    """Cut from scans of two classes with a patient each."""
    for number in range(2 * patients):
        write_case(folder / "scans" / "ab"[number % 2], f"p{number}", radius_mm=6.0 + 0.4 * number)
    scans, _ = read_scans(folder / "scans", None, None, None, "(?P<patient>p[0-9]+)_", None, "<label>/<anything>")
    return extract(scans, folder / "lesions", ExtractSection(window=window, size=16)).lesions


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("windowed")
    return fit(lesions_of(folder, f"{LOW:g},{HIGH:g}"), tiny_recipe(), folder / "run", latest=False)


def expanded(run, out, form):
    expand(run, 2.0, out, ExpandSection(screen="off", format=form))
    return pd.read_csv(out / "manifest.csv"), json.loads((out / "dataset_description.json").read_text())["Intensity"]


def units_in(path):
    """A PNG of `extract` in Hounsfield units."""
    return np.asarray(Image.open(path)).astype(float) / 65535 * (HIGH - LOW) + LOW


def test_nifti_holds_hounsfield_units_of_real_and_synthetic_lesions(run, tmp_path):
    table, told = expanded(run, tmp_path / "out", "nifti")
    window = {"low": LOW, "high": HIGH, "percentile": False}
    assert told == {"slope": 1.0, "intercept": 0.0, "original_dtype": "int16", "window": window}
    real = table[table["origin"] == "real"]
    for row, source in zip(real.itertuples(), run.training.paths, strict=True):
        written = np.asarray(nibabel.load(tmp_path / "out" / row.path).dataobj).squeeze().T
        assert np.abs(written - units_in(source)).max() <= 0.51
    for path in table[table["origin"] == "synthetic"]["path"]:
        written = np.asarray(nibabel.load(tmp_path / "out" / path).dataobj)
        assert LOW <= written.min() < written.max() <= HIGH
        assert written.std() > 5


def test_png_holds_what_it_held_and_says_how_to_go_back(run, tmp_path):
    table, told = expanded(run, tmp_path / "out", "png")
    real = table[table["origin"] == "real"]["path"].iloc[0]
    stored = np.asarray(Image.open(tmp_path / "out" / real)).astype(float)
    assert np.abs(stored * told["slope"] + told["intercept"] - units_in(run.training.paths[0])).max() < 0.01


@pytest.mark.parametrize("form", ["png", "nifti"])
def test_the_window_of_the_real_lesions_is_on_record_beside_the_enlarged_set(run, tmp_path, form):
    table, _ = expanded(run, tmp_path / "out", form)
    scale, source = (scale_of(str(path)) for path in (tmp_path / "out" / table["path"].iloc[-1], run.training.paths[0]))
    assert scale.recorded
    assert scale.window == source.window == Window(LOW, HIGH)
    units = (source.slope, source.intercept) if form == "png" else (1.0, 0.0)
    assert (scale.slope, scale.intercept) == pytest.approx(units)


def test_lesions_that_hold_their_units_are_left_alone(run, tmp_path):
    assert units_of(run.training.paths[0]) == pytest.approx(((HIGH - LOW) / 65535, LOW))
    assert units_of(run.training.paths[0].replace(".png", ".nii.gz")) == (1.0, 0.0)
    assert units_of(str(tmp_path / "cyst" / "1.png")) == (1.0, 0.0)


def test_a_damaged_record_is_told(tmp_path):
    (tmp_path / "extract.toml").write_text("[png]\nslope = 'much'")
    with pytest.raises(DataError, match=r"extract\.toml: can't be read .* extract the lesions again"):
        units_of(str(tmp_path / "cyst" / "1.png"))


@pytest.mark.parametrize("form", ["png", "nifti"])
def test_pictures_that_were_saved_again_in_8_bits_keep_their_greys_and_it_is_said(tmp_path, form):
    for path in lesions_of(tmp_path, f"{LOW:g},{HIGH:g}").paths:
        Image.fromarray((np.asarray(Image.open(path)) >> 8).astype(np.uint8)).save(path)
    lesions = read_lesions(tmp_path / "lesions")
    (told,) = [warning for warning in inspect(lesions).warnings if "extract.toml" in warning]
    assert f"{lesions.paths[0]}: holds uint8 values" in told
    run = fit(lesions, tiny_recipe(), tmp_path / "run", latest=False)
    table, intensity = expanded(run, tmp_path / "out", form)
    assert intensity == {"slope": 1.0, "intercept": 0.0, "original_dtype": "uint8"}
    real = table[table["origin"] == "real"]["path"]
    for name, source in zip(real, run.training.paths, strict=True):
        written = read_image(str(tmp_path / "out" / name)).pixels
        np.testing.assert_array_equal(written, read_image(source).pixels)


@pytest.mark.parametrize(
    ("low", "high", "dtype"), [(-32768, 32767, "int16"), (32608, 33008, "int32"), (0, 40, "float32")]
)
def test_what_int16_does_not_hold_is_not_wrapped_around(tmp_path, low, high, dtype):
    run = fit(lesions_of(tmp_path, f"{LOW:g},{HIGH:g}"), tiny_recipe(), tmp_path / "run", latest=False)
    units = (high - low) / 65535, float(low)
    writer = SetWriter(tmp_path / "out", "nifti", load_checkpoint(run.chosen_checkpoint)[1], units)
    assert writer.stored.dtype == dtype
    written = writer.stored.from_network(np.linspace(-1, 1, 100, dtype=np.float32))
    assert (np.diff(written.astype(float)) >= 0).all()
