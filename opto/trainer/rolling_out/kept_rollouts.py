"""Rollouts of the step under way in its journal: their graphs as text, and graphs from that text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextvars import Context
from typing import Any

from opto.errors import ExecutionError, FileFormatError, RolloutTimeoutError, WorkerError
from opto.runs.codec.trees import to_tree
from opto.trace.graphs_as_text import graph_as_text, graph_from_text
from opto.trace.nodes import Node
from opto.trainer.fingerprints.walk import fingerprint
from opto.trainer.rolling_out.dispatching import Outcome
from opto.trainer.rolling_out.evaluation import Request
from opto.trainer.rolling_out.program_links import ProgramLinks
from opto.trainer.rolling_out.step_journal import Place, StepJournal
from opto.trainer.rolling_out.work import Report

__all__ = ["KeptRollouts"]

_ENCODER = json.JSONEncoder(ensure_ascii=False)
_ENDS: dict[str, type[Exception]] = {"timeout": RolloutTimeoutError, "worker": WorkerError}


class KeptRollouts:
    """Takes the rollouts of one pass from a journal, and puts those that are made into it.

    Args:
        journal: where.
        others: what belongs to the program besides itself: the guide, and `forward`.
        shared: whether rollouts run in the memory of this process.
        identity: gives the text that stands for a thing in keys.
        context: of the pass, in which parameters have the values that rollouts see.
    """

    def __init__(
        self,
        journal: StepJournal,
        others: tuple[Any, ...],
        *,
        shared: bool,
        identity: Callable[[Any], str],
        context: Context,
    ) -> None:
        self._journal, self._others, self._shared = journal, others, shared
        self._identity, self._context = identity, context
        self._programs: dict[int, ProgramLinks] = {}
        self._error: OSError | None = None

    def place(self, request: Request) -> Place | None:
        """Where a rollout has its place; None for one of a program or example that cannot be told from others."""
        try:
            parts = ["rollout", self._identity(request.agent)]
            parts += ["" if each is None else self._identity(each) for each in self._others]
            parts.append(_text_of((request.x, request.info, request.sample)))
        except TypeError:
            return None
        return self._journal.place(hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest())

    def taken(self, place: Place | None, request: Request) -> Outcome | None:
        """The outcome of a rollout as it was kept, made zero times; None where it is to be made."""
        found = None if place is None else self._journal.entry(place)
        if found is None:
            return None
        try:
            outcome = self._context.run(self._outcome, found["rollout"], request)
        except (FileFormatError, KeyError, TypeError, ValueError):
            return None
        self._journal.count_rollout()
        return outcome

    def keep(self, place: Place | None, request: Request, report: Report) -> None:
        """Keep what an attempt came to, if no other one will be made. It is called where the attempt ended."""
        if report.timed_out or report.passing:
            return
        error = report.error
        if error is None:
            value, failed = report.value, False
        elif report.lasting and isinstance(error, ExecutionError):
            value, failed = error.exception_node, True
        else:
            return
        try:
            graph = None if place is None else graph_as_text(value, self._links(request))
        except OSError as problem:
            self._error = problem
            return
        except Exception:  # no text form, or somebody's code that gives one failed
            graph = None
        if graph is None or place is None:
            self._journal.miss()
        else:
            self._write(place, {"failed": failed, "seconds": report.seconds, **graph})

    def keep_end(self, place: Place | None, outcome: Outcome) -> None:
        """Keep that all attempts took too long, or ended with their worker."""
        kind = next((name for name, kind in _ENDS.items() if type(outcome.error) is kind), None)
        if kind is not None and place is not None and outcome.attempts:
            self._write(place, {"ended": kind, "told": str(outcome.error), "seconds": outcome.seconds})

    def check(self) -> None:
        """Raise what kept the journal from being written.

        Raises:
            OSError: see there.
        """
        if self._error is not None:
            raise self._error

    def _write(self, place: Place, content: dict[str, Any]) -> None:
        try:
            self._journal.keep(place, "rollout", content)
        except OSError as error:  # a full disk must not look like a failure of the program
            self._error = error

    def _outcome(self, kept: Any, request: Request) -> Outcome:
        seconds = float(kept["seconds"])
        if "ended" in kept:
            return Outcome(None, _ENDS[kept["ended"]](str(kept["told"])), seconds, attempts=0)
        value = graph_from_text(kept, self._links(request))
        if not kept["failed"]:
            target, score, feedback = value
            return Outcome((target, score, feedback), None, seconds, attempts=0)
        if not isinstance(value, Node):
            raise FileFormatError("a failed rollout has no exception node")
        return Outcome(None, ExecutionError(value), seconds, attempts=0, lasting=True)

    def _links(self, request: Request) -> _RequestLinks:
        links = self._programs.get(id(request.agent))
        if links is None:
            links = ProgramLinks(request.agent, self._others, shared=self._shared)
            self._programs[id(request.agent)] = links  # which keeps the program, so that no other gets its id
        return _RequestLinks(links, request, self._journal)


def _text_of(example: Any) -> str:
    """A text that tells an example from others: its own text form, which is quick to make, or else a fingerprint."""
    try:
        return _ENCODER.encode(to_tree(example))
    except (TypeError, ValueError):
        return fingerprint(example)


class _RequestLinks:
    """The links of one rollout: those of its program, its example, and the words of bundled functions."""

    def __init__(self, program: ProgramLinks, request: Request, journal: StepJournal) -> None:
        self._program = program
        self._own = {"the example": request.x, "the reference": request.info}
        self.owns = program.owns
        self.number_of, self.operation = journal.number_of, journal.operation

    def name_of(self, value: Any) -> str | None:
        for name, own in self._own.items():
            if value is own:
                return name
        return self._program.name_of(value)

    def named(self, name: str) -> Any:
        return self._own[name] if name in self._own else self._program.named(name)
