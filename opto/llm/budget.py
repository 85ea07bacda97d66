"""A limit on what model calls may take, which holds because every request reserves its worst case before it is sent.

The ledger of a budget is two rows of whole numbers: spent, and reserved for requests under way. Their sum never passes
the limit. All ledgers share one lock, so that a request under several budgets takes its place in all of them or none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NoReturn

from opto.errors import BudgetExceededError
from opto.llm.ambient import budgets, drop_budget
from opto.llm.prices import PICO, Price, PriceLike
from opto.llm.reservation import Reservation, Row, areserve, ledgers, reserve
from opto.llm.worst_case import WorstCase

__all__ = ["Amounts", "Budget", "BudgetState"]

_KINDS = ("usd", "tokens", "calls")


@dataclass(frozen=True)
class Amounts:
    """Money, tokens, calls and seconds. Where it says what remains, None stands for no limit."""

    usd: float | None
    tokens: int | None
    calls: int | None
    seconds: float | None

    def __str__(self) -> str:
        shown = (_text(kind, getattr(self, kind)) for kind in (*_KINDS, "seconds"))
        return ", ".join(text for text in shown if text) or "nothing"


@dataclass(frozen=True)
class BudgetState:
    """A ledger at one moment: what is spent, what is reserved for requests under way, what then remains."""

    spent: Amounts
    reserved: Amounts
    remaining: Amounts


class Budget:
    """A limit on what model calls may take: money, tokens, calls, seconds, or several of them.

        with Budget(usd=1.00, calls=200) as budget:
            optimizer.step()
        print(budget.spent)

        model = LLM("gpt-4o", max_tokens=1000, budget=budget)      # or as an argument of a model
        optimizer = OptoPrime(parameters, budget=budget)          # or of an optimizer

    Before a request is sent, the most that it may take is reserved: its counted prompt with a margin, and `max_tokens`,
    at the prices of LiteLLM's list. Afterwards what it really took is spent and the rest is free again. A request that
    does not fit raises `BudgetExceededError` and is not sent; one that would fit once others under way have ended waits
    for them. So spent and reserved together never pass the limit. Retries are requests like others. Answers from a
    cache or a recording cost nothing. Budgets nest, and all of them hold.

    What cannot be bounded is refused with a `ValueError` that says what to set: under a limit of money or tokens a
    request without `max_tokens`, under one of money a model without a known price. A failure whose answer was an error
    costs nothing but a call; after one that may have been charged (a time-out, a cut connection, a cancelled
    request, an answer that cannot be read, one without usage) the worst case counts as spent. A provider that reports
    more than the worst case is believed: that is spent too, with a warning, and later requests to this model reserve as
    much more. This is the one way past a limit.

    One budget serves any number of threads and tasks. Tasks, the threads of `asyncio.to_thread` and those of the
    optimizers are inside a `with` block that they were started in; a thread of your own is not: use `with budget:`
    there as well, or give the budget to the model.

    Args:
        usd: dollars, by the prices of `prices` or LiteLLM's list. Discounts for cached prompts are not counted.
        tokens: of prompts and answers together.
        calls: requests sent, failed ones among them.
        seconds: of wall time, from when the budget is first entered or asked. No request is sent later, and one
            through LiteLLM is given only the time that is left. One under way through another back-end may end later.
        prices: dollars a million tokens by name of model, as `(input, output)`, `Price`, or 0.
        clock: tells the time in seconds; for tests.

    Raises:
        ValueError: no limit is given, or one is not a number >= 0.
    """

    def __init__(
        self,
        *,
        usd: float | None = None,
        tokens: int | None = None,
        calls: int | None = None,
        seconds: float | None = None,
        prices: Mapping[str, PriceLike] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        given = {"usd": usd, "tokens": tokens, "calls": calls, "seconds": seconds}
        if all(limit is None for limit in given.values()):
            raise ValueError("a Budget needs a limit: usd=, tokens=, calls= or seconds=")
        for kind, limit in given.items():
            _check_limit(kind, limit)
        scaled = {"usd": None if usd is None else round(usd * PICO), "tokens": tokens, "calls": calls}
        self._limits = {kind: int(limit) for kind, limit in scaled.items() if limit is not None}
        self.seconds = seconds
        self.prices = {model: Price.of(price) for model, price in (prices or {}).items()}
        self._clock = clock
        self._spent: Row = dict.fromkeys(_KINDS, 0)
        self._reserved: Row = dict.fromkeys(_KINDS, 0)
        self._excess: dict[tuple[str, str], float] = {}
        self._waiting: list[Future[None]] = []
        self._began: float | None = None
        self._passed_before = 0.0
        self._accounts: dict[str, Amounts] = {}

    # ---- reading

    @property
    def limits(self) -> dict[str, float]:
        """The limits by the names of the arguments that set them."""
        limits = {kind: limit / PICO if kind == "usd" else limit for kind, limit in self._limits.items()}
        return limits if self.seconds is None else {**limits, "seconds": self.seconds}

    @property
    def spent(self) -> Amounts:
        """What was taken so far, without what is reserved."""
        return self.state().spent

    @property
    def remaining(self) -> Amounts:
        """What further requests may take, None where there is no limit."""
        return self.state().remaining

    def state(self) -> BudgetState:
        """What is spent, reserved and left, of one moment."""
        with ledgers:
            spent, reserved, passed = dict(self._spent), dict(self._reserved), self._passed()
        left = {kind: limit - spent[kind] - reserved[kind] for kind, limit in self._limits.items()}
        remaining: dict[str, Any] = {kind: None if kind not in left else max(0, left[kind]) for kind in _KINDS}
        usd = remaining["usd"]
        return BudgetState(
            Amounts(spent["usd"] / PICO, spent["tokens"], spent["calls"], passed),
            Amounts(reserved["usd"] / PICO, reserved["tokens"], reserved["calls"], 0.0),
            Amounts(None if usd is None else usd / PICO, remaining["tokens"], remaining["calls"], self._left(passed)),
        )

    def __repr__(self) -> str:
        state = self.state()
        limits = {kind: _text(kind, limit / PICO if kind == "usd" else limit) for kind, limit in self._limits.items()}
        if self.seconds is not None:
            limits["seconds"] = _text("seconds", self.seconds)
        spent = {kind: _text(kind, getattr(state.spent, kind)) or "nothing" for kind in limits}
        parts = [f"{spent[kind]} of {limit}" for kind, limit in limits.items()]
        return f"<Budget: {', '.join(parts)} spent, {state.reserved} reserved>"

    # ---- as a context

    def __enter__(self) -> Budget:
        with ledgers:
            self.begin()
        budgets.set((*budgets.get(), self))
        return self

    def __exit__(self, *details: object) -> None:
        drop_budget(self)

    # ---- paying

    @staticmethod
    def reserve(paying: Sequence[Budget], model: str, messages: Any, options: Mapping[str, Any]) -> Reservation:
        """A place for a request in several budgets, after waiting for it if need be.

        Raises:
            BudgetExceededError: one of them has no room.
            ValueError: the worst case of the request is not known, and one of them limits it.
        """
        return reserve(paying, WorstCase(model, messages, options))

    @staticmethod
    async def areserve(paying: Sequence[Budget], model: str, messages: Any, options: Mapping[str, Any]) -> Reservation:
        """`reserve` without blocking the event loop."""
        return await areserve(paying, WorstCase(model, messages, options))

    def charge(self, account: str, *, usd: float = 0.0, tokens: int = 0, calls: int = 0, seconds: float = 0.0) -> None:
        """Count as spent what was spent on something before, in a process that is gone.

        From then on `spent_on(account)` is that and all that is spent. A second charge to the same account changes
        nothing: what it is about was spent from this budget itself.

        Args:
            account: names what it was spent on.
            usd: dollars.
            tokens: of prompts and answers.
            calls: requests.
            seconds: of wall time.

        Raises:
            ValueError: an amount is not a number >= 0.
        """
        for kind, amount in (("usd", usd), ("tokens", tokens), ("calls", calls), ("seconds", seconds)):
            _check_limit(kind, amount)
        before = self.spent
        with ledgers:
            if account in self._accounts:
                return
            self._accounts[account] = before
            self._spent["usd"] += round(usd * PICO)
            self._spent["tokens"] += tokens
            self._spent["calls"] += calls
            self._passed_before += seconds

    def spent_on(self, account: str) -> Amounts:
        """What was charged to an account, and what was spent since.

        Raises:
            KeyError: nothing was charged to it.
        """
        before, now = self._accounts[account], self.spent
        return Amounts(*[(getattr(now, kind) or 0) - (getattr(before, kind) or 0) for kind in (*_KINDS, "seconds")])

    # ---- the ledger; called with `ledgers` held

    def begin(self) -> None:
        """Start the clock, if it does not run yet."""
        if self._began is None:
            self._began = self._clock()

    @property
    def seconds_left(self) -> float | None:
        """How long requests may still be sent, None without such a limit."""
        return self._left(self._passed())

    def ask(self, worst: WorstCase) -> Row:
        """What a request may take of this budget.

        Raises:
            ValueError: this cannot be known.
        """
        money, counted = "usd" in self._limits, "tokens" in self._limits
        if (money or counted) and (reason := worst.obstacle(self.prices, money=money)):
            kind = "money" if money else "tokens"
            raise ValueError(f"a budget of {kind} refuses a request whose worst case is not known: {reason}")
        row = {"usd": 0, "tokens": 0, "calls": 1}
        if money:
            row["usd"] = self._enlarged("usd", worst.model, worst.pico_usd(self.prices) or 0)
        if counted:
            row["tokens"] = self._enlarged("tokens", worst.model, worst.tokens or 0)
        return row

    def has_room(self, row: Row) -> bool:
        """Whether a request fits now; False when it would after others have ended.

        Raises:
            BudgetExceededError: it does not fit, whatever becomes of the others.
        """
        self.begin()
        passed = self._passed()
        if self.seconds is not None and passed >= self.seconds:
            self._refuse("seconds", self.seconds, passed, 0, 0)
        for kind, limit in self._limits.items():
            if row[kind] > limit - self._spent[kind]:
                unit = PICO if kind == "usd" else 1
                amounts = (limit, self._spent[kind], self._reserved[kind], row[kind])
                self._refuse(kind, *(amount / unit if unit > 1 else amount for amount in amounts))
        held = {kind: self._spent[kind] + self._reserved[kind] for kind in self._limits}
        return all(held[kind] + row[kind] <= limit for kind, limit in self._limits.items())

    def take(self, row: Row) -> None:
        """Reserve."""
        for kind in _KINDS:
            self._reserved[kind] += row[kind]

    def give_back(self, row: Row, spent: Row) -> list[Future[None]]:
        """End a reservation with what was spent; returns those who wait for room, to be woken."""
        for kind in _KINDS:
            self._reserved[kind] -= row[kind]
            self._spent[kind] += spent[kind]
        woken, self._waiting = self._waiting, []
        return woken

    def wait_with(self, waiting: Future[None]) -> None:
        """Have a future be woken when there may be room."""
        self._waiting.append(waiting)

    def forget(self, waiting: Future[None]) -> None:
        """Let go of a future that no longer waits."""
        if waiting in self._waiting:
            self._waiting.remove(waiting)

    def note_excess(self, worst: WorstCase, spent: Row) -> bool:
        """Reserve more from now on for a model that took more than its worst case; whether it did."""
        bounds = {"usd": worst.pico_usd(self.prices), "tokens": worst.tokens}
        higher = False
        for kind, bound in bounds.items():
            key = (worst.model, kind)
            if kind in self._limits and bound and spent[kind] > bound * self._excess.get(key, 1.0):
                self._excess[key], higher = spent[kind] / bound, True
        return higher

    def _enlarged(self, kind: str, model: str, amount: int) -> int:
        factor = self._excess.get((model, kind))
        return amount if factor is None else int(amount * factor) + 1

    def _passed(self) -> float:
        return self._passed_before + (0.0 if self._began is None else self._clock() - self._began)

    def _left(self, passed: float) -> float | None:
        return None if self.seconds is None else max(0.0, self.seconds - passed)

    def _refuse(self, kind: str, allowed: float, spent: float, reserved: float, asked: float) -> NoReturn:
        taken = f"{_text(kind, spent) or 'nothing'} spent, {_text(kind, reserved) or 'nothing'} reserved"
        wanted = f", and this request may take {_text(kind, asked)}" if asked else ""
        raise BudgetExceededError(
            f"the budget of {_text(kind, allowed)} does not allow this request: {taken}{wanted}",
            limit=kind,
            allowed=allowed,
            spent=spent,
            reserved=reserved,
            asked=asked,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Budget:
        """The same budget: a copy would allow everything twice."""
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Budget holds in one process and cannot be pickled: give each process a part of it")


def _check_limit(kind: str, limit: object) -> None:
    whole = kind in ("tokens", "calls")
    kinds = int if whole else (int, float)
    if limit is None:
        return
    if isinstance(limit, bool) or not isinstance(limit, kinds) or not 0 <= limit < float("inf"):
        raise ValueError(f"{kind} must be {'an integer' if whole else 'a number'} >= 0, or None, got {limit!r}")


def _text(kind: str, amount: float | None) -> str:
    """An amount with its unit, "" for none."""
    if not amount:
        return "" if amount is None or kind != "usd" else "$0"
    if kind == "usd":
        return f"${amount:.2f}" if round(amount, 2) == amount else f"${amount:.6f}".rstrip("0")
    if kind == "seconds":
        return f"{amount:.1f} s"
    return f"{int(amount):,} {kind if amount != 1 else kind.removesuffix('s')}"
