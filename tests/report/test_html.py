"""The pages: complete, self-contained, accessible, and in agreement with the numbers they were made from."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from augmentor.errors import UsageError
from augmentor.report.html import fit_report, write_report
from tests.report.fake import write_benchmark, write_run


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text by the innermost tag."""

    def __init__(self, path: Path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.tags[-1][0], data.strip()))

    def attributes(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in tags]

    def headings(self) -> list[int]:
        return [int(tag[1]) for tag, _ in self.tags if re.fullmatch(r"h[1-6]", tag)]


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    folder = write_benchmark(tmp_path_factory.mktemp("out"))
    write_report(folder)
    return folder


@pytest.fixture(scope="module")
def page(out) -> Page:
    return Page(out / "report.html")


@pytest.fixture(scope="module")
def summary(out) -> dict:
    return json.loads((out / "summary.json").read_text())


@pytest.fixture(scope="module")
def page_without_gans(tmp_path_factory) -> Page:
    folder = write_benchmark(tmp_path_factory.mktemp("plain"), ("classic",), ("logistic",), gans=False)
    (folder / "predictions.csv").unlink()
    return Page(write_report(folder))


@pytest.fixture(scope="module")
def fit_page(tmp_path_factory) -> Page:
    return Page(fit_report(write_run(tmp_path_factory.mktemp("fit") / "run", np.random.default_rng(0))))


@pytest.fixture(params=["page", "page_without_gans", "fit_page"])
def any_page(request) -> Page:
    return request.getfixturevalue(request.param)


def test_a_page_loads_nothing_from_elsewhere(any_page):
    assert not any_page.attributes("script", "link", "iframe", "object")
    assert not re.search(r"@import|url\(", any_page.source)
    for attributes in any_page.attributes("img", "source"):
        assert (attributes.get("src") or attributes.get("srcset")).startswith("data:image/png;base64,")


def test_a_page_can_be_read_with_a_screen_reader(any_page):
    assert any_page.attributes("html") == [{"lang": "en"}]
    assert len(any_page.attributes("main")) == 1
    assert all(attributes["alt"] for attributes in any_page.attributes("img"))
    assert all(attributes.get("scope") for attributes in any_page.attributes("th"))
    assert len(any_page.attributes("caption")) == len(any_page.attributes("table"))


def test_headings_start_at_one_and_never_skip_a_level(any_page):
    levels = any_page.headings()
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_tables_agree_with_the_summary(page, summary):
    for row in [*summary["arms"], *summary["classes"]]:
        share = f"<td>{row['mean']:.1%} ({100 * row['low']:.1f} to".replace("%", " %")
        number = f"<td>{row['mean']:.3f} ({row['low']:.3f} to"
        assert (number if row["metric"] in ("brier", "ece") else share) in page.source
    names = ("low", "difference", "high")
    for row in summary["comparisons"]:
        times, form = (1, "+.3f") if row["metric"] in ("brier", "ece") else (100, "+.1f")
        low, value, high = (f"{times * row[name]:{form}}".replace("-", "\N{MINUS SIGN}") for name in names)
        assert f"{value} ({low} to {high})" in page.source


def test_the_verdict_comes_first_and_is_escaped(page, summary):
    paragraphs = [text for tag, text in page.texts if tag == "p"]
    assert paragraphs[0] == summary["verdict"]
    assert "<b>" not in page.source


def test_the_report_says_how_to_repeat_it(page, summary):
    texts = [text for _, text in page.texts]
    assert summary["command"] in texts
    assert "0.1.0" in texts
    assert "1 h 15 min" in texts
    assert "[training]\ntotal_kimg = 200\namp = true" in page.source
    assert summary["data"]["warnings"][0] in texts


def test_the_report_is_small_enough_to_send(out):
    assert (out / "report.html").stat().st_size < 5_000_000


def test_the_csv_beside_a_figure_holds_its_numbers(out, summary):
    for name, rows in {"arms": summary["arms"], "difference": summary["comparisons"]}.items():
        expected = pd.DataFrame([row for row in rows if row["metric"] == "sensitivity"])
        pd.testing.assert_frame_equal(pd.read_csv(out / "figures" / f"{name}.csv"), expected)
    assert {file.stem for file in (out / "figures").glob("*.png")} == {
        *("arms", "difference", "confusion", "training-gans-fold1-seed0", "training-gans-fold2-seed0"),
        *("curve-real", "curve-synthetic", "embedding"),
    }
    assert all(file.with_suffix(".csv").exists() for file in (out / "figures").glob("*.png"))
    assert all(file.stat().st_size < 150_000 for file in (out / "figures").glob("*.png"))


def test_parts_that_were_not_run_are_left_out(page, page_without_gans):
    missing = {"Real beside synthetic", "Training of the GANs", "Comparisons with classic augmentation"}
    missing |= {"Which classes are mistaken for which", "Sensitivity and specificity of each class", "Second opinion"}
    missing |= {"How the gain depends on the number of lesions", "Where synthetic lesions lie among real ones"}
    missing |= {"What arm auto chose", "1 cell failed"}
    assert missing <= {text for tag, text in page.texts if tag == "h2"}
    assert not missing & {text for tag, text in page_without_gans.texts if tag == "h2"}
    assert len(page_without_gans.attributes("img")) == 1


def test_null_numbers_are_said_to_be_unmeasured(tmp_path):
    out = write_benchmark(tmp_path, classifiers=("logistic",), gans=False)
    summary = json.loads((out / "summary.json").read_text())
    for row in [*summary["arms"], *summary["comparisons"]]:
        row |= {name: None for name, value in row.items() if isinstance(value, float)}
    summary["seconds"] = summary["machine"]["load"] = None
    (out / "summary.json").write_text(json.dumps(summary))
    assert "<td>not measured</td>" in Page(write_report(out)).source


def test_what_failed_stands_between_the_verdict_and_the_results(page, page_without_gans):
    headings = [text for tag, text in page.texts if tag == "h2"]
    assert headings[:2] == ["1 cell failed", "Results on unseen patients"]
    assert "RuntimeError: &lt;out of memory&gt;</td>" in page.source
    assert "failed: RuntimeError: &lt;out of memory&gt;</td>" in page.source
    assert "fold.py" not in page.source
    assert "failed" not in {text for _, text in page_without_gans.texts}


def test_many_failures_are_all_named_and_most_of_them_folded(tmp_path):
    out = write_benchmark(tmp_path, ("classic",), ("logistic",), gans=False)
    summary = json.loads((out / "summary.json").read_text())
    spec = {"arm": "classic", "classifier": "logistic", "fold": "fold1", "factor": 1.0, "per_class": None}
    summary["failed"] = [spec | {"seed": seed, "error": f"ValueError: no. {seed}."} for seed in range(30)]
    (out / "summary.json").write_text(json.dumps(summary))
    page = Page(write_report(out))
    assert "30 cells failed" in page.source
    assert all(f"no. {seed}." in page.source for seed in range(30))
    assert page.source.index("no. 7.") < page.source.index("<details>") < page.source.index("no. 8.")


def test_the_picture_of_the_arms_comes_before_curves_confusion_and_the_plane(page):
    alts = [attributes["alt"] for attributes in page.attributes("img")]
    assert [alt.split()[0] for alt in alts[:6]] == ["Dot", "Dot", "Curve:", "Curve:", "Confusion", "Scatter"]


def test_every_arm_is_explained_once(page):
    assert [text for tag, text in page.texts if tag == "dt"] == ["real", "classic", "classic+gan"]


def test_the_csv_of_a_table_holds_its_rows(out, summary):
    for name in ("arms", "comparisons", "classes", "mcnemar", "choices", "failed"):
        written = pd.read_csv(out / "tables" / f"{name}.csv", keep_default_na=False)
        pd.testing.assert_frame_equal(written, pd.DataFrame(summary[name]))


def test_curves_are_drawn_at_the_lesions_that_the_cells_really_had(out):
    synthetic = pd.read_csv(out / "figures" / "curve-synthetic.csv")
    assert synthetic["lesions"].tolist() == [60, 120, 240, 600, 1000]
    assert pd.read_csv(out / "figures" / "curve-real.csv")["lesions"].tolist() == [30, 60, 120]


def test_a_curve_without_cells_of_its_own_is_read_from_the_results(tmp_path):
    out = write_benchmark(tmp_path, ("classic", "classic+gan"), ("logistic",), folds=1)
    for name in ("curve_cells", "predictions", "embedding"):
        (out / f"{name}.csv").unlink()
    write_report(out)
    assert pd.read_csv(out / "figures" / "curve-synthetic.csv")["lesions"].tolist() == [240]


def test_a_summary_of_an_earlier_version_makes_a_page(tmp_path):
    out = write_benchmark(tmp_path, ("classic",), ("logistic",), gans=False)
    summary = json.loads((out / "summary.json").read_text())
    for name in ("classes", "mcnemar", "curves", "choices", "failed", "cell_seconds"):
        del summary[name]
    (out / "summary.json").write_text(json.dumps(summary))
    assert write_report(out).exists()


@pytest.mark.parametrize("missing", ["results.csv", "summary.json"])
def test_a_folder_without_results_is_refused_with_the_next_step(tmp_path, missing):
    (tmp_path / "results.csv").write_text("arm,classifier,fold,seed\n")
    (tmp_path / missing).unlink(missing_ok=True)
    with pytest.raises(UsageError, match=rf"has no {missing}; .* Run `augmentor benchmark` first"):
        write_report(tmp_path)


def test_a_folder_without_a_fit_is_refused_with_the_next_step(tmp_path):
    with pytest.raises(UsageError, match=r"has no metrics.jsonl; .* Run `augmentor fit` first"):
        fit_report(tmp_path)


def test_fit_report_shows_samples_curves_and_recipe(fit_page):
    assert [attributes["alt"].split()[0] for attributes in fit_page.attributes("img")] == ["Grid", "Training"]
    assert any("total_kimg = 200" in text for tag, text in fit_page.texts if tag == "code")


def test_a_half_written_line_of_metrics_is_skipped(tmp_path):
    run = write_run(tmp_path / "run", np.random.default_rng(0), steps=10)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "st')
    assert fit_report(run).exists()
