"""Taking a request's place in all budgets that pay for it, and giving back what it did not use."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedTooLong
from typing import TYPE_CHECKING, TypeAlias

from opto.errors import OptoWarning
from opto.forking import forkable_lock
from opto.llm.prices import PICO

if TYPE_CHECKING:
    from opto.llm.budget import Budget
    from opto.llm.worst_case import WorstCase

__all__ = ["Reservation", "Row", "areserve", "ledgers", "reserve"]

Row: TypeAlias = dict[str, int]
"""Amounts by kind: usd (in 1e-12 dollars), tokens, calls."""

ledgers = forkable_lock()
"""Held while the ledger of any budget is read or written; never while a model is asked."""


class Reservation:
    """The place of one request in the ledgers of its budgets. It ends once, in one of three ways.

    Attributes:
        seconds: how long the request may take, None without such a limit.
    """

    def __init__(self, worst: WorstCase, rows: list[tuple[Budget, Row]], seconds: float | None) -> None:
        self._worst, self._rows, self.seconds = worst, rows, seconds

    def settle(self, prompt_tokens: int, completion_tokens: int, *, stated_usd: float | None = None) -> None:
        """End with what the response says that it took, and what the client says that it costs, if that is more."""
        rows, self._rows = self._rows, []
        stated = 0 if stated_usd is None else int(stated_usd * PICO)
        ended = []
        for budget, row in rows:
            rates = self._worst.rates(budget.prices)
            if rates is None:
                usd = stated
            else:
                usd = rates.usual.pico_usd(prompt_tokens, completion_tokens)
                usd = usd if self._worst.model in budget.prices else max(usd, stated)
            ended.append((budget, row, {"usd": usd, "tokens": prompt_tokens + completion_tokens, "calls": 1}))
        self._end(ended)

    def settle_at_worst(self) -> None:
        """End as if everything reserved were taken."""
        rows, self._rows = self._rows, []
        self._end([(budget, row, self._whole(budget, row)) for budget, row in rows])

    def release(self, *, sent: bool) -> None:
        """End without any cost, except for a call if the request was sent."""
        rows, self._rows = self._rows, []
        nothing = {"usd": 0, "tokens": 0, "calls": int(sent)}
        self._end([(budget, row, nothing) for budget, row in rows])

    def _whole(self, budget: Budget, row: Row) -> Row:
        """The row with estimates in the place of what was not reserved because it is not limited."""
        if row["usd"] and row["tokens"]:
            return row
        usd = row["usd"] or self._worst.pico_usd(budget.prices) or 0
        return {**row, "usd": usd, "tokens": row["tokens"] or self._worst.tokens or 0}

    def _end(self, ended: list[tuple[Budget, Row, Row]]) -> None:
        waiting: list[Future[None]] = []
        exceeded = False
        with ledgers:
            for budget, row, spent in ended:
                exceeded |= budget.note_excess(self._worst, spent)
                waiting += budget.give_back(row, spent)
        for future in waiting:
            future.set_result(None)
        if exceeded:
            warnings.warn(
                f"{self._worst.model} reports that it took more than the worst case of the request: it is counted, and "
                "later requests to it reserve as much more",
                OptoWarning,
                stacklevel=2,
            )


def reserve(paying: Sequence[Budget], worst: WorstCase) -> Reservation:
    """A place in all budgets; waits for requests under way where only they are in the way.

    Raises:
        BudgetExceededError: the request does not fit.
        ValueError: its worst case is not known.
    """
    _ask(paying, worst)
    while True:
        place = _try(paying, worst)
        if isinstance(place, Reservation):
            return place
        with contextlib.suppress(WaitedTooLong):
            place.future.result(timeout=place.patience)
        place.leave()


async def areserve(paying: Sequence[Budget], worst: WorstCase) -> Reservation:
    """`reserve` without blocking the event loop."""
    import asyncio

    await asyncio.to_thread(_ask, paying, worst)  # counting tokens takes a moment, and may load a tokenizer
    while True:
        place = _try(paying, worst)
        if isinstance(place, Reservation):
            return place
        try:
            await asyncio.wait_for(asyncio.wrap_future(place.future), place.patience)
        except asyncio.TimeoutError:
            pass
        finally:
            place.leave()


class _Queued:
    """A request that waits for room in one of its budgets."""

    def __init__(self, budget: Budget, patience: float | None) -> None:
        self.budget, self.patience = budget, patience
        self.future: Future[None] = Future()
        self.future.set_running_or_notify_cancel()  # so that nobody can cancel what is about to be woken
        budget.wait_with(self.future)

    def leave(self) -> None:
        with ledgers:
            self.budget.forget(self.future)


def _ask(paying: Sequence[Budget], worst: WorstCase) -> list[tuple[Budget, Row]]:
    return [(budget, budget.ask(worst)) for budget in paying]


def _try(paying: Sequence[Budget], worst: WorstCase) -> Reservation | _Queued:
    with ledgers:
        rows = _ask(paying, worst)
        full = [budget for budget, row in rows if not budget.has_room(row)]
        left = [seconds for budget in paying if (seconds := budget.seconds_left) is not None]
        if full:
            return _Queued(full[0], min(left, default=None))
        for budget, row in rows:
            budget.take(row)
        return Reservation(worst, rows, min(left, default=None))
