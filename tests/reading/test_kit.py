import json
import re
import unicodedata
from types import SimpleNamespace

import numpy as np
import pytest

import augmentor.expansion.screen as screening
import augmentor.reading.kit as kit_module
from augmentor.data.images import read_image
from augmentor.data.lesions import make_lesions
from augmentor.data.readers import read_lesions
from augmentor.errors import DataError, UsageError
from augmentor.model.checkpoint import Card
from augmentor.model.memorisation import make_copy_check
from augmentor.progress import Progress
from augmentor.reading.key import load_key
from augmentor.reading.kit import make_reading
from augmentor.reading.page import read_page
from augmentor.training.run import Run
from tests.lesion_sets import draw_phantom, tiny_recipe, write_set
from tests.reading.kits import lose_images, phantom_run
from tests.reading.properties import equal_channels, file_properties, hits
from tests.reading.test_pixels import BEYOND_CHANCE, EACH, EIGHT_BIT, SIZE, residue, surrounded_in_colour, write

READERS = ["anna", "ben"]


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    out = tmp_path_factory.mktemp("kit") / "reading"
    return out, make_reading(phantom_run(), READERS, out, 36)


def truth_of(key):
    return {lesion["id"]: lesion["kind"] == "synthetic" for lesion in key.lesions}


def test_half_are_real_and_each_class_has_as_many_of_both(kit):
    _, key = kit
    counts = {}
    for lesion in key.lesions:
        counts[lesion["kind"], lesion["label"]] = counts.get((lesion["kind"], lesion["label"]), 0) + 1
    assert len(key.lesions) == 36
    assert set(counts.values()) == {6}


def test_real_lesions_are_of_held_out_patients(kit):
    _, key = kit
    patients = {lesion["patient"] for lesion in key.lesions if lesion["kind"] == "real"}
    assert patients <= set(phantom_run().held_out.table["patient"])
    assert len(patients) > 3


def test_the_folder_holds_a_page_a_reader_and_the_key(kit):
    out, key = kit
    assert {file.name for file in out.iterdir()} == {"anna.html", "ben.html", "key.json"}
    assert load_key(out) == key


def test_the_page_has_all_lesions_once_in_another_order_for_each_reader(kit):
    out, key = kit
    orders = [[lesion["id"] for lesion in read_page(out / f"{reader}.html")[0]["lesions"]] for reader in READERS]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(key.ids)
    assert orders == [key.orders[reader] for reader in READERS]


def test_both_readers_see_the_same_lesions(kit):
    out, _ = kit
    one, other = (read_page(out / f"{reader}.html")[1] for reader in READERS)
    assert all((one[name] == other[name]).all() for name in one)


def test_a_level_of_the_page_is_a_unit_of_the_files(kit):
    content, _ = read_page(kit[0] / "anna.html")
    assert content["levels"] == content["high"] - content["low"] + 1


def test_the_page_tells_nothing_of_the_key(kit):
    out, key = kit
    for reader in READERS:
        text = (out / f"{reader}.html").read_text()
        content, _ = read_page(out / f"{reader}.html")
        assert {name for lesion in content["lesions"] for name in lesion} == {"id", "pixels"}
        assert len({len(lesion["pixels"]) for lesion in content["lesions"]}) == 1
        rest = re.sub(r'"pixels": "[^"]*"', "", text)
        for lesion in key.lesions:
            assert lesion["source"] not in rest
        for told in (str(phantom_run().folder), key.made["checkpoint"], "patient", "seed"):
            assert told not in rest


@pytest.fixture(scope="module")
def readings(tmp_path_factory):
    """Twelve of 54 lesions, each with its folder. The run's check for near-copies is the same in all: made once."""
    home = tmp_path_factory.mktemp("readings")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(screening, "make_copy_check", OneCheck())
        return [
            (out, make_reading(phantom_run(), ["anna"], out, 54, seed=seed, screen="off"))
            for seed, out in enumerate(home / str(seed) for seed in range(12))
        ]


class OneCheck:
    """Makes the first check that is asked for, and gives it again while the same is asked."""

    def __init__(self):
        self.made = {}

    def __call__(self, training, patients, others):
        asked = training.tobytes(), tuple(patients), others.tobytes()
        if asked not in self.made:
            self.made[asked] = make_copy_check(training, patients, others)
        return self.made[asked]


def test_neither_numbers_nor_orders_tell_the_kind(readings):
    """Over several readings; at chance, the share of lesions that are synthetic does not depend on where they stand."""
    numbers, places, synthetic = [], [], []
    for _, key in readings:
        truth = truth_of(key)
        for place, name in enumerate(key.orders["anna"]):
            numbers.append(float(name[1:]))
            places.append(float(place))
            synthetic.append(truth[name])
    for order in (numbers, places):  # the pixels decide about both: other rounding is another draw by chance
        assert abs(np.corrcoef(order, synthetic)[0, 1]) < 4 / np.sqrt(len(order)) < 0.16


def told_by_properties(out, key):
    """How many lesions a classifier on the properties of their files tells rightly."""
    content, lesions = read_page(out / "anna.html")
    packed = {lesion["id"]: float(len(lesion["pixels"])) for lesion in content["lesions"]}
    features = [
        [*file_properties(pixels, content["levels"]), packed[name], float(place), float(name[1:])]
        for place, (name, pixels) in enumerate(lesions.items())
    ]
    return hits(features, np.array([truth_of(key)[name] for name in lesions]))


def test_a_classifier_on_file_properties_is_at_chance(readings):
    found = sum(told_by_properties(*reading) for reading in readings[:10])
    assert found <= 297  # of 540 by a coin in 99 of 100 such readings


def drawn_as_a_network_does(wanted):
    """Grey on black in colour, with a tint and a residue: images (N, 3, S, S) in [-1, 1], and labels."""
    count = sum(wanted.values())
    made = residue(count, channels=3) + np.random.default_rng(7).normal(0, 0.01, (count, 3, SIZE, SIZE))
    return made.clip(-1, 1).astype(np.float32), [name for name, number in wanted.items() for _ in range(number)]


def make_grey_reading(out, monkeypatch):
    """Of a run, without its network, on grey pictures with a black surround that are stored in colour; 60 of each."""
    paths = write(out / "lesions", surrounded_in_colour)
    rows = {"path": paths, "label": ["a", "b"] * (EACH // 2), "patient": [f"p{i}" for i in range(EACH)]}
    (out / "weights").write_bytes(b"none")
    run = SimpleNamespace(
        held_out=make_lesions(rows, out),
        recipe=tiny_recipe(),
        folder=out,
        chosen_checkpoint=out / "weights",
        require_images=lambda: None,
    )
    card = Card(tiny_recipe(model={"size": SIZE}).model, ("a", "b"), 3, (1, 1), EIGHT_BIT, None, 0, "")
    monkeypatch.setattr(kit_module, "load_card", lambda _: card)
    monkeypatch.setattr(kit_module, "draw_synthetic", lambda _run, wanted, *_: drawn_as_a_network_does(wanted))
    return make_reading(run, ["anna"], out / "reading", 2 * EACH)


def test_grey_lesions_in_colour_on_black_are_not_told_by_their_channels_or_background(tmp_path, monkeypatch):
    key = make_grey_reading(tmp_path, monkeypatch)
    _, lesions = read_page(tmp_path / "reading" / "anna.html")
    assert {equal_channels(pixels) for pixels in lesions.values()} == {1.0}
    assert all((pixels[:, :2, :2] == 0).all() for pixels in lesions.values())
    assert told_by_properties(tmp_path / "reading", key) <= BEYOND_CHANCE


def test_the_same_seed_gives_the_same_reading_and_another_one_another(kit, tmp_path):
    out, key = kit
    again = make_reading(phantom_run(), READERS, tmp_path / "again", 36)
    other = make_reading(phantom_run(), READERS, tmp_path / "other", 36, seed=1, screen="off")
    assert again == key
    assert (tmp_path / "again" / "anna.html").read_bytes() == (out / "anna.html").read_bytes()
    assert other.reading != key.reading


def test_a_folder_with_files_is_refused_and_kept(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="already holds files"):
        make_reading(phantom_run(), READERS, tmp_path, 36)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_what_fails_on_the_way_leaves_no_folder(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("augmentor.reading.kit.write_page", fail)
    with pytest.raises(OSError, match="disk full"):
        make_reading(phantom_run(), READERS, tmp_path / "reading", 12, screen="off")
    assert not list(tmp_path.iterdir())


def test_too_few_real_lesions_are_told_with_what_fits(tmp_path):
    with pytest.raises(UsageError, match=r"needs 200 real lesions.*--n \d+ fits") as told:
        make_reading(phantom_run(), READERS, tmp_path / "reading", 1200)
    fits = int(re.search(r"--n (\d+) fits", str(told.value))[1])
    assert len(make_reading(phantom_run(), ["anna"], tmp_path / "reading", fits, screen="off").lesions) == fits
    with pytest.raises(UsageError, match="fits"):
        make_reading(phantom_run(), ["anna"], tmp_path / "more", fits + 2, screen="off")


@pytest.mark.parametrize(
    ("readers", "told"),
    [
        (["anna", "Anna"], "one name"),
        (["../x"], r"'\.\./x'"),
        ([], "nobody"),
        (["model"], "classifier"),
        (["anna", "Model"], "'Model' is the name of the classifier"),
        (["report"], "report.html. Give this reader another"),
        (["REPORT", "ben"], "report.html"),
        (["Zoe\u0308", "Zo\u00eb"], "Zo\u00eb is named more than once"),
        (["Zoe\u0308", "ZO\u00cb"], "ZO\u00cb, Zo\u00eb are one name"),
        (["\u0308anna"], "Letters may be of any script, with their accents and vowel signs"),
        (["an\u200bna"], "no characters that can't be seen"),
        (["\u0308"], "letters, digits, - and _"),
        (["anna", "All"], "'All' is the name of the row that tells all readers together"),
    ],
)
def test_names_that_cannot_be_files_are_refused(tmp_path, readers, told):
    with pytest.raises(UsageError, match=told):
        make_reading(phantom_run(), readers, tmp_path / "reading", 12)


NAMES = {
    "Devanagari": "\u092a\u094d\u0930\u093f\u092f\u093e",
    "Arabic": "\u0645\u062d\u0645\u0651\u062f",
    "Tamil": "\u0b95\u0bb5\u0bbf\u0ba4\u0bbe",
    "Hebrew": "\ufb2a\u05b8\u05e8\u05b8\u05d4",  # a letter that NFC takes apart
    "Latin": "Zoe\u0308_2-b",
}


def test_names_of_any_script_name_files_pages_and_orders(tmp_path):
    wanted = [unicodedata.normalize("NFC", name) for name in NAMES.values()]
    key = make_reading(phantom_run(), list(NAMES.values()), tmp_path / "reading", 12, screen="off")
    assert list(load_key(tmp_path / "reading").orders) == wanted
    assert {file.name for file in (tmp_path / "reading").glob("*.html")} == {f"{name}.html" for name in wanted}
    assert [read_page(tmp_path / "reading" / f"{name}.html")[0]["reader"] for name in wanted] == wanted
    once = make_reading(phantom_run(), ["Zo\u00eb_2-b"], tmp_path / "once", 12, screen="off")
    assert once.orders["Zo\u00eb_2-b"] == key.orders["Zo\u00eb_2-b"]


@pytest.mark.parametrize("count", [7, 4, 0, -2])
def test_an_odd_or_too_small_number_is_refused(tmp_path, count):
    with pytest.raises(UsageError, match="even number, 6 or more"):
        make_reading(phantom_run(), READERS, tmp_path / "reading", count)


def test_lesions_of_training_patients_are_refused(tmp_path):
    run = phantom_run()
    with pytest.raises(DataError, match="trained on"):
        make_reading(run, READERS, tmp_path / "reading", 12, real=run.lesions)


def test_a_training_image_under_another_name_is_refused(tmp_path):
    run = phantom_run()
    renamed = run.training.table.assign(patient=[f"other{i}" for i in range(len(run.training))])
    with pytest.raises(DataError, match="images that"):
        make_reading(run, READERS, tmp_path / "reading", 12, real=type(run.training)(renamed, run.folder))


def test_other_lesions_can_be_brought(tmp_path):

    table = draw_phantom(tmp_path / "others", patients=6, per_class=4, size=32, seed=9)
    others = read_lesions(table)
    others.table["patient"] = "new-" + others.table["patient"]
    key = make_reading(phantom_run(), READERS, tmp_path / "reading", 12, real=others, screen="off")
    assert all(x["patient"].startswith("new-") for x in key.lesions if x["kind"] == "real")


def test_lesions_of_unknown_classes_are_refused(tmp_path):
    with pytest.raises(DataError, match="class a, b; the run knows cyst, hemangioma, metastasis"):
        make_reading(phantom_run(), READERS, tmp_path / "reading", 12, real=write_set(tmp_path / "set"))


def test_lesions_of_another_dtype_are_refused(tmp_path):
    lesions = read_lesions(draw_phantom(tmp_path / "others", 9, patients=6, per_class=4, size=32, format="png"))
    lesions.table["patient"] = "new-" + lesions.table["patient"]
    with pytest.raises(DataError, match=r"holds uint16 values, the lesions of .* int16 ones"):
        make_reading(phantom_run(), READERS, tmp_path / "reading", 12, real=lesions, screen="off")
    assert not (tmp_path / "reading").exists()


class Told(Progress):
    """Keeps the lines that stay."""

    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def brought_times(folder, factor):
    """Lesions of other patients, their stored values multiplied."""
    lesions = read_lesions(draw_phantom(folder, 9, patients=6, per_class=4, size=32))
    paths = [str(folder / f"{number}.npy") for number in range(len(lesions))]
    for path, stored in zip(paths, lesions.paths, strict=True):
        np.save(path, (read_image(stored).pixels[0] * float(factor)).clip(-32768, 32767).astype(np.int16))
    lesions.table["path"], lesions.table["patient"] = paths, "new-" + lesions.table["patient"]
    return lesions


def test_lesions_in_another_scale_are_refused_or_warned_of_before_anything_is_drawn(tmp_path, monkeypatch):
    real = brought_times(tmp_path / "a", 16)
    with monkeypatch.context() as patch:
        patch.setattr(kit_module, "draw_synthetic", None)
        with pytest.raises(DataError, match="would be shown white or black"):
            make_reading(phantom_run(), READERS, tmp_path / "no", 12, real=real)
    assert not (tmp_path / "no").exists()
    for number, (factor, warned) in enumerate([(1, False), (1 / 16, True)]):
        told, out = Told(), tmp_path / str(number)
        real = brought_times(tmp_path / f"b{number}", factor)
        make_reading(phantom_run(), ["anna"], out, 12, real=real, screen="off", progress=told)
        assert [line.startswith("Warning: ") for line in told.lines] == [True] * warned


def test_a_run_that_held_nobody_out_says_so(tmp_path):
    from augmentor.training.fit import fit

    run = fit(write_set(tmp_path / "set"), tiny_recipe(training={"holdout": 0}), tmp_path / "run", latest=False)
    with pytest.raises(UsageError, match="held no patients out"):
        make_reading(run, READERS, tmp_path / "reading", 12)


def test_volumes_are_refused_before_anything_is_drawn(tmp_path):
    """The run's folder holds its recipe alone: whoever looked for more would not find it."""
    (tmp_path / "run").mkdir()
    tiny_recipe(model={"spatial_dims": 3}).save(tmp_path / "run" / "recipe.toml")
    with pytest.raises(UsageError, match="fitted on volumes, and a reading shows images"):
        make_reading(Run(tmp_path / "run"), READERS, tmp_path / "reading", 12)


def test_a_damaged_key_is_told(tmp_path):
    sound = {"reading": "x", "made": {}, "classes": ["a"], "lesions": [], "orders": {}, "treatment": {}}
    (tmp_path / "key.json").write_text(json.dumps(sound))
    assert load_key(tmp_path).classes == ["a"]
    for content in ({"reading": "x"}, sound | {"more": 1}, sound | {"classes": 5}, sound | {"lesions": ["a"]}, 5):
        (tmp_path / "key.json").write_text(json.dumps(content))
        with pytest.raises(DataError, match=r"key\.json: is no key"):
            load_key(tmp_path)
    with pytest.raises(UsageError, match="read make"):
        load_key(tmp_path / "none")


@pytest.mark.parametrize("brought", [False, True])
def test_without_the_runs_images_it_says_where_they_have_to_be(tmp_path, monkeypatch, brought):
    real = phantom_run().held_out if brought else None
    lose_images(monkeypatch, phantom_run())
    with pytest.raises(DataError, match=rf"1\.png: no such file .*{phantom_run().folder} needs its images where"):
        make_reading(phantom_run(), READERS, tmp_path / "reading", 12, real=real)
    assert not (tmp_path / "reading").exists()
