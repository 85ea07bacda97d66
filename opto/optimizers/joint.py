"""Several optimizers that propose at the same time, for one set of parameters each or for copies of one program."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from opto.errors import BudgetExceededError, ModelError, ReplayError, SuggestionError
from opto.llm.ambient import metering
from opto.optimizers.allowing import allowing
from opto.optimizers.drivers import Proposal, Reply, run, together
from opto.optimizers.optimizer import Optimizer, Update
from opto.optimizers.wrapping import addressed, asks_by_itself
from opto.trace.nodes import ParameterNode

__all__ = ["propose_jointly", "rebound"]

O = TypeVar("O", bound=Optimizer)  # noqa: E741  # the field's letter for an optimizer
T = TypeVar("T")
Allowed: TypeAlias = "list[ParameterNode[Any]] | None"


def rebound(optimizer: O, parameters: Mapping[ParameterNode[Any], ParameterNode[Any]]) -> O:
    """A copy of an optimizer for other parameters, with a state of its own and the same model.

    Args:
        optimizer: stays as it is.
        parameters: for each of its parameters the one to take its place.

    Raises:
        ValueError: one of its parameters has none.
    """
    missing = [each.py_name for each in optimizer.parameters if each not in parameters]
    if missing:
        raise ValueError(f"parameters must name a replacement for each parameter, it lacks {', '.join(missing)}.")
    return copy.deepcopy(optimizer, {id(old): new for old, new in parameters.items()})


def propose_jointly(
    optimizers: Sequence[Optimizer], *, only: Sequence[Iterable[ParameterNode[Any]] | None] | None = None
) -> list[Update | Exception]:
    """What each optimizer proposes from the feedback that its parameters have; no value is set.

    What they ask their models at the same time goes out together, in the order of the optimizers, so that a seed or a
    recording gives the same whichever model is faster. Optimizers that override `propose` or `_step` ask one after the
    other, by themselves.

    Args:
        optimizers: all different objects. One that a failing model leaves without a proposal does not stop the others.
        only: for each the parameters that it may change, None for all; see `Optimizer.step`.

    Returns:
        For each, the values by parameter, after projections and checks; or the error of its model, or of a suggestion
        that could not be used.

    Raises:
        BudgetExceededError: a budget refused a request.
        Exception: any error that is neither a model's nor a suggestion's.
    """
    outcomes: dict[int, Update | Exception] = {}
    allowed = [None] * len(optimizers) if only is None else [None if each is None else list(each) for each in only]
    sans_io = []
    for place, optimizer in enumerate(optimizers):
        if asks_by_itself(optimizer) or optimizer._overrides("step"):
            outcomes[place] = _alone(optimizer, allowed[place])
        else:
            sans_io.append(place)
    if sans_io:
        first = optimizers[sans_io[0]]
        joint = together([_guarded(_stepped(optimizers[place], allowed[place])) for place in sans_io])
        with first._run_dir.listening(), metering(first.usage, first._budget):
            found = run(joint, first._answering_model, first._about())
        outcomes.update(zip(sans_io, found, strict=True))
    return [outcomes[place] for place in range(len(optimizers))]


def _alone(optimizer: Optimizer, only: Allowed) -> Update | Exception:
    try:
        return optimizer.step(bypassing=True) if only is None else optimizer.step(bypassing=True, only=only)
    except (ModelError, SuggestionError) as error:
        return _outcome(error)


def _stepped(optimizer: Optimizer, only: Allowed) -> Proposal[Update]:
    """A step that sets no value."""
    start = time.perf_counter()
    with allowing(only):
        optimizer._begin()
    proposal = addressed(optimizer)
    replies: list[Reply] | None = None
    try:
        while True:
            with allowing(only):  # left at each `yield`, so that it holds for no other optimizer
                requests = next(proposal) if replies is None else proposal.send(replies)
            replies = yield requests
    except StopIteration as stop:
        values: Update = stop.value
    finally:
        proposal.close()
    with allowing(only):
        return optimizer._apply(values, True, start)


def _guarded(proposal: Proposal[T]) -> Proposal[T | Exception]:
    """The proposal, with the error of a model as its outcome."""
    try:
        return (yield from proposal)
    except (ModelError, SuggestionError) as error:
        return _outcome(error)


def _outcome(error: Exception) -> Exception:
    if isinstance(error, (ReplayError, BudgetExceededError)):  # these are about the run, not about this proposal
        raise error
    return error
