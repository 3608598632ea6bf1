"""Tasks on one process, on several, or on a cluster: the same tasks, the same results, but for how networks are rounded
with another number of threads."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import partial
from threading import Lock
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
_ALONE = Lock()


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
    Raises UsageError where the scheduler does not answer, AugmentorError where no worker does, where the connection to
    it is lost, or where a task kills its workers.
    """
    if not tasks or (scheduler is None and workers <= 1):
        return (function(task, progress) for task in tasks)
    if scheduler:
        return _on_cluster(function, tasks, scheduler)
    threads = max(1, (os.cpu_count() or 1) // workers)
    return _in_processes([joblib.delayed(_in_worker)(function, task, threads) for task in tasks], workers)


def _in_processes(jobs: Iterable[Any], workers: int) -> Iterator[Any]:
    with warnings.catch_warnings():
        # loky replaces a worker whose memory has grown, and says so as if something had gone wrong.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
        parallel = joblib.Parallel(
            workers, backend="loky", batch_size=1, pre_dispatch="all", return_as="generator_unordered"
        )
        try:
            yield from parallel(jobs)
        except TerminatedWorkerError as error:
            raise AugmentorError(
                "A worker process was killed, perhaps for want of memory. What is done is kept: start the same command "
                "again, with fewer --workers."
            ) from error


def _on_cluster(function: Callable[[Task, Progress], Found], tasks: Sequence[Task], scheduler: str) -> Iterator[Found]:
    with _client(scheduler) as client, _told_of_cluster(scheduler):
        from distributed import as_completed  # noqa: PLC0415 (an extra)

        _require_worker(client, scheduler)
        # All are sent at once: what a scheduler knows of, it can give to another worker. They begin in their order.
        submit = partial(client.submit, _in_worker, function, threads=1, pure=False)
        for future in as_completed([submit(task, priority=-number) for number, task in enumerate(tasks)]):
            yield future.result()
            future.release()


def _require_worker(client: Any, scheduler: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_SECONDS_TO_ANSWER)
    except TimeoutError as error:
        raise AugmentorError(
            f"{scheduler}: no Dask worker came within {_SECONDS_TO_ANSWER} s. Start some with `dask worker {scheduler} "
            "--nthreads 1`, then the same command again."
        ) from error


@contextmanager
def _told_of_cluster(scheduler: str) -> Iterator[None]:
    from distributed import KilledWorker  # noqa: PLC0415 (an extra)
    from distributed.comm import CommClosedError  # noqa: PLC0415

    try:
        yield
    except KilledWorker as error:
        raise AugmentorError(
            f"{scheduler}: {error.allowed_failures + 1} Dask workers were killed at one task, perhaps for want of "
            "memory. What is done is kept: start workers with more of it, then the same command again."
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise AugmentorError(
            f"{scheduler}: the connection to the Dask scheduler was lost, or a task was cancelled there. What is done "
            "is kept: start scheduler and workers, then the same command again."
        ) from error


@contextmanager
def _client(scheduler: str) -> Iterator[Any]:
    """It writes no log, which is of tracebacks where the connection is lost."""
    try:
        from distributed import Client  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise UsageError(f"--scheduler needs Dask: {install('cluster')}.") from error
    log = logging.getLogger("distributed.client")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with _connected(Client, scheduler) as client:
            yield client
    finally:
        log.setLevel(level)


def _connected(client: Callable[..., Any], scheduler: str) -> Any:
    try:
        return client(scheduler, timeout=_SECONDS_TO_ANSWER)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(
            f"--scheduler {scheduler}: no Dask scheduler answered within {_SECONDS_TO_ANSWER} s ({error}). Start one "
            "with `dask scheduler`, and workers with `dask worker tcp://HOST:8786 --nthreads 1`."
        ) from error


def _in_worker(function: Callable[[Task, Progress], Found], task: Task, threads: int) -> Found:
    """Silent, and with its share of the cores: threads of two workers on one core wait for each other. One task at a
    time: a process has one source of random numbers, which all its threads would draw from."""
    with _ALONE:
        torch.set_num_threads(threads)
        return function(task, Progress())
