"""Candidates: several answers to one step, each read and put right on its own."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from opto.errors import ModelError, ReplayError
from opto.optimizers.attempts import Attempt
from opto.optimizers.canonical import canonical_repr, plain
from opto.optimizers.cutting import cut, left_out
from opto.optimizers.drivers import Proposal, describe

if TYPE_CHECKING:
    from opto.optimizers.forms import PromptForm
    from opto.optimizers.suggesting import SuggestingOptimizer

__all__ = ["Candidate", "ask_for_candidate", "listed", "longest", "valid_ones"]


@dataclass(frozen=True)
class Candidate:
    """One candidate of a step.

    Attributes:
        number: its place among those that were asked for, from 0.
        attempt: what its answer came to.
        error: what its model raised instead.
    """

    number: int
    attempt: Attempt
    error: Exception | None = None

    def is_valid(self, *, all_or_nothing: bool) -> bool:
        """Whether its values can be applied; to suggest no change is valid too."""
        if self.error is not None or (all_or_nothing and self.attempt.reasons):
            return False
        return bool(self.attempt.values) or not self.attempt.reasons

    def key(self) -> str:
        """The same text for the same values."""
        values = {parameter.py_name: value for parameter, value in self.attempt.values.items()}
        return canonical_repr(dict(sorted(values.items())))

    def text(self, form: PromptForm) -> str:
        """Its values as an answer."""
        return form.answer("", {parameter.py_name: _as_said(value) for parameter, value in self.attempt.values.items()})


def ask_for_candidate(
    optimizer: SuggestingOptimizer, number: int, messages: list[dict[str, Any]], verbose: bool | str, **how: Any
) -> Proposal[Candidate]:
    """One candidate; an error of its model is its own, any other one is raised.

    Args:
        optimizer: who asks.
        number: the place of the candidate, for the record.
        messages: the conversation.
        verbose: print it, and the answer.
        **how: the options of `SuggestingOptimizer._attempts`.
    """
    asking = optimizer._attempts(messages, verbose, candidate=number, **how)
    failed: list[Exception] = []
    try:
        requests = next(asking)
        while True:
            replies = yield requests
            failed += [reply.error for reply in replies if reply.error is not None]
            requests = asking.send(replies)
    except StopIteration as stop:
        return Candidate(number, stop.value)
    except ReplayError:  # a replay must not go another way than the run that was recorded
        raise
    except Exception as error:
        if not isinstance(error, ModelError) and not any(error is each for each in failed):
            raise
        return Candidate(number, Attempt(failure=describe(error)), error)  # on record; the other candidates go on
    finally:
        asking.close()


def valid_ones(candidates: Sequence[Candidate], *, all_or_nothing: bool) -> list[Candidate]:
    """The candidates that can be applied.

    Raises:
        Exception: the first error, when every candidate's model failed.
    """
    errors = [each.error for each in candidates if each.error is not None]
    if errors and len(errors) == len(candidates):
        raise errors[0]
    return [each for each in candidates if each.is_valid(all_or_nothing=all_or_nothing)]


def listed(form: PromptForm, candidates: Sequence[Candidate]) -> Callable[[int, int], str]:
    """The candidates as a numbered list, from 1.

    Returns:
        A function of the most characters of each, and of how many are shown: the last ones; the rest is counted.
    """
    texts = [each.text(form) for each in candidates]

    def write(limit: int, count: int) -> str:
        missing = len(texts) - count
        shown = [f"Proposal {place}:\n{cut(text, limit)}" for place, text in enumerate(texts, 1) if place > missing]
        return "\n\n".join([*([left_out(missing, "proposals")] if missing else []), *shown])

    return write


def longest(form: PromptForm, candidates: Sequence[Candidate]) -> int:
    """The characters of the longest candidate."""
    return max(len(each.text(form)) for each in candidates)


def _as_said(value: Any) -> Any:
    """A value as an answer says it: the value of an enum, the fields of a dataclass or of a pydantic model."""
    if isinstance(value, enum.Enum):
        return _as_said(value.value)
    if hasattr(type(value), "model_fields"):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _as_said(getattr(value, each.name)) for each in fields(value)}
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: _as_said(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return [_as_said(item) for item in value]
    return plain(value)
