"""The pages: complete, self-contained, accessible, and in agreement with the numbers they were made from."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from augmentor.errors import UsageError
from augmentor.reading.score import score_reading
from augmentor.report.blocks import Notes
from augmentor.report.evaluation import SIDES
from augmentor.report.html import report
from augmentor.report.sections.refused import refused
from augmentor.report.sources import find_sources
from tests.report.fake import write_benchmark, write_enlarged, write_evaluation, write_judged, write_reading, write_run
from tests.report.page import Page
from tests.report.undrawn import undrawn_figures

ORDER = [
    "1 cell failed",
    "Results on unseen patients",
    "How the gain depends on the number of lesions",
    "Which classes are mistaken for which",
    "Real beside synthetic lesions",
    "The closest pairs of a synthetic and a real lesion",
    "Where synthetic lesions lie among real ones",
    "Training of the GANs",
    "Fidelity beside its floor",
    "Blind reading",
    "What was refused, and why",
    "Data",
    "How it was made",
]


@pytest.fixture(scope="module")
def out(reported) -> Path:
    return reported


@pytest.fixture(scope="module")
def joined(out) -> Page:
    return Page(out / "report" / "report.html")


@pytest.fixture(scope="module")
def summary(out) -> dict:
    return json.loads((out / "all" / "benchmark" / "summary.json").read_text())


@pytest.fixture(scope="module")
def plain_page(tmp_path_factory) -> Page:
    """Of a benchmark without GANs and predictions."""
    folder = write_benchmark(tmp_path_factory.mktemp("plain"), ("classic",), ("logistic",), gans=False)
    (folder / "predictions.csv").unlink()
    return Page(report([folder], folder))


@pytest.fixture(scope="module")
def fit_page(tmp_path_factory) -> Page:
    run = write_run(tmp_path_factory.mktemp("fit") / "run", np.random.default_rng(0))
    return Page(report([run], run))


@pytest.fixture(scope="module")
def twice_page(tmp_path_factory) -> Page:
    """Of two benchmarks and two runs."""
    folder = tmp_path_factory.mktemp("twice")
    for name in ("a", "b"):
        (folder / name / "benchmark").mkdir(parents=True)
        write_benchmark(folder / name / "benchmark", ("real", "classic"), ("logistic",), gans=False)
        write_run(folder / name / "run", np.random.default_rng(0), steps=10)
    with undrawn_figures():
        return Page(report([folder / "a", folder / "b"], folder / "report"))


@pytest.fixture(params=["joined", "plain_page", "fit_page", "twice_page"])
def any_page(request) -> Page:
    return request.getfixturevalue(request.param)


def headings(page: Page) -> list[str]:
    return [text for tag, text in page.texts if tag == "h2"]


def test_a_page_loads_nothing_from_elsewhere(any_page):
    assert not any_page.attributes("script", "link", "iframe", "object")
    assert not re.search(r"@import|url\(|https?://", any_page.source)
    for attributes in any_page.attributes("img", "source"):
        assert (attributes.get("src") or attributes.get("srcset")).startswith("data:image/png;base64,")


def test_a_page_can_be_read_with_a_screen_reader(any_page):
    assert any_page.attributes("html") == [{"lang": "en"}]
    assert [len(any_page.attributes(tag)) for tag in ("header", "nav", "main", "footer")] == [1] * 4
    assert all(attributes["alt"] for attributes in any_page.attributes("img"))
    assert all(attributes.get("scope") for attributes in any_page.attributes("th"))
    assert len(any_page.attributes("caption")) == len(any_page.attributes("table"))
    ids = [attributes["id"] for _, attributes in any_page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"].removeprefix("#") for attributes in any_page.attributes("a")} <= set(ids)


def test_headings_start_at_one_and_never_skip_a_level(any_page):
    levels = any_page.headings()
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_a_page_is_small_enough_to_send(any_page):
    assert len(any_page.source) < 5_000_000


def test_sections_stand_in_their_order(joined):
    assert headings(joined)[1:] == ORDER


def test_sections_without_content_are_left_out(plain_page, fit_page):
    assert headings(plain_page)[1:] == ["Results on unseen patients", "Data", "How it was made"]
    assert headings(fit_page)[1:] == [
        "Real beside synthetic lesions",
        "Training of the GANs",
        "Data",
        "How it was made",
    ]
    assert len(plain_page.attributes("img")) == 1


def told(mean: float, low: float, high: float, metric: str) -> str:
    if metric in ("brier", "ece"):
        return f"{mean:.3f} ({low:.3f} to {high:.3f})"
    return f"{100 * mean:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def test_the_table_of_arms_agrees_with_the_summary(joined, summary):
    words = {"sensitivity": 0, "specificity": 1, "balanced_accuracy": 2, "accuracy": 3, "auc": 4, "brier": 5, "ece": 6}
    found = joined.rows("Arm", "Sensitivity", "Specificity", "Balanced accuracy")
    rows = {(classifier, arm): cells for classifier, arm, *cells in found}
    assert len(rows) == len({(row["classifier"], row["arm"]) for row in summary["arms"]})
    for row in summary["arms"]:
        cell = rows[row["classifier"], row["arm"]][words[row["metric"]]]
        assert cell == told(row["mean"], row["low"], row["high"], row["metric"])


def test_the_tables_of_comparisons_agree_with_the_summary(joined, summary):
    cells = [cell for row in joined.rows("Arm", "Difference (95 % interval)") for cell in row]
    for row in summary["comparisons"]:
        times, form = (1, "+.3f") if row["metric"] in ("brier", "ece") else (100, "+.1f")
        low, value, high = (
            f"{times * row[name]:{form}}".replace("-", "\N{MINUS SIGN}") for name in ("low", "difference", "high")
        )
        assert f"{value} ({low} to {high})" in cells


def test_the_sets_agree_with_the_results(joined, out):
    means = pd.read_csv(out / "all" / "benchmark" / "results.csv").groupby("arm")[["n_real", "n_synthetic"]].mean()
    rows = {arm: cells for _, arm, *cells in joined.rows("Arm", "Factor")}
    assert {arm: [int(n) for n in cells[1:]] for arm, cells in rows.items()} == {
        arm: row.astype(int).tolist() for arm, row in means.iterrows()
    }


def test_fidelity_agrees_with_the_evaluation(joined, out):
    evaluation = json.loads((out / "all" / "run" / "evaluation.json").read_text())
    rows = [row[1:] for row in joined.rows("Measure")]
    for space in ("texture", "pretrained"):
        for measure, name in (("kid", "KID"), ("coverage", "Coverage")):
            sides = [evaluation[side][space]["mean"][measure] for side in SIDES]
            assert [name, *(f"{value:.3f}" for value in sides)] in [row[: 1 + len(SIDES)] for row in rows]
    assert any(row[-1] == "0.700 (0.610 to 0.780)" for row in joined.rows("What", "Value"))


def test_the_agreement_of_masks_is_told_as_it_was_measured(joined):
    assert [row[-1] for row in joined.rows("Masks of")] == ["0.69", "0.72", "0.31"]


def test_what_was_refused_is_counted_by_rule_and_class(joined):
    rows = {row[1]: row[2:] for row in joined.rows("Class", "Drawn")}
    assert rows == {
        "cyst": ["50", "40", "7", "3"],
        "scar": ["41", "40", "0", "1"],
        "all": ["91", "80", "7", "4"],
    }


def test_a_reading_is_told_as_it_was_scored(joined, out):
    score = json.loads((out / "all" / "reading" / "score.json").read_text())
    rows = {row[1]: row for row in joined.rows("Reader")}
    assert list(rows) == ["anna", "ben", "all"]
    anna = score["readers"][0]
    assert rows["anna"][2:4] == [
        "28 of 40",
        f"70.0 % ({100 * anna['kind']['low']:.1f} to {100 * anna['kind']['high']:.1f})",
    ]
    assert rows["ben"][5:6] == [f"{score['readers'][1]['dprime']:.2f}"]
    classes = {row[1]: row[2:] for row in joined.rows("Class", "Real or synthetic told right")}
    assert set(classes) == {"cyst", "metastasis"}
    shown = score["all"]["classes"]["metastasis"]["synthetic"]
    assert classes["metastasis"][2].startswith(f"{100 * shown['accuracy']:.1f} % (")
    assert {score["verdict"], score["class_verdict"]} <= {text for _, text in joined.texts}
    assert f"Cohen's kappa: real or synthetic {score['agreement']['kind']:.2f}" in " ".join(t for _, t in joined.texts)


def test_a_reading_that_one_reader_has_not_finished_says_so(tmp_path):
    folder = write_reading(tmp_path / "reading")
    (folder / "answers-ben.csv").unlink()
    score_reading(folder)
    page = Page(report([folder], folder))
    assert [row[1] for row in page.rows("Reader")] == ["anna"]
    assert any("No answers yet of ben" in text for _, text in page.texts)


def test_the_verdict_comes_first_and_is_escaped_and_an_alarm_follows(joined, summary):
    told = [text for tag, text in joined.texts if tag in ("p", "strong")]
    assert told[:3] == [summary["verdict"], "run:", "Membership can be told: <AUC> 0.71."]
    assert "<b>" not in joined.source


def test_without_a_benchmark_a_page_says_what_was_not_asked(fit_page):
    first = next(text for tag, text in fit_page.texts if tag == "p")
    assert "0.64" in first
    assert "augmentor benchmark" in first


def test_ten_pairs_stand_in_the_order_of_their_distance(joined):
    titles = [text for tag, text in joined.texts if tag == "p" and re.match(r"\d+\. 0\.", text)]
    assert [float(title.split()[1].strip(":,")) for title in titles] == [round(0.3 + i / 20, 2) for i in range(10)]
    assert sum(attributes["alt"].startswith("pair ") for attributes in joined.attributes("img")) == 20


def test_lesions_are_shown_pixel_by_pixel_with_a_zoom(joined):
    tiles = [a for a in joined.attributes("img") if a["alt"].startswith(("real ", "synthetic "))]
    assert len(tiles) == 3 * 12
    assert {a["style"] for a in tiles} == {"--pixels: 16"}
    assert len([a for a in joined.attributes("input") if a["type"] == "radio"]) == 2 * 4
    assert "image-rendering: pixelated" in joined.source


def test_the_page_says_how_to_repeat_it(joined, fit_page, summary):
    texts = [text for _, text in joined.texts]
    assert summary["command"] in texts
    assert {"0.1.0", "1 h 15 min", summary["data"]["warnings"][0], "2 images are the same."} <= set(texts)
    assert "[training]\ntotal_kimg = 200\namp = true" in joined.source
    assert any("--data run/lesions.csv" in text and "--seed 4" in text for tag, text in fit_page.texts if tag == "code")


def test_every_figure_has_its_png_and_its_numbers(out, summary):
    folder = out / "report" / "figures"
    for name, rows in {"arms": summary["arms"], "difference": summary["comparisons"]}.items():
        expected = pd.DataFrame([row for row in rows if row["metric"] == "sensitivity"])
        pd.testing.assert_frame_equal(pd.read_csv(folder / f"{name}.csv"), expected)
    drawn = {"arms", "difference", "confusion", "curve-real", "curve-synthetic", "reading"}
    drawn |= {"benchmark-embedding", "run-embedding"}
    drawn |= {"lesions", "pairs", "fidelity-texture", "fidelity-pretrained"}
    drawn |= {"training", "fold1-seed0-training", "fold2-seed0-training"}
    assert {file.stem for file in folder.glob("*.png")} == drawn
    assert all(len(pd.read_csv(folder / f"{name}.csv")) for name in drawn)


@pytest.mark.usefixtures("undrawn")
def test_a_benchmark_alone_shows_the_lesions_of_its_first_gan(tmp_path):
    page = Page(report([write_benchmark(tmp_path, classifiers=("logistic",))], tmp_path))
    assert "Real beside synthetic lesions" in headings(page)
    assert (tmp_path / "figures" / "lesions.png").exists()


def test_two_of_a_kind_are_told_apart(twice_page):
    assert [text for tag, text in twice_page.texts if tag == "strong" and text.endswith(":")] == [
        "a/benchmark:",
        "b/benchmark:",
    ]
    assert (
        sum(attributes["alt"].startswith("Dot plot: sensitivity of") for attributes in twice_page.attributes("img"))
        == 2
    )


def test_the_planes_of_a_benchmark_and_a_run_are_both_kept_each_under_its_name(joined, out):
    for name in ("benchmark", "run"):
        kept = pd.read_csv(out / "report" / "figures" / f"{name}-embedding.csv")
        pd.testing.assert_frame_equal(kept, pd.read_csv(out / "all" / name / "embedding.csv"))
    assert [text for tag, text in joined.texts if tag == "h3" and text in ("benchmark", "run")] == ["benchmark", "run"]


@pytest.mark.usefixtures("undrawn")
def test_a_run_and_a_judged_set_are_told_apart(tmp_path):
    random = np.random.default_rng(0)
    run = write_evaluation(write_run(tmp_path / "run", random, steps=10), random)
    judged = write_judged(tmp_path / "judged", random)
    page = Page(report([run, judged], tmp_path / "report"))
    leads = [text for tag, text in page.texts if tag == "strong" and text in ("run:", "judged:")]
    assert leads == ["run:", "run:", "judged:"]  # the verdict of the run, and the alarm of each
    parts = [text for tag, text in page.texts if tag == "h3" and text in ("run", "judged")]
    assert parts == ["run", "judged"] * 2  # pairs, fidelity
    for name in ("run", "judged"):
        assert (tmp_path / "report" / "figures" / f"{name}-pairs.png").exists()
        content = json.loads((tmp_path / name / "evaluation.json").read_text())
        kept = pd.read_csv(tmp_path / "report" / "figures" / f"{name}-fidelity-texture.csv")
        mean = kept[(kept["class"] == "mean") & (kept["measure"] == "kid")]
        assert mean["synthetic"].item() == pytest.approx(content["spaces"]["texture"]["mean"]["kid"])


@pytest.mark.usefixtures("undrawn")
def test_null_numbers_are_said_to_be_unmeasured(tmp_path):
    out = write_benchmark(tmp_path, classifiers=("logistic",), gans=False)
    summary = json.loads((out / "summary.json").read_text())
    for row in [*summary["arms"], *summary["comparisons"]]:
        row |= {name: None for name, value in row.items() if isinstance(value, float)}
    summary["seconds"] = summary["machine"]["load"] = None
    (out / "summary.json").write_text(json.dumps(summary))
    assert "<td>not measured</td>" in Page(report([out], out)).source


def test_the_machine_is_told_with_its_device_and_its_load(joined):
    assert "2 cores, cpu, load 0.1</td>" in joined.source


def test_what_failed_is_told_by_its_first_line(joined):
    assert "RuntimeError: &lt;out of memory&gt;</td>" in joined.source
    assert "failed: RuntimeError: &lt;out of memory&gt;</td>" in joined.source
    assert "fold.py" not in joined.source


def test_many_failures_are_all_named_and_most_of_them_folded(tmp_path):
    out = write_benchmark(tmp_path, ("classic",), ("logistic",), gans=False)
    summary = json.loads((out / "summary.json").read_text())
    spec = {"arm": "classic", "classifier": "logistic", "fold": "fold1", "factor": 1.0, "per_class": None}
    summary["failed"] = [spec | {"seed": seed, "error": f"ValueError: no. {seed}."} for seed in range(30)]
    (out / "summary.json").write_text(json.dumps(summary))
    page = Page(report([out], out))
    assert "30 cells failed" in page.source
    assert all(f"no. {seed}." in page.source for seed in range(30))
    assert page.source.index("no. 7.") < page.source.index("<details>") < page.source.index("no. 8.")


def test_every_arm_is_explained_once(twice_page):
    assert [text for tag, text in twice_page.texts if tag == "dt"] == ["real", "classic"]


def test_the_csv_of_a_table_holds_its_rows(out, summary):
    for name in ("arms", "comparisons", "classes", "by_patient", "mcnemar", "choices", "failed"):
        written = pd.read_csv(out / "report" / "tables" / f"{name}.csv", keep_default_na=False)
        pd.testing.assert_frame_equal(written, pd.DataFrame(summary[name]))


def test_curves_are_drawn_at_the_lesions_that_the_cells_really_had(out):
    folder = out / "report" / "figures"
    assert pd.read_csv(folder / "curve-synthetic.csv")["lesions"].tolist() == [60, 120, 240, 600, 1000]
    assert pd.read_csv(folder / "curve-real.csv")["lesions"].tolist() == [30, 60, 120]


@pytest.mark.usefixtures("undrawn")
def test_a_curve_without_cells_of_its_own_is_read_from_the_results(tmp_path):
    out = write_benchmark(tmp_path, ("classic", "classic+gan"), ("logistic",), folds=1)
    for name in ("curve_cells", "predictions", "embedding"):
        (out / f"{name}.csv").unlink()
    report([out], out)
    assert pd.read_csv(out / "figures" / "curve-synthetic.csv")["lesions"].tolist() == [240]


def test_a_report_is_replaced_and_no_other_file_is(tmp_path):
    run, out = write_run(tmp_path / "run", np.random.default_rng(0), steps=10), tmp_path / "report"
    for _ in range(2):
        report([run], out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"holds other files \(notes.txt\).* Give another --out"):
        report([run], out)


def test_an_unfinished_fit_makes_a_page(tmp_path):
    run = write_run(tmp_path / "run", np.random.default_rng(0), steps=10)
    (run / "run.json").unlink()
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "st')
    assert "has not ended" in Page(report([run], run)).source


@pytest.mark.usefixtures("undrawn")
def test_an_evaluation_of_two_sets_is_told_without_a_run(tmp_path):
    judged = write_judged(tmp_path / "judged", np.random.default_rng(0))
    page = Page(report([judged], judged))
    assert "Fidelity beside its floor" in page.source
    assert "Membership can be told: &lt;AUC&gt; 0.71." in page.source
    assert sum("pair " in (image["alt"] or "") for image in page.attributes("img")) == 20
    assert (judged / "figures" / "pairs.png").exists()


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("held_out", "real"), [(0.8, "training lesion"), (None, "real lesion")])
def test_of_a_judged_set_nothing_is_said_to_be_refused_and_what_is_not_known_is_not_claimed(tmp_path, held_out, real):
    folder = write_judged(tmp_path / "judged", np.random.default_rng(0))
    content = json.loads((folder / "evaluation.json").read_text())
    bounds = {"value": held_out, "low": held_out, "high": held_out}
    content |= {"authenticity": {"value": 0.5, "low": 0.4, "high": 0.6}, "authenticity_held_out": bounds}
    (folder / "evaluation.json").write_text(json.dumps(content))
    page = Page(report([folder], folder))
    told = {row[1] for row in page.rows("What", "Value")}
    near = f"Share of near-copies of {real}s, to be taken out of the set: `copies` in evaluation.json begins with them"
    assert near in told
    assert any(f"farther from the nearest {real} than" in meaning for meaning in told)
    assert f"those nearest to a {real}, synthetic left" in page.source
    assert sum(f"{real} p" in (image["alt"] or "") for image in page.attributes("img")) == 10
    assert "expand" not in page.source


def test_of_a_run_near_copies_are_said_to_be_refused(joined):
    told = {row[1] for row in joined.rows("What", "Value")}
    assert "Share of near-copies of training lesions, which expand refuses" in told


def test_interpolations_are_shown_a_row_a_class(tmp_path):
    run = write_run(tmp_path / "run", np.random.default_rng(0), steps=10)
    summary = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(summary | {"classes": {"b": 2, "a": 3}}))
    (run / "evaluation").mkdir()
    rows = np.random.default_rng(0).integers(0, 256, (2 * 16, 8 * 16), dtype=np.uint8)
    Image.fromarray(rows).save(run / "evaluation" / "interpolations.png")
    page = Page(report([run], run))
    shown = [image["alt"] for image in page.attributes("img") if "on the way" in (image["alt"] or "")]
    assert shown == [f"{label}, step {step} on the way" for label in "ab" for step in range(1, 9)]


@pytest.mark.usefixtures("undrawn")
def test_a_page_of_a_run_tells_no_folder_above_its_files(tmp_path):
    run = write_evaluation(
        write_run(tmp_path / "ward-of-dr-smith" / "run", np.random.default_rng(0)), np.random.default_rng(0)
    )
    splits = json.loads((run / "splits.json").read_text())
    (run / "splits.json").write_text(json.dumps(splits | {"source": str(run / "data")}))
    left = [report([run], tmp_path / "report"), *(tmp_path / "report").rglob("*.csv")]
    assert any(file.name == "pairs.csv" for file in left)
    assert "Source: data" in left[0].read_text()
    assert not [file for file in left if "smith" in file.read_text()]


def test_a_report_is_found_and_left_in_the_users_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_run(tmp_path / "run", np.random.default_rng(0))
    with undrawn_figures():
        page = report(["~/run"], "~/page")
    assert page == tmp_path / "page" / "report.html"


def test_a_warning_of_the_screen_stands_before_what_it_refused(tmp_path):
    folder = write_enlarged(tmp_path / "expanded")
    file = folder / "dataset_description.json"
    content = json.loads(file.read_text())
    assert not any(isinstance(block, Notes) for block in refused(find_sources([folder]), tmp_path).blocks)
    content["Screen"]["warning"] = "3 of 147 real lesions are nearly the same."
    file.write_text(json.dumps(content))
    assert refused(find_sources([folder]), tmp_path).blocks[0] == Notes(["3 of 147 real lesions are nearly the same."])
