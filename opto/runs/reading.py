"""Reading the record of a run, while it is written or afterwards, without pandas."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from opto.errors import FileFormatError, MissingExtraError
from opto.runs.checking import complaint
from opto.runs.events import Event
from opto.runs.journal import FORMAT, NAME, read_lines
from opto.runs.lines import resolved
from opto.runs.steps import Exchange, Step, exchange_of_call, steps_of

__all__ = ["Run", "RunTotals", "read"]


@dataclass(frozen=True)
class RunTotals:
    """Sums over a run. `usd` is None where no price is known; tokens are those that providers told."""

    steps: int
    applied: int
    failed: int
    requests: int
    failed_requests: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    seconds: float


class Run:
    """The record of a run.

        run = opto.runs.read("runs/first")
        run.steps[-1].new               # the last values that were set
        run.parameters["prompt0"]       # all values of one parameter, the first one included
        run.totals.usd

    Attributes:
        path: the folder it was read from.
        headers: what stands at the beginning of each session.
        sessions: the runs of its sessions; a record that was begun once and never added to has one, itself.
    """

    def __init__(self, path: Path, headers: Sequence[dict[str, Any]], events: Sequence[Sequence[Event]]) -> None:
        self.path = path
        self.headers = list(headers)
        self.events: list[Event] = [event for session in events for event in session]
        self.sessions: list[Run] = (
            [self] if len(headers) == 1 else [Run(path, [h], [e]) for h, e in zip(headers, events, strict=True)]
        )

    @cached_property
    def steps(self) -> list[Step]:
        """The steps of all optimizers, in the order in which they began."""
        return steps_of(self.events)

    @cached_property
    def calls(self) -> list[Exchange]:
        """What the program asked models by itself, outside of optimizers."""
        return [exchange_of_call(event.data) for event in self.events if event.kind == "call"]

    @property
    def exchanges(self) -> list[Exchange]:
        """All exchanges with models: those of the steps, then the program's own."""
        return [exchange for step in self.steps for exchange in step.exchanges] + self.calls

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """What came of each answer, over all steps."""
        return [attempt for step in self.steps for attempt in step.attempts]

    @property
    def parameters(self) -> dict[str, list[Any]]:
        """The values that each parameter had, by name, in order: the one before its first change, then the new ones."""
        history: dict[str, list[Any]] = {}
        for step in self.steps:
            if step.outcome == "applied":
                for name, value in step.new.items():
                    history.setdefault(name, [step.old.get(name)]).append(value)
        return history

    @property
    def scores(self) -> list[float | None]:
        """The feedback of each step as a number; None where it is none."""
        return [step.score for step in self.steps]

    @property
    def totals(self) -> RunTotals:
        """Sums over the run."""
        exchanges, steps = self.exchanges, self.steps
        costs = [exchange.usd for exchange in exchanges if exchange.usd is not None]
        return RunTotals(
            steps=len(steps),
            applied=sum(step.outcome == "applied" for step in steps),
            failed=sum(step.outcome == "failed" for step in steps),
            requests=len(exchanges),
            failed_requests=sum(exchange.error is not None for exchange in exchanges),
            prompt_tokens=sum(exchange.prompt_tokens for exchange in exchanges),
            completion_tokens=sum(exchange.completion_tokens for exchange in exchanges),
            usd=sum(costs) if costs else None,
            seconds=sum(step.seconds for step in steps) + sum(call.seconds for call in self.calls),
        )

    def rows(self) -> list[dict[str, Any]]:
        """A flat mapping for each step; new values are under `new.<parameter>`."""
        return [_row(step) for step in self.steps]

    def to_frame(self) -> Any:
        """`rows` as a `pandas.DataFrame`.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError("pandas", "pandas", "a frame of a run") from error
        return pandas.DataFrame(self.rows())

    def __repr__(self) -> str:
        totals = self.totals
        return f"<Run {str(self.path)!r}: {totals.steps} steps, {totals.requests} requests>"


def read(path: str | os.PathLike[str]) -> Run:
    """The record of a run.

    Args:
        path: its folder, or the file `events.jsonl` in it. It may still be written: what is there is read.

    Raises:
        FileNotFoundError: there is none.
        FileFormatError: it is no record, is damaged, or was written by a newer version.

    Warns:
        OptoWarning: the last line is torn, because a process was killed or is writing it; it is left out.
    """
    given = Path(path)
    file = given if given.is_file() else given / NAME
    headers: list[dict[str, Any]] = []
    sessions: list[list[Event]] = []
    texts: dict[int, str] = {}
    for number, document in enumerate(read_lines(file), start=1):
        if isinstance(document, dict) and document.get("format") == FORMAT:
            headers.append(document)
            sessions.append([])
            texts = {}
            continue
        try:
            kind, data = document["event"], resolved(document["event"], document["data"], texts)
            wrong = complaint(kind, data, document["time"])
        except (KeyError, TypeError, AttributeError, FileFormatError) as error:
            raise FileFormatError(f"{file}, line {number}, is no event: {error}") from error
        if wrong is not None:
            raise FileFormatError(f"{file}, line {number}, is no event: {wrong}")
        sessions[-1].append(Event(kind, data, document["time"]))
    return Run(file.parent, headers, sessions)


def _row(step: Step) -> dict[str, Any]:
    exchanges: Iterable[Exchange] = step.exchanges
    costs = [exchange.usd for exchange in exchanges if exchange.usd is not None]
    return {
        "optimizer": step.optimizer,
        "which": step.which,
        "step": step.number,
        "began": step.began,
        "outcome": step.outcome,
        "reason": step.reason,
        "feedback": step.feedback,
        "score": step.score,
        "requests": len(step.exchanges),
        "failed_requests": sum(exchange.error is not None for exchange in exchanges),
        "prompt_tokens": sum(exchange.prompt_tokens for exchange in exchanges),
        "completion_tokens": sum(exchange.completion_tokens for exchange in exchanges),
        "usd": sum(costs) if costs else None,
        "seconds": step.seconds,
        "errors": "; ".join(step.errors),
        **{f"new.{name}": value for name, value in step.new.items()},
    }
