"""What happens in a run, told to whoever listens.

`emit` is called where something happens, `listening` says who hears of it, for the current context only: another
thread or asyncio task has its own listeners. Without a listener an event is not even made.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol, runtime_checkable

from opto.errors import OptoWarning

__all__ = ["FIXED", "Deferred", "Event", "EventLog", "Listener", "emit", "heard", "heard_by", "listening", "tell"]


class Event(NamedTuple):
    """Something that happened in a run.

    Attributes:
        kind: what it was, for example `"request"`, `"response"`, `"attempt"` or `"step"`.
        data: the particulars, plain data by name.
        time: when it was emitted, in seconds since the epoch.
    """

    kind: str
    data: Mapping[str, Any]
    time: float


FIXED = frozenset({str, int, float, bool, type(None), bytes, complex})
"""Types of values that cannot change."""


class Deferred(Mapping[str, Any]):
    """Particulars that are put together when somebody reads them, once; till then they cost next to nothing.

    A recorder reads them in a thread of its own, while the program waits for a model.

        tell("problem", Deferred(lambda: facts_of(graph)))

    Args:
        make: puts them together. It may be called late and in another thread, so what it reads must not change.
        fixed: whether what it reads can be trusted not to change; if not, they are put together at once.
    """

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Mapping[str, Any]], fixed: bool = True) -> None:
        self._make: Callable[[], Mapping[str, Any]] | None = make
        self._made: Mapping[str, Any] = {}
        if not fixed:
            self._now()

    def _now(self) -> Mapping[str, Any]:
        make = self._make
        if make is not None:  # two threads may both make them, and make the same
            self._made = make()
            self._make = None
        return self._made

    def __getitem__(self, name: str) -> Any:
        return self._now()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self._now()),)

    def __repr__(self) -> str:
        return repr(dict(self._now()))


@runtime_checkable
class Listener(Protocol):
    """Hears of every event that is emitted while it is listening.

    The one method is called in the thread of the emitter and should return soon. What it raises is turned into a
    warning.

        class Printer:
            def on_event(self, event):
                print(event.kind, dict(event.data))

        with listening(Printer()):
            emit("step", number=1)          # prints: step {'number': 1}
    """

    def on_event(self, event: Event) -> None:
        """Take note of one event."""


_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("opto_listeners", default=())


def heard() -> bool:
    """Whether anybody listens in this context; ask it before making particulars that cost something."""
    return bool(_listeners.get())


def heard_by(listener: Listener) -> bool:
    """Whether this one listens in this context."""
    return any(each is listener for each in _listeners.get())


def emit(kind: str, /, **data: Any) -> None:
    """Tell every listener of this context that something of this kind happened, in the order in which they joined.

    Costs one read of a context variable when nobody listens. A listener that raises is reported by an `OptoWarning`,
    after all listeners have been told.
    """
    tell(kind, data)


def tell(kind: str, data: Mapping[str, Any]) -> None:
    """`emit` with the particulars as a mapping, which is handed on as it is."""
    listeners = _listeners.get()
    if not listeners:
        return
    event = Event(kind, data, time.time())
    failures: list[tuple[Listener, Exception]] = []
    for listener in listeners:
        try:
            listener.on_event(event)
        except Exception as error:  # a broken listener must not break the run that it watches
            failures.append((listener, error))
    for listener, failure in failures:
        reason = f"{type(failure).__name__}: {failure}"
        warnings.warn(
            f"The listener {type(listener).__qualname__} failed on the event {kind!r}: {reason}",
            OptoWarning,
            stacklevel=3,
        )


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[Listener]:
    """Add a listener for the events of this context until the block ends, however it ends; blocks nest.

    Raises:
        TypeError: `listener` has no method `on_event`.
    """
    if not isinstance(listener, Listener):
        raise TypeError(f"listener must have a method on_event(event), got {listener!r}.")
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield listener
    finally:
        _listeners.reset(token)


class EventLog:
    """A listener that keeps every event in memory, in the order of arrival; any number of threads may emit to it.

    Attributes:
        events: what was heard so far. Clear it freely.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(
            event
        )  # append is atomic in CPython, with or without the global lock; so the log can be pickled

    def of(self, kind: str) -> list[Event]:
        """The events of one kind, in the order of arrival."""
        return [event for event in list(self.events) if event.kind == kind]
