"""Executors that the standard library lacks."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from opto.errors import MissingExtraError
from opto.trainer import executors
from opto.trainer.executors import LoopExecutor, RayExecutor, shares_memory, thread_pool, workers_of


async def double(number):
    """Twice a number."""
    await asyncio.sleep(0)
    return 2 * number


def test_a_loop_executor_is_an_executor():
    """`submit`, `map` and `with` work with coroutine functions, and with plain ones."""
    with LoopExecutor() as executor:
        assert executor.submit(double, 4).result() == 8
        assert executor.submit(pow, 2, 3).result() == 8
        assert list(executor.map(double, range(3))) == [0, 2, 4]


def test_its_concurrency_is_bounded():
    """No more than `max_workers` calls are under way at once, and that many are."""
    under_way, most = 0, 0

    async def call(full):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 3:
            full.set()
        await full.wait()
        under_way -= 1

    with LoopExecutor(max_workers=3) as executor:
        full = executor.submit(asyncio.Event).result()
        wait([executor.submit(call, full) for _ in range(9)])
    assert most == 3


def test_it_passes_the_context_on():
    """A call sees the context variables of who submitted it."""
    variable = contextvars.ContextVar("variable", default=0)

    async def read():
        return variable.get()

    with LoopExecutor() as executor:
        variable.set(7)
        assert executor.submit(read).result() == 7


async def test_it_serves_a_caller_that_runs_on_a_loop():
    """Its loop is another one, in a thread of its own."""
    with LoopExecutor() as executor:
        assert await asyncio.wrap_future(executor.submit(double, 1)) == 2


def test_shutdown_can_cancel():
    """`cancel_futures` ends calls that are under way; nothing is taken afterwards."""
    begun = threading.Event()

    async def hang():
        begun.set()
        await asyncio.Event().wait()

    executor = LoopExecutor()
    future = executor.submit(hang)
    begun.wait()
    executor.shutdown(cancel_futures=True)
    assert future.cancelled()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(double, 1)


def test_shutdown_need_not_wait():
    """What is scheduled is done all the same, and then the loop ends."""

    async def wait_for(event):
        await event.wait()
        return 3

    executor = LoopExecutor()
    event = executor.submit(asyncio.Event).result()
    future, thread = executor.submit(wait_for, event), executor._thread
    executor.submit(asyncio.sleep, 0)
    executor._loop.call_soon_threadsafe(event.set)
    executor.shutdown(wait=False)
    assert future.result() == 3
    thread.join()


def test_an_executor_that_nobody_has_any_more_ends_its_thread():
    """Also where nobody shut it down."""
    executor = LoopExecutor()
    assert executor.submit(double, 1).result() == 2
    thread = executor._thread
    del executor
    gc.collect()
    thread.join(timeout=30)
    assert not thread.is_alive()


def test_an_executor_that_was_never_used_can_be_shut_down():
    """No loop is started for it."""
    LoopExecutor().shutdown()


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "many"])
def test_max_workers_is_checked(bad):
    """The error names the argument and the value."""
    with pytest.raises(ValueError, match=f"max_workers must be an integer >= 1, got {bad!r}"):
        LoopExecutor(max_workers=bad)


def test_at_least_six_threads(monkeypatch):
    """Also a small machine gets six."""
    monkeypatch.setattr(executors.os, "cpu_count", lambda: 1)
    with thread_pool() as pool:
        assert workers_of(pool) == 6


def test_what_shares_memory():
    """Threads and loops do; an executor may say so itself."""
    with ThreadPoolExecutor(1) as pool, LoopExecutor() as loop:
        assert shares_memory(pool)
        assert shares_memory(loop)
    with executors.process_pool(1) as processes:
        assert not shares_memory(processes)


def test_without_ray_the_extra_is_named(monkeypatch):
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"opto-trace\[ray\]"):
        RayExecutor()
