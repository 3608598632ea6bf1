import gzip
import io
import re
import tomllib
import zlib
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from augmentor.data.check import inspect
from augmentor.data.readers import read_lesions
from augmentor.errors import DataError, UsageError
from augmentor.extraction import extract as module
from augmentor.extraction.extract import extract
from augmentor.extraction.scans import Scan
from augmentor.progress import Progress
from augmentor.recipe import ExtractSection
from tests.scan_sets import (
    CT_AFFINE,
    ball,
    dicom_image,
    enhanced,
    place_tags,
    save_dicom,
    scan_array,
    scans_in,
    table_of,
    write_case,
    write_nifti,
    write_segmentation,
    write_series,
)


class Told(Progress):
    """Keeps what a bar would show."""

    def __init__(self):
        self.steps = []

    def task(self, name, total):
        from contextlib import contextmanager

        @contextmanager
        def kept():
            yield lambda done, note: self.steps.append((name, total, done, note))

        return kept()


# What is left


def test_a_folder_of_images_by_class_with_masks_a_table_a_recipe_and_a_picture(cases, tmp_path):
    cut = extract(scans_in(cases), tmp_path / "out", ExtractSection(window="-160,240"))
    written = sorted(str(f.relative_to(tmp_path / "out")) for f in (tmp_path / "out").rglob("*") if f.is_file())
    images = ["cyst/0001-01.png", "cyst/0002-01.png"]
    assert written == sorted(
        [*images, *(f"masks/{i}" for i in images), *("extract.toml", "extracted.png", "lesions.csv")]
    )
    assert cut.lesions.paths == [str(tmp_path / "out" / i) for i in images]
    assert cut.lesions.counts() == {"cyst": 2}
    assert not list(tmp_path.glob(".out*"))


def test_the_table_has_what_a_fit_and_an_export_need(cases, tmp_path):
    scans = scans_in(cases, patient_pattern="<patient>_<rest>")
    extract(scans, tmp_path / "out", ExtractSection(window="liver", fov="30mm", size=16))
    table = table_of(tmp_path / "out")
    assert set(table["label"]) == {"cyst"}
    assert table["patient"].str.fullmatch("p-[0-9a-f]{12}").all()
    assert table["patient"].nunique() == 2
    assert set(table["roi_side_mm"]) == {"30"}
    assert set(table["spacing_mm"]) == {"1.875"}
    assert (set(table["window_low"]), set(table["window_high"])) == ({"-45"}, {"105"})


def test_16_bit_pictures_lead_back_to_the_units_by_the_recipes_slope(cases, tmp_path):
    extract(scans_in(cases), tmp_path / "png", ExtractSection(window="-160,240"))
    extract(scans_in(cases), tmp_path / "nii", ExtractSection(window="-160,240", format="nifti"))
    record = tomllib.loads((tmp_path / "png" / "extract.toml").read_text())
    stored = np.asarray(Image.open(tmp_path / "png/cyst/0001-01.png"))
    assert stored.dtype == np.uint16
    values = np.asarray(nibabel.load(tmp_path / "nii/cyst/0001-01.nii.gz").dataobj)[..., 0].T
    np.testing.assert_allclose(stored * record["png"]["slope"] + record["png"]["intercept"], values, atol=0.004)
    assert values.max() > 150


def test_percentiles_of_each_scan_are_kept_in_the_table(cases, tmp_path):
    extract(scans_in(cases), tmp_path / "out", ExtractSection(window="p5,p95", format="npy"))
    table = table_of(tmp_path / "out")
    for row, name in zip(table.itertuples(), "ab", strict=True):
        voxels = np.asarray(nibabel.load(cases / f"{name}_image.nii.gz").dataobj)
        limits = np.percentile(voxels, [5, 95])
        np.testing.assert_allclose([float(row.window_low), float(row.window_high)], limits, atol=1)
        image = np.load(tmp_path / "out" / row.path)
        assert image.min() >= 0
        assert image.max() == 1


def test_without_a_window_units_are_kept_as_they_are_and_it_is_said(cases, tmp_path):
    cut = extract(scans_in(cases), tmp_path / "out")
    values = np.asarray(nibabel.load(tmp_path / "out/cyst/0001-01.nii.gz").dataobj)
    assert values.dtype == np.float32
    assert values.min() < -60
    assert any("No --window: intensities are kept as they are" in d for d in cut.doubts)


def test_the_same_scans_and_settings_give_the_same_pixels(cases, tmp_path):
    for name in ("one", "two"):
        extract(scans_in(cases), tmp_path / name, ExtractSection(window="liver"))
    files = [f.relative_to(tmp_path / "one") for f in (tmp_path / "one").rglob("*.png")]
    assert len(files) == 5
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)


def test_several_processes_leave_the_same_as_one(cases, tmp_path):
    key = tmp_path / "key"
    for name, workers in (("one", 1), ("two", 2)):
        extract(scans_in(cases), tmp_path / name, ExtractSection(window="liver"), key, workers)
    assert table_of(tmp_path / "one").equals(table_of(tmp_path / "two"))
    assert (tmp_path / "one/cyst/0002-01.png").read_bytes() == (tmp_path / "two/cyst/0002-01.png").read_bytes()


def test_the_bar_counts_scans_and_lesions(cases, tmp_path):
    told = Told()
    extract(scans_in(cases), tmp_path / "out", progress=told)
    assert told.steps == [("Cutting 2 scans", 2, 1, "1 lesions"), ("Cutting 2 scans", 2, 2, "2 lesions")]


# What can't be used


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"window": "kidneys"}, "is no window"),
        ({"format": "png"}, "--format png holds no negative numbers and no fractions: name a --window"),
        ({"fov": 900}, r"a_image\.nii\.gz: --fov 900 mm: the scan is 32 mm wide"),
    ],
)
def test_settings_that_can_not_be_followed_are_told_and_leave_nothing(cases, tmp_path, options, told):
    with pytest.raises(UsageError, match=told):
        extract(scans_in(cases), tmp_path / "out", ExtractSection(**options))
    assert sorted(f.name for f in tmp_path.iterdir()) == ["in"]


def test_all_scans_that_can_not_be_used_are_told_at_once(cases, tmp_path):
    (cases / "a_image.nii.gz").write_bytes(b"broken")
    (cases / "b_label.nii.gz").write_bytes(b"broken")
    with pytest.raises(DataError) as told:
        extract(scans_in(cases), tmp_path / "out")
    assert len(told.value.problems) == 2
    assert "a_image.nii.gz: can't be read" in told.value.problems[0]
    assert "b_label.nii.gz: can't be read" in told.value.problems[1]
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_files_is_not_written_into(cases, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="already holds files, and nothing is overwritten"):
        extract(scans_in(cases), tmp_path / "out")
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(cases, tmp_path):
    (tmp_path / "out").mkdir()
    extract(scans_in(cases), tmp_path / "out", ExtractSection(window="liver"))
    assert (tmp_path / "out" / "lesions.csv").exists()


def test_an_interruption_leaves_nothing_half_written(cases, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_sheet", interrupted)
    with pytest.raises(KeyboardInterrupt):
        extract(scans_in(cases), tmp_path / "out")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["in"]


# Patients


def test_a_patient_of_several_scans_has_one_pseudonym_and_the_key_gives_it_again(cases, tmp_path):
    named = [replace(s, patient="Doe-17") for s in scans_in(cases)]
    for name in ("one", "two"):
        extract(named, tmp_path / name, ExtractSection(window="liver"), tmp_path / "secret.key")
    assert table_of(tmp_path / "one")["patient"].nunique() == 1
    assert table_of(tmp_path / "one").equals(table_of(tmp_path / "two"))
    extract(named, tmp_path / "three", ExtractSection(window="liver"))
    assert set(table_of(tmp_path / "three")["patient"]).isdisjoint(table_of(tmp_path / "one")["patient"])


def test_the_patient_of_a_dicom_header_counts_where_none_is_named(tmp_path):
    *_, mask = write_case(tmp_path / "nifti")
    masks = (tmp_path / "nifti" / "case_label.nii.gz",)
    scans = []
    for name, patient in (("a", "MRN7"), ("b", "MRN7"), ("c", "MRN8"), ("d", "")):
        series = write_series(tmp_path / name, scan_array(mask), PatientID=patient)
        scans.append(Scan(tuple(series), masks, label="cyst"))
    cut = extract(scans, tmp_path / "out", ExtractSection(window="liver"))
    a, b, c, d = table_of(tmp_path / "out")["patient"]
    assert a == b
    assert len({a, c, d}) == 3
    assert any("No patient is known for 1 of 4 scans" in doubt for doubt in cut.doubts)
    assert d.startswith("scan:")
    assert not any(known.startswith("scan:") for known in (a, b, c))


def test_patients_who_are_not_known_stay_so_in_what_is_cut(cases, tmp_path):
    cut = extract(scans_in(cases), tmp_path / "out", ExtractSection(window="liver"))
    for lesions in (cut.lesions, read_lesions(tmp_path / "out")):
        assert lesions.table["patient"].nunique() == 2
        assert any("No patient was known for 2 of 2 images when they were cut out" in told for told in lesions.warnings)
    known = extract(scans_in(cases, patient_pattern="<patient>_<rest>"), tmp_path / "known", ExtractSection(every=3))
    assert not known.lesions.warnings


def test_one_id_in_all_headers_is_no_patient(tmp_path):
    *_, mask = write_case(tmp_path / "nifti")
    masks = (tmp_path / "nifti" / "case_label.nii.gz",)
    scans = [
        Scan(tuple(write_series(tmp_path / name, scan_array(mask), PatientID="ANONYMOUS")), masks, label="cyst")
        for name in "abc"
    ]
    cut = extract(scans, tmp_path / "out", ExtractSection(window="liver"))
    assert cut.lesions.table["patient"].nunique() == 3
    assert any("All 3 scans have one PatientID" in doubt for doubt in cut.doubts)
    assert any("No patient was known for 3 of 3 images" in told for told in cut.lesions.warnings)


@pytest.mark.parametrize(
    ("folds", "written"),
    [
        (("Doe^Jane", "Roe"), ["1", "2"]),
        (("Roe", "Doe^Jane"), ["2", "1"]),
        (("Roe", ""), ["1", ""]),
        (("4711", "17"), ["2", "1"]),
        (("2", "Roe"), ["1", "2"]),
        (("007", "1"), ["1", "2"]),
        (("2", "1"), ["2", "1"]),
        (("1.0", "1"), ["1", "1"]),
        (("0", "2.0"), ["0", "2"]),
        (("12.0", "12"), ["1", "1"]),
        (("0", "1"), ["0", "1"]),
        (("", ""), ["", ""]),
    ],
)
def test_folds_that_may_be_called_as_patients_are_become_numbers(cases, tmp_path, folds, written):
    """As where each fold leaves one patient out."""
    scans = [replace(scan, fold=fold) for scan, fold in zip(scans_in(cases), folds, strict=True)]
    cut = extract(scans, tmp_path / "out", ExtractSection(window="liver"))
    assert table_of(tmp_path / "out")["fold"].tolist() == cut.lesions.table["fold"].tolist() == written


def test_a_split_is_one_of_the_known_words_or_nothing_is_written(cases, tmp_path):
    scans = [replace(scan, split=split) for scan, split in zip(scans_in(cases), ("Validation", "test"), strict=True)]
    extract(scans, tmp_path / "out", ExtractSection(window="liver"))
    assert table_of(tmp_path / "out")["split"].tolist() == ["val", "test"]
    with pytest.raises(DataError, match=r"a_image\.nii\.gz: split 'Doe\^Jane' is none of test, train"):
        extract([replace(scans[0], split="Doe^Jane"), scans[1]], tmp_path / "other", ExtractSection(window="liver"))
    assert not (tmp_path / "other").exists()


# What is doubted


@pytest.mark.parametrize("column", ["split", "fold"])
def test_what_checks_say_of_a_pseudonym_is_told_with_its_files(cases, tmp_path, column):
    scans = [
        replace(scan, patient="Doe^Jane", **{column: side})
        for scan, side in zip(scans_in(cases), ("train", "test"), strict=True)
    ]
    cut = extract(scans, tmp_path / "out", ExtractSection(window="liver"))
    (problem,) = [told for told in inspect(cut.lesions).problems if "must stay in one" in told]
    (doubt,) = cut.doubts
    assert re.findall("p-[0-9a-f]{12}", problem) == re.findall("p-[0-9a-f]{12}", doubt)
    assert doubt.startswith(f"{cases / 'a_image.nii.gz'} and {cases / 'b_image.nii.gz'}: of one patient")
    assert "Doe" not in doubt
    written = b"".join(file.read_bytes() for file in (tmp_path / "out").rglob("*.*") if file.is_file())
    assert b"a_image" not in written


def test_a_scan_without_lesions_is_on_no_side(cases, tmp_path):
    write_nifti(cases / "b_label.nii.gz", np.zeros((40, 36, 12), np.uint8))
    scans = [
        replace(scan, patient="Doe", split=side) for scan, side in zip(scans_in(cases), ("train", "test"), strict=True)
    ]
    assert not [d for d in extract(scans, tmp_path / "out", ExtractSection(window="liver")).doubts if "several" in d]


@pytest.mark.parametrize("doubt", ["speck", "window", "note"])
def test_by_strict_every_doubt_is_an_error_and_all_are_told_at_once(cases, tmp_path, doubt):
    if doubt == "speck":
        write_nifti(cases / "b_label.nii.gz", ball((40, 36, 12), (10, 10, 4), 0.9).astype(np.uint8))
    scans = scans_in(cases, patient_pattern="<patient>_<rest>")
    section = ExtractSection(window=None if doubt == "window" else "liver")
    notes = ["2 series have no segmentation."] if doubt == "note" else []
    (told,) = extract(scans, tmp_path / "out", section, notes=notes).doubts
    with pytest.raises(DataError) as refused:
        extract(scans, tmp_path / "strict", section.model_copy(update={"strict": True}), notes=notes)
    assert refused.value.problems == [told]
    assert not (tmp_path / "strict").exists()


def test_of_the_doubts_their_number_is_kept_and_no_word(cases, tmp_path):
    cut = extract(scans_in(cases), tmp_path / "out", notes=["Doe^Jane was left out."])
    record = (tmp_path / "out" / "extract.toml").read_text()
    assert tomllib.loads(record)["doubts"] == len(cut.doubts) == 3
    assert "Doe" not in record


PHI = "ZQXSECRET"
_TEXT_VRS = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"}


def _plant(data, secret):
    """The secret in every text field that a CT header usually has, in a private one and in a nested one."""
    from pydicom.datadict import DicomDictionary
    from pydicom.dataset import Dataset

    keep = {"PhotometricInterpretation", "Modality", "PixelSpacing", "RescaleType", "ModalityLUTType"}
    for tag, (vr, vm, _, retired, name) in DicomDictionary.items():
        planted = 0x00080000 <= tag < 0x00480000 and vr in _TEXT_VRS and vm == "1" and not retired and name not in keep
        if planted and tag not in data:
            data.add_new(tag, vr, secret[:16])
    data.PatientName = f"{secret}^Jane"
    for name in ("PatientID", "AccessionNumber", "StudyID", "ReferringPhysicianName"):
        setattr(data, name, f"{secret}{name}"[:16] if name in ("AccessionNumber", "StudyID") else f"{secret}{name}")
    data.private_block(0x0009, "ACME", create=True).add_new(1, "LO", secret)
    nested = Dataset()
    nested.PatientID, nested.InstitutionName = secret, secret
    data.RequestAttributesSequence = [nested]
    data.preamble = secret.encode().ljust(128, b"\0")
    return data


def _inflated(content: bytes) -> list[bytes]:
    """The bytes, and what is packed in them: a gzip file; the zlib stream of a PNG and its pixels (no text)."""
    found = [content]
    if content.startswith(b"\x1f\x8b"):
        found.append(gzip.decompress(content))
    if content.startswith(b"\x89PNG"):
        chunks, at = [], 8
        while at < len(content):
            length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
            chunks.append((kind, content[at + 8 : at + 8 + length]))
            at += length + 12
        assert {kind for kind, _ in chunks} <= {b"IHDR", b"IDAT", b"IEND", b"PLTE"}
        found.append(zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT")))
        found.append(np.asarray(Image.open(io.BytesIO(content))).tobytes())
    return found


@pytest.mark.parametrize("form", ["png", "nifti", "npy"])
def test_nothing_planted_in_headers_and_file_names_reaches_any_byte_that_is_written(tmp_path, form):
    pytest.importorskip("highdicom")
    secret, home = PHI, tmp_path / f"{PHI}-study" / f"{PHI}^Jane"
    *_, mask = write_case(tmp_path / "plain")
    voxels = scan_array(mask)
    series = []
    for k in range(mask.shape[2]):
        data = dicom_image(voxels[:, :, k].T, **place_tags(np.diag([-1.0, -1, 1, 1]) @ CT_AFFINE, k))
        series.append(save_dicom(_plant(data, secret), home / "ct" / f"{secret}{k}.dcm"))
    segmentation = write_segmentation(home / f"{secret}-seg.dcm", series, [mask])
    many = save_dicom(_plant(enhanced(voxels), secret), home / f"{secret}-many.dcm")
    nifti = [home / f"{secret}_image.nii.gz", home / f"{secret}_mask.nii.gz"]
    for file, array in zip(nifti, (voxels, mask.astype(np.uint8)), strict=True):
        image = nibabel.Nifti1Image(array, CT_AFFINE)
        for name in ("descrip", "intent_name", "aux_file", "db_name"):
            image.header[name] = secret.encode()
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", secret.encode()))
        nibabel.save(image, file)
    note = PngImagePlugin.PngInfo()
    note.add_text("Comment", secret)
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(home / f"{secret}.png", pnginfo=note)
    scans = [
        Scan(tuple(series), (segmentation,), label="cyst"),
        Scan((many,), (nifti[1],), label="cyst"),
        Scan((nifti[0],), (nifti[1],), label="cyst", patient=f"{secret} Jane", fold=secret),
        Scan((nifti[0],), (nifti[1],), label="cyst"),
        Scan((home / f"{secret}.png",), boxes=((5, 5, 30, 30),), label="cyst"),
    ]
    planted = sum(secret.encode() in f.read_bytes() for f in home.rglob("*") if f.is_file())
    assert planted >= 15
    for workers in (1, 2):
        out = tmp_path / f"out{workers}"
        cut = extract(scans, out, ExtractSection(window="-160,240", format=form), tmp_path / "key", workers)
        assert len(cut.lesions) == 5
        files = [f for f in out.rglob("*") if f.is_file()]
        assert len(files) >= 12
        for file in files:
            assert secret.lower() not in str(file.relative_to(out)).lower()
            for content in _inflated(file.read_bytes()):
                for text in (secret, "Jane", "pat-7", "ACME"):
                    for code in ("utf-8", "utf-16-le", "utf-16-be"):
                        assert text.lower().encode(code) not in content.lower(), file
        assert secret not in "".join(cut.lesions.table.astype(str).to_numpy().ravel())
        assert not any(secret in w for w in cut.lesions.warnings)
        table = table_of(out)
        assert table["patient"][0] == table["patient"][1]  # one PatientID


def test_the_secret_is_found_where_a_leak_would_leave_it(tmp_path):
    """The search itself: a text chunk, a gzip member and pixels that spell the name are all seen."""
    packed = _inflated(gzip.compress(b"xx" + PHI.encode()))
    assert any(PHI.encode() in c for c in packed)
    Image.fromarray(np.frombuffer(PHI.encode(), np.uint8)[None]).save(tmp_path / "pixels.png")
    assert any(PHI.encode() in c for c in _inflated((tmp_path / "pixels.png").read_bytes()))
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", PHI, zip=True)
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "text.png", pnginfo=info)
    with pytest.raises(AssertionError):
        _inflated((tmp_path / "text.png").read_bytes())


def test_out_may_be_relative_to_home(cases, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    extract(scans_in(cases), Path("~/lesions"), ExtractSection(window="liver"))
    assert (tmp_path / "lesions" / "lesions.csv").exists()
