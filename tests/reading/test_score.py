import json

import numpy as np
import pandas as pd
import pytest

from augmentor.errors import DataError
from augmentor.reading.score import score_reading
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
    assert f"under {result['detectable'] * 100:.0f} %" in result["verdict"]


def test_who_is_misled_is_not_praised(tmp_path):
    key = plain_key(20)
    answers = true_answers(key, "anna")
    answers["kind"] = answers["kind"].map({"real": "synthetic", "synthetic": "real"})
    result = score(tmp_path, key, {"anna": answers})
    assert "took real for synthetic lesions beyond chance: 0 % right" in result["verdict"]
    assert result["readers"][0]["dprime"] < 0


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
