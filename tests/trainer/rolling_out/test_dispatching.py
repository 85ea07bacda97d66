"""Many calls through one executor."""

from __future__ import annotations

import queue
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.errors import RolloutTimeoutError, WorkerError
from opto.trainer.rolling_out.dispatching import Dispatcher, Outcome, Pool
from opto.trainer.rolling_out.work import Report, perform


class Call:
    """A call that reports what a function returns."""

    def __init__(self, function):
        self.function = function

    def submit(self, executor):
        """Start it."""
        return executor.submit(perform, self.function)

    def opened(self, result):
        """As it is."""
        return result


class Scripted(Executor):
    """Its futures end when and how the test says: `pending` holds them, in the order of submission."""

    def __init__(self):
        self.pending = []
        self.submitted = 0

    def submit(self, fn, /, *args, **kwargs):
        """A future that waits."""
        self.submitted += 1
        future = Future()
        self.pending.append((future, fn, args))
        self.arrived()
        return future

    def arrived(self):
        """Overridden by tests that answer at once."""


@given(st.permutations(range(6)), st.integers(1, 6))
def test_outcomes_come_in_the_order_of_submission(order, window):
    """In whatever order calls end, and however many are under way."""

    class Answers(Scripted):
        def arrived(self):
            while self.pending and (self.submitted == 6 or len(self.pending) == window):
                place = min(range(len(self.pending)), key=lambda place: order[self.pending[place][2][0]()])
                future, fn, args = self.pending.pop(place)
                future.set_result(fn(*args))

    calls = [Call(lambda number=number: number) for number in range(6)]
    found = [outcome.value for outcome in Dispatcher(Pool(Answers()), window=window).outcomes(calls)]
    assert found == list(range(6))


def test_known_outcomes_keep_their_places():
    """They are no calls."""
    with ThreadPoolExecutor(2) as pool:
        calls = [Outcome("known"), Call(lambda: "called"), Outcome("known too")]
        found = [outcome.value for outcome in Dispatcher(Pool(pool), window=2).outcomes(calls)]
    assert found == ["known", "called", "known too"]


def test_calls_are_taken_as_workers_become_free():
    """Not all at once: an endless iterator is fine."""

    def endless():
        number = 0
        while True:
            yield Call(lambda number=number: number)
            number += 1

    with ThreadPoolExecutor(2) as pool:
        outcomes = Dispatcher(Pool(pool), window=2).outcomes(endless())
        assert [next(outcomes).value for _ in range(50)] == list(range(50))
        outcomes.close()


def test_who_broke_a_pool_is_found_out():
    """Those that were in it are tried alone; the innocent are not blamed, even where no retry is allowed."""
    made = []

    class Breaks(Scripted):
        def arrived(self):
            # Breaks, with all that is in it, when the culprit is among the first two.
            if len(self.pending) == 2 or self is not made[0]:
                names = [args[0]() for _, _, args in self.pending]
                for future, fn, args in self.pending:
                    if "culprit" in names:
                        future.set_exception(BrokenExecutor("broken"))
                    else:
                        future.set_result(fn(*args))
                self.pending.clear()

    def make():
        made.append(Breaks())
        return made[-1]

    calls = [Call(lambda name=name: name) for name in ("innocent", "culprit", "later", "last")]
    found = list(Dispatcher(Pool(make), window=2, retries=0).outcomes(calls))
    assert [outcome.value for outcome in found] == ["innocent", None, "later", "last"]
    assert isinstance(found[1].error, WorkerError)
    assert [outcome.attempts for outcome in found] == [2, 2, 1, 1]
    assert len(made) >= 3


def test_an_attempt_that_never_reports_is_given_up():
    """After `patience`, with a new executor if there can be one; what it says later is not heard."""
    silent = Scripted()
    executors = iter([silent])

    with ThreadPoolExecutor(1) as pool:
        dispatcher = Dispatcher(Pool(lambda: next(executors, pool)), window=1, retries=1, patience=0.02)
        [found] = dispatcher.outcomes([Call(lambda: 7)])
    assert (found.value, found.attempts) == (7, 2)

    dispatcher = Dispatcher(Pool(Scripted()), window=1, retries=0, patience=0.02)
    [found] = dispatcher.outcomes([Call(lambda: 7)])
    assert isinstance(found.error, RolloutTimeoutError)
    assert "reported nothing for 0.02 s" in str(found.error)


def test_what_was_begun_is_cancelled_when_nobody_wants_it_any_more():
    """Closing the iterator cancels what waits."""
    executor = Scripted()
    first = Outcome("first")
    outcomes = Dispatcher(Pool(executor), window=3).outcomes([first, *(Call(lambda: 1) for _ in range(5))])
    assert next(outcomes) is first
    outcomes.close()
    assert executor.submitted == 3
    assert all(future.cancelled() for future, _, _ in executor.pending)


def test_a_closed_pool_that_was_given_cannot_be_used():
    """The executor belongs to somebody else."""
    with ThreadPoolExecutor(1) as executor:
        pool = Pool(executor)
        pool.close()
        assert executor.submit(int).result() == 0
        with pytest.raises(RuntimeError, match="closed"):
            _ = pool.executor


def test_a_report_of_an_error_that_passes():
    """It is tried again as often as is allowed."""
    count = 0

    def fails():
        nonlocal count
        count += 1
        raise OSError(count)

    with ThreadPoolExecutor(1) as pool:
        [found] = Dispatcher(Pool(pool), window=1, retries=3).outcomes([Call(fails)])
    assert (found.error.args, found.attempts) == ((4,), 4)
    assert isinstance(perform(fails), Report)


def test_what_an_attempt_gave_is_opened_at_once():
    """While nobody asks for the next outcome."""
    opened = queue.SimpleQueue()

    class Noted(Call):
        def opened(self, result):
            """Let it be known."""
            opened.put(result.value)
            return result

    with ThreadPoolExecutor(2) as pool:
        found = Dispatcher(Pool(pool), window=2).outcomes([Noted(lambda number=number: number) for number in range(2)])
        assert next(found).value == 0
        assert sorted(opened.get(timeout=30) for _ in range(2)) == [0, 1]
