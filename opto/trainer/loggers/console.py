"""Entries as lines in the terminal."""

from __future__ import annotations

import os
import sys
from typing import IO, Any

from opto.trainer.loggers.base import BaseLogger, pieces
from opto.trainer.printable import printable

__all__ = ["ConsoleLogger"]

_NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_COLORS = {name: f"\033[{30 + number}m" for number, name in enumerate(_NAMES)}


class ConsoleLogger(BaseLogger):
    """Prints `[step 3] train/score: 0.75`, one line for each entry. What would steer the terminal is written out.

    Args:
        stream: where to print; None prints to standard output, whatever that is at the time.
        color: whether `color=` of an entry is heeded; None heeds it in a terminal, unless NO_COLOR is set.
    """

    def __init__(self, *, stream: IO[str] | None = None, color: bool | None = None) -> None:
        self.stream, self.color = stream, color

    def log(self, name: str, data: Any, step: int, **kwargs: Any) -> None:
        """Print an entry.

        Args:
            name: what it is.
            data: a number, a text, a dict of these, or anything else.
            step: the step that it belongs to.
            **kwargs: `color`: "red", "green", "yellow", "blue", "magenta", "cyan", "white" or "black"; other words
                change nothing.
        """
        stream = sys.stdout if self.stream is None else self.stream
        begin = _COLORS.get(str(kwargs.get("color")), "") if self._is_colored(stream) else ""
        end = "\033[0m" if begin else ""
        encoding = getattr(stream, "encoding", None)
        lines = []
        for each, value in pieces(name, data, none="None"):
            text = f"[step {step}] {each}: {value if isinstance(value, str) else format(value, '.6g')}"
            lines.append(f"{begin}{printable(text, encoding=encoding)}{end}\n")
        stream.write("".join(lines))  # at once, so that lines of several threads do not mix
        stream.flush()

    def _is_colored(self, stream: IO[str]) -> bool:
        if self.color is not None:
            return self.color
        return stream.isatty() and not os.environ.get("NO_COLOR")
