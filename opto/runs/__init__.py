"""Events, their listeners, and the record of a run. Knows plain data only."""

from opto.runs.events import Event, EventLog, Listener, emit, heard, listening

__all__ = ["Event", "EventLog", "Listener", "emit", "heard", "listening"]
