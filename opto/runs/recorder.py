"""The listener that writes what it hears into a record."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opto.runs.events import Event
from opto.runs.journal import FORMAT, VERSION, Journal
from opto.runs.lines import LineWriter

__all__ = ["Recorder"]

_WRITTEN_AT_ONCE = frozenset({"request", "step", "update", "call"})
"""After these the program waits for a model or goes its own way, so nothing of what came before may be left unwritten."""

_MOST_WAITING = 256


class Recorder:
    """Writes every event that it hears to a folder; any number of threads may emit to it.

        with Recorder("runs/first") as recorder, listening(recorder):
            optimizer.step()

    Events are written in groups of whole lines: before a request is sent, and after each step. A process that is
    killed loses at most what it computed since then. A folder that holds a record already is added to, as a further
    session. A forked process goes on in a folder of its own, `process-<number>` inside this one.

    Args:
        folder: where to write.
        about: what to write into the header.

    Attributes:
        path: the folder.

    Raises:
        RecordInUseError: somebody else is writing to this record.
        FileFormatError: there is something else in its place.
    """

    def __init__(self, folder: str | os.PathLike[str], about: Mapping[str, Any] | None = None) -> None:
        self.path = Path(folder)
        self._about = dict(about or {})
        self._begin(self.path)

    def _begin(self, folder: Path) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._waiting: list[Event] = []
        self._lines = LineWriter()
        self._journal: Journal | None = Journal(folder)
        header = {"format": FORMAT, "version": VERSION, "began": time.time(), **self._about}
        self._journal.append(self._lines.line(header))

    def on_event(self, event: Event) -> None:
        """Write the event, now or with the next ones."""
        if self._process != os.getpid():
            self._begin(self.path / f"process-{os.getpid()}")
        with self._lock:
            self._waiting.append(event)
            if event.kind in _WRITTEN_AT_ONCE or len(self._waiting) >= _MOST_WAITING:
                self._write()

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            self._write()

    def close(self) -> None:
        """Write what waits and end the record; what is heard afterwards is not written."""
        with self._lock:
            journal = self._journal
            if journal is None or self._process != os.getpid():
                return
            try:
                self._write()
            finally:
                self._journal = None
                journal.close()

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        if self._journal is None or not waiting:
            return
        try:
            self._journal.append("".join([self._lines.event(event) for event in waiting]))
        except BaseException:
            self._lines.forget()  # texts that were not written must not be referred to
            raise

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Recorder({str(self.path)!r})"
