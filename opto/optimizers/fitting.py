"""A problem within a number of tokens.

What gives way, in this order: values far from the outputs and from the variables, the middles of long values, calls
(repetitions fold into loops first; then far ones go), documentation; then the middles of outputs and feedback, outputs
beyond the first ones, and last the middles of variables. Wherever something is missing, the prompt says how much.
The objective, and the name of every variable, always stay; where not even they fit, a `PromptTooLongError` tells the
least that is needed.

Every piece is counted with the separator that follows it and accepted only while it fits in what is left, so the whole
costs time linear in the graph, plus what is shown. A text may have a few tokens more than its pieces; the finished
prompt is counted again, and made smaller if it must be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from opto.errors import PromptTooLongError
from opto.llm.tokens import TokenCounter, most_tokens
from opto.optimizers.cutting import UNLIMITED, cut
from opto.optimizers.fitting_pieces import Pieces, Room
from opto.optimizers.fitting_plan import Plan

if TYPE_CHECKING:
    from opto.optimizers.problem import Facts, FunctionFeedback
    from opto.optimizers.rendering import ProblemInstance

__all__ = ["Source", "Writer", "fitted", "fitted_texts", "whole"]

_CHARACTERS_PER_TOKEN = 8
"""A text with more characters than this for each token of the budget is not counted: it is taken not to fit."""

_LEAST = 24
_ATTEMPTS = 4


class Writer(Protocol):
    """How a form writes values; `opto.optimizers.forms.PromptForm` is one."""

    separator: str

    @property
    def headings(self) -> Mapping[str, str]:
        """The heading of each section."""

    def inert(self, text: str) -> str:
        """A text from outside, which cannot pass for structure."""

    def written(self, facts: Facts, section: str, limit: int = ...) -> Iterator[str]:
        """The text of each value of a section, in about `limit` characters each."""


@dataclass(frozen=True)
class Source:
    """What a problem is written from.

    Attributes:
        summary: the facts.
        form: how they are written.
        hidden: sections to leave blank.
    """

    summary: FunctionFeedback
    form: Writer
    hidden: frozenset[str] = frozenset()

    def hiding(self, sections: frozenset[str]) -> Source:
        """The same with more sections left blank."""
        return replace(self, hidden=self.hidden | sections)


def fitted(problem: ProblemInstance, source: Source, budget: int, count: TokenCounter) -> ProblemInstance:
    """The problem in at most `budget` tokens: unchanged if it fits, else with less of it, as this module says.

    Raises:
        PromptTooLongError: not even the least that must be shown fits.
    """
    pieces = Pieces(source, _CHARACTERS_PER_TOKEN * max(budget, 1))
    texts = pieces.whole()
    if texts is not None:
        candidate = _written(problem, texts)
        if _fits(str(candidate), budget, count):
            return candidate
    for smaller in _attempts(problem, pieces, budget, count):
        if _fits(str(smaller), budget, count):
            return smaller
    least = _written(problem, Plan(pieces, Room(UNLIMITED, count)).least())
    needed = count(str(least))
    if needed <= budget:
        return least
    raise _too_long(needed, budget)


def whole(problem: ProblemInstance, most: int = UNLIMITED) -> ProblemInstance | None:
    """The problem with nothing left out, written from its source; None if that has more than `most` characters."""
    texts = None if problem.source is None else Pieces(problem.source, most).whole()
    return None if texts is None else _written(problem, texts)


def fitted_texts(problem: ProblemInstance, budget: int, count: TokenCounter) -> ProblemInstance:
    """A problem of which only the texts are known: whole sections lose their middle, in the order of this module.

    Raises:
        PromptTooLongError: as in `fitted`.
    """
    originals = {name: getattr(problem, name) for name in problem.headings if name != "instruction"}
    if _fits(str(problem), budget, count):
        return problem
    groups = (("others", "inputs"), ("documentation", "code"), ("outputs", "feedback"), ("constraints", "variables"))
    for group in groups:
        limit = _CHARACTERS_PER_TOKEN * max(budget, 1)
        while limit > _LEAST:
            limit = max(limit // 2, _LEAST)
            problem = _written(problem, {name: cut(originals[name], limit) for name in group if name in originals})
            if _fits(str(problem), budget, count):
                return problem
    raise _too_long(count(str(problem)), budget)


def _too_long(needed: int, budget: int) -> PromptTooLongError:
    return PromptTooLongError(
        f"The problem needs at least {needed:,} tokens for its objective, variables, outputs and feedback, but "
        f"{budget:,} are there: allow more, mask a section, or optimize fewer parameters in one step.",
        needed=needed,
    )


def _attempts(problem: ProblemInstance, pieces: Pieces, budget: int, count: TokenCounter) -> Iterator[ProblemInstance]:
    """Problems that should fit: by the model's own count, then by the bytes, whose sum is exact."""
    for counter in (count, most_tokens) if count is not most_tokens else (count,):
        goal = budget
        blank = _written(problem, dict.fromkeys(pieces.names, ""))
        for _ in range(_ATTEMPTS):
            texts = Plan(pieces, Room(goal - counter(str(blank)), counter)).texts()
            if texts is None:
                break
            candidate = _written(problem, texts)
            yield candidate
            goal -= max(counter(str(candidate)) - budget, 1)


def _written(problem: ProblemInstance, texts: Mapping[str, Any]) -> ProblemInstance:
    return replace(problem, **texts)


def _fits(text: str, budget: int, count: TokenCounter) -> bool:
    return most_tokens(text) <= budget or count(text) <= budget
