"""What a run may take, said before it begins.

    each = measure(program, guide, examples, evaluator=evaluator)
    print(estimate_plan(steps=200, evaluations=(4, 10), evaluation=each, proposal=prompt_cost(prompt, "gpt-4o")))

Everything here is plain arithmetic on ranges from the least to the most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from opto.trainer.estimating.unit_costs import Range, RangeLike, UnitCost, as_range
from opto.trainer.progress.words import duration, money, plural, short

if TYPE_CHECKING:
    from opto.llm import Budget

__all__ = ["Estimate", "estimate_plan"]


@dataclass(frozen=True)
class Estimate:
    """What a plan may take in all, each the least and the most; `str()` makes a small table of it.

    Attributes:
        steps: how many steps are planned.
        evaluations: how many evaluations are made.
        proposals: how many candidates are proposed.
        calls: model calls.
        tokens: of prompts and answers; None where nobody knows.
        usd: dollars; None where nobody knows.
        seconds: the wall time of the evaluations; None where nobody knows.
        workers: how many evaluations are made at once.
        evaluation: what each evaluation takes.
        proposal: what each proposal takes.
        ends: which limits end it, and after how many of its steps: by "evaluations", "usd", "tokens", "calls" or
            "seconds", the earliest step and the latest, which is `steps` where it may well not end before.
        limits: how much these limits allow, by the same names.
    """

    steps: int
    evaluations: Range
    proposals: Range
    calls: Range
    tokens: Range | None
    usd: Range | None
    seconds: Range | None
    workers: int
    evaluation: UnitCost
    proposal: UnitCost
    ends: dict[str, tuple[int, int]]
    limits: dict[str, float]

    @property
    def measured(self) -> tuple[str, ...]:
        """Which figures stand on measurements."""
        return tuple(name for name in ("evaluation", "proposal") if getattr(self, name).trials)

    @property
    def assumed(self) -> tuple[str, ...]:
        """Which figures are assumptions."""
        return tuple(name for name in ("evaluation", "proposal") if not getattr(self, name).trials)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known about these figures, and what is missing to know more."""
        return tuple(dict.fromkeys((*self.evaluation.notes, *self.proposal.notes)))

    def __str__(self) -> str:
        rows = [
            (plural(self.steps, "step"), "least", "most", ""),
            ("evaluations", *_texts(self.evaluations, _counted), _each(self.evaluation)),
            ("proposals", *_texts(self.proposals, _counted), _each(self.proposal)),
            ("model calls", *_texts(self.calls, _counted), ""),
            ("tokens", *_texts(self.tokens, short), ""),
            ("dollars", *_texts(self.usd, money), ""),
            ("evaluating", *_texts(self.seconds, duration), f"{self.workers} at once"),
        ]
        left, least, most = (max(len(row[place]) for row in rows) for place in range(3))
        lines = [f"{a:<{left}}  {b:>{least}}  {c:>{most}}  {d}".rstrip() for a, b, c, d in rows]
        return "\n".join([*lines, *self._told_limits(), *(f"note: {each}" for each in self.notes)])

    def _told_limits(self) -> Iterator[str]:
        for name, limit in self.limits.items():
            what = f"the limit of {_amount(name, limit)}"
            if name not in self.ends:
                yield f"{what}: whether it is reached is not known"
                continue
            earliest, latest = self.ends[name]
            if earliest >= self.steps:
                yield f"{what} is not reached"
            elif latest >= self.steps:
                yield f"{what} may end it, after {earliest:,} of {self.steps:,} steps at the earliest"
            else:
                after = f"{earliest:,}" if earliest == latest else f"{earliest:,} to {latest:,}"
                yield f"{what} ends it after about {after} of {self.steps:,} steps"


def estimate_plan(  # noqa: PLR0913 - a plan has as many numbers
    *,
    steps: int,
    evaluations: RangeLike,
    proposals: RangeLike = 1,
    before: RangeLike = 0,
    after: RangeLike = 0,
    evaluation: UnitCost | None = None,
    proposal: UnitCost | None = None,
    workers: int = 1,
    max_evaluations: int | None = None,
    budget: Budget | None = None,
) -> Estimate:
    """What a plan may take, were nothing to end it early; and which limits would.

    Args:
        steps: how many steps there are.
        evaluations: how many evaluations a step makes: a number, or the least and the most.
        proposals: how many candidates a step proposes, likewise.
        before: how many evaluations are made before the first step, likewise.
        after: how many are made after the last one, likewise.
        evaluation: what each evaluation takes, from `measure` or `prompt_cost`; None where it asks no model.
        proposal: what each proposal takes, from `prompt_cost`; None where it asks no model.
        workers: how many evaluations are made at once.
        max_evaluations: how many may be made in all; the plan is compared with it.
        budget: what is left of it is compared with the plan.

    Raises:
        ValueError: a number is out of range.
    """
    for name, value, least in (("steps", steps, 0), ("workers", workers, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an integer >= {least}, got {value!r}.")
    plan = _Plan(
        steps,
        as_range("evaluations", evaluations),
        as_range("proposals", proposals),
        as_range("before", before),
        as_range("after", after),
        evaluation or UnitCost(),
        proposal or UnitCost(),
        workers,
    )
    limits = _limits(max_evaluations, budget)
    ends = {name: end for name, limit in limits.items() if (end := plan.end(name, limit)) is not None}
    return Estimate(
        steps=steps,
        evaluations=plan.total("evaluations") or (0, 0),
        proposals=_times((steps, steps), plan.proposals),
        calls=plan.total("calls") or (0, 0),
        tokens=plan.total("tokens"),
        usd=plan.total("usd"),
        seconds=plan.total("evaluating"),
        workers=workers,
        evaluation=plan.evaluation,
        proposal=plan.proposal,
        ends=ends,
        limits=limits,
    )


class _Plan(NamedTuple):
    steps: int
    evaluations: Range
    proposals: Range
    before: Range
    after: Range
    evaluation: UnitCost
    proposal: UnitCost
    workers: int

    def total(self, what: str) -> Range | None:
        """How much of something the whole plan takes, None where nobody knows."""
        one, step = self._one(what), self._step(what)
        if one is None or step is None:
            return None
        around = _times(_plus(self.before, self.after), one)
        return _plus(_times((self.steps, self.steps), step), around)

    def end(self, what: str, limit: float) -> tuple[int, int] | None:
        """After how many steps a limit is reached, the earliest and the latest; None where nobody knows."""
        one, step = self._one(what), self._step(what)
        if one is None or step is None:
            return None
        begun = _times(self.before, one)
        least, most = (self._within(limit - begun[place], step[place]) for place in (1, 0))
        return (least, most)

    def _within(self, left: float, each: float) -> int:
        if left < 0:
            return 0
        return self.steps if each * self.steps <= left else math.floor(left / each)

    def _step(self, what: str) -> Range | None:
        one, other = self._one(what), self._other(what)
        if one is None or other is None:
            return None
        return _plus(_times(self.evaluations, one), _times(self.proposals, other))

    def _one(self, what: str) -> Range | None:
        """How much of something an evaluation takes."""
        if what == "evaluations":
            return (1, 1)
        if what in ("seconds", "evaluating"):
            seconds = self.evaluation.seconds
            return None if seconds is None else (seconds[0] / self.workers, seconds[1] / self.workers)
        return _of(self.evaluation, what)

    def _other(self, what: str) -> Range | None:
        """How much of something a proposal takes."""
        if what in ("evaluations", "evaluating") or (what == "seconds" and not self.proposal.calls[1]):
            return (0, 0)
        return _of(self.proposal, what)


def _of(cost: UnitCost, what: str) -> Range | None:
    found: Range | None = getattr(cost, what)
    return found


def _limits(max_evaluations: int | None, budget: Budget | None) -> dict[str, float]:
    """What may be used still, by name."""
    limits: dict[str, float] = {} if max_evaluations is None else {"evaluations": max_evaluations}
    if budget is not None:
        left = budget.remaining
        for name in ("usd", "tokens", "calls", "seconds"):
            amount = getattr(left, name)
            if amount is not None:
                limits[name] = amount
    return limits


def _times(one: Range, other: Range) -> Range:
    return (one[0] * other[0], one[1] * other[1])


def _plus(one: Range, other: Range) -> Range:
    return (one[0] + other[0], one[1] + other[1])


def _texts(found: Range | None, text: Callable[[float], str]) -> tuple[str, str]:
    return ("?", "?") if found is None else (text(found[0]), text(found[1]))


def _counted(number: float) -> str:
    return f"{math.ceil(number):,}"


def _amount(name: str, limit: float) -> str:
    if name == "usd":
        return money(limit)
    return duration(limit) if name == "seconds" else f"{limit:,.0f} {name}"


def _each(cost: UnitCost) -> str:
    """What one of them takes, in words."""
    if not cost.trials and not cost.calls[1] and not cost.notes:
        return "no model is asked"
    parts = [f"{_between(cost.calls, _plain)} call{'' if cost.calls == (1, 1) else 's'}"]
    parts += [] if cost.tokens is None else [f"{_between(cost.tokens, short)} tokens"]
    parts += [] if cost.usd is None else [_between(cost.usd, money)]
    parts += [] if cost.seconds is None else [f"{_between(cost.seconds, _plain)} s"]
    return f"{', '.join(parts)} each, {cost.source}"


def _plain(number: float) -> str:
    return f"{number:.3g}"


def _between(found: Range, text: Callable[[float], str]) -> str:
    least, most = text(found[0]), text(found[1])
    return least if least == most else f"{least} to {most}"
