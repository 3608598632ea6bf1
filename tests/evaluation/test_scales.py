import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augmentor.data.readers import read_lesions
from augmentor.errors import DataError, UsageError
from augmentor.evaluation.audit import audit
from augmentor.evaluation.scales import Held, common_ground
from augmentor.evaluation.sides import sides_of_sets
from augmentor.extraction.extract import extract
from augmentor.extraction.sources import read_scans
from augmentor.recipe import ExtractSection
from tests.scan_sets import write_nifti

SHAPE, COUNT = (24, 24, 6), 12


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """Cuts the same dozen scans of lung, with a nodule of tissue that has a grain of its own, by settings of `extract`;
    gives the lesions."""
    folder = tmp_path_factory.mktemp("scans")
    rows, rng = ["image,mask,label,patient"], np.random.default_rng(0)
    apart = np.linalg.norm(
        (np.indices(SHAPE) - np.reshape([12, 12, 3], (3, 1, 1, 1))) * [[[[1]]], [[[1]]], [[[2]]]], axis=0
    )
    for n in range(COUNT):
        mask = apart <= rng.uniform(5, 7)
        grain = rng.normal(40, 60, tuple(side // 2 for side in SHAPE)).repeat(2, 0).repeat(2, 1).repeat(2, 2)
        write_nifti(folder / f"c{n}.nii.gz", (np.where(mask, grain, -850) + rng.normal(0, 20, SHAPE)).astype(np.int16))
        write_nifti(folder / f"m{n}.nii.gz", mask.astype(np.uint8))
        rows.append(f"c{n}.nii.gz,m{n}.nii.gz,{'cyst' if n % 2 else 'mass'},p{n}")
    (folder / "scans.csv").write_text("\n".join(rows) + "\n")
    made = {}

    def lesions(**settings):
        name = "-".join(map(str, settings.values())) or "plain"
        if name not in made:
            scans, _ = read_scans(folder / "scans.csv")
            made[name] = extract(scans, folder / name, ExtractSection(size=24, **settings)).lesions
        return made[name]

    return lesions


def copied(lesions, folder, record=True):
    """The set's files in another folder, with or without what tells their window."""
    left_out = ("lesions.csv", "masks") if record else ("lesions.csv", "masks", "extract.toml")
    shutil.copytree(lesions.source.parent, folder, ignore=shutil.ignore_patterns(*left_out, "extracted.png"))
    return read_lesions(folder)


def described(lesions, folder, slope, intercept, dtype):
    """The set's files, with what `expand` leaves beside its own."""
    copied(lesions, folder, record=False)
    told = {"slope": slope, "intercept": intercept, "original_dtype": dtype}
    (folder / "dataset_description.json").write_text(json.dumps({"Intensity": told}))
    return read_lesions(folder)


def require_copies(sides, apart=0.01):
    """Each synthetic lesion is seen as one of the real ones, and holds the same values."""
    found = audit(sides)
    assert found.near.all()
    assert found.sentence.startswith("Memorisation: 100.0%")
    names = [[Path(path).name.partition(".")[0] for path in side.paths] for side in (sides.synthetic, sides.seen)]
    assert names[0] == [names[1][row] for row in found.nearest]
    np.testing.assert_allclose(sides.synthetic.images, sides.seen.images[found.nearest], atol=apart)


SETTINGS = [
    ({"window": "soft-tissue"}, {"window": "soft-tissue", "format": "npy"}),
    ({"window": "soft-tissue"}, {"window": "lung"}),
    ({"window": "lung"}, {"window": "soft-tissue"}),
    ({"window": "soft-tissue"}, {}),
    ({}, {"window": "soft-tissue"}),
    ({"window": "soft-tissue", "format": "nifti"}, {"window": "lung", "format": "nifti"}),
    ({"window": "p1,p99"}, {"window": "p1,p99", "format": "npy"}),
]


@pytest.mark.parametrize(("of_copies", "of_real"), SETTINGS)
def test_copies_are_seen_through_another_window(cut, tmp_path, of_copies, of_real):
    sides = sides_of_sets(copied(cut(**of_copies), tmp_path / "copies"), cut(**of_real))
    require_copies(sides)
    assert not sides.guessed
    told = [note for note in sides.notes if "brought to the same units" in note]
    assert len(told) == (of_copies.get("window") != of_real.get("window"))


def test_a_note_tells_both_windows_and_what_is_compared(cut, tmp_path):
    copies = copied(cut(window="soft-tissue"), tmp_path / "copies")
    assert sides_of_sets(copies, cut(window="lung")).notes[-1] == (
        "--synthetic was cut with the window soft-tissue (-160 to 240), and --real was cut with the window lung (-1350 "
        "to 150): both were brought to the same units and compared from -160 to 150, which both show."
    )


def test_the_intensity_of_an_enlarged_set_tells_its_units(cut, tmp_path):
    pngs = described(cut(window="soft-tissue"), tmp_path / "pngs", 400 / 65535, -160.0, "int16")
    for real in (cut(window="soft-tissue"), cut(window="lung"), cut()):
        require_copies(sides_of_sets(pngs, real))
    values = described(cut(window="soft-tissue", format="npy"), tmp_path / "values", 1.0, 0.0, "float32")
    for real in (cut(window="soft-tissue"), cut(window="lung"), cut()):
        sides = sides_of_sets(values, real)
        require_copies(sides, apart=0.1)  # a little of the scan may lie beyond what is seen of an unknown window
        assert not sides.guessed
    shares = described(cut(window="p1,p99"), tmp_path / "shares", 1 / 65535, 0.0, "float32")
    require_copies(sides_of_sets(shares, cut(window="p1,p99")))
    with pytest.raises(UsageError, match="one can't be brought to the other"):
        sides_of_sets(shares, cut(window="soft-tissue"))


def test_an_enlarged_set_is_compared_with_the_values_that_it_was_made_of(cut, tmp_path):
    real = copied(cut(format="npy"), tmp_path / "real", record=False)
    made = described(cut(window="soft-tissue"), tmp_path / "made", 400 / 65535, -160.0, "float32")
    sides = sides_of_sets(made, real)
    require_copies(sides)
    assert not sides.guessed


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("soft-tissue", "p1,p99", r"soft-tissue \(-160 to 240\), and --real .* the window percentiles 1 to 99"),
        ("p1,p99", "p5,p95", "percentiles 1 to 99, and --real was cut with the window percentiles 5 to 95"),
        ("p1,p99", None, "percentiles 1 to 99, and --real was cut with no window"),
        ("-1000,-200", "brain", r"the window -1000 to -200, and --real was cut with the window brain \(0 to 80\)"),
        ("-160,240", "150,900", r"soft-tissue \(-160 to 240\), and --real was cut with the window 150 to 900"),
    ],
)
def test_windows_that_can_not_be_compared_are_named_with_the_next_step(cut, tmp_path, one, other, told):
    copies = copied(cut(window=one), tmp_path / "copies")
    with pytest.raises(UsageError, match=rf"--synthetic was cut with .*{told}.*Extract both with the same --window"):
        sides_of_sets(copies, cut(window=other))


def test_two_windows_in_one_set_are_refused(cut, tmp_path):
    for name, window in (("a", "soft-tissue"), ("b", "lung")):
        copied(cut(window=window), tmp_path / name)
    rows = [f"{file.relative_to(tmp_path)},{file.parent.name}" for file in sorted(tmp_path.glob("*/*/*.png"))]
    (tmp_path / "both.csv").write_text("\n".join(["path,label", *rows]))
    with pytest.raises(DataError, match=r"--real: .* different windows.*soft-tissue \(-160 to 240\).*lung \(-1350"):
        sides_of_sets(cut(window="soft-tissue"), read_lesions(tmp_path / "both.csv"))


def test_where_nothing_tells_the_scale_that_there_is_no_alarm_is_not_said(cut, tmp_path):
    copies = copied(cut(window="soft-tissue"), tmp_path / "copies", record=False)
    sides = sides_of_sets(copies, cut(window="lung"))
    assert sides.guessed
    assert "Nothing says what the numbers of --synthetic mean" in sides.notes[-1]
    found = audit(sides)
    assert found.alarm
    assert found.sentence.startswith("Near-copies can't be judged: ")
    assert sides_of_sets(cut(window="lung"), copies).guessed
    require_copies(sides_of_sets(copies, cut(window="soft-tissue")))  # and what is seen even so is told


def test_sets_of_which_nothing_is_known_are_compared_by_their_numbers(cut, tmp_path):
    copies, real = (copied(cut(window="lung"), tmp_path / name, record=False) for name in ("copies", "real"))
    sides = sides_of_sets(copies, real)
    require_copies(sides)
    assert not sides.guessed
    for file in (tmp_path / "copies").glob("*/*.png"):
        pixels = np.asarray(Image.open(file)).astype(np.float64) / 257
        Image.fromarray(pixels.round().astype(np.uint8)).save(file)
    eight_bit = sides_of_sets(read_lesions(tmp_path / "copies"), real)
    assert eight_bit.guessed
    assert "each set's own range was taken for full scale" in eight_bit.notes[-1]


def test_full_scale_is_that_of_the_real_lesions():
    real, made = Held("--real", "uint16", 10.0, 900.0), Held("--synthetic", "uint16", 0.0, 65535.0)
    ground = common_ground(real, made)
    assert (ground.real.low, ground.real.high) == (ground.synthetic.low, ground.synthetic.high) == (10, 900)
