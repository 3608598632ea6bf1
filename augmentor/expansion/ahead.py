"""Work done ahead of whoever asks for it, in threads that share torch's among them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_MOST = 4  # threads: more would wait for Python's lock


def ahead(
    task: Callable[[_Item], _Result], items: Iterable[_Item], needed: Callable[[], int], threads: int | None = None
) -> Generator[_Result, None, None]:
    """`task` of each item, in order: at most one more at a time than there are threads, and never more than are needed.

    needed: how many more results will be asked for at the least. threads: by default torch's own, 4 at most. Each
    thread's share of torch's threads is what its operations take: two small operations beside each other are done
    sooner than each of them by two threads. What a task raises is raised here; nothing runs on once this is closed.
    """
    whole = torch.get_num_threads()
    threads = min(threads or whole, whole, _MOST)
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
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(whole)  # a thread's own setting is that of threads to come, too
