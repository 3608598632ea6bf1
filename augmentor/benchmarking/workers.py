"""Tasks on one process, on several, or on a cluster: the same tasks, the same results, but for how networks are rounded
with another number of threads."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import joblib
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError

from augmentor.data.extras import install
from augmentor.errors import AugmentorError, UsageError
from augmentor.progress import Progress

Task = TypeVar("Task")
Found = TypeVar("Found")
_SECONDS_TO_ANSWER = 20


def run_tasks(
    function: Callable[[Task, Progress], Found],
    tasks: Sequence[Task],
    workers: int,
    scheduler: str | None,
    progress: Progress,
) -> Iterator[Found]:
    """function(task, progress) of every task, each as it is done.

    workers: processes on this machine, which share its cores. scheduler: "tcp://HOST:PORT" of a Dask scheduler, whose
    workers must see the same files under the same paths (images and results go by path, tables by value); a task
    whose worker dies is given to another one. One worker runs here, and shows the progress of each task.
    Each of several has its share of the cores, also if there is a single task: it must not be rounded otherwise.
    Raises UsageError where the scheduler does not answer.
    """
    if not tasks or (scheduler is None and workers <= 1):
        return (function(task, progress) for task in tasks)
    threads = 1 if scheduler else max(1, (os.cpu_count() or 1) // workers)
    jobs = (joblib.delayed(_in_worker)(function, task, threads) for task in tasks)
    return _parallel(jobs, workers, scheduler)


def _parallel(jobs: Iterable[Any], workers: int, scheduler: str | None) -> Iterator[Any]:
    with _backend(workers, scheduler):
        count = -1 if scheduler else workers
        # Every task is a message of its own, all sent at once: what a scheduler knows of, it can give to another.
        parallel = joblib.Parallel(n_jobs=count, batch_size=1, pre_dispatch="all", return_as="generator_unordered")
        try:
            yield from parallel(jobs)
        except TerminatedWorkerError as error:
            raise AugmentorError(
                "A worker process was killed, perhaps for want of memory. What is done is kept: start the same command "
                "again, with fewer --workers."
            ) from error
        except TimeoutError as error:
            raise AugmentorError(
                f"{scheduler}: no Dask worker takes tasks ({error}). Start some with `dask worker {scheduler}`, then "
                "the same command again."
            ) from error


@contextmanager
def _backend(workers: int, scheduler: str | None) -> Iterator[None]:
    if scheduler is None:
        with warnings.catch_warnings(), joblib.parallel_config("loky", n_jobs=workers):
            # loky replaces a worker whose memory has grown, and says so as if something had gone wrong.
            warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
            yield
        return
    with _client(scheduler), joblib.parallel_config("dask"):
        yield


def _client(scheduler: str) -> Any:
    try:
        from distributed import Client  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise UsageError(f"--scheduler needs Dask: {install('cluster')}.") from error
    try:
        return Client(scheduler, timeout=_SECONDS_TO_ANSWER)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(
            f"--scheduler {scheduler}: no Dask scheduler answered within {_SECONDS_TO_ANSWER} s ({error}). Start one "
            "with `dask scheduler`, and workers with `dask worker tcp://HOST:8786 --nthreads 1`."
        ) from error


def _in_worker(function: Callable[[Task, Progress], Found], task: Task, threads: int) -> Found:
    """Silent, and with its share of the cores: threads of two workers on one core wait for each other."""
    torch.set_num_threads(threads)
    return function(task, Progress())
