"""Work done ahead of whoever asks for it, in threads that share torch's among them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_MOST = 4  # threads: more would wait for Python's lock, and each holds what its item needs


def ahead(
    task: Callable[[_Item], _Result], items: Iterable[_Item], needed: Callable[[], int]
) -> Generator[_Result, None, None]:
    """`task` of each item, in order, in as many threads as torch has, 4 at most.

    needed: how many more results will be asked for, about; no more items are worked on at a time, and one more than
    there are threads at most. Each thread's operations take its share of torch's threads: two small operations beside
    each other are done sooner than each of them by two threads. A thread that is started elsewhere meanwhile has that
    share too. What a task raises is raised here; closing this waits for the tasks that run, and drops the others.
    """
    whole = torch.get_num_threads()
    threads = min(whole, _MOST)
    waiting: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(whole // threads,)) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(task, item))
                while waiting and len(waiting) >= min(threads + 1, needed()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            try:
                pool.shutdown(cancel_futures=True)
            finally:
                torch.set_num_threads(whole)  # a thread's own setting is that of threads to come, too
