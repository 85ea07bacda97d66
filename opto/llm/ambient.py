"""What holds for the model calls of a context: the budgets that pay, the totals that count, the call that is under way.

Context variables, so another thread has its own unless it runs in a copy of the context, as the drivers of the
optimizers and `asyncio` do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opto.llm.budget import Budget
    from opto.llm.totals import Totals

__all__ = ["budgets", "collecting", "collectors", "drop_budget", "metering", "open_call", "paying"]

budgets: ContextVar[tuple[Budget, ...]] = ContextVar("opto_budgets", default=())
"""The budgets of this context, the outermost first."""

collectors: ContextVar[tuple[Totals, ...]] = ContextVar("opto_usage", default=())
"""The totals that are kept in this context."""

open_call: ContextVar[Any] = ContextVar("opto_open_call", default=None)
"""The call of a back-end that is under way, so that one that asks another model is not counted twice."""


@contextmanager
def collecting(totals: Totals) -> Iterator[Totals]:
    """Add the calls of this context to `totals`, until the block ends."""
    token = collectors.set((*collectors.get(), totals))
    try:
        yield totals
    finally:
        collectors.reset(token)


@contextmanager
def paying(budget: Budget | None) -> Iterator[None]:
    """Let a budget pay for the calls of this context, until the block ends; None changes nothing."""
    if budget is None:
        yield
        return
    budgets.set((*budgets.get(), budget))
    try:
        yield
    finally:
        drop_budget(budget)


@contextmanager
def metering(totals: Totals, budget: Budget | None) -> Iterator[None]:
    """Count the calls of this context, and let a budget pay for them if there is one, until the block ends."""
    with collecting(totals), paying(budget):
        yield


def drop_budget(budget: Budget) -> None:
    """Take the innermost mention of a budget out of this context."""
    held = list(budgets.get())
    for position in reversed(range(len(held))):
        if held[position] is budget:
            del held[position]
            break
    budgets.set(tuple(held))
