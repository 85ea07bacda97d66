"""Events, their listeners, and the record of a run. Knows plain data only."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from opto.runs.events import Deferred, Event, EventLog, Listener, emit, heard, heard_by, listening, tell

if TYPE_CHECKING:
    from opto.runs.reading import Run, read
    from opto.runs.recorder import Recorder

__all__ = [
    "Deferred",
    "Event",
    "EventLog",
    "Listener",
    "Recorder",
    "Run",
    "emit",
    "heard",
    "heard_by",
    "listening",
    "read",
    "tell",
]

_LAZY = {"Recorder": "recorder", "Run": "reading", "read": "reading"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
