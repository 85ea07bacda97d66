"""Candidates: several answers to one step, each read and put right on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opto.errors import ModelError, ReplayError
from opto.optimizers.attempts import Attempt
from opto.optimizers.canonical import canonical_repr, plain
from opto.optimizers.drivers import Proposal, describe

if TYPE_CHECKING:
    from opto.optimizers.forms import PromptForm
    from opto.optimizers.suggesting import SuggestingOptimizer

__all__ = ["Candidate", "ask_for_candidate", "listed", "valid_ones"]


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
        return form.answer("", {parameter.py_name: plain(value) for parameter, value in self.attempt.values.items()})


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


def listed(form: PromptForm, candidates: Sequence[Candidate]) -> str:
    """The candidates as a numbered list, from 1."""
    return "\n\n".join(f"Proposal {place}:\n{each.text(form)}" for place, each in enumerate(candidates, 1))
