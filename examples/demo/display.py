"""What the demonstration shows: feedback, changes as diffs, progress, gains."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from rich.table import Table

__all__ = ["Display", "difference"]

_WIDTH = 100


class Display:
    """Writes to the terminal; a progress bar stays below where the terminal can move its cursor."""

    def __init__(self) -> None:
        self.console = Console(width=None if Console().is_terminal else _WIDTH, highlight=False)
        self.gains: list[tuple[str, str, str]] = []

    def title(self, text: str) -> None:
        """Begin a part."""
        self.console.rule(f"[bold]{escape(text)}")

    def say(self, text: str) -> None:
        """A line of explanation; `[bold]` and the like mark it up."""
        self.console.print(text)

    @contextmanager
    def progress(self, what: str, steps: int) -> Iterator[_Bar]:
        """A progress bar of at most `steps` steps."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            yield _Bar(progress, progress.add_task(escape(what), total=steps))

    def step(self, number: int, feedback: str, changes: list[tuple[str, Any, Any]]) -> None:
        """One step: the feedback that led to it, and each change as a diff."""
        self.console.print(f"[bold]step {number}[/bold]  feedback: {escape(feedback)}")
        if not changes:
            self.console.print("  nothing was changed")
        for name, old, new in changes:
            shown = Syntax(difference(old, new), "diff", theme="ansi_dark", word_wrap=True, background_color="default")
            self.console.print(Panel(shown, title=escape(name), title_align="left", border_style="dim"))

    def gain(self, what: str, before: str, after: str) -> None:
        """What a part gained; shown at once and in the table at the end."""
        self.gains.append((what, before, after))
        self.console.print(f"[green]gained[/green]  {escape(what)}: {escape(before)} -> [bold]{escape(after)}[/bold]\n")

    def summary(self, pictures: list[str], answers: str) -> None:
        """The table of gains, and where the pictures are."""
        table = Table("program", "before", "after", title="What was gained", title_justify="left")
        for row in self.gains:
            table.add_row(*map(escape, row))
        self.console.print(table)
        self.console.print("pictures of the traced graphs:")
        for picture in pictures:
            self.console.print(f"  {picture}", soft_wrap=True)
        self.console.print(f"answers: {escape(answers)}")


class _Bar:
    """One progress bar."""

    def __init__(self, progress: Progress, task: Any) -> None:
        self._progress, self._task = progress, task

    def advance(self) -> None:
        """One step further."""
        self._progress.advance(self._task)


def difference(old: Any, new: Any) -> str:
    """Two values as a unified diff without its header."""
    lines = difflib.unified_diff(str(old).splitlines(), str(new).splitlines(), lineterm="", n=2)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))
