"""What others write to a terminal in which lines are shown that change.

While they are shown, the `write` of every stream that leads to the terminal is stood in for. So this also reaches
those who took hold of a stream earlier, such as the handlers of `logging` and a `ConsoleLogger(stream=sys.stdout)`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import IO, Any, Protocol

__all__ = ["Beside", "alone", "is_taken", "leading_to_a_terminal"]

_LONGEST_UNFINISHED = 10_000


class _Shown(Protocol):
    """The lines that are shown."""

    def write(self, beside: Beside, text: str) -> None:
        """Show what somebody writes to a stream beside them."""

    def alone(self) -> AbstractContextManager[None]:
        """Take them away until the block ends."""


class Beside:
    """Stands in for the `write` of a stream, until it is removed. A forked process writes to the stream itself.

    Args:
        shown: the lines that are shown; what is written is handed to them.
        stream: whose `write` it is.

    Attributes:
        original: the `write` of the stream.
    """

    def __init__(self, shown: _Shown, stream: IO[str]) -> None:
        self.shown, self.original = shown, stream.write
        self._stream, self._unfinished, self._process = stream, "", os.getpid()
        stream.write = self.write  # type: ignore[method-assign]

    def write(self, text: str) -> int:
        """What the stream has now as its `write`."""
        if os.getpid() != self._process or not isinstance(text, str):
            return self.original(text)
        self.shown.write(self, text)
        return len(text)

    def whole_lines(self, text: str) -> str:
        """The lines that have become whole by this text; what is none yet is kept."""
        whole, end, rest = (self._unfinished + text).rpartition("\n")
        if len(rest) > _LONGEST_UNFINISHED and "\r" in rest[:-1]:  # the bar of somebody else, over and over
            rest = rest[rest.rindex("\r", 0, -1) :]
        self._unfinished = rest
        return whole + end

    def let_out(self) -> None:
        """Write what is no whole line, as it will not become one."""
        text, self._unfinished = self._unfinished, ""
        if text and os.getpid() == self._process:
            with contextlib.suppress(OSError, ValueError):
                self.original(text)
                self._stream.flush()

    def remove(self) -> None:
        """Let the stream have its own `write` again."""
        if getattr(self._stream.write, "__self__", None) is self:
            with contextlib.suppress(AttributeError):
                del self._stream.write
        self.let_out()


def is_taken(stream: IO[str]) -> bool:
    """Whether lines are shown beside this stream already."""
    return _shown_beside(stream) is not None


def alone() -> AbstractContextManager[None]:
    """Have the terminal to oneself until the block ends, as who asks a person something must."""
    for stream in (sys.stdout, sys.stderr):
        shown = _shown_beside(stream)
        if shown is not None:
            return shown.alone()
    return contextlib.nullcontext()


def leading_to_a_terminal(stream: IO[str]) -> Iterator[IO[str]]:
    """The stream, and those of the program that lead to a terminal; only such whose `write` can be set."""
    seen: list[Any] = []
    for each in (stream, sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if each is None or any(each is known for known in seen) or not hasattr(each, "__dict__"):
            continue
        seen.append(each)
        with contextlib.suppress(ValueError, OSError):  # closed
            if each is stream or each.isatty():
                yield each


def _shown_beside(stream: Any) -> _Shown | None:
    found = getattr(getattr(stream, "write", None), "__self__", None)
    return found.shown if isinstance(found, Beside) else None
