"""Where the progress of a run is shown: nowhere, or in lines of a log. See `terminal` and `notebook` for the rest."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import IO

from opto.trainer.printable import printable
from opto.trainer.progress.words import View, sentence

__all__ = ["Display", "Lines", "Quiet"]

SECONDS_BETWEEN = 10.0


class Display:
    """Shows what its function `view` gives, when told that something changed. What goes wrong in it is not raised."""

    def start(self) -> None:
        """Begin to show."""

    def changed(self) -> None:
        """There is something new; called from any thread, very often."""

    def note(self, text: str) -> None:
        """Show some lines that stay."""

    def stop(self) -> None:
        """Show the last view, and end."""


class Quiet(Display):
    """Shows nothing, but for a last line if that is asked for.

    Args:
        stream: for the last line; None for none.
        view: what would be shown.
    """

    def __init__(self, stream: IO[str] | None, view: Callable[[], View]) -> None:
        self._stream, self._view = stream, view

    def stop(self) -> None:
        """The last line, if it is asked for."""
        if self._stream is not None:
            say(self._stream, sentence(self._view()))


class Lines(Display):
    """Writes a line now and then, and one for each note: for terminals that cannot do more, and for logs.

    Args:
        stream: where to.
        view: gives what to show.
        between: seconds from line to line, at least.
    """

    def __init__(self, stream: IO[str], view: Callable[[], View], between: float = SECONDS_BETWEEN) -> None:
        self._stream, self._view, self._between = stream, view, between
        self._next = 0.0

    def start(self) -> None:
        """Wait for something to tell."""
        self._next = time.monotonic() + self._between

    def changed(self) -> None:
        """Write a line, if the last one was long ago."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._between
            say(self._stream, sentence(self._view()))

    def note(self, text: str) -> None:
        """Write the text."""
        say(self._stream, text)

    def stop(self) -> None:
        """Write the last line."""
        say(self._stream, sentence(self._view()))


def say(stream: IO[str], text: str) -> None:
    """Write a line; a stream that is closed or broken gets nothing."""
    text = printable(text, encoding=getattr(stream, "encoding", None))
    with contextlib.suppress(OSError, ValueError):  # a run does not end because nobody reads of it
        stream.write(f"{text}\n")
        stream.flush()
