"""Ctrl-C in a long run: once ends it after the step under way, twice at once."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["Interrupts"]

_SIGNALS = ("SIGINT", "SIGTERM")


class Interrupts:
    """Turns the first Ctrl-C into a request to end, and the second into a `KeyboardInterrupt`.

        with Interrupts(note=progress.note) as interrupts:
            while not interrupts.requested:
                search.step()
            save()

    The second one is raised where the main thread is, also where it waits for a lock, a queue or a future (on Windows
    only once the wait is over). SIGTERM, the notice that clusters and containers give before they kill, counts as a
    first Ctrl-C and never as a second: a scheduler that sends it again does not end the step under way.

    Blocks nest: what is requested in an inner one is requested of those around it too. A signal that the process was
    told to ignore, as `nohup` does with some, stays ignored. Python hands signals to the main thread alone; in another
    thread the block changes nothing, and `requested` stays false.

    Args:
        note: called with a text for the person, in a thread of its own, since a signal may come in the midst of
            anything, such as a `print`; None prints to standard error.
    """

    def __init__(self, *, note: Callable[[str], Any] | None = None) -> None:
        if note is not None and not callable(note):
            raise TypeError(f"note must be a function that takes a text, or None, got {note!r}.")
        self._note = _say if note is None else note
        self._requested = False
        self._previous: dict[int, Any] = {}
        self._around: Interrupts | None = None

    @property
    def requested(self) -> bool:
        """Whether somebody wants the run to end after the step under way."""
        return self._requested or (self._around is not None and self._around.requested)

    def request(self) -> None:
        """Want the run to end after the step under way, as the first Ctrl-C does; from any thread."""
        self._requested = True
        if self._around is not None:
            self._around.request()

    def __enter__(self) -> Interrupts:
        self._requested, self._around = False, None
        if threading.current_thread() is not threading.main_thread():
            return self
        for name in _SIGNALS:
            number = getattr(signal, name)
            before = signal.getsignal(number)
            if before is None or before == signal.SIG_IGN:  # not set by Python, so it could not be set back; ignored
                continue
            around = getattr(before, "__self__", None)
            if isinstance(around, Interrupts):
                self._around = around
            self._previous[number] = before
            signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        while self._previous:
            number, before = self._previous.popitem()
            if getattr(signal.getsignal(number), "__self__", None) is self:  # else somebody else has set it since
                signal.signal(number, before)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.requested:
            raise KeyboardInterrupt
        if not self.requested:
            self.request()
            words = "SIGTERM received" if number == signal.SIGTERM else "Ctrl-C"
            text = f"{words}: the step under way is finished and saved. Ctrl-C once more stops at once."
            _thread.start_new_thread(self._tell, (text,))  # `threading.Thread` takes locks that may be held now

    def _tell(self, text: str) -> None:
        self._note(text)


def _say(text: str) -> None:
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201
