"""The data layer on real sets that lie beside the project on its own machines (shared/data)."""

import numpy as np
import pytest

from augmentor.data.check import inspect
from augmentor.data.readers import read_lesions
from augmentor.data.splits import guard, holdout, outer_folds
from augmentor.data.squares import load_images
from augmentor.errors import DataError

CHENG = {"path": "roi", "patient": "run"}


@pytest.fixture
def brain_tumours(shared_data):
    return read_lesions(shared_data("brain-mri-cheng-3class/index.csv"), CHENG)


def test_brain_tumours_are_counted(brain_tumours):
    assert brain_tumours.counts() == {"glioma": 1426, "meningioma": 708, "pituitary": 930}
    folds = brain_tumours.table["fold"].value_counts().sort_index()
    assert folds.to_dict() == {"1": 570, "2": 655, "3": 562, "4": 613, "5": 664}
    assert brain_tumours.table["patient"].nunique() == 510
    assert not brain_tumours.warnings


@pytest.mark.parametrize("count", [None, 3])
def test_brain_tumours_are_split_by_their_own_folds(brain_tumours, count):
    folds = outer_folds(brain_tumours, count, 0)
    assert len(folds) == (count or 5)
    assert sorted(np.concatenate([f.test for f in folds])) == list(range(3064))
    for fold in folds:
        train = brain_tumours.rows(fold.train)
        guard(train, brain_tumours.rows(fold.test))
        assert not set(train.table["fold"]) & set(fold.name.split("+"))
        guard(*(train.rows(side) for side in holdout(train, 0.2, 0)))


def test_brain_tumours_are_usable(brain_tumours):
    found = inspect(brain_tumours)
    assert not found.problems
    assert not found.exact_duplicates
    assert found.sizes == {"64x64": 3064}
    assert (found.dtypes, found.channels) == ({"uint8": 3064}, {"1": 3064})


def test_skin_lesions_are_read_by_folder_though_a_table_lies_beside_them(shared_data):
    lesions = read_lesions(shared_data("ham10000-sample-70"))
    assert lesions.counts() == dict.fromkeys(("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"), 10)
    found = inspect(lesions)
    assert not found.problems
    assert found.channels == {"3": 70}
    images, _ = load_images(lesions.paths[:4], 32)
    assert images.shape == (4, 3, 32, 32)


@pytest.mark.parametrize("name", ["ham10000-sample-70", "brain-mri-cheng-3class/roi64"])
def test_names_that_number_the_images_are_not_taken_for_several_of_a_patient(shared_data, name):
    lesions = read_lesions(shared_data(name), patient_pattern="<patient>")
    assert lesions.table["patient"].nunique() == len(lesions)
    assert not any("is that so?" in note for note in lesions.warnings)


def test_a_set_with_a_folder_of_classes_for_each_kind_of_picture_is_refused(shared_data):
    with pytest.raises(DataError, match=r"roi64/, slices256/ hold the same .*--data /.*/roi64\. .*index\.csv"):
        read_lesions(shared_data("brain-mri-cheng-3class"))


def test_the_table_of_skin_lesions_lacks_paths_and_the_message_says_which_columns_it_has(shared_data):
    file = shared_data("ham10000-sample-70/HAM10000_metadata_sample.csv")
    with pytest.raises(DataError, match=r"no column for path .* lesion_id, image_id, dx"):
        read_lesions(file)


@pytest.fixture
def pneumonia(shared_data):
    return read_lesions(shared_data("pneumoniamnist/pneumoniamnist.npz"))


def test_pneumonia_comes_with_its_split(pneumonia):
    assert pneumonia.table.groupby(["split", "label"]).size().to_dict() == {
        **{("train", "0"): 388, ("train", "1"): 3494, ("val", "0"): 135, ("val", "1"): 389},
        **{("test", "0"): 234, ("test", "1"): 390},
    }


def test_duplicates_of_pneumonia_are_found_and_never_trained_on_and_tested_on(pneumonia):
    found = inspect(pneumonia)
    assert sum(len(paths) - 1 for paths in found.exact_duplicates) == 28
    assert len(found.duplicates_across_splits) == 8
    assert not found.problems
    (fold,) = outer_folds(found.lesions, None, 0)
    train, test = found.lesions.rows(fold.train), found.lesions.rows(fold.test)
    guard(train, test)
    sides = [found.lesions.rows(side) for side in holdout(found.lesions, 0.2, 0)]
    guard(*sides)
    for side in sides:
        guard(side, test)
