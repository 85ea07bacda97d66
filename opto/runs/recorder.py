"""The listener that writes what it hears into a record."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from opto.runs.events import Event
from opto.runs.journal import FORMAT, VERSION, Journal
from opto.runs.lines import LineWriter

__all__ = ["Recorder"]

_SECONDS_UNWRITTEN = 0.2
_SECONDS_BETWEEN = 0.05
"""Events are put into words many at a time, which takes half as long as one at a time between other work; so a program
whose steps follow each other without a pause is not interrupted for each of them."""

_RESTING_POINTS = frozenset({"request", "call", "step"})
"""After these a program waits for a model, or has finished something that should not get lost."""


class Recorder:
    """Writes every event that it hears to a folder; any number of threads may emit to it.

        with Recorder("runs/first") as recorder, listening(recorder):
            optimizer.step()

    A thread writes what was heard, in groups of whole lines: as soon as a request goes out or a step ends, at most
    twenty times a second, and five times a second in any case. So a program that waits for a model has everything
    before it on disk, and so has one that has gone on from a step for a few milliseconds; one that is killed loses no
    more than that, or a fifth of a second where steps take less than a twentieth. After `flush` nothing can get lost.
    A folder that holds a record already is added to, as a further session. A forked process goes on in a folder of its
    own, `process-<number>` inside this one.

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
        self._waiting: deque[Event] = deque()
        self._writing = threading.Lock()
        self._lines = LineWriter()
        self._journal: Journal | None = Journal(folder)
        self._failure: Exception | None = None
        header = {"format": FORMAT, "version": VERSION, "began": time.time(), **self._about}
        self._journal.append(self._lines.line(header))
        self._written = time.time()
        self._wake, self._closed = threading.Event(), False
        self._thread = threading.Thread(target=self._keep_writing, name="opto-recorder", daemon=True)
        self._thread.start()

    def on_event(self, event: Event) -> None:
        """Keep the event, to be written soon.

        Raises:
            OSError: what was heard before could not be written.
        """
        if self._process != os.getpid():
            self._begin(self.path / f"process-{os.getpid()}")
        self._waiting.append(event)
        if event.kind in _RESTING_POINTS and event.time - self._written > _SECONDS_BETWEEN:
            self._wake.set()
        if self._failure is not None:
            self._report()

    def flush(self) -> None:
        """Write what waits, now.

        Raises:
            OSError: it could not be written.
        """
        self._write()
        self._report()

    def close(self) -> None:
        """Write what waits and end the record; what is heard afterwards is not written.

        Raises:
            OSError: something could not be written.
        """
        if self._journal is None or self._process != os.getpid():
            return
        self._closed = True
        self._wake.set()
        self._thread.join()
        self._write()
        with self._writing:
            journal, self._journal = self._journal, None
            journal.close()
        self._report()

    def _keep_writing(self) -> None:
        while not self._closed:
            self._wake.wait(_SECONDS_UNWRITTEN)
            self._wake.clear()
            if self._waiting:
                self._write()

    def _write(self) -> None:
        with self._writing:
            waiting, lines = self._waiting, []
            try:
                while waiting:
                    lines.append(self._lines.event(waiting.popleft()))
                if lines and self._journal is not None:
                    self._journal.append(b"".join(lines))
            except Exception as error:  # told to the program at its next event
                self._failure = error
                self._lines.forget()  # texts that were not written must not be referred to
            self._written = time.time()

    def _report(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Recorder({str(self.path)!r})"
