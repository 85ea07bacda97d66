"""Events, their listeners, and the record of a run. Knows plain data only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opto.lazy import lazy_names
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

__getattr__, __dir__ = lazy_names(__name__, _LAZY)
