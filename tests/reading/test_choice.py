"""Which lesions are read."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from augmentor.data.intensity import Intensity
from augmentor.data.lesions import make_lesions
from augmentor.errors import DataError, ShortfallError, UsageError
from augmentor.reading import choice
from augmentor.reading.choice import draw_real, draw_synthetic, real_lesions, scale_doubts, shares

SETS = [{"a": 30, "b": 30, "c": 30}, {"a": 4, "b": 9, "c": 30}, {"a": 1, "b": 1}, {"b": 5, "a": 6}, {"one": 7}]


@pytest.mark.parametrize("available", SETS)
def test_classes_share_evenly_and_the_largest_take_the_odd_ones(available):
    for count in range(2 * len(available), 2 * sum(available.values()) + 1, 2):
        try:
            wanted = shares(available, count)
        except UsageError:
            continue
        assert list(wanted) == sorted(available)
        assert sum(wanted.values()) == count // 2
        assert max(wanted.values()) - min(wanted.values()) <= 1
        by_size = [wanted[name] for name in sorted(available, key=lambda name: -available[name])]
        assert all(more >= fewer for more, fewer in pairwise(by_size))
        assert all(wanted[name] <= available[name] for name in available)


@pytest.mark.parametrize("available", SETS)
def test_the_number_that_is_said_to_fit_is_the_largest_that_does(available):
    with pytest.raises(UsageError, match=r"--n (\d+) fits") as refused:
        shares(available, 1000)
    most = int(str(refused.value).partition(" fits")[0].rpartition(" ")[2])
    shares(available, most)
    with pytest.raises(UsageError, match=f"--n {most} fits"):
        shares(available, most + 2)


def test_a_class_without_lesions_leaves_no_number_that_fits():
    with pytest.raises(UsageError, match="a class has none"):
        shares({"a": 5, "b": 0}, 4)


@pytest.mark.parametrize("count", [-2, 0, 2, 5, 4])
def test_a_number_that_gives_a_class_no_pair_is_refused(count):
    with pytest.raises(UsageError, match="Give an even number, 6 or more"):
        shares({"a": 9, "b": 9, "c": 9}, count)


def lesions(patients: str, labels: str, content: str = "", origin: str = "real"):
    """A row a letter."""
    rows = len(patients)
    columns = {
        "path": [f"/set/{i}.png" for i in range(rows)],
        "label": list(labels),
        "patient": list(patients),
        "content": list(content) if content else [""] * rows,
        "origin": [origin] * rows,
    }
    return make_lesions(columns, Path("set"))


def test_lesions_are_drawn_of_as_many_patients_as_can_be():
    # Of class a, patient p has five lesions and q, r, s one each.
    table = lesions("pppppqrsxyz", "aaaaaaaabbb")
    for seed in range(5):
        drawn = draw_real(table, {"b": 2, "a": 4}, seed).table
        assert drawn["label"].tolist() == list("bbaaaa")
        assert set(drawn["patient"][2:]) == set("pqrs")
        assert drawn["path"].is_unique
    assert draw_real(table, {"a": 8, "b": 3}, 0).table["path"].nunique() == 11


def test_the_runs_own_held_out_lesions_are_taken_each_image_once():
    run = SimpleNamespace(held_out=lesions("pqrs", "abab", "1123"), folder=Path("run"))
    assert real_lesions(run, None).table["patient"].tolist() == ["p", "r", "s"]
    run.held_out = lesions("pqrs", "abab")  # of an earlier version, which knew no hashes: told apart by their files
    assert len(real_lesions(run, None)) == 4


def without_files(monkeypatch):
    """Every lesion is a readable one of 8 bits."""
    told = {"unreadable": [], "dtypes": {"uint8": 2}, "examples": {}}
    monkeypatch.setattr(choice, "inspect", lambda brought, **_: SimpleNamespace(lesions=brought, **told))
    monkeypatch.setattr(choice, "read_image", lambda _: SimpleNamespace(pixels=np.zeros((1, 2, 2), np.uint8)))


@pytest.mark.parametrize(
    ("brought", "told"),
    [
        (lesions("xy", "ab", "89", origin="synthetic"), "2 of 2 rows are synthetic"),
        (lesions("xy", "ac", "89"), "has class c; the run knows a, b"),
        (lesions("xq", "ab", "89"), "1 of 2 lesions have patients that run was trained on, .* (patient q)"),
        (lesions("xy", "ab", "82"), "1 of 2 lesions have images that run was trained on"),
    ],
)
def test_what_can_not_be_read_blindly_is_refused(monkeypatch, brought, told):
    without_files(monkeypatch)
    run = SimpleNamespace(training=lesions("pq", "ab", "12"), folder=Path("run"))
    with pytest.raises(DataError, match=told.replace("(", r"\(").replace(")", r"\)")):
        real_lesions(run, brought)
    other = lesions("xy", "ab", "89")
    assert real_lesions(run, other).paths == other.paths


@pytest.mark.parametrize("spelt", ["RUN001", "run001 ", "run\u200b001", "\uff32un001"])
def test_a_training_patient_is_known_however_it_is_spelt(monkeypatch, spelt):
    without_files(monkeypatch)
    training, brought = lesions("pq", "ab", "12"), lesions("xy", "ab", "89")
    training.table["patient"], brought.table["patient"] = ["run001", "run002"], [spelt, "run003"]
    with pytest.raises(DataError, match="1 of 2 lesions have patients that run was trained on"):
        real_lesions(SimpleNamespace(training=training, folder=Path("run")), brought)


def test_of_many_brought_lesions_that_can_not_be_read_the_first_are_named(monkeypatch):
    broken = [f"/set/{i}.png: can't be read" for i in range(9)]
    monkeypatch.setattr(choice, "inspect", lambda *_, **__: SimpleNamespace(unreadable=broken))
    with pytest.raises(DataError) as told:
        real_lesions(SimpleNamespace(), lesions("xy", "ab"))
    assert told.value.problems == [*broken[:5], "... and 4 more such files."]


def test_patients_and_pixels_that_nobody_named_are_no_match(monkeypatch):
    """What is not known is "" on both sides."""
    without_files(monkeypatch)
    brought, training = lesions("xy", "ab"), lesions("pq", "ab")
    brought.table["patient"] = training.table["patient"] = ""
    assert len(real_lesions(SimpleNamespace(training=training, folder=Path("run")), brought)) == 2


def test_fewer_synthetic_lesions_than_wanted_are_none(monkeypatch):
    made = np.zeros((3, 1, 4, 4), np.float32), ["a", "a", "b"]
    monkeypatch.setattr(choice, "synthesise", lambda *_: made)
    run = SimpleNamespace(folder=Path("run"))
    images, labels = draw_synthetic(run, {"a": 2, "b": 1}, 0, "light")
    assert len(images) == 3
    assert Counter(labels) == {"a": 2, "b": 1}
    with pytest.raises(ShortfallError, match=r"passed the screen: 1 of 2 b\. Nothing is written"):
        draw_synthetic(run, {"a": 2, "b": 2}, 0, "light")


def scanned(seed: int, count: int = 8):
    """Twelve bits: tissue about 1000 in a background of 0, with a few bright pixels, as MRI has."""
    rng = np.random.default_rng(seed)
    made = rng.normal(1000, 200, (count, 1, 24, 24)).clip(100, 2500)
    made[:, :, :8] = 0
    made[:, :, 20, :3] = rng.uniform(2600, 3500, (count, 1, 3))
    return made.round()


def hounsfield(seed: int, count: int = 8):
    """Soft tissue with air above it: -1000, and about 50."""
    made = np.random.default_rng(seed).normal(50, 40, (count, 1, 24, 24))
    made[:, :, :4] = np.random.default_rng(seed).normal(-1000, 20, (count, 1, 4, 24))
    return made.round()


def doubts(monkeypatch, trained, brought):
    """What is said of lesions beside a run on others."""
    files = {f"/set/{i}.png": x for i, x in enumerate(brought)} | {f"/run/{i}.png": x for i, x in enumerate(trained)}
    monkeypatch.setattr(choice, "read_image", lambda path: SimpleNamespace(pixels=files[path]))
    training = lesions("pqrstuvw"[: len(trained)], "a" * len(trained))
    training.table["path"] = [f"/run/{i}.png" for i in range(len(trained))]
    names = [f"x{i}" for i in range(len(brought))]
    given = make_lesions(
        {"path": list(files)[: len(brought)], "label": ["a"] * len(brought), "patient": names}, Path("set")
    )
    limits = Intensity(float(trained.min()), float(trained.max()), "int16")
    return scale_doubts(given, SimpleNamespace(training=training, folder=Path("run")), limits)


def with_padding(made):
    """Two thirds of each picture are what a scanner writes where it saw nothing."""
    padded = made.copy()
    padded[:, :, :16] = -3024
    return padded


def with_bone(made):
    made[:, :, 20, :2] = 3000
    return made


@pytest.mark.parametrize(
    ("trained", "brought"),
    [
        (scanned(1), scanned(2)),
        (scanned(1), scanned(2) * 1.5),  # another gain: a percent or so is clipped
        (scanned(1), scanned(2) * 0.7),
        (scanned(1), scanned(2) + 300),
        (hounsfield(1), hounsfield(2) + 30),  # with contrast agent
        (hounsfield(1), with_padding(hounsfield(2))),
        (hounsfield(1)[:, :, 8:], hounsfield(2)),  # cut closer: the air of the others lies below
        (scanned(1), scanned(2)[:1]),
        (scanned(1) * 0 + 7, scanned(2) * 0 + 7),
    ],
)
def test_lesions_of_another_hospital_are_taken_without_a_word(monkeypatch, trained, brought):
    assert doubts(monkeypatch, trained, brought) == []


@pytest.mark.parametrize(
    ("trained", "brought", "ranges"),
    [
        (scanned(1), scanned(2) * 16, r"/set/0.png: holds 0 to \d+, the lesions of run 0 to 3\d\d\d"),
        (hounsfield(1), hounsfield(2) + 1024, "holds .* the lesions of run -1.* to 2"),
        (hounsfield(1)[:, :, 8:], hounsfield(2) * 0 - 1000, "holds -1000 to -1000"),
    ],
)
def test_lesions_in_another_scale_that_would_be_white_or_black_are_refused(monkeypatch, trained, brought, ranges):
    with pytest.raises(DataError, match=ranges + ".*: 8 of 8 lesions .* white or black. Bring them in the run's units"):
        doubts(monkeypatch, trained, brought)


def test_a_few_lesions_in_another_scale_are_named_in_a_warning(monkeypatch):
    """Bright ones may be so in truth; where they are more than half, the set is refused."""
    mixed = scanned(2)
    mixed[5:7] *= 16
    assert doubts(monkeypatch, scanned(1), mixed)[0].startswith("/set/5.png: holds 0 to ")
    assert "2 of 8 lesions of --real" in doubts(monkeypatch, scanned(1), mixed)[0]
    mixed[:3] *= 16
    with pytest.raises(DataError, match="5 of 8"):
        doubts(monkeypatch, scanned(1), mixed)


@pytest.mark.parametrize(
    ("trained", "brought"),
    [
        (scanned(1) * 16, scanned(2)),  # 12 bits in 16 on the other side: nearly black
        (np.concatenate([hounsfield(1), hounsfield(1) + 3000]), hounsfield(2) * 0 - 1000),
        (with_bone(hounsfield(1)), hounsfield(2) + 1024),  # a CT without its rescale
        (scanned(1), scanned(2) * 0.4),  # a gain by which they are darker than all the others
    ],
)
def test_lesions_within_the_range_but_unlike_the_training_lesions_get_a_warning(monkeypatch, trained, brought):
    (told,) = doubts(monkeypatch, trained[:8], brought)
    assert told.startswith("/set/0.png: 98 % of the pixels of --real are ")
    assert "See whether they are in the same units" in told
