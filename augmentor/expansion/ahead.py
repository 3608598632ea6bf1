"""Work done ahead of whoever asks for it, in threads that share torch's among them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

import torch

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_MOST = 4  # threads: more would wait for Python's lock, and each holds what its item needs


class Lanes:
    """As many threads as torch has, 4 at most, from the first `ahead` until this context ends.

    Each thread's operations take its share of torch's threads: two small operations beside each other are done sooner
    than each of them by two threads. A thread that is started elsewhere meanwhile has that share too. The threads stay
    from one `ahead` to the next: one that follows another can be given other memory than that one leaves, 60 MB of it.
    """

    def __init__(self) -> None:
        self._whole = torch.get_num_threads()
        self._threads = min(self._whole, _MOST)
        self._pool = ThreadPoolExecutor(
            self._threads, initializer=torch.set_num_threads, initargs=(self._whole // self._threads,)
        )

    def __enter__(self) -> Lanes:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._pool.shutdown(cancel_futures=True)
        finally:
            torch.set_num_threads(self._whole)  # a thread's own setting is that of threads to come, too

    def ahead(
        self, task: Callable[[_Item], _Result], items: Iterable[_Item], needed: Callable[[], int]
    ) -> Generator[_Result, None, None]:
        """`task` of each item, in order.

        needed: how many more results will be asked for, about; no more items are worked on at a time, and one more than
        there are threads at most. What a task raises is raised here; closing this waits for the tasks that run, and
        drops the others.
        """
        waiting: deque[Future[_Result]] = deque()
        try:
            for item in items:
                waiting.append(self._pool.submit(task, item))
                while waiting and len(waiting) >= min(self._threads + 1, needed()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            wait([task for task in waiting if not task.cancel()])
