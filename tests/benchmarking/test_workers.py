import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from augmentor.benchmarking.workers import run_tasks
from augmentor.errors import UsageError
from augmentor.progress import Progress


@dataclass(frozen=True)
class Task:
    number: int
    folder: Path | None = None
    seconds: float = 0.0


def square(task: Task, _progress: Progress) -> tuple[int, int, int]:
    return task.number**2, os.getpid(), torch.get_num_threads()


def mark(task: Task, _progress: Progress) -> int:
    """Takes a while, then leaves a file: what a cell does."""
    assert task.folder is not None
    (task.folder / f"{os.getpid()}-{task.number}.begun").touch()
    time.sleep(task.seconds)
    part = task.folder / f"{task.number}.part"
    part.write_text(str(os.getpid()))
    part.replace(task.folder / f"{task.number}.done")
    return task.number


def test_one_worker_is_this_process_and_keeps_the_order():
    found = list(run_tasks(square, [Task(i) for i in range(4)], 1, None, Progress()))
    assert [f[0] for f in found] == [0, 1, 4, 9]
    assert {f[1] for f in found} == {os.getpid()}


@pytest.mark.slow
def test_several_workers_give_the_same_and_do_not_fight_for_threads():
    found = list(run_tasks(square, [Task(i) for i in range(6)], 2, None, Progress()))
    assert sorted(f[0] for f in found) == [0, 1, 4, 9, 16, 25]
    assert os.getpid() not in {f[1] for f in found}
    assert max(f[2] for f in found) <= max(1, (os.cpu_count() or 1) // 2)


@pytest.mark.slow
def test_the_last_open_task_of_several_workers_has_no_more_threads_than_the_others():
    """A network's sums depend on their number: a restart must not compute its one open cell otherwise."""
    ((number, process, threads),) = run_tasks(square, [Task(3)], 2, None, Progress())
    several = list(run_tasks(square, [Task(i) for i in range(3)], 2, None, Progress()))
    assert number == 9
    assert process != os.getpid()
    assert {threads} == {found[2] for found in several}


def test_without_a_task_no_worker_is_started(monkeypatch):
    monkeypatch.setattr("augmentor.benchmarking.workers._parallel", lambda *_: pytest.fail("started"))
    assert list(run_tasks(square, [], 2, None, Progress())) == []


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch):
    pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
    monkeypatch.setattr("augmentor.benchmarking.workers._SECONDS_TO_ANSWER", 1)
    with pytest.raises(UsageError, match="no Dask scheduler answered"):
        list(run_tasks(square, [Task(1)], 1, "tcp://127.0.0.1:9", Progress()))


@pytest.mark.slow
def test_a_killed_workers_task_is_done_by_another_and_every_task_is_there_once(cluster, tmp_path):
    address, workers = cluster
    folder = tmp_path / "cells"
    folder.mkdir()
    tasks = [Task(i, folder, 0.5) for i in range(8)]
    done = []
    for number in run_tasks(mark, tasks, 1, address, Progress()):
        done.append(number)
        if len(done) == 2:
            workers[0].kill()
    assert sorted(done) == list(range(8))
    assert len(list(folder.glob("*.done"))) == 8
    assert str(workers[1].pid) in {f.read_text() for f in folder.glob("*.done")}
    # The killed worker had begun one that the other did again.
    begun = [f.name.split("-")[1] for f in folder.glob("*.begun")]
    assert len(begun) > len(set(begun))
