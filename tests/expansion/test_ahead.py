import threading
import time
from contextlib import closing
from itertools import count, islice

import pytest
import torch

from augmentor.expansion.ahead import Lanes
from tests.threads import torch_threads


@pytest.fixture(autouse=True)
def _two_threads():
    with torch_threads(2):
        yield


def ahead(task, items, needed):
    with Lanes() as lanes:
        yield from lanes.ahead(task, items, needed)


def threads_of_a_new_thread() -> int:
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def test_results_come_in_the_order_of_the_items():
    def slow_first(number):
        time.sleep(0.02 if number == 0 else 0)
        return number**2

    assert list(ahead(slow_first, range(7), needed=lambda: 7)) == [n**2 for n in range(7)]


def test_two_items_are_worked_on_at_a_time():
    both = threading.Barrier(2)  # breaks where only one comes
    assert len(list(ahead(lambda _: both.wait(timeout=10), range(4), needed=lambda: 4))) == 4


@pytest.mark.parametrize(("whole", "each"), [(1, 1), (2, 1), (4, 1), (8, 2)])
def test_the_threads_share_torchs_own_and_the_caller_keeps_its_own(whole, each):
    with torch_threads(whole):
        assert set(ahead(lambda _: torch.get_num_threads(), range(8), needed=lambda: 8)) == {each}
        assert torch.get_num_threads() == threads_of_a_new_thread() == whole


def test_only_a_few_items_are_worked_on_ahead():
    begun = []
    with closing(ahead(begun.append, count(), needed=lambda: 100)) as made:
        for number, _ in enumerate(islice(made, 20), 1):
            assert len(begun) <= number + 3


def test_nothing_is_worked_on_that_is_not_needed():
    begun, missing = [], 5
    with closing(ahead(begun.append, count(), needed=lambda: missing)) as made:
        for _ in range(5):
            next(made)
            missing -= 1
    assert sorted(begun) == [0, 1, 2, 3, 4]


def test_nothing_runs_on_once_it_is_closed():
    begun, ended = [], []

    def slow(number):
        begun.append(number)
        time.sleep(0.01)
        ended.append(number)

    with closing(ahead(slow, count(), needed=lambda: 100)) as made:
        next(made)
    assert sorted(begun) == sorted(ended)
    time.sleep(0.05)
    assert len(begun) == len(ended) <= 4
    assert threads_of_a_new_thread() == 2


def test_what_a_task_raises_is_raised_where_its_result_would_be():
    made = ahead(lambda n: 1 / n, [2, 1, 0, 1], needed=lambda: 4)
    assert [next(made), next(made)] == [0.5, 1]
    with pytest.raises(ZeroDivisionError):
        next(made)
    assert threads_of_a_new_thread() == 2


def test_one_after_another_has_the_same_threads():
    with torch_threads(1), Lanes() as lanes:
        first, second = (set(lanes.ahead(lambda _: threading.get_ident(), range(3), lambda: 3)) for _ in range(2))
    assert first == second
    assert threading.get_ident() not in first


def test_what_was_closed_is_over_before_the_next_begins():
    running = []

    def slow(number):
        running.append(number)
        time.sleep(0.02)
        running.remove(number)

    with Lanes() as lanes:
        with closing(lanes.ahead(slow, count(), lambda: 100)) as made:
            next(made)
        assert not running
        assert len(list(lanes.ahead(slow, range(3), lambda: 3))) == 3
