import runpy
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.ndimage import binary_dilation, distance_transform_edt
from sklearn.metrics import balanced_accuracy_score
from torch import nn

from augmentor.data.phantom import CLASSES, draw_lesion, phantom_lesions, write_phantom
from augmentor.errors import UsageError
from augmentor.recipe import PhantomSection
from tests.lesion_sets import draw_phantom

RULE = Path(__file__).parents[2] / "docs" / "results" / "volumes.py"


@pytest.fixture(scope="module")
def lesions():
    return list(phantom_lesions(patients=18, per_class=150, seed=3))


def of_class(lesions, label):
    return [lesion for lesion in lesions if lesion.label == label]


def signed_depth(mask):
    """Distance to the mask's edge in px, positive inside."""
    return distance_transform_edt(mask) - distance_transform_edt(~mask)


def contrast(lesion):
    """Mean HU of the lesion less that of the tissue further than 3 px from it."""
    return lesion.image[lesion.mask].mean() - lesion.image[signed_depth(lesion.mask) < -3].mean()


def profile(lesions):
    """Mean HU, over all lesions of 8 px depth or more, at whole depths from -6 to 8 px, less the tissue's."""
    deep = [(lesion, signed_depth(lesion.mask)) for lesion in lesions]
    deep = [(lesion, depth) for lesion, depth in deep if depth.max() > 8]
    rows = [[lesion.image[np.rint(depth) == d].mean() for d in range(-6, 9) if d] for lesion, depth in deep]
    rows -= np.array([[lesion.image[depth < -6].mean()] for lesion, depth in deep])
    return np.mean(rows, axis=0)


@pytest.mark.parametrize("label", CLASSES)
def test_same_seeds_give_the_same_pixels(label):
    (image, mask), (again, mask_again) = draw_lesion(label, 7, 11), draw_lesion(label, 7, 11)
    np.testing.assert_array_equal(image, again)
    np.testing.assert_array_equal(mask, mask_again)


@pytest.mark.parametrize("other", [("cyst", 7, 12), ("cyst", 8, 11), ("metastasis", 7, 11), ("cyst", 7, 0)])
def test_any_other_seed_or_class_gives_other_pixels(other):
    image, other_image = draw_lesion("cyst", 7, 11)[0], draw_lesion(*other)[0]
    assert abs(np.corrcoef(image.ravel(), other_image.ravel())[0, 1]) < 0.9
    assert not np.isclose(image, other_image).mean() > 0.1


@pytest.mark.parametrize("label", CLASSES)
@pytest.mark.parametrize("size", [16, 33, 64, 160])
def test_image_is_plausible_and_mask_lies_inside(label, size):
    for seed in range(40):
        image, mask = draw_lesion(label, seed, seed, size)
        assert image.shape == mask.shape == (size, size)
        assert image.dtype == np.float32
        assert mask.dtype == bool
        assert -200 <= image.min() < image.max() <= 400
        assert 30 < np.median(image) < 90
        assert 0.01 < mask.mean() < 0.6
        assert not mask[[0, -1]].any()
        assert not mask[:, [0, -1]].any()


def test_cysts_are_far_darker_than_tissue(lesions):
    contrasts = [contrast(lesion) for lesion in of_class(lesions, "cyst")]
    assert np.mean(contrasts) < -25
    assert np.mean(np.array(contrasts) < -10) > 0.95


def test_cysts_are_the_most_homogeneous(lesions):
    excess = {
        label: np.mean([lesion.image[signed_depth(lesion.mask) > 2].std() for lesion in of_class(lesions, label)])
        for label in CLASSES
    }
    assert excess["cyst"] == min(excess.values())


def test_rims_are_brighter_than_centres(lesions):
    for label, difference in (("hemangioma", 15), ("metastasis", 5)):
        hu = profile(of_class(lesions, label))
        rim, centre = hu[6:10].max(), hu[-1]
        assert rim > centre + difference, label
    hu = profile(of_class(lesions, "cyst"))
    assert abs(hu[8:].max() - hu[-1]) < 3


def test_hemangiomas_hold_the_brightest_spots(lesions):
    spots = {
        label: np.mean([np.percentile(x.image[x.mask], 98) for x in of_class(lesions, label)]) for label in CLASSES
    }
    assert spots["hemangioma"] > spots["metastasis"] > spots["cyst"]


def test_a_metastasis_has_a_softer_edge_than_a_cyst(lesions):
    def outer_half(label):
        """The share of the fall from tissue to the edge that is already there 2 px outside it."""
        hu = profile(of_class(lesions, label))
        return hu[4] / hu[6:].min()

    assert outer_half("metastasis") > 2 * outer_half("cyst")


def test_classes_overlap(lesions):
    """No threshold on the simplest of features tells a cyst from a metastasis in every case."""
    cyst, metastasis = (np.array([contrast(x) for x in of_class(lesions, c)]) for c in ("cyst", "metastasis"))
    best = max(((cyst < t).mean() + (metastasis >= t).mean()) / 2 for t in np.r_[cyst, metastasis])
    assert 0.6 < best < 0.95


def test_a_patients_background_can_be_told(lesions):
    """Two numbers of the tissue vary more between patients than within one, so a leak of patients can be measured."""
    rows = []
    for lesion in lesions:
        tissue = lesion.image[~binary_dilation(lesion.mask, iterations=4)]
        steps = np.diff(lesion.image, axis=0)
        rows.append((lesion.patient, np.median(tissue), tissue.std(), steps.std() / tissue.std()))
    table = pd.DataFrame(rows, columns=["patient", "level", "spread", "sharpness"])
    groups = table.groupby("patient")
    between, within = groups.mean().var(), groups.var().mean()
    assert (between > 1.5 * within).all(), between / within


@pytest.mark.parametrize(("patients", "per_class"), [(3, 3), (18, 3), (5, 40), (18, 60), (120, 41)])
def test_numbers_are_as_asked(patients, per_class):
    rows = [(x.label, x.patient) for x in phantom_lesions(patients, per_class, size=16, seed=patients)]
    table = pd.DataFrame(rows, columns=["label", "patient"])
    assert table.label.value_counts().to_dict() == dict.fromkeys(CLASSES, per_class)
    assert (table.groupby("label").patient.nunique() >= 3).all()
    assert table.patient.nunique() == min(patients, 3 * per_class)


def test_patients_own_one_two_or_three_classes(lesions):
    owned = pd.DataFrame([(x.patient, x.label) for x in lesions]).groupby(0)[1].nunique()
    assert owned.index[0] == "p01"
    assert set(owned) == {1, 2, 3}


def test_a_data_set_is_decided_by_its_seed():
    first, again, other = (np.stack([x.image for x in phantom_lesions(4, 5, 32, seed)]) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(np.concatenate([first, other]), axis=0)) == 30


@pytest.mark.parametrize(("file_format", "suffix", "offset"), [("nifti", ".nii.gz", 0), ("png", ".png", 1024)])
def test_files_hold_the_drawn_pixels(tmp_path, file_format, suffix, offset):
    def read(path):
        return np.asarray(nib.load(path).dataobj if file_format == "nifti" else Image.open(path))

    calls = []
    section = PhantomSection(patients=4, per_class=5, size=32, format=file_format)
    table_path = write_phantom(tmp_path, section, 1, lambda *call: calls.append(call))
    table = pd.read_csv(table_path)
    assert table_path == tmp_path / "lesions.csv"
    assert list(table.columns) == ["path", "label", "patient", "mask"]
    assert calls == [((i + 1) / 15, "") for i in range(15)]
    assert table.path.is_unique
    for row, lesion in zip(table.itertuples(), phantom_lesions(4, 5, 32, 1), strict=True):
        assert (row.label, row.patient) == (lesion.label, lesion.patient)
        assert row.path.startswith(f"{row.label}/{row.patient}_")
        assert row.path.endswith(suffix)
        assert row.mask == f"masks/{row.path}"
        image, mask = read(tmp_path / row.path), read(tmp_path / row.mask)
        assert (image.dtype, mask.dtype) == (np.int16 if file_format == "nifti" else np.uint16, np.uint8)
        np.testing.assert_array_equal(image.astype(int) - offset, np.rint(lesion.image))
        np.testing.assert_array_equal(mask, lesion.mask)


@pytest.mark.parametrize("label", CLASSES)
def test_a_volume_is_plausible_and_its_mask_lies_inside(label):
    for seed in range(8):
        image, mask = draw_lesion(label, seed, seed, 32, dims=3)
        assert image.shape == mask.shape == (32, 32, 32)
        assert -200 <= image.min() < image.max() <= 400
        assert 45 < np.median(image) < 80
        assert 0.004 < mask.mean() < 0.2
        assert not any(np.take(mask, [0, -1], axis).any() for axis in range(3))
        np.testing.assert_array_equal(draw_lesion(label, seed, seed, 32, dims=3)[0], image)


def test_a_volume_looks_alike_from_every_side():
    """No direction is preferred: the extent of a hundred masks along each axis, and the grain of the images."""
    drawn = list(phantom_lesions(6, 12, 24, dims=3))
    extents = np.mean([[x.mask.any(tuple({0, 1, 2} - {a})).sum() for a in range(3)] for x in drawn], axis=0)
    grain = np.mean([[np.abs(np.diff(x.image, axis=a)).mean() for a in range(3)] for x in drawn], axis=0)
    assert np.ptp(extents) < 0.08 * extents.mean()
    assert np.ptp(grain) < 0.08 * grain.mean()


@pytest.mark.parametrize(("dims", "size", "least"), [(2, 64, 0.7), (3, 32, 0.65)])
def test_the_phantoms_rule_finds_lesions_without_their_masks(dims, size, least):
    def dice(a, b):
        return 2 * (a & b).sum() / (a.sum() + b.sum())

    segment = runpy.run_path(str(RULE))["segment"]
    drawn = [x for x in phantom_lesions(6, 10, size, dims=dims) if x.label != "metastasis"]  # some look like tissue
    found = [segment(x.image) for x in drawn]
    assert np.mean([dice(a, x.mask) for a, x in zip(found, drawn, strict=True)]) > least
    assert np.mean([dice(a, x.mask) for a, x in zip(found[1:], drawn, strict=False)]) < least - 0.05
    assert not segment(np.full((16,) * dims, 60.0)).any()


def test_volumes_are_written_with_their_masks(tmp_path):
    table = pd.read_csv(draw_phantom(tmp_path, 1, patients=3, per_class=3, size=16, dims=3))
    for row, lesion in zip(table.itertuples(), phantom_lesions(3, 3, 16, 1, dims=3), strict=True):
        image, mask = (nib.load(tmp_path / path) for path in (row.path, row.mask))
        np.testing.assert_array_equal(np.asarray(image.dataobj), np.rint(lesion.image))
        np.testing.assert_array_equal(np.asarray(mask.dataobj), lesion.mask)
        np.testing.assert_allclose(image.header.get_zooms(), (0.8,) * 3)


def test_a_nifti_file_knows_its_pixel_size(tmp_path):
    table = pd.read_csv(draw_phantom(tmp_path, patients=3, per_class=3, size=16))
    image = nib.load(tmp_path / table.path[0])
    assert image.shape == (16, 16)
    np.testing.assert_allclose(image.header.get_zooms(), (0.8, 0.8))
    np.testing.assert_allclose(np.abs(np.diag(image.affine)[:2]), 0.8)


def test_writing_again_gives_the_same_bytes(tmp_path):
    draw_phantom(tmp_path, patients=3, per_class=3)
    first = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    draw_phantom(tmp_path, patients=3, per_class=3)
    assert first == {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert len(first) == 3 * 3 * 2 + 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"patients": 2}, r"patients: .* \(given: 2\)"),
        ({"per_class": 2}, r"per_class: .* \(given: 2\)"),
        ({"size": 15}, r"size: .* \(given: 15\)"),
        ({"size": 513}, r"size: .* \(given: 513\)"),
        ({"size": 128, "dims": 3}, "size 128 is too large for volumes"),
        ({"seed": -1}, "seed is -1"),
        ({"patients": 0, "size": 1}, r"(?s)patients: .*\(given: 0\).*size: .*\(given: 1\)"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_drawn(arguments, words):
    with pytest.raises(UsageError, match=words):
        phantom_lesions(**arguments)


def test_unknown_names_and_seeds_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"'wart'.*cyst, hemangioma, metastasis"):
        draw_lesion("wart", 0, 0)
    with pytest.raises(UsageError, match="seed is -1"):
        draw_phantom(tmp_path / "new", -1)
    assert not (tmp_path / "new").exists()


def tensors(patients, per_class, seed):
    drawn = list(phantom_lesions(patients, per_class, seed=seed))
    images = torch.from_numpy(np.stack([lesion.image for lesion in drawn])[:, None])
    images = ((images - 60) / 60).contiguous(memory_format=torch.channels_last)
    return images, torch.tensor([CLASSES.index(lesion.label) for lesion in drawn])


def train_small_cnn(images, labels, seed, steps=400):
    torch.manual_seed(seed)
    layers = []
    for inputs, outputs, stride in ((1, 16, 2), (16, 32, 1), (32, 64, 1)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 4 * 4, len(CLASSES)))
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), 2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        batch = torch.randint(len(images), (32,))
        flips = [axis for axis in (2, 3) if torch.rand(()) < 0.5]
        loss = nn.functional.cross_entropy(network(images[batch].flip(flips)), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


@pytest.mark.slow
@pytest.mark.parametrize("patients", [18, 120])
def test_a_classifier_gains_from_more_lesions(patients):
    """The phantom is worth enlarging only if 20 lesions a class are too few and 500 are not."""
    images, labels = tensors(patients=60, per_class=200, seed=1000)
    score = {}
    for per_class in (20, 500):
        network = train_small_cnn(*tensors(patients, per_class, seed=0), seed=0)
        with torch.no_grad():
            score[per_class] = balanced_accuracy_score(labels, network(images).argmax(1))
    print(f"balanced accuracy with {patients} patients: {score}")
    assert 0.45 < score[20] < 0.8
    assert score[500] > 0.78
    assert score[500] >= score[20] + 0.08
