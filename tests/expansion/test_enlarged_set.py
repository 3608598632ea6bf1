"""What `expand` writes of volumes and masks: other programs open it, with equal numbers and nothing of a source."""

import json

import monai.transforms as T
import nibabel
import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK
import torch
from monai.data import DataLoader, Dataset, load_decathlon_datalist
from monai.losses import DiceCELoss
from monai.networks.nets import UNet

import augmentor.expansion.screen as screening
from augmentor.data.readers import read_lesions
from augmentor.errors import UsageError
from augmentor.expansion.expand import expand
from augmentor.extraction.extract import extract
from augmentor.extraction.scans import Scan
from augmentor.model.checkpoint import load_checkpoint
from augmentor.model.memorisation import CopyCheck
from augmentor.recipe import ExpandSection, ExtractSection
from augmentor.sampling import draw
from augmentor.training.fit import fit
from tests.lesion_sets import draw_phantom, tiny_recipe
from tests.scan_sets import ball, write_nifti

pytestmark = pytest.mark.slow
pytest.importorskip("highdicom", reason="the extra `dicom` is not installed")

SIZE, STEP = 16, 1.5
PLANTED = ("DOE^JANE", "MRN-4711", "1961-03-02", "St. Elsewhere", "janes_scan")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A fit of volumes with masks in Hounsfield units, whose files and headers are full of a patient's identity."""
    folder = tmp_path_factory.mktemp("volumes") / "DOE^JANE_MRN-4711"
    folder.mkdir()
    rng, rows = np.random.default_rng(0), []
    axes = np.meshgrid(*[np.arange(SIZE)] * 3, indexing="ij")
    for number in range(14):
        label, patient = "ab"[number % 2], f"MRN-4711-{number // 2}"
        ball = sum((a - c) ** 2 for a, c in zip(axes, rng.uniform(6, 9, 3), strict=True)) < rng.uniform(3, 5) ** 2
        values = rng.normal(60, 10, [SIZE] * 3) + ball * (80 if label == "a" else -70)
        path = folder / f"janes_scan_{number}.nii.gz"
        for file, array in ((path, values.astype(np.int16)), (folder / f"mask_{path.name}", ball.astype(np.uint8))):
            image = nibabel.Nifti1Image(array, np.diag([STEP] * 3 + [1]))
            image.header["descrip"], image.header["db_name"] = b"DOE^JANE 1961-03-02", b"St. Elsewhere"
            nibabel.save(image, file)
        rows.append({"path": path.name, "label": label, "patient": patient, "mask": f"mask_{path.name}"})
    pd.DataFrame(rows).to_csv(folder / "janes_scan.csv", index=False)
    recipe = tiny_recipe(model={"spatial_dims": 3, "with_mask": True, "condition_on": "size"}, training={"kimg": 0.016})
    return fit(read_lesions(folder / "janes_scan.csv"), recipe, tmp_path_factory.mktemp("run") / "run", latest=False)


@pytest.fixture(scope="module", params=["nifti", "npy", "dicom"])
def expanded(request, run, tmp_path_factory):
    """Format, the folder, and its manifest."""
    with pytest.MonkeyPatch.context() as patch:
        made = screening.make_copy_check
        patch.setattr(screening, "make_copy_check", lambda *x: CopyCheck(made(*x).originals, 0.0, 1.0, 0.0))
        out = tmp_path_factory.mktemp("expanded") / request.param
        expand(run, 1.5, out, ExpandSection(format=request.param, screen="off"))
    return request.param, out, pd.read_csv(out / "manifest.csv", keep_default_na=False)


def read_with_simpleitk(file):
    """Array (slices, rows, columns) and spacing in the same order."""
    if file.is_dir():
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(file)))
        image = reader.Execute()
    else:
        image = SimpleITK.ReadImage(str(file))
    return SimpleITK.GetArrayFromImage(image), tuple(reversed(image.GetSpacing()))


def read_natively(form, file):
    """The same, with the format's own library."""
    if form == "npy":
        return np.load(file), None
    if form == "nifti":
        image = nibabel.load(file)
        return np.asanyarray(image.dataobj).T, tuple(float(z) for z in reversed(image.header.get_zooms()))
    sections = sorted((pydicom.dcmread(f) for f in file.iterdir()), key=lambda s: float(s.ImagePositionPatient[2]))
    values = [pydicom.pixels.apply_modality_lut(s.pixel_array, s) for s in sections]
    gap = float(sections[1].ImagePositionPatient[2]) - float(sections[0].ImagePositionPatient[2])
    return np.stack(values), (gap, *map(float, sections[0].PixelSpacing))


def test_every_image_has_its_binary_mask_on_its_grid(expanded):
    form, out, manifest = expanded
    assert len(manifest) == len(set(manifest["mask"])) > 0
    for row in manifest.itertuples():
        image, spacing = read_natively(form, out / row.path)
        mask, mask_spacing = read_natively(form, out / row.mask)
        assert image.shape == mask.shape == (SIZE,) * 3
        assert spacing == mask_spacing
        assert set(np.unique(mask)) == {0, 1}


def test_files_hold_the_lesions_that_were_made(expanded, run):
    """The arrays of the files against the lesions of the same seeds, drawn again."""
    form, out, manifest = expanded
    generator, card = load_checkpoint(run.chosen_checkpoint)
    made = manifest[manifest["origin"] == "synthetic"]
    labels = [card.classes.index(label) for label in made["label"]]
    lesions = draw(generator, card, labels, [int(seed) for seed in made["seed"]])
    for row, lesion in zip(made.itertuples(), lesions, strict=True):
        values = read_natively(form, out / row.path)[0]
        np.testing.assert_array_equal(values, card.intensity.from_network(lesion.image)[0])
        np.testing.assert_array_equal(read_natively(form, out / row.mask)[0], lesion.mask[0])
        told = max(card.spacing_of(lesion.roi_side_mm)) * SIZE  # which names no training lesion
        assert float(row.roi_side_mm) == pytest.approx(told, rel=1e-4)
        assert told == pytest.approx(lesion.roi_side_mm, rel=0.025)


def test_simpleitk_reopens_them_with_equal_numbers_and_geometry(expanded):
    form, out, manifest = expanded
    if form == "npy":
        pytest.skip("npy holds no geometry, and SimpleITK does not read it")
    for row in manifest.itertuples():
        for path in (row.path, row.mask):
            array, spacing = read_natively(form, out / path)
            again, spacing_again = read_with_simpleitk(out / path)
            np.testing.assert_array_equal(again, array)
            assert spacing_again == pytest.approx(spacing, rel=1e-6)
        assert max(spacing) * SIZE == pytest.approx(float(row.roi_side_mm), rel=1e-3)


def test_a_real_lesion_keeps_its_numbers_and_its_spacing(expanded, run):
    form, out, manifest = expanded
    real = manifest[manifest["origin"] == "real"]
    for row, source in zip(real.itertuples(), run.training.paths, strict=True):
        array, spacing = read_natively(form, out / row.path)
        np.testing.assert_array_equal(array, np.asanyarray(nibabel.load(source).dataobj).T)
        assert spacing is None or spacing == pytest.approx((STEP,) * 3)


def test_every_synthetic_file_says_that_it_is_one(expanded):
    form, out, manifest = expanded
    made = manifest[manifest["origin"] == "synthetic"]
    assert len(made)
    for path in [*made["path"], *made["mask"]]:
        if form == "nifti":
            assert b"SYNTHETIC" in nibabel.load(out / path).header["descrip"].tobytes()
        if form == "dicom":
            for file in map(pydicom.dcmread, (out / path).iterdir()):
                assert file.SOPClassUID == pydicom.uid.SecondaryCaptureImageStorage
                assert file.ImageType[2] == "SYNTHETIC"
                assert "SYNTHETIC" in file.DerivationDescription


def test_nothing_of_a_source_is_in_what_is_written(expanded):
    """Every byte, unpacked as well; only the two tables name patients, and those of real lesions alone."""
    _, out, manifest = expanded
    files = [f for f in out.rglob("*") if f.is_file()]
    assert len(files) > len(manifest)
    for file in files:
        content = file.read_bytes()
        if file.name.endswith(".gz"):
            content += __import__("gzip").decompress(content)
        if file.name == "manifest.csv":
            content = manifest.drop(columns="patient").to_csv().encode()
            assert (manifest["patient"][manifest["origin"] == "synthetic"] == "").all()
        if file.name == "datalist.json":
            items = json.loads(content)["training"]
            content = json.dumps([{k: v for k, v in i.items() if k != "patient"} for i in items]).encode()
            assert all(not i["patient"] for i in items if i["origin"] == "synthetic")
        assert not [p for p in PLANTED if p.encode() in content or p.encode("utf-16-le") in content], file
        assert not [p for p in PLANTED if p in str(file.relative_to(out))]


def test_monai_trains_an_epoch_from_the_datalist_as_it_is(expanded):
    form, out, manifest = expanded
    items = load_decathlon_datalist(str(out / "datalist.json"), is_segmentation=False)
    assert len(items) == len(manifest)
    keys = ["image", "mask"]
    channel = "no_channel"
    read = T.Compose(
        [
            T.LoadImaged(keys),
            T.EnsureChannelFirstd(keys, channel_dim=channel),
            T.ScaleIntensityd("image"),
            T.CastToTyped(keys, torch.float32),
        ]
    )
    first, row = read(items[0]), manifest.iloc[0]
    expected = read_natively(form, out / row["mask"])[0]
    found = first["mask"][0].numpy()
    np.testing.assert_array_equal(found if form == "npy" else found.T, expected)
    if form != "npy":
        assert np.abs(np.diag(first["image"].affine)[:3]) == pytest.approx(STEP)
    network = UNet(3, 1, 1, (4, 8), (2,))
    before = [w.detach().clone() for w in network.parameters()]
    optimiser, loss_of = torch.optim.Adam(network.parameters(), 1e-2), DiceCELoss(sigmoid=True)
    losses = []
    for batch in DataLoader(Dataset(items, read), batch_size=6, shuffle=True):
        loss = loss_of(network(batch["image"].as_tensor()), batch["mask"].as_tensor())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.isfinite(losses).all()
    assert any(not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_a_format_that_holds_no_volume_is_refused_before_anything_is_made(run, tmp_path):
    with pytest.raises(UsageError, match="--format png"):
        expand(run, 2, tmp_path / "x2", ExpandSection(format="png"))
    assert not list(tmp_path.iterdir())


def test_images_in_two_dimensions_are_written_as_dicom_files(tmp_path, monkeypatch):

    draw_phantom(tmp_path / "lesions", patients=6, per_class=6, size=16)
    run = fit(
        read_lesions(tmp_path / "lesions"), tiny_recipe(model={"with_mask": True}), tmp_path / "run", latest=False
    )
    made = screening.make_copy_check
    monkeypatch.setattr(screening, "make_copy_check", lambda *x: CopyCheck(made(*x).originals, 0.0, 1.0, 0.0))
    written = expand(run, 1.5, tmp_path / "x", ExpandSection(format="dicom", screen="off"))
    card = load_checkpoint(run.chosen_checkpoint)[1]
    for path, origin in zip(written.paths, written.table["origin"], strict=True):
        file = pydicom.dcmread(path)
        assert list(file.PixelSpacing) == pytest.approx([0.8, 0.8] if origin == "real" else card.spacing_of(None))
        values = pydicom.pixels.apply_modality_lut(file.pixel_array, file)
        assert card.intensity.low <= values.min() <= values.max() <= card.intensity.high
    masks = [pydicom.dcmread(path).pixel_array for path in written.table["mask"]]
    assert all(set(np.unique(mask)) <= {0, 1} for mask in masks)


def middle_of(file):
    """(3,) RAS mm: the middle of the brightness in a NIfTI or DICOM file."""
    image = SimpleITK.ReadImage(str(file))
    values = SimpleITK.GetArrayFromImage(image).T.astype(float)
    weight = values - values.min()
    index = [float((i * weight).sum() / weight.sum()) for i in np.indices(values.shape)]
    index += [0.0] * (image.GetDimension() - len(index))
    return np.array(image.TransformContinuousIndexToPhysicalPoint(index)) * [-1, -1, 1]


def box_middle(file):
    """(3,) RAS mm: the middle of the voxels."""
    image = SimpleITK.ReadImage(str(file))
    middle = [(n - 1) / 2 for n in image.GetSize()]
    return np.array(image.TransformContinuousIndexToPhysicalPoint(middle)) * [-1, -1, 1]


def fitted(folder, model):
    return fit(read_lesions(folder), tiny_recipe(model=model), folder.parent / "run", latest=False)


@pytest.fixture
def lenient(monkeypatch):
    """A screen that lets all pass."""
    made = screening.make_copy_check
    monkeypatch.setattr(screening, "make_copy_check", lambda *x: CopyCheck(made(*x).originals, 0.0, 1.0, 0.0))


@pytest.mark.usefixtures("lenient")
def test_lesions_lie_in_space_as_their_sources_do_and_are_as_large(tmp_path):
    """Crops of thick sections, each stored another way; brighter to the right, the front and the head."""
    rows, shape, spacing = [], (20, 20, 4), (0.7, 0.7, 3.5)
    right, front, head = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    lesion = sum(a**2 for a in (right, front, head)) < 0.6
    folder = tmp_path / "lesions"
    folder.mkdir()
    for number in range(12):
        label, rng = "ab"[number % 2], np.random.default_rng(number)
        values = 300 + 60 * right + 90 * front + 120 * head + lesion * (200 if label == "a" else -200)
        for name, array in (("i", values + rng.normal(0, 5, shape)), ("m", lesion)):
            image = nibabel.Nifti1Image(array.astype(np.int16), np.diag([*spacing, 1]))
            axes = ("RAS", "LPS", "SAR")[(number // 2 + (name == "m")) % 3]
            turn = nibabel.orientations.axcodes2ornt(axes)
            turn = nibabel.orientations.ornt_transform(nibabel.io_orientation(image.affine), turn)
            nibabel.save(image.as_reoriented(turn), folder / f"{name}{number}.nii.gz")
        rows.append({"path": f"i{number}.nii.gz", "label": label, "patient": f"p{number}", "mask": f"m{number}.nii.gz"})
    pd.DataFrame(rows).assign(roi_side_mm=14).to_csv(folder / "lesions.csv", index=False)
    run = fitted(folder, {"spatial_dims": 3, "with_mask": True, "condition_on": "size"})
    assert load_checkpoint(run.chosen_checkpoint)[1].spacing_mm == pytest.approx([14 / 16] * 3)
    table = expand(run, 1.5, tmp_path / "x", ExpandSection(format="nifti", screen="off")).table
    for row in table.itertuples():
        image, mask = nibabel.load(row.path), nibabel.load(row.mask)
        assert image.shape == mask.shape == (16, 16, 16)
        side = 14 if row.origin == "real" else 1.05**54
        assert float(row.roi_side_mm) == pytest.approx(side, rel=1e-3)
        np.testing.assert_allclose(image.header.get_zooms(), side / 16, rtol=1e-3)
        volume = np.asarray(mask.dataobj).sum() * (14 / 16) ** 3
        if row.origin == "real":
            assert volume == pytest.approx(lesion.sum() * np.prod(spacing), rel=0.2)
            assert (middle_of(row.path) - box_middle(row.path) > 0.1).all()


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("form", ["nifti", "dicom"])
def test_sections_lie_in_space_as_extract_cut_them(tmp_path, form):
    """Brighter to the right and the front, cut from scans that count another way each."""
    scans, shape = [], (30, 30, 6)
    right, front, _ = np.meshgrid(*[np.linspace(-100, 100, n) for n in shape], indexing="ij")
    for number in range(8):
        rng = np.random.default_rng(number)
        files = []
        for name, array in (
            ("i", right + 1.5 * front + rng.normal(0, 3, shape)),
            ("m", ball(shape, (15, 15, 3), 6 + number / 4, (1, 1, 3))),
        ):
            image = nibabel.Nifti1Image(array.astype(np.int16), np.diag([1, 1, 3, 1]))
            turn = nibabel.orientations.axcodes2ornt(("RAS", "LPS", "LAS", "RPI")[number % 4])
            turn = nibabel.orientations.ornt_transform(nibabel.io_orientation(image.affine), turn)
            turned = image.as_reoriented(turn)
            files.append(write_nifti(tmp_path / f"{name}{number}.nii.gz", np.asarray(turned.dataobj), turned.affine))
        scans.append(Scan((files[0],), (files[1],), label="ab"[number % 2], patient=f"p{number}"))
    cut = extract(scans, tmp_path / "lesions", ExtractSection(size=16)).lesions
    assert all((middle_of(path) - box_middle(path))[:2].min() > 0.1 for path in cut.paths)
    run = fitted(tmp_path / "lesions", {})
    written = expand(run, 1.5, tmp_path / "x", ExpandSection(format=form, screen="off")).table
    for path in written.loc[written["origin"] == "real", "path"]:
        assert (middle_of(path) - box_middle(path))[:2].min() > 0.1
