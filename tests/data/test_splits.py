from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augmentor.data import splits
from augmentor.data.lesions import make_lesions
from augmentor.data.splits import groups, guard, holdout, independent_patients, outer_folds, shared
from augmentor.errors import DataError, LeakageError

SEEDS = range(12)


def random_lesions(seed, patients=(5, 9), twins=0, **columns):
    """2 to 4 classes of 5 to 8 patients with 1 to 6 images each; `twins` pairs of rows of c0 share their pixels."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"c{c}", f"c{c}p{p}")
        for c in range(rng.integers(2, 5))
        for p in range(rng.integers(*patients))
        for _ in range(rng.integers(1, 7))
    ]
    rows = [rows[i] for i in rng.permutation(len(rows))]
    labels, names = [r[0] for r in rows], [r[1] for r in rows]
    content = [f"{i:016x}" for i in range(len(rows))]
    for _ in range(twins):
        one, two = rng.choice([i for i, label in enumerate(labels) if label == "c0"], 2, replace=False)
        content[two] = content[one]
    made = {"path": [f"/x/{i}.png" for i in range(len(rows))], "label": labels, "patient": names, "content": content}
    return make_lesions(made | {name: fill(names) for name, fill in columns.items()}, "set")


def by_patient(*values, seed=0):
    """Fills a column with values drawn by patient."""
    rng = np.random.default_rng(seed)

    def fill(patients):
        drawn = {p: str(values[i % len(values)]) for i, p in enumerate(rng.permutation(sorted(set(patients))))}
        return [drawn[p] for p in patients]

    return fill


def values(lesions, column, rows):
    return set(lesions.table[column].iloc[rows])


def shares_nothing(lesions, one, other):
    return not any(values(lesions, c, one) & values(lesions, c, other) for c in ("patient", "path", "content"))


# Folds


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", [2, 3, 5, None])
def test_no_patient_is_in_two_folds_and_every_row_is_tested_once(seed, count):
    lesions = random_lesions(seed)
    folds = outer_folds(lesions, count, seed)
    assert len(folds) == (count or 3)
    assert sorted(np.concatenate([f.test for f in folds])) == list(range(len(lesions)))
    for fold in folds:
        assert len(fold.train) + len(fold.test) == len(lesions)
        assert shares_nothing(lesions, fold.train, fold.test)
        assert values(lesions, "label", fold.train) == values(lesions, "label", fold.test) == set(lesions.classes)
        guard(lesions.rows(fold.train), lesions.rows(fold.test))


@pytest.mark.parametrize("seed", SEEDS)
def test_identical_images_of_two_patients_stay_on_one_side(seed):
    lesions = random_lesions(seed, patients=(7, 9), twins=3)
    for fold in outer_folds(lesions, 3, seed):
        assert shares_nothing(lesions, fold.train, fold.test)
    assert shares_nothing(lesions, *holdout(lesions, 0.25, seed))


def test_same_seed_same_folds_and_another_seed_others():
    lesions = random_lesions(1)
    tests = [[f.test.tolist() for f in outer_folds(lesions, 3, seed)] for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", [3, 5])
def test_hardly_a_fold_of_one_seed_comes_again_with_another(seed, count):
    lesions = random_lesions(seed, patients=(18, 24))
    tests = {tuple(f.test) for repeat in range(3) for f in outer_folds(lesions, count, repeat)}
    assert len(tests) >= 3 * count - 2


def even_lesions(patients, classes=2, **columns):
    """`patients` of each class, with one image each; patient 0 of class 0 is c0p0."""
    names = [f"c{c}p{p}" for c in range(classes) for p in range(patients)]
    made = {"path": [f"/x/{name}.png" for name in names], "label": [name[:2] for name in names], "patient": names}
    return make_lesions(made | {"content": names} | {name: fill(names) for name, fill in columns.items()}, "set")


def test_half_of_the_patients_are_tied_in_pairs():
    tied = splits._half_paired(np.repeat(np.arange(20), 3), np.random.default_rng(0))
    images = np.unique(tied, return_counts=True)[1]
    assert sorted(images) == [3] * 10 + [6] * 5


@pytest.mark.parametrize(("patients", "paired"), [(2, False), (4, False), (5, True)])
def test_patients_are_tied_where_there_are_three_a_fold_or_more(monkeypatch, patients, paired):
    original, calls = splits._half_paired, []
    monkeypatch.setattr(splits, "_half_paired", lambda *given: calls.append(given) or original(*given))
    outer_folds(even_lesions(patients), 3 if patients > 2 else 2, 1)
    assert bool(calls) == paired


def test_brought_folds_are_merged_otherwise_with_another_seed():
    lesions = even_lesions(10, fold=lambda patients: [str(int(p[3:]) % 5) for p in patients])
    merged = [{fold.name for fold in outer_folds(lesions, 3, seed)} for seed in (0, 0, 1, 2)]
    assert merged[0] == merged[1] == {"0+3", "1+4", "2"}
    assert all(merged[i] != merged[j] for i, j in ((0, 2), (0, 3), (2, 3)))


def test_folds_whose_training_side_lacks_a_class_are_refused():
    """The two patients of class c0 share an image: where one is tested, the other may not be trained on."""
    lesions = even_lesions(2, fold=lambda patients: [p[3:] for p in patients])
    lesions.table.loc[lesions.table["label"] == "c0", "content"] = "same"
    with pytest.raises(DataError, match="Fold 0 lacks class c0 in training or test"):
        outer_folds(lesions, None, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_brought_folds_are_the_outer_folds(seed):
    lesions = random_lesions(seed, patients=(9, 10), fold=by_patient(1, 2, seed=seed))
    folds = outer_folds(lesions, None, 0)
    assert [f.name for f in folds] == ["1", "2"]
    for fold in folds:
        assert values(lesions, "fold", fold.test) == {fold.name}
        assert fold.name not in values(lesions, "fold", fold.train)


@pytest.mark.parametrize("seed", SEEDS)
def test_five_brought_folds_are_merged_whole_into_three(seed):
    lesions = random_lesions(
        seed, patients=(12, 16), fold=lambda patients: [str(int(p.split("p")[1]) % 5) for p in patients]
    )
    folds = outer_folds(lesions, 3, 0)
    assert [f.name for f in folds] == ["0+3", "1+4", "2"]
    for fold in folds:
        assert values(lesions, "fold", fold.test) == set(fold.name.split("+"))
        assert not values(lesions, "fold", fold.test) & values(lesions, "fold", fold.train)
    assert sorted(np.concatenate([f.test for f in folds])) == list(range(len(lesions)))


def test_an_image_that_stands_in_two_brought_folds_is_not_trained_on_when_tested():
    lesions = random_lesions(0, patients=(9, 10), twins=4, fold=by_patient(1, 2))
    folds = outer_folds(lesions, None, 0)
    assert sorted(np.concatenate([f.test for f in folds])) == list(range(len(lesions)))
    assert any(len(f.train) + len(f.test) < len(lesions) for f in folds)
    for fold in folds:
        assert shares_nothing(lesions, fold.train, fold.test)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_brought_test_split_is_the_one_fold(seed):
    lesions = random_lesions(seed, patients=(9, 10), twins=3, split=by_patient("train", "val", "test", seed=seed))
    (fold,) = outer_folds(lesions, None, 0)
    assert fold.name == "test"
    assert values(lesions, "split", fold.test) == {"test"}
    assert (lesions.table["split"] == "test").sum() == len(fold.test)
    assert "test" not in values(lesions, "split", fold.train)
    assert shares_nothing(lesions, fold.train, fold.test)


@pytest.mark.parametrize(
    ("count", "columns", "told"),
    [
        (1, {}, "--folds is 1; it must be 2 or more"),
        (9, {}, "Class 'c0' has 5 patients .* at least 9.* Or lower --folds"),
        (3, {"fold": by_patient(1, 2)}, "--folds is 3, but the data brings folds 1, 2"),
        (None, {"fold": by_patient(1)}, "brings one fold, 1"),
        (None, {"fold": by_patient(1, 2, "")}, "rows have no fold"),
        (None, {"fold": lambda patients: [p[1] for p in patients]}, "Fold 0 lacks class .* Lower --folds"),
        (None, {"split": lambda patients: ["test" if p[1] == "0" else "train" for p in patients]}, "is of class c0"),
        (None, {"split": by_patient("test")}, "no training lesion is of class c0, c1"),
    ],
)
def test_folds_that_cannot_be_made_are_refused_with_the_reason(count, columns, told):
    with pytest.raises(DataError, match=told):
        outer_folds(random_lesions(0, patients=(5, 6), **columns), count, 0)


# Holding out


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", [0.1, 0.2, 0.34, 0.5])
def test_holdout_parts_patients_and_keeps_every_class_on_both_sides(seed, share):
    lesions = random_lesions(seed)
    train, held = holdout(lesions, share, seed)
    assert sorted([*train, *held]) == list(range(len(lesions)))
    assert shares_nothing(lesions, train, held)
    assert values(lesions, "label", train) == values(lesions, "label", held) == set(lesions.classes)
    assert abs(len(held) / len(lesions) - share) < 0.16


@pytest.mark.parametrize("share", [0.15, 0.3, 0.35, 0.4, 0.45])
def test_a_share_that_no_single_part_is_takes_several(share):
    for seed in range(3):
        lesions = random_lesions(seed, patients=(18, 24))
        train, held = holdout(lesions, share, seed)
        assert len(held) / len(lesions) == pytest.approx(share, abs=0.03)
        assert sorted([*train, *held]) == list(range(len(lesions)))
        assert shares_nothing(lesions, train, held)
        assert values(lesions, "label", train) == values(lesions, "label", held) == set(lesions.classes)
        assert holdout(lesions, share, seed)[1].tolist() == held.tolist()


def test_another_seed_holds_others_out():
    lesions = random_lesions(1, patients=(18, 24))
    assert len({tuple(holdout(lesions, 0.2, seed)[1]) for seed in range(4)}) > 1


@pytest.mark.parametrize(
    ("held", "imbalance"),
    [([0, 1, 5, 6, 7], 0.4), ([0, 5], 0.0), ([0, 1, 2, 5], 0.4), ([0, 1, 2, 3, 4, 5], np.inf), ([0], np.inf)],
)
def test_a_holdout_is_as_uneven_as_its_worst_class_and_none_at_all_without_one(held, imbalance):
    assert splits._imbalance(even_lesions(5), np.array(held), 0.2) == pytest.approx(imbalance)


@pytest.mark.parametrize(("share", "parts"), [(0.5, 2), (0.333, 3), (0.25, 4), (0.2, 5), (0.1, 10)])
def test_a_share_that_one_part_is_takes_one(share, parts):
    for seed in range(3):
        lesions = random_lesions(seed, patients=(18, 24))
        cut = [part.tolist() for part in splits._stratified_parts(lesions, parts, seed)]
        assert holdout(lesions, share, seed)[1].tolist() in cut


@pytest.mark.parametrize("seed", SEEDS)
def test_two_patients_a_class_are_enough_to_hold_one_out(seed):
    lesions = random_lesions(seed, patients=(2, 3))
    train, held = holdout(lesions, 0.2, seed)
    assert values(lesions, "label", train) == values(lesions, "label", held) == set(lesions.classes)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("names", [("train", "test"), ("train", "val", "test"), ("", "", "test")])
def test_test_rows_and_their_like_are_on_neither_side_of_a_holdout(seed, names):
    lesions = random_lesions(seed, patients=(15, 20), twins=3, split=by_patient(*names, seed=seed))
    train, held = holdout(lesions, 0.25, seed)
    test = np.flatnonzero(lesions.table["split"] == "test")
    for side in (train, held):
        assert len(side)
        assert shares_nothing(lesions, side, test)
    assert shares_nothing(lesions, train, held)


@pytest.mark.parametrize("seed", SEEDS)
def test_val_rows_are_the_ones_held_out(seed):
    lesions = random_lesions(seed, patients=(9, 10), split=by_patient("train", "val", "", seed=seed))
    train, held = holdout(lesions, 0.9, seed)
    assert values(lesions, "split", held) == {"val"}
    assert values(lesions, "split", train) == {"train", ""}
    assert len(train) + len(held) == len(lesions)


@pytest.mark.parametrize(
    ("patients", "columns", "told"),
    [
        ((1, 2), {}, "Class 'c0' has 1 patient in set; a fit holds patients out"),
        ((4, 5), {"split": by_patient("test")}, "all lesions are test lesions"),
        (
            (4, 5),
            {"split": lambda patients: ["test" if p[1] == "0" else "" for p in patients]},
            "all lesions of class c0",
        ),
        ((4, 5), {"split": lambda patients: ["val" if p[1] == "0" else "" for p in patients]}, "is of class c0"),
    ],
)
def test_a_holdout_that_cannot_be_made_is_refused_with_the_reason(patients, columns, told):
    with pytest.raises(DataError, match=told):
        holdout(random_lesions(0, patients=patients, **columns), 0.2, 0)


# What belongs together, and the guard


def test_rows_belong_together_by_patient_and_by_pixels_also_round_corners():
    columns = {"path": list("uvwxyz"), "label": list("aaabbb"), "patient": ["p", "p", "q", "r", "s", "t"]}
    lesions = make_lesions(columns | {"content": ["1", "2", "2", "3", "", ""]}, "set")
    found = groups(lesions)
    assert found[0] == found[1] == found[2]
    assert len(set(found)) == 4


def test_where_no_shuffle_gives_every_part_every_class_twenty_different_ones_are_tried(monkeypatch):
    columns = {"path": [f"/{i}" for i in range(12)], "label": list("aaaaaaaaabbc")}
    lesions = make_lesions(columns | {"patient": [f"p{i // 2}" for i in range(12)]}, "set")
    tried, cut = [], splits.StratifiedGroupKFold

    def recorded(*given, random_state, **how):
        tried.append(random_state)
        return cut(*given, random_state=random_state, **how)

    monkeypatch.setattr(splits, "StratifiedGroupKFold", recorded)
    splits._stratified_parts(lesions, 3, 0)
    assert len(set(tried)) == len(tried) == 20


def split_rows(**differences):
    """Two rows that share nothing but what `differences` give to both."""
    columns = {"path": ["x", "y"], "label": ["a", "a"], "patient": ["p", "q"], "content": ["1", "2"]}
    lesions = make_lesions(columns | {k: [v, v] for k, v in differences.items()}, "set")
    return lesions.rows([0]), lesions.rows([1])


@pytest.mark.parametrize("column", ["patient", "path", "content"])
def test_the_guard_refuses_what_both_sides_share(column):
    with pytest.raises(LeakageError, match=f"1 {column} value.*'same'"):
        guard(*split_rows(**{column: "same"}))


SPELLINGS = [("P 1", "p 1"), ("P1 ", "P1"), ("é", "e\u0301")]


def spelt(lesions, names):
    """With patients as a table that was saved before spellings were made one may have them."""
    return replace(lesions, table=lesions.table.assign(patient=names))


@pytest.mark.parametrize("names", SPELLINGS)
def test_two_spellings_of_a_patient_belong_together_and_the_guard_refuses_them(names):
    one, other = split_rows()
    with pytest.raises(LeakageError, match="1 patient value"):
        guard(spelt(one, names[0]), spelt(other, names[1]))
    rows = make_lesions({"path": list("xyz"), "label": list("aab"), "patient": list("pqr")}, "set")
    found = groups(spelt(rows, [*names, "q"]))
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_patient_of_two_spellings_is_on_one_side_of_every_split(seed):
    lesions = random_lesions(seed, patients=(7, 9))
    odd = [name.upper() if row % 2 else name for row, name in enumerate(lesions.table["patient"])]
    read = make_lesions({name: lesions.table[name].tolist() for name in ("path", "label")} | {"patient": odd}, "set")
    for rows in (read, spelt(lesions, odd)):
        folds = [(fold.train, fold.test) for fold in outer_folds(rows, 3, seed)]
        for train, test in [*folds, holdout(rows, 0.25, seed)]:
            sides = [{name.lower() for name in values(rows, "patient", side)} for side in (train, test)]
            assert not sides[0] & sides[1]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("column", ["patient", "path", "content"])
def test_rows_with_a_value_of_the_others_are_shared_and_no_value_is_none(seed, column):
    random = np.random.default_rng(seed)
    names = np.array(["", "A", "a ", "b", "c", "d"])
    sides = [names[random.integers(0, len(names), count)] for count in (4, 9)]
    train, other = (
        spelt(split_rows()[0].rows([0] * len(some)), some) if column == "patient" else with_cells(column, some)
        for some in sides
    )
    key = (lambda text: text.strip().lower()) if column == "patient" else str
    wanted = [text for text in sides[1] if text and key(text) in map(key, sides[0])]
    assert shared(train, other, column).table[column].tolist() == wanted


def with_cells(column, cells):
    lesions = split_rows()[0].rows([0] * len(cells))
    return replace(lesions, table=lesions.table.assign(**{column: cells}))


def test_the_guard_lets_pass_what_shares_nothing_or_was_not_inspected():
    guard(*split_rows())
    guard(*split_rows(content=""))


def test_a_rare_class_does_not_make_the_others_hold_out_half():
    rows = [(f"{label}{i}", label) for label, count in (("a", 100), ("b", 60), ("c", 2)) for i in range(count)]
    columns = {"path": [p for p, _ in rows], "patient": [p for p, _ in rows], "label": [c for _, c in rows]}
    lesions = make_lesions(columns, Path("set"))
    _, held = holdout(lesions, 0.2, 0)
    counts = lesions.table["label"].iloc[held].value_counts()
    assert 15 <= counts["a"] <= 25
    assert counts["c"] == 1


def test_patients_who_share_an_image_are_one_and_all_others_keep_their_names():
    columns = {
        "path": [f"{i}.png" for i in range(6)],
        "label": ["a", "b"] * 3,
        "patient": ["p", "p", "q", "r", "r", "s"],
        "content": ["one", "two", "two", "three", "four", "four"],
    }
    assert independent_patients(make_lesions(columns, "set")).tolist() == ["p", "p", "p", "r", "r", "r"]
    apart = columns | {"content": list("uvwxyz")}
    assert independent_patients(make_lesions(apart, "set")).tolist() == columns["patient"]
