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
from augmentor.model.checkpoint import load_checkpoint
from augmentor.recipe import ExpandSection
from augmentor.sampling import draw
from augmentor.training.fit import fit
from tests.lesion_sets import tiny_recipe

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
        patch.setattr(screening, "make_copy_check", lambda *x: type(made(*x))(made(*x).bank, 0.0, 1.0))
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
        assert float(row.roi_side_mm) == pytest.approx(lesion.roi_side_mm, rel=1e-4)


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
    from augmentor.data.phantom import write_phantom

    write_phantom(tmp_path / "lesions", patients=6, per_class=6, size=16)
    run = fit(
        read_lesions(tmp_path / "lesions"), tiny_recipe(model={"with_mask": True}), tmp_path / "run", latest=False
    )
    made = screening.make_copy_check
    monkeypatch.setattr(screening, "make_copy_check", lambda *x: type(made(*x))(made(*x).bank, 0.0, 1.0))
    written = expand(run, 1.5, tmp_path / "x", ExpandSection(format="dicom", screen="off"))
    card = load_checkpoint(run.chosen_checkpoint)[1]
    for path in written.paths:
        file = pydicom.dcmread(path)
        assert list(file.PixelSpacing) == pytest.approx([0.8, 0.8])
        values = pydicom.pixels.apply_modality_lut(file.pixel_array, file)
        assert card.intensity.low <= values.min() <= values.max() <= card.intensity.high
    masks = [pydicom.dcmread(path).pixel_array for path in written.table["mask"]]
    assert all(set(np.unique(mask)) <= {0, 1} for mask in masks)
