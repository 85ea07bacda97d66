"""A few lines at the bottom of a terminal that are drawn again and again, by `rich`.

What others write to the terminal meanwhile goes above the lines; see `besides`.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import IO

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from opto.trainer.progress.besides import Beside, leading_to_a_terminal
from opto.trainer.progress.painting import Painter
from opto.trainer.progress.words import View, lines

__all__ = ["Terminal"]

_BETWEEN = 0.1

_drawing = threading.RLock()  # held by whoever writes to a terminal that lines are shown in
if hasattr(os, "register_at_fork"):
    # A process is not forked while the painter is amidst of writing, for its streams would stay locked in the child.
    os.register_at_fork(
        before=_drawing.acquire,
        after_in_parent=_drawing.release,
        after_in_child=_drawing._at_fork_reinit,  # type: ignore[attr-defined]  # as `opto.forking` does
    )


class Terminal(Painter):
    """Lines at the bottom of a terminal. The cursor is never hidden, so nothing is left to restore after a kill.

    Args:
        stream: leads to the terminal.
        view: gives what to show.
    """

    def __init__(self, stream: IO[str], view: Callable[[], View]) -> None:
        super().__init__(view, _BETWEEN)
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._console = _Console(file=_Unchanged(stream), force_terminal=True, highlight=False)  # type: ignore[arg-type]
        self._frame = Group()
        self._live = Live(
            console=self._console,
            get_renderable=lambda: self._frame,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._besides: list[Beside] = []
        self._alone = 0

    def _open(self) -> None:
        for stream in leading_to_a_terminal(self._stream):
            self._besides.append(Beside(self, stream))
        with _drawing:
            self._live.start()

    def _draw(self) -> None:
        notes = [self._notes.popleft() for _ in range(len(self._notes))]
        shown = lines(self._view(), self._console.width, self._encoding)
        overflow = "ellipsis" if self._encoding.lower().startswith("utf") else "crop"
        frame = [
            Text.assemble(*line, no_wrap=True, overflow=overflow)  # type: ignore[arg-type]
            for line in shown
        ]
        with _drawing:
            if self._alone:
                self._notes.extendleft(reversed(notes))
                return
            self._frame = Group(*frame)
            if notes:
                self._above("".join(f"{note}\n" for note in notes))
            self._live.refresh()

    def _close(self) -> None:
        with _drawing:
            self._live.stop()

    def _let_go(self) -> None:
        besides, self._besides = self._besides, []
        for each in besides:
            each.remove()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Take the lines away until the block ends, so that a person can be asked something."""
        with _drawing:
            self._alone += 1
            if self._alone == 1:
                self._frame = Group()
                self._live.refresh()
                for each in self._besides:
                    each.let_out()
        try:
            yield
        finally:
            with _drawing:
                self._alone -= 1
            self.changed()

    def write(self, beside: Beside, text: str) -> None:
        """Put what others write above the lines, once it is whole lines."""
        with _drawing:
            if self._alone:
                beside.original(text)
            elif whole := beside.whole_lines(text):
                self._above(whole)

    def _above(self, text: str) -> None:
        encoded = text.encode(self._encoding, "backslashreplace").decode(self._encoding)
        self._console.print(_AsItIs(encoded), soft_wrap=True)


class _Console(Console):
    """A console that leaves the cursor as it is."""

    def show_cursor(self, show: bool = True) -> bool:
        return False


class _Unchanged:
    """A stream as it was before its `write` was taken hold of."""

    def __init__(self, stream: IO[str]) -> None:
        self.write, self.flush = stream.write, stream.flush
        self.encoding = getattr(stream, "encoding", None) or "utf-8"
        self._stream = stream

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()


class _AsItIs:
    """A text with whatever escape sequences it has."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment(self._text)
