"""Headers with random bytes: an error, or what the header says; no crash, no hang, no silent garbage."""

import shutil
import signal
import warnings

import nibabel
import numpy as np
import pytest

from augmentor.extraction.cut_scan import cut_scan
from augmentor.extraction.scans import Scan
from augmentor.recipe import ExtractSection
from tests.scan_sets import CT_AFFINE, enhanced, save_dicom, scan_array, write_case, write_nifti, write_series

SECTION = ExtractSection(size=16, format="nifti")
CENTRE = (CT_AFFINE @ [20, 17, 6, 1])[:3]
SECONDS = 10
CASES = 100


@pytest.fixture(autouse=True)
def _no_hang():
    def stop(*_):
        raise TimeoutError("a fuzzed header took more than its time")

    before = signal.signal(signal.SIGALRM, stop)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("case"))


def mutated(content, end, rng, start=0):
    """Some bytes of the header at random: single bits, whole bytes, or numbers of two or four bytes."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at, kind = int(rng.integers(start, end - 4)), rng.integers(4)
        if kind == 0:
            content[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            content[at] = int(rng.integers(256))
        else:
            content[at : at + 2 * int(kind) - 2] = rng.bytes(2 * int(kind) - 2)
    return bytes(content)


def outcome(scan, folder):
    """What one scan gives within its time; everything that it wrote is finite and of the right shape."""
    signal.alarm(SECONDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = cut_scan(scan, 1, SECTION, folder)
    signal.alarm(0)
    assert found.problems or found.notes or found.rows or found.specks
    assert all(len(p) > 20 for p in found.problems)
    for row in found.rows:
        image = nibabel.load(folder / row["path"])
        values = np.asarray(image.dataobj)
        assert values.shape == (16, 16, 1)
        assert np.isfinite(values).all()
        assert not row["roi_side_mm"] or 0 < float(row["roi_side_mm"]) < 1e6
        assert np.isfinite(image.affine).all()
    return found


def centre_of_cut(found, folder):
    mask = nibabel.load(folder / found.rows[0]["mask"])
    return nibabel.affines.apply_affine(mask.affine, np.argwhere(np.asarray(mask.dataobj)).mean(axis=0))


def assert_not_silent(found, folder, clean):
    """What is cut without a doubt lies where the lesion is (the mask's header is whole), with one lesion's values."""
    if found.rows and not found.notes:
        assert len(found.rows) == 1
        np.testing.assert_array_less(np.abs(centre_of_cut(found, folder) - CENTRE), np.array([0.4, 0.4, 1.25]) + 0.1)
        assert np.asarray(nibabel.load(folder / found.rows[0]["path"]).dataobj).shape == clean.shape


@pytest.fixture(scope="module")
def clean(case, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    found = outcome(Scan((case[0],), (case[1],), label="cyst"), folder)
    assert not found.notes
    return np.asarray(nibabel.load(folder / found.rows[0]["path"]).dataobj)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_headers(case, clean, tmp_path, suffix):
    content = write_nifti(tmp_path / "plain.nii", np.asarray(nibabel.load(case[0]).dataobj)).read_bytes()
    rng, kinds = np.random.default_rng(len(suffix)), []
    for number in range(CASES // 2):
        file = tmp_path / f"{number}{suffix}"
        file.write_bytes(_packed(mutated(content, 352, rng), suffix))
        folder = tmp_path / f"out{number}"
        found = outcome(Scan((file,), (case[1],), label="cyst"), folder)
        assert_not_silent(found, folder, clean)
        kinds.append("problem" if found.problems else "doubt" if found.notes else "result")
        if kinds[-1] == "result":  # and its values are those that the header says
            said = np.asarray(nibabel.load(file).dataobj)
            values = np.asarray(nibabel.load(folder / found.rows[0]["path"]).dataobj)
            assert said.min() - 1e-3 <= values.min() <= values.max() <= said.max() + 1e-3
    assert set(kinds) == {"problem", "doubt", "result"}


def _packed(content, suffix):
    import gzip

    return gzip.compress(content, 1) if suffix == ".nii.gz" else content


def test_mask_headers(case, tmp_path):
    content = write_nifti(tmp_path / "plain.nii", np.asarray(nibabel.load(case[1]).dataobj)).read_bytes()
    rng = np.random.default_rng(5)
    for number in range(CASES // 2):
        file, folder = tmp_path / f"{number}.nii", tmp_path / f"out{number}"
        file.write_bytes(mutated(content, 352, rng))
        found = outcome(Scan((case[0],), (file,), label="cyst"), folder)
        if found.rows and not found.notes:
            assert (np.abs(centre_of_cut(found, folder) - CENTRE) < (0.5, 0.5, 1.35)).all()


def test_dicom_headers_of_a_series(case, clean, tmp_path):
    voxels = np.asarray(nibabel.load(case[0]).dataobj)
    series = write_series(tmp_path / "plain", voxels)
    rng, kinds = np.random.default_rng(1), []
    for number in range(CASES // 2):
        home = tmp_path / str(number)
        shutil.copytree(tmp_path / "plain", home)
        file = home / series[int(rng.integers(len(series)))].name
        content = file.read_bytes()
        file.write_bytes(mutated(content, content.rindex(b"\xe0\x7f\x10\x00") + 12, rng, start=128))
        folder = tmp_path / f"out{number}"
        found = outcome(Scan((home,), (case[1],), label="cyst"), folder)
        assert_not_silent(found, folder, clean)
        kinds.append("problem" if found.problems else "doubt" if found.notes else "result")
    assert set(kinds) >= {"problem", "result"}


def test_dicom_headers_of_one_file_with_frames(case, clean, tmp_path):
    content = save_dicom(enhanced(np.asarray(nibabel.load(case[0]).dataobj)), tmp_path / "plain").read_bytes()
    rng, kinds = np.random.default_rng(2), []
    for number in range(CASES // 2):
        file, folder = tmp_path / f"{number}.dcm", tmp_path / f"out{number}"
        file.write_bytes(mutated(content, content.rindex(b"\xe0\x7f\x10\x00") + 12, rng, start=128))
        found = outcome(Scan((file,), (case[1],), label="cyst"), folder)
        assert_not_silent(found, folder, clean)
        kinds.append("problem" if found.problems else "doubt" if found.notes else "result")
    assert set(kinds) >= {"problem", "result"}


def test_files_that_are_cut_off_anywhere(case, tmp_path):
    series = write_series(tmp_path / "plain", scan_array(case[2])[:, :, 6:7])
    rng = np.random.default_rng(3)
    for name, file in (("a.nii.gz", case[0]), ("b.dcm", series[0])):
        content = file.read_bytes()
        for number, end in enumerate(rng.integers(0, len(content) - 20, 20)):
            cut = tmp_path / f"{number}{name}"
            cut.write_bytes(content[:end])
            found = outcome(Scan((cut,), boxes=((2, 2, 0, 30, 30, 1),), label="cyst"), tmp_path / f"out{number}{name}")
            assert found.problems or name == "a.nii.gz"  # sections before the cut are whole
