"""The run folder, as the stages after a fit find it."""

import json
import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from augmentor.data.check import inspect
from augmentor.errors import DataError, UsageError
from augmentor.files import write_atomically
from augmentor.training.run import (
    RUNS,
    Run,
    is_aborted_start,
    new_folder,
    newest_unfinished,
    open_run,
    point_latest_to,
    remove_aborted_start,
)
from tests.lesion_sets import write_set

BEGUN = ("recipe.toml", "checkpoints/resume.safetensors", "checkpoints/resume.json")
ENDED = ("recipe.toml", "run.json")


pytestmark = pytest.mark.usefixtures("elsewhere")  # runs/ is one of the working folder


def folder_with(folder, *names, age=0):
    """A folder with empty files, so many seconds old."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    os.utime(folder, (1e9 - age, 1e9 - age))
    return folder


def test_the_newest_unfinished_run_is_the_one_that_was_written_to_last():
    folder_with(Path("runs/b"), *BEGUN, age=20)
    folder_with(Path("runs/a"), *BEGUN, age=10)
    folder_with(Path("runs/c"), *BEGUN, age=30)
    folder_with(Path("runs/ended"), *BEGUN, *ENDED)
    folder_with(Path("runs/without-a-state"), "recipe.toml")
    assert newest_unfinished() == Path("runs/a")


def test_without_an_unfinished_run_there_is_none_to_go_on_with():
    folder_with(Path("runs/ended"), *BEGUN, *ENDED)
    with pytest.raises(UsageError, match=r"runs/ holds no unfinished run\. Name the run's folder with --out\."):
        newest_unfinished()


def test_what_is_no_finished_run_is_not_opened(tmp_path):
    with pytest.raises(UsageError, match="No run yet: runs/latest does not exist here"):
        open_run(None)
    with pytest.raises(UsageError, match=r"other: is no run folder.*name one with --run"):
        open_run(folder_with(tmp_path / "other", "run.json"))
    begun = folder_with(tmp_path / "begun", *BEGUN)
    with pytest.raises(UsageError, match=f"this fit has not ended. Go on with `augmentor fit --resume --out {begun}`"):
        open_run(begun)


def test_the_command_that_goes_on_with_a_run_can_be_copied(tmp_path):
    begun = folder_with(tmp_path / "Läuf 1", *BEGUN)
    with pytest.raises(UsageError) as told:
        open_run(begun)
    assert shlex.split(str(told.value).split("`")[1]) == ["augmentor", "fit", "--resume", "--out", str(begun)]


def test_the_latest_run_is_opened_where_it_lies(tmp_path):
    point_latest_to(Run(folder_with(tmp_path / "elsewhere", *ENDED)))
    assert open_run(None).folder == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("names", "aborted"),
    [
        ((), False),
        (("recipe.toml", "thesis.txt"), False),
        (("thesis.12.part",), False),
        (("lesions.csv", "checkpoints/0000000.safetensors", "recipe.toml.12345.part"), True),
        ((".lock",), True),
        (("checkpoints/resume.safetensors",), True),
        (("lesions.csv", *BEGUN), False),
        (("lesions.csv", *ENDED), False),
    ],
)
def test_an_aborted_start_is_what_a_fit_leaves_before_its_first_snapshot(tmp_path, names, aborted):
    folder = folder_with(tmp_path / "run", *names)
    assert is_aborted_start(folder) == aborted
    before = sorted(folder.rglob("*"))
    remove_aborted_start(folder)
    assert folder.exists() != aborted
    assert aborted or sorted(folder.rglob("*")) == before


def test_a_fit_that_was_killed_as_it_wrote_its_recipe_is_an_aborted_start(tmp_path, monkeypatch):
    names, written = [], folder_with(tmp_path / "written")
    monkeypatch.setattr("augmentor.files.os.fsync", lambda _: names.extend(f.name for f in written.iterdir()))
    write_atomically(written / "recipe.toml", "")
    (part,) = names
    assert is_aborted_start(folder_with(tmp_path / "run", "lesions.csv", part))


def test_a_file_or_nothing_is_no_aborted_start(tmp_path):
    (tmp_path / "lesions.csv").touch()
    assert not is_aborted_start(tmp_path / "lesions.csv")
    assert not is_aborted_start(tmp_path / "none")


def test_a_new_run_is_named_by_the_time_and_takes_no_place_of_another(tmp_path):
    folder = new_folder(None)
    assert folder.parent == Path("runs")
    assert folder.is_dir()
    assert new_folder(folder_with(tmp_path / "prepared")) == tmp_path / "prepared"
    for name, files, told in (("begun", BEGUN, "Add --resume to go on"), ("cut", ("lesions.csv",), "was cut short")):
        with pytest.raises(UsageError, match=told):
            new_folder(folder_with(tmp_path / name, *files))


@pytest.mark.parametrize("cut", ["", '{"step"', '{"step": 4}', '{"step": 4, "loss": {"d": 1}'])
def test_a_record_that_was_cut_short_is_left_out(tmp_path, cut):
    (tmp_path / "metrics.jsonl").write_text('{"step": 0}\n{"step": 2}\n' + cut)
    assert Run(tmp_path).metrics == [{"step": 0}, {"step": 2}]


def test_latest_is_replaced_in_one_step(tmp_path, monkeypatch):
    """At no time is there none: another process may be opening it."""
    first, second = (Run(folder_with(tmp_path / name, *ENDED)) for name in ("first", "second"))
    assert point_latest_to(first)
    seen, original = [], Path.replace

    def seen_before(part, latest):
        seen.append(latest.resolve())
        return original(part, latest)

    monkeypatch.setattr(Path, "replace", seen_before)
    assert point_latest_to(second)
    assert seen == [first.folder]
    assert Path("runs/latest").resolve() == second.folder
    assert [f.name for f in Path("runs").iterdir()] == ["latest"]
    assert not Path("runs/latest").readlink().is_absolute()  # the folder that holds both may move


def test_a_folder_in_the_way_of_latest_stays(tmp_path):
    folder_with(Path("runs/latest"), "mine")
    assert not point_latest_to(Run(folder_with(tmp_path / "run", *ENDED)))
    assert [f.as_posix() for f in sorted(Path("runs").rglob("*"))] == ["runs/latest", "runs/latest/mine"]


def test_where_no_folder_can_be_made_latest_is_not_set(tmp_path):
    Path("runs").touch()
    assert not point_latest_to(Run(folder_with(tmp_path / "run", *ENDED)))


def test_images_that_have_changed_are_named_and_counted(tmp_path):
    lesions = inspect(write_set(tmp_path / "lesions")).lesions
    run = folder_with(tmp_path / "run")
    lesions.save(run / "lesions.csv")
    splits = {"train": lesions.paths[:9], "held_out": lesions.paths[9:12], "source": ""}
    (run / "splits.json").write_text(json.dumps(splits))
    for path in (lesions.paths[9], lesions.paths[23]):
        Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path)
    told = rf"{lesions.paths[9]}: holds other pixels than when {run} was fitted \(1 of its 12 images do\)"
    with pytest.raises(DataError, match=told):
        Run(run).require_unchanged()
    Image.open(lesions.paths[4]).transpose(Image.Transpose.ROTATE_90).save(lesions.paths[4])
    with pytest.raises(DataError, match=rf"{lesions.paths[4]}: .*\(2 of its 12 images do\)"):
        Run(run).require_unchanged()


def test_images_are_unchanged_where_none_has_changed_or_none_was_hashed(tmp_path):
    lesions = write_set(tmp_path / "lesions")
    for number, content in enumerate((inspect(lesions).lesions.table["content"], "")):
        run = folder_with(tmp_path / f"run{number}")
        replace(lesions, table=lesions.table.assign(content=content)).save(run / "lesions.csv")
        (run / "splits.json").write_text(json.dumps({"train": lesions.paths, "held_out": []}))
        Run(run).require_unchanged()


def test_a_table_that_has_lost_rows_is_no_run_any_more(tmp_path):
    """Its lesions would be none of the training lesions, so near-copies of them would leave."""
    lesions = write_set(tmp_path / "lesions")
    run = Run(folder_with(tmp_path / "run"))
    splits = {"source": "", "train": lesions.paths[2:], "held_out": lesions.paths[:2]}
    (run.folder / "splits.json").write_text(json.dumps(splits))
    lesions.save(run.folder / "lesions.csv")
    assert run.training.paths == lesions.paths[2:]
    lesions.rows(range(len(lesions) - 3)).save(run.folder / "lesions.csv")
    with pytest.raises(UsageError, match=rf"lesions\.csv: is damaged \(3 of .* under train .* {lesions.paths[-3]}"):
        _ = Run(run.folder).training


def test_latest_leads_to_no_older_run_where_it_cannot_be_set(monkeypatch):
    older, newer = (folder_with(RUNS / name) for name in ("older", "newer"))
    assert point_latest_to(Run(older))
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(PermissionError("no links here")))
    assert not point_latest_to(Run(newer))
    assert not (RUNS / "latest").exists()
    assert not list(RUNS.glob(".*"))


def test_the_latest_run_is_found_where_runs_is_a_link(tmp_path):
    disk = tmp_path / "disk" / "deep" / "runs"
    disk.mkdir(parents=True)
    RUNS.symlink_to(disk, target_is_directory=True)
    assert point_latest_to(Run(folder_with((RUNS / "first").resolve(), *ENDED)))
    assert open_run(None).folder == disk / "first"


def test_the_advice_for_a_folder_that_holds_a_run_can_be_followed():
    with pytest.raises(UsageError, match="Add --resume"):
        new_folder(folder_with(Path("begun"), *BEGUN))
    with pytest.raises(
        UsageError, match=r"already holds files, and nothing is overwritten \(recipe.toml is there\)\. Empty it"
    ):
        new_folder(folder_with(Path("ended"), *ENDED))


def holding(folder, lesions, **splits):
    """A run of these lesions, the last two of them held out."""
    run = Run(folder_with(folder))
    lesions.save(run.lesions_file)
    run.splits_file.write_text(json.dumps({"train": lesions.paths[:-2], "held_out": lesions.paths[-2:]} | splits))
    return run


def test_images_that_are_gone_are_told_with_the_run_that_needs_them(tmp_path):
    lesions = write_set(tmp_path / "lesions")
    run = holding(tmp_path / "run", lesions)
    run.require_unchanged()
    for count, path in enumerate((lesions.paths[-1], lesions.paths[0]), 1):
        Path(path).unlink()
        told = rf"{path}: no such file \({count} of {len(lesions)} are missing\)\. {run.folder} needs its images where"
        for needed in (run.require_images, run.require_unchanged):
            with pytest.raises(DataError, match=told):
                needed()


def test_masks_that_are_gone_are_told_where_the_run_makes_masks(tmp_path):
    lesions = write_set(tmp_path / "lesions", patients=2)
    masks = [*lesions.paths[1:], str(tmp_path / "mask.png")]
    masked = replace(lesions, table=lesions.table.assign(mask=masks))
    holding(tmp_path / "plain", masked).require_images()
    run = holding(tmp_path / "run", masked, masks=dict.fromkeys(lesions.paths, "hash"))
    with pytest.raises(DataError, match=rf"mask.png: no such file \(1 of {2 * len(lesions)} are missing\)"):
        run.require_images()


def test_the_archive_of_rows_is_what_has_to_be_there(tmp_path):
    table = write_set(tmp_path / "lesions").table
    rows = replace(
        lesions := write_set(tmp_path / "others"),
        table=table.assign(path=[f"{tmp_path}/set.npz#train_images/{row}" for row in range(len(lesions))]),
    )
    run = holding(tmp_path / "run", rows)
    with pytest.raises(DataError, match=r"set.npz#train_images/0: no such file"):
        run.require_images()
    (tmp_path / "set.npz").touch()
    run.require_images()
