"""The progress of a run, shown as it goes on."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any

from opto.runs import Event
from opto.trainer.progress.besides import is_taken
from opto.trainer.progress.displays import Display, Lines, Quiet
from opto.trainer.progress.notebook import Notebook, in_notebook
from opto.trainer.progress.pace import Left, Pace
from opto.trainer.progress.status import Status
from opto.trainer.progress.words import View, sentence

if TYPE_CHECKING:
    from opto.llm import Budget

__all__ = ["Progress"]

MODES = ("auto", "live", "plain", "off")
_BETWEEN_SAMPLES = 0.1


class Progress:
    """Shows how far a run is: steps, best score, evaluations, money, tokens, time passed and left, the last event.

        with Progress(total_steps=100, budget=budget) as progress:
            for step in range(100):
                ...
                progress.update(Status(step=step + 1, best=0.82, event="candidate 12 accepted: +0.12 on 20 examples"))

    In a terminal it is a few lines at the bottom, above which everything else that is printed goes by; in a notebook
    one output that changes in place; in a pipe or a log nothing, so that it can always be there. As a listener it
    follows a run by itself: `with progress, listening(progress):`.

    It may be updated from any thread, as often as one likes: at most ten times a second it is drawn, by a thread of its
    own that ends with the block. A forked process shows nothing.

    Args:
        total_steps: how many steps there are to be.
        budget: what the run may take; its limits and what is spent of it are shown, unless the status says them.
        stream: where to show it; None takes standard error.
        mode: "auto" for what suits the place; "live" for the display, also where it looks unsuited; "plain" for a line
            now and then; "off" for nothing.
        summary: whether a last line is written also where nothing else is shown.
        clock: tells the time in seconds.

    Raises:
        ValueError: `mode` is none of these, `total_steps` is negative.
    """

    def __init__(
        self,
        *,
        total_steps: int | None = None,
        budget: Budget | None = None,
        stream: IO[str] | None = None,
        mode: str = "auto",
        summary: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(map(repr, MODES))}, got {mode!r}.")
        if total_steps is not None and total_steps < 0:
            raise ValueError(f"total_steps must be >= 0 or None, got {total_steps!r}.")
        self.budget, self.stream, self.mode, self.summary = budget, stream, mode, summary
        self._known: dict[str, Any] = {} if total_steps is None else {"steps": total_steps}
        self._heard = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._began = self._sampled = clock()
        self._pace = Pace(self._began)
        self._display: Display | None = None
        self._ended: View | None = None

    def __enter__(self) -> Progress:
        with self._lock:
            self._began = self._sampled = self._clock()
            self._pace, self._ended = Pace(self._began), None
        self.update(Status())
        self._display = self._chosen()
        self._display.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended = self.view()._replace(ended=True)
        display, self._display = self._display, None
        if display is not None:
            display.stop()

    def update(self, status: Status) -> None:
        """Take in how far the run is; what is None in it stays as it was.

        Tell of the beginning too (`Status(step=0)`, or the step that is gone on from): the time left is reckoned from
        what was done since.
        """
        new = {name: value for name, value in vars(status).items() if value is not None}
        with self._lock:
            before = self._known.get("step")
            self._known.update(new)
            if "evaluations" in new:
                self._heard = 0
            now = self._clock()
            if now - self._sampled >= _BETWEEN_SAMPLES or self._known.get("step") != before:
                self._sample(now)
        if self._display is not None:
            self._display.changed()

    def note(self, text: str) -> None:
        """Show a line that stays, above the others; in a notebook the last few do. Safe in a signal handler in a
        terminal and a notebook. Where nothing is shown, this is not either.
        """
        if self._display is not None:
            self._display.note(text)

    def on_event(self, event: Event) -> None:
        """Follow a run: events of the kinds "training" and "candidates" update the status (see `Status.of`), and each
        of the kind "evaluation" that was really made counts, beyond those that a status told of.
        """
        if event.kind in ("training", "candidates"):
            self.update(Status.of(event.data))
        elif event.kind == "evaluation" and not event.data.get("cached"):
            with self._lock:
                self._heard += 1
            if self._display is not None:
                self._display.changed()

    @property
    def is_shown(self) -> bool:
        """Whether there is a place where notes are seen now."""
        return self._display is not None and not isinstance(self._display, Quiet)

    @property
    def status(self) -> Status:
        """How far the run is, with the limits of the budget and what is spent of it."""
        return self._status()

    @property
    def left(self) -> Left | None:
        """How long the run still takes and which limit ends it, None where nobody can say."""
        return self.view().left

    def view(self) -> View:
        """What there is to show now."""
        if self._ended is not None:
            return self._ended
        status = self._status()
        with self._lock:
            now = self._clock()
            self._sample(now, status)
            limits = {name: limit for name, _, limit in _amounts(status) if limit is not None}
            found = [self._pace.left(now, limits)]
            passed = now - self._began
        seconds = None if self.budget is None else self.budget.seconds_left
        if seconds is not None:
            found.append(Left(seconds, "seconds"))
        return View(status, passed, min((each for each in found if each is not None), default=None))

    def __str__(self) -> str:
        return sentence(self.view())

    # ---- what is known

    def _status(self) -> Status:
        with self._lock:
            known, heard = dict(self._known), self._heard
        if heard:
            known["evaluations"] = known.get("evaluations", 0) + heard
        status = Status(**known)
        return status if self.budget is None else _with_budget(status, self.budget)

    def _sample(self, now: float, status: Status | None = None) -> None:
        """Note how much is done by now; the lock is held."""
        self._sampled = now
        if status is None:
            known = self._known
            amounts: Any = (("steps", known.get("step")), ("evaluations", known.get("evaluations")))
        else:
            amounts = ((name, amount) for name, amount, _ in _amounts(status))
        self._pace.take(now, amounts)

    # ---- where it is shown

    def _chosen(self) -> Display:
        stream = sys.stderr if self.stream is None else self.stream
        if stream is None or self.mode == "off":
            return Quiet(None, self.view)
        if self.stream is None and self.mode in ("auto", "live") and in_notebook():
            return Notebook(self.view)
        if self.mode == "live" or (self.mode == "auto" and _is_watched(stream)):
            return self._live(stream)
        if self.mode == "plain":
            return Lines(stream, self.view)
        return Quiet(stream if self.summary else None, self.view)

    def _live(self, stream: IO[str]) -> Display:
        if (
            find_spec("rich") is None
            or os.environ.get("TERM") in ("dumb", "unknown")
            or not hasattr(stream, "__dict__")
        ):
            return Lines(stream, self.view)
        from opto.trainer.progress.terminal import Terminal

        return Quiet(None, self.view) if is_taken(stream) else Terminal(stream, self.view)


def _is_watched(stream: IO[str]) -> bool:
    """Whether a person is likely to look on: not at a pipe, a file, or the terminal of a build server."""
    try:
        return stream.isatty() and os.environ.get("CI", "").lower() in ("", "0", "false")
    except ValueError:  # closed
        return False


def _amounts(status: Status) -> Iterator[tuple[str, float | None, float | None]]:
    """What is used up, by name: how much is, and how much may be."""
    yield "steps", status.step, status.steps
    yield "evaluations", status.evaluations, status.max_evaluations
    yield "usd", status.usd, status.max_usd
    yield "tokens", status.tokens, status.max_tokens
    yield "calls", status.calls, status.max_calls


def _with_budget(status: Status, budget: Budget) -> Status:
    state = budget.state()
    found: dict[str, Any] = {}
    for name in ("usd", "tokens", "calls"):
        spent, left = getattr(state.spent, name), getattr(state.remaining, name)
        if left is not None and getattr(status, f"max_{name}") is None:
            found[f"max_{name}"] = spent + getattr(state.reserved, name) + left
        if getattr(status, name) is None:
            found[name] = spent
    return replace(status, **found)
