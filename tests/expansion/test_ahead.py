import threading
import time
from contextlib import closing
from itertools import count, islice

import pytest
import torch

from augmentor.expansion.ahead import ahead


@pytest.fixture(autouse=True)
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_items():
    def slow_first(number):
        time.sleep(0.02 if number == 0 else 0)
        return number**2

    assert list(ahead(slow_first, range(7), needed=lambda: 7)) == [n**2 for n in range(7)]


def test_the_threads_share_torchs_own_and_the_caller_keeps_its_own():
    assert set(ahead(lambda _: torch.get_num_threads(), range(4), lambda: 4)) == {1}
    assert set(ahead(lambda _: torch.get_num_threads(), range(4), lambda: 4, threads=1)) == {2}
    assert torch.get_num_threads() == 2
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [2]


def test_only_a_few_items_are_worked_on_ahead():
    begun = []
    with closing(ahead(begun.append, count(), needed=lambda: 100)) as made:
        for number, _ in enumerate(islice(made, 20), 1):
            assert len(begun) <= number + 3


def test_nothing_is_worked_on_that_is_not_needed():
    begun, missing = [], 5
    with closing(ahead(lambda n: begun.append(n) or n, count(), needed=lambda: missing)) as made:
        for _ in range(5):
            next(made)
            missing -= 1
    assert begun == [0, 1, 2, 3, 4]


def test_what_a_task_raises_is_raised_where_its_result_would_be():
    made = ahead(lambda n: 1 / n, [2, 1, 0, 1], needed=lambda: 4)
    assert [next(made), next(made)] == [0.5, 1]
    with pytest.raises(ZeroDivisionError):
        next(made)
