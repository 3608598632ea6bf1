import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from augmentor.errors import DataError
from augmentor.reading import score as scoring
from augmentor.reading.score import score_reading, told_share
from augmentor.reading.statistics import proportion
from tests.reading.kits import plain_key, save, true_answers


def coin(key, reader, seed):
    rng = np.random.default_rng(seed)
    kinds = np.where(rng.random(len(key.lesions)) < 0.5, "real", "synthetic")
    return true_answers(key, reader).assign(kind=kinds)


def score(folder, key, answers):
    for reader, table in answers.items():
        save(folder, reader, table)
    key.save(folder)
    return score_reading(folder)


def test_a_reader_without_an_error(tmp_path):
    key = plain_key(20)
    result = score(tmp_path, key, {"anna": true_answers(key, "anna")})
    anna = result["readers"][0]
    assert anna["kind"]["right"] == anna["kind"]["n"] == 40
    assert anna["kind"]["p"] < 1e-9
    assert anna["auc"] == 1
    assert anna["label"]["difference"] == 0
    assert anna["confusion"] == {"real": [[10, 0], [0, 10]], "synthetic": [[10, 0], [0, 10]]}
    assert anna["seconds"] == {"median": 2.5, "low": 2.5, "high": 2.5, "total": 100}
    assert result["awaited"] == ["ben"]
    assert result["agreement"]["statistic"] is None
    assert "anna told real from synthetic lesions beyond chance: 100 % right" in result["verdict"]


def test_coins_are_not_beyond_chance_and_the_verdict_says_what_could_have_been_seen(tmp_path):
    key = plain_key(20)
    result = score(tmp_path, key, {name: coin(key, name, seed) for seed, name in enumerate(("anna", "ben"), 3)})
    assert result["all"]["kind"]["p"] > 0.05
    assert result["all"]["kind"]["test"] == "permutation"
    assert abs(result["agreement"]["kind"]) < 0.4
    assert result["agreement"]["label"] == 1
    assert "2 readers did not tell real from synthetic lesions beyond chance" in result["verdict"]
    missed = "in the long run would have been missed in more than one of five such readings"
    assert f"under {result['detectable'] * 100:.0f} % {missed}" in result["verdict"]
    assert "this limit is not a measured share" in result["verdict"]


def test_who_is_misled_is_not_praised(tmp_path):
    key = plain_key(20)
    answers = true_answers(key, "anna")
    answers["kind"] = answers["kind"].map({"real": "synthetic", "synthetic": "real"})
    result = score(tmp_path, key, {"anna": answers})
    assert "took real for synthetic lesions beyond chance: 0 % right" in result["verdict"]
    assert result["readers"][0]["dprime"] < 0


def turned(answers):
    """The buttons taken for each other."""
    return answers.assign(kind=answers["kind"].map({"real": "synthetic", "synthetic": "real"}))


def test_two_readers_who_cancel_each_other_are_named(tmp_path):
    key = plain_key(6)
    result = score(tmp_path, key, {"anna": true_answers(key, "anna"), "ben": turned(true_answers(key, "ben"))})
    assert result["all"]["kind"]["p"] == 1
    anna, ben = "100 % right (74 % to 100 %", "0 % right (0 % to 26 %"
    right = (
        f"anna told real from synthetic lesions beyond chance: {anna}, chance 50 %), p < 0.001 corrected for 2 readers."
    )
    wrong = (
        f"ben took real for synthetic lesions beyond chance: {ben}, chance 50 %), p < 0.001 corrected for 2 readers."
    )
    turn = "They were told apart, but called the other way round."
    together = "Taken together, the 2 readers did not tell real from synthetic lesions beyond chance: 50 % right"
    assert result["verdict"].startswith(f"{right} {wrong} {turn} {together} (")
    assert "With 12 lesions, a reader who" in result["verdict"]


def test_one_reader_of_several_is_named_if_beyond_chance_after_correction():
    """0.02 of three readers is 0.06 after it, 0.01 is 0.03; the classifier is no reader to be corrected for."""
    kind = {"accuracy": 0.5, "low": 0.4, "high": 0.6, "p": 0.5}
    result = {"all": {"kind": kind}, "lesions": {"real": 30, "synthetic": 30}, "detectable": 0.69}

    def verdict(*ps):
        own = [
            {"reader": f"r{i}", "kind": {"accuracy": 0.7, "low": 0.6, "high": 0.8, "p": p}} for i, p in enumerate(ps)
        ]
        model = {"reader": "model", "kind": kind | {"accuracy": 1.0, "p": 1e-9}}
        return scoring._verdict(result | {"readers": [*own, model]})

    assert verdict(0.4, 0.02, 0.3).startswith("3 readers did not tell real from synthetic lesions beyond chance")
    assert verdict(0.4, 0.01, 0.3).startswith("r1 told real from synthetic lesions beyond chance: 70 % right")
    assert "p = 0.03 corrected for 3 readers. Taken together, the 3 readers did not" in verdict(0.4, 0.01, 0.3)
    assert "r0 told" in (both := verdict(0.03, 0.01))  # the second is held against the whole limit
    assert "r1 told" in both
    assert verdict(0.01).startswith("r0 did not tell")  # whoever reads alone has one p, and no other
    found = result["all"] | {"kind": kind | {"p": 0.01, "accuracy": 0.6}}
    assert scoring._verdict(result | {"all": found, "readers": [{"reader": "r0"}, {"reader": "r1"}]}).startswith(
        "2 readers told"
    )


def test_classes_that_only_real_lesions_show(tmp_path):
    key = plain_key(20)
    answers = {}
    for reader in ("anna", "ben"):
        table = true_answers(key, reader)
        answers[reader] = table.assign(label=table["label"].where(table["kind"] == "real", "cyst"))
    result = score(tmp_path, key, answers)
    label = result["all"]["label"]
    assert (label["real"]["accuracy"], label["synthetic"]["accuracy"]) == (1, 0.5)
    assert label["difference"] == 0.5
    assert label["p"] < 0.01
    assert "100 % of real lesions and 50 % of synthetic lesions, which differs" in result["class_verdict"]
    metastasis = result["all"]["classes"]["metastasis"]
    assert (metastasis["real"]["right"], metastasis["synthetic"]["right"]) == (20, 0)


@pytest.mark.parametrize(
    ("p", "told"),
    [
        (0.0498, "differs beyond chance (p = 0.0498)"),
        (0.0502, "does not differ beyond chance (p = 0.0502)"),
        (0.07, "does not differ beyond chance (p = 0.07)"),
        (0.0001, "differs beyond chance (p < 0.001)"),
    ],
)
def test_a_p_is_told_on_its_side_of_the_limit(tmp_path, monkeypatch, p, told):
    monkeypatch.setattr(scoring, "permuted", lambda *_: (0.1, p))
    key = plain_key(10)
    result = score(tmp_path, key, {"anna": true_answers(key, "anna")})
    assert f"which {told}" in result["class_verdict"]


@pytest.mark.parametrize(
    ("p", "accuracy", "low", "told"),
    [
        (0.0498, 0.61, 0.503, "told real from synthetic lesions beyond chance: 61 % right (50.3 % to 72 %"),
        (0.0502, 0.61, 0.498, "did not tell real from synthetic lesions beyond chance: 61 % right (49.8 % to 72 %"),
        (0.07, 0.6, 0.48, "did not tell real from synthetic lesions beyond chance: 60 % right (48 % to 72 %"),
        (0.001, 0.3, 0.2, "took real for synthetic lesions beyond chance: 30 % right (20 % to 72 %"),
    ],
)
def test_a_reader_told_the_kinds_where_p_is_below_the_limit_and_not_else(p, accuracy, low, told):
    kind = {"accuracy": accuracy, "low": low, "high": 0.72, "p": p}
    lesions = {"real": 30, "synthetic": 30}
    result = {"all": {"kind": kind}, "readers": [{"reader": "anna"}], "lesions": lesions, "detectable": 0.69}
    assert f"anna {told}, chance 50 %)." in scoring._verdict(result)


def test_answers_of_two_readers_to_few_lesions_have_the_interval_by_hand(tmp_path):
    """Of four lesions two are told right by both readers, one by one of them, one by none: 5 of 8. Lesions differ from
    5/4 right answers by 3/4, 3/4, -1/4 and -5/4, squares that sum to 11/4: the variance is 4/3 x 11/4 / 64."""
    key, other = plain_key(2), {"real": "synthetic", "synthetic": "real"}
    answers = {}
    for reader, wrong in (("anna", [3]), ("ben", [2, 3])):
        table = true_answers(key, reader)
        table.loc[wrong, "kind"] = table.loc[wrong, "kind"].map(other)
        answers[reader] = table
    found = score(tmp_path, key, answers)["all"]["kind"]
    size = (5 / 8) * (3 / 8) / (4 / 3 * 11 / 4 / 64)
    assert (found["right"], found["n"]) == (5, 8)
    assert found["low"] == pytest.approx(beta.ppf(0.025, 5 / 8 * size, 3 / 8 * size + 1))
    assert found["high"] == pytest.approx(beta.ppf(0.975, 5 / 8 * size + 1, 3 / 8 * size))


def test_the_classifier_is_not_counted_among_people(tmp_path):
    key = plain_key(20)
    alone = score(tmp_path / "alone", plain_key(20, folder=tmp_path / "alone"), {"anna": coin(key, "anna", 0)})
    plain_key(20, folder=tmp_path / "both")
    both = score(tmp_path / "both", key, {"anna": coin(key, "anna", 0), "model": true_answers(key, "model")})
    assert [reader["reader"] for reader in both["readers"]] == ["anna", "model"]
    assert both["all"] == alone["all"]
    assert both["verdict"] == alone["verdict"]
    assert both["agreement"]["statistic"] is None


def test_what_is_written_is_what_is_returned(tmp_path):
    key = plain_key(20)
    result = score(tmp_path, key, {name: coin(key, name, seed) for seed, name in enumerate(("anna", "ben"))})
    assert json.loads((tmp_path / "score.json").read_text()) == result
    table = pd.read_csv(tmp_path / "score.csv")
    assert len(table) == 3 * (1 + 2) * 3
    row = table[(table["reader"] == "ben") & (table["class"] == "all") & (table["question"] == "real or synthetic")]
    assert row["accuracy"].item() == pytest.approx(result["readers"][1]["kind"]["accuracy"])
    assert score_reading(tmp_path) == result  # again, over its own files


def test_bad_answers_leave_the_score_as_it_was(tmp_path):
    key = plain_key(20)
    score(tmp_path, key, {"anna": true_answers(key, "anna")})
    before = (tmp_path / "score.json").read_bytes()
    save(tmp_path, "anna", true_answers(key, "anna").iloc[1:])
    with pytest.raises(DataError, match="no row"):
        score_reading(tmp_path)
    assert (tmp_path / "score.json").read_bytes() == before


@pytest.mark.parametrize(("n", "right"), [(44, 29), (94, 57), (60, 39), (24, 18), (24, 12)])
@pytest.mark.parametrize("form", [".0f", ".1f"])
def test_an_interval_that_leaves_out_chance_is_told_as_one_and_another_is_not(n, right, form):
    for hits in (right, n - right):  # above chance, and as far below it
        found = proportion(np.arange(n) < hits, np.arange(n))
        low, high = (float(bound) for bound in told_share(found, form).split("(")[1].rstrip(")").split(" to "))
        assert (low > 50) == (found["low"] > 0.5)
        assert (high < 50) == (found["high"] < 0.5)


def test_a_share_of_nothing_is_no_number():
    assert told_share(proportion(np.array([], bool), np.array([]))) == "no answer"
