import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from augmentor.benchmarking.workers import run_tasks
from augmentor.errors import AugmentorError, UsageError
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


@pytest.mark.parametrize("scheduler", [None, "tcp://127.0.0.1:9"])
def test_without_a_task_no_worker_is_started(monkeypatch, scheduler):
    for name in ("_in_processes", "_on_cluster"):
        monkeypatch.setattr(f"augmentor.benchmarking.workers.{name}", lambda *_: pytest.fail("started"))
    assert list(run_tasks(square, [], 2, scheduler, Progress())) == []


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


@contextmanager
def small_cluster(**how):
    """A scheduler and its workers; threads of this process unless told otherwise."""
    distributed = pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
    how = {"processes": False, "dashboard_address": None, "protocol": "tcp"} | how
    with distributed.LocalCluster(**how) as cluster:
        yield cluster


def place(task: Task, _progress: Progress) -> tuple[int, str]:
    """Fails where no Dask worker computes it."""
    from distributed import get_worker

    return task.number, get_worker().address


def test_a_cluster_of_one_worker_with_one_thread_does_the_work():
    with small_cluster(n_workers=1, threads_per_worker=1) as cluster:
        address = cluster.workers[0].address
        found = list(run_tasks(place, [Task(i) for i in range(3)], 1, cluster.scheduler_address, Progress()))
    assert sorted(found) == [(i, address) for i in range(3)]


def draw(task: Task, _progress: Progress) -> tuple[int, list[float]]:
    """Random numbers of a seed, as a fit draws them: a few at a time."""
    numbers = []
    with torch.random.fork_rng([]):
        torch.manual_seed(task.number)
        for _ in range(5):
            numbers.append(float(torch.rand(())))
            time.sleep(task.seconds)
    return task.number, numbers


def test_threads_of_one_worker_draw_no_numbers_of_each_others_tasks():
    tasks = [Task(i, seconds=0.01) for i in range(4)]
    with small_cluster(n_workers=1, threads_per_worker=4) as cluster:
        found = dict(run_tasks(draw, tasks, 1, cluster.scheduler_address, Progress()))
    assert found == dict(run_tasks(draw, tasks, 1, None, Progress()))


def test_a_cluster_without_workers_is_told_with_how_to_start_them(monkeypatch):
    monkeypatch.setattr("augmentor.benchmarking.workers._SECONDS_TO_ANSWER", 0.5)
    with small_cluster(n_workers=0) as cluster:
        address = cluster.scheduler_address
        with pytest.raises(AugmentorError, match=r"no Dask worker came within 0\.5 s") as told:
            list(run_tasks(square, [Task(1)], 1, address, Progress()))
    assert f"`dask worker {address} --nthreads 1`" in str(told.value)
    assert told.value.exit_code == 1


def wait(task: Task, _progress: Progress) -> int:
    time.sleep(task.seconds)
    return task.number


def test_a_connection_that_is_lost_is_told_with_how_to_go_on(caplog):
    with small_cluster(n_workers=1, threads_per_worker=1) as cluster:
        found = run_tasks(wait, [Task(0), Task(1, seconds=3)], 1, cluster.scheduler_address, Progress())
        assert next(found) == 0
        cluster.close()
        with pytest.raises(AugmentorError, match=r"connection to the Dask scheduler was lost.* What is done is kept"):
            list(found)
    assert not [record for record in caplog.records if record.name == "distributed.client"]


def test_a_task_that_is_cancelled_on_the_scheduler_is_told():
    distributed = pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
    with small_cluster(n_workers=1, threads_per_worker=1) as cluster:
        found = run_tasks(wait, [Task(0), Task(1, seconds=3)], 1, cluster.scheduler_address, Progress())
        assert next(found) == 0
        with distributed.Client(cluster.scheduler_address) as other:
            other.cancel([distributed.Future(key, other) for key in cluster.scheduler.tasks], force=True)
        with pytest.raises(AugmentorError, match=r"or a task was cancelled there\. What is done is kept"):
            list(found)


def die(_task: Task, _progress: Progress) -> None:
    os._exit(1)


@pytest.mark.slow
def test_a_task_that_kills_its_workers_is_told():
    dask = pytest.importorskip("dask", reason="the extra [cluster] is not installed")
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        small_cluster(n_workers=1, threads_per_worker=1, processes=True) as cluster,
        pytest.raises(AugmentorError, match=r"1 Dask workers? .* killed .* want of memory\. What is done is kept"),
    ):
        list(run_tasks(die, [Task(0)], 1, cluster.scheduler_address, Progress()))
