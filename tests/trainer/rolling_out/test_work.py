"""What a worker does."""

from __future__ import annotations

import asyncio
import threading

import pytest

from opto.errors import BudgetExceededError, ModelError, ModelTimeoutError
from opto.trace import ExecutionError, bundle
from opto.trainer.rolling_out.work import aperform, budget_error, perform, retryable


def failed(error):
    """The `ExecutionError` of a traced function that raises `error`."""

    @bundle()
    def program():
        raise error

    with pytest.raises(ExecutionError) as caught:
        program()
    return caught.value


def test_a_report_holds_the_value_and_the_time():
    """What a call returns is reported."""
    report = perform(lambda: 3)
    assert (report.value, report.error, report.timed_out) == (3, None, False)
    assert report.seconds >= 0


def test_an_error_is_reported_and_not_raised():
    """What a call raises is reported."""
    report = perform(lambda: 1 / 0)
    assert isinstance(report.error, ZeroDivisionError)


def test_an_awaitable_is_awaited():
    """A coroutine function is run to its end, also in a thread."""

    async def program():
        await asyncio.sleep(0)
        return 4

    assert perform(program).value == 4
    assert perform(program, timeout=10).value == 4


def test_a_call_that_hangs_is_left_behind():
    """After its time a call is given up, while it still runs."""
    end = threading.Event()
    report = perform(end.wait, timeout=0.01)
    end.set()
    assert report.timed_out
    assert report.value is None


def test_an_exit_of_the_program_is_an_error_like_others():
    """`SystemExit` does not end the process that works through the examples."""
    report = perform(lambda: exit(3))
    assert isinstance(report.error, RuntimeError)
    assert "SystemExit(3)" in str(report.error)


async def test_on_a_loop_a_hanging_call_is_cancelled():
    """The coroutine of a call that takes too long is cancelled."""
    cancelled = asyncio.Event()

    async def program():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    report = await aperform(program, timeout=0.01)
    await cancelled.wait()
    assert report.timed_out


async def test_on_a_loop_values_and_errors_are_reported():
    """Both a coroutine and a plain function may be called; a cancelled one is an error."""

    async def program():
        return 5

    async def cancels():
        raise asyncio.CancelledError

    assert (await aperform(program)).value == 5
    assert (await aperform(lambda: 6)).value == 6
    assert isinstance((await aperform(lambda: 1 / 0)).error, ZeroDivisionError)
    assert "cancelled its own task" in str((await aperform(cancels)).error)


def test_what_may_be_tried_again():
    """A traced program that fails has failed, unless a model did not answer; a budget's refusal stands."""
    assert retryable(OSError("reset"))
    assert not retryable(failed(ValueError("wrong")))
    assert retryable(failed(ModelTimeoutError("late")))
    assert not retryable(failed(ModelError("no such model")))
    assert not retryable(BudgetExceededError("spent"))
    assert not retryable(failed(BudgetExceededError("spent")))


def test_whose_fault_an_error_is():
    """A report says whether to try again, and whether the program would raise the same again."""

    def told(error):
        @bundle()
        def program():
            raise error

        report = perform(program)
        return report.passing, report.lasting

    assert told(ValueError("wrong")) == (False, True)
    assert told(ModelTimeoutError("late")) == (True, False)
    assert told(ModelError("no such model")) == (False, False)
    assert told(FileNotFoundError("moved")) == (False, False)
    refusal = BudgetExceededError("spent")
    assert told(refusal) == (False, False)
    assert perform(lambda: (_ for _ in ()).throw(failed(refusal))).error is refusal


def test_the_refusal_of_a_budget_is_found_inside_an_execution_error():
    """A budget's error is recognized where a traced program wrapped it."""
    refusal = BudgetExceededError("spent")
    assert budget_error(failed(refusal)) is refusal
    assert budget_error(failed(ValueError())) is None
