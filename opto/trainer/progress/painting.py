"""A thread that draws what changed, so that those who change it do not have to."""

from __future__ import annotations

import contextlib
import contextvars
import os
import queue
import threading
import warnings
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

from opto.errors import OptoWarning
from opto.trainer.printable import printable
from opto.trainer.progress.displays import Display
from opto.trainer.progress.words import View

__all__ = ["Painter"]

_CLOCK = 1.0
"""The time that has passed is shown to the second."""


class Painter(Display, ABC):
    """A display with a thread that draws it: soon after something changed, and once a second.

    Whoever changes something only puts a word into a queue of the kind that is safe also in a signal handler. What
    goes wrong while drawing ends the display and not the run.

    Args:
        view: gives what to show.
        between: seconds from drawing to drawing, at least.
    """

    def __init__(self, view: Callable[[], View], between: float) -> None:
        self._view, self._between = view, between
        self._process = os.getpid()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._woken = False
        self._notes: deque[str] = deque()
        self._ending = threading.Event()
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to show."""
        try:
            self._open()
        except Exception as error:
            self._failed(error)
            return
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._keep_drawing,), name="opto-progress", daemon=True)
        self._thread.start()

    def changed(self) -> None:
        """Have it drawn soon."""
        if not self._woken:
            self._woken = True
            self._wake.put(None)

    def note(self, text: str) -> None:
        """Have some lines shown that stay; they are drawn at once."""
        if os.getpid() == self._process:
            self._notes.append(printable(text))
            self._wake.put(None)

    def stop(self) -> None:
        """Draw the last view and end, with the thread."""
        if os.getpid() != self._process:
            self._let_go()
            return
        self._ending.set()
        self._wake.put(None)
        try:
            if self._thread is not None:
                self._thread.join()
            if self._failure is None:
                self._guarded(self._draw)
        finally:
            self._guarded(self._close)
            self._let_go()
        if self._failure is not None:
            reason = f"{type(self._failure).__name__}: {self._failure}"
            warnings.warn(f"the progress could no longer be shown: {reason}", OptoWarning, stacklevel=4)

    def _keep_drawing(self) -> None:
        while not self._ending.is_set() and self._failure is None:
            with contextlib.suppress(queue.Empty):
                self._wake.get(timeout=_CLOCK)
            if not self._ending.is_set():
                self._woken = False  # before the view is taken: what comes later is drawn next time
                self._guarded(self._draw)
                self._ending.wait(self._between)

    def _guarded(self, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._let_go()

    @abstractmethod
    def _open(self) -> None:
        """Begin to show, in the thread of the run."""

    @abstractmethod
    def _draw(self) -> None:
        """Show the notes, and what there is to see now."""

    @abstractmethod
    def _close(self) -> None:
        """Leave the last drawing as it is, and end."""

    @abstractmethod
    def _let_go(self) -> None:
        """Give back what was taken hold of, whatever happened; called more than once, also in a forked process."""
