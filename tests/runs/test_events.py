"""Tests of opto.runs.events."""

from __future__ import annotations

import asyncio
import contextvars
import pickle
import threading
import time

import pytest

from opto.errors import OptoWarning
from opto.runs import Event, EventLog, emit, listening


def test_a_listener_hears_kind_data_and_time() -> None:
    """An event carries its kind, its data by name and the time of emission."""
    log = EventLog()
    before = time.time()
    with listening(log) as same:
        emit("step", number=1, kind="inner")
    assert same is log
    (event,) = log.events
    assert (event.kind, event.data) == ("step", {"number": 1, "kind": "inner"})
    assert before <= event.time <= time.time()


def test_nobody_hears_outside_the_block() -> None:
    """Events before and after the block are not heard."""
    log = EventLog()
    emit("before")
    with listening(log):
        emit("during")
    emit("after")
    assert [event.kind for event in log.events] == ["during"]


def test_blocks_nest() -> None:
    """An inner block adds its listener to the outer ones, first come first told."""
    told: list[str] = []

    class Teller:
        def __init__(self, name: str) -> None:
            self.name = name

        def on_event(self, event: Event) -> None:
            told.append(f"{self.name}:{event.kind}")

    with listening(Teller("outer")):
        with listening(Teller("inner")):
            emit("a")
        emit("b")
    assert told == ["outer:a", "inner:a", "outer:b"]


def test_an_exception_ends_the_listening() -> None:
    """A block that is left by an exception listens no more."""
    log = EventLog()
    with pytest.raises(KeyError), listening(log):
        raise KeyError
    emit("after")
    assert log.events == []


def test_a_listener_that_raises_is_reported_and_the_others_are_told() -> None:
    """A failing listener gives a warning; the run and the listeners after it go on."""

    class Broken:
        def on_event(self, event: Event) -> None:
            raise ValueError("no disk")

    log = EventLog()
    with (
        listening(Broken()),
        listening(log),
        pytest.warns(OptoWarning, match="Broken failed on the event 'step': ValueError: no disk"),
    ):
        emit("step")
    assert len(log.events) == 1


def test_a_keyboard_interrupt_in_a_listener_passes() -> None:
    """Only ordinary exceptions of a listener are held back."""

    class Stop:
        def on_event(self, event: Event) -> None:
            raise KeyboardInterrupt

    with listening(Stop()), pytest.raises(KeyboardInterrupt):
        emit("step")


def test_what_cannot_listen_is_refused() -> None:
    """A listener without on_event is a TypeError that names the argument."""
    with pytest.raises(TypeError, match="listener must have a method on_event"), listening(3):  # type: ignore[arg-type]
        pass


def test_threads_share_a_log_when_they_share_a_context() -> None:
    """No event is lost when many threads emit to one log."""
    log = EventLog()

    def work() -> None:
        for number in range(200):
            emit("tick", number=number)

    with listening(log):
        threads = [threading.Thread(target=contextvars.copy_context().run, args=(work,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(log.of("tick")) == 1600
    assert log.of("tock") == []


def test_tasks_do_not_hear_each_other() -> None:
    """A listener of one asyncio task hears nothing of another."""

    async def task(name: str) -> list[str]:
        log = EventLog()
        with listening(log):
            await asyncio.sleep(0)
            emit(name)
            await asyncio.sleep(0)
        return [event.kind for event in log.events]

    async def both() -> list[list[str]]:
        return await asyncio.gather(task("a"), task("b"))

    assert asyncio.run(both()) == [["a"], ["b"]]


def test_a_log_survives_pickle() -> None:
    """Events and logs can be sent to another process."""
    log = EventLog()
    with listening(log):
        emit("step", number=1)
    assert pickle.loads(pickle.dumps(log)).events == log.events
