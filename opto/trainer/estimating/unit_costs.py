"""What one evaluation or one proposal takes: measured on a trial, or reckoned from a prompt."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from opto.llm.prices import PICO, Price, PriceLike, rates_of
from opto.llm.tokens import count_tokens
from opto.llm.totals import ModelTotals, Totals, usage
from opto.trainer.progress.words import plural
from opto.trainer.rolling_out.programs import Judging
from opto.trainer.rollouts import Evaluator, Request

if TYPE_CHECKING:
    from opto.llm.model import Messages

__all__ = ["Range", "RangeLike", "UnitCost", "as_range", "measure", "prompt_cost"]

Range: TypeAlias = "tuple[float, float]"
"""The least and the most."""

RangeLike: TypeAlias = "float | tuple[float, float]"
"""A number, or the least and the most."""

_BYTES_A_TOKEN = 6
"""English has four to five bytes in a token; long words of common languages up to six."""


@dataclass(frozen=True)
class UnitCost:
    """What one evaluation, or one proposal, takes; each the least and the most.

    Attributes:
        calls: model calls.
        tokens: of prompts and answers together; None where nobody knows.
        usd: dollars; None where nobody knows.
        seconds: wall time; None where nobody knows.
        trials: on how many it was measured; 0 where it is assumed.
        notes: what is to be known about these figures, a sentence each.
    """

    calls: Range = (0, 0)
    tokens: Range | None = (0, 0)
    usd: Range | None = (0.0, 0.0)
    seconds: Range | None = None
    trials: int = 0
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Where the figures come from, in words."""
        return f"measured on {plural(self.trials, 'example')}" if self.trials else "assumed"


def prompt_cost(
    prompt: str | Messages,
    model: str,
    *,
    calls: RangeLike = 1,
    completion_tokens: RangeLike | None = None,
    prices: Mapping[str, PriceLike] | None = None,
) -> UnitCost:
    """What it takes to ask a model such a prompt, without asking it.

    Args:
        prompt: a text, or messages.
        model: the name of the model.
        calls: how often it is asked for one proposal or evaluation: a number, or the least and the most.
        completion_tokens: how long an answer is; None where nobody knows.
        prices: dollars a million tokens by name of model, as for `Budget`.
    """
    counted = count_tokens(prompt, model)
    exact = counted < count_tokens(prompt)  # else it was counted by its bytes, from above
    asked = (float(counted if exact else -(-counted // _BYTES_A_TOKEN)), float(counted))
    number = as_range("calls", calls)
    notes = () if exact else (f"the tokens of {model!r} cannot be counted here: a sixth of the bytes, to all of them.",)
    if completion_tokens is None:
        missing = f"how long the answers of {model!r} are is not known: give completion_tokens=(least, most)."
        return UnitCost(number, None, None, notes=(*notes, missing))
    answered = as_range("completion_tokens", completion_tokens)
    tokens = (number[0] * (asked[0] + answered[0]), number[1] * (asked[1] + answered[1]))
    rates = rates_of(model, prompt_tokens=counted, prices=_known(prices))
    if rates is None:
        return UnitCost(number, tokens, None, notes=(*notes, _unpriced(model)))
    least = rates.usual.pico_usd(round(asked[0]), round(answered[0])) / PICO
    most = rates.highest.pico_usd(round(asked[1]), round(answered[1])) / PICO
    return UnitCost(number, tokens, (number[0] * least, number[1] * most), notes=notes)


def measure(
    program: Any,
    guide: Any,
    examples: Iterable[tuple[Any, Any]],
    *,
    evaluator: Evaluator | None = None,
    trials: int = 3,
    judging: Judging = "feedback",
    prices: Mapping[str, PriceLike] | None = None,
) -> UnitCost:
    """What an evaluation takes, measured on some examples.

    The results go into the cache of the evaluator, so that the run does not pay for them again. Examples whose result
    is known there tell nothing, and the next ones are taken. It is run in threads of this process, whatever the
    evaluator uses, since model calls of other processes are not counted.

    Args:
        program: to be run.
        guide: judges; what it asks of models counts too.
        examples: pairs (input, info); no more of them are taken than needed.
        evaluator: whose cache, time limit and retries hold.
        trials: on how many it is measured, at most.
        judging: what to ask the guide for, as for `Evaluator.evaluations`; results are known again for the same only.
        prices: dollars a million tokens by name of model, as for `Budget`.

    Raises:
        ValueError: `trials` is < 1.
        Exception: as for `Evaluator.evaluations`; a wrong key is told of here, before the run.
    """
    if isinstance(trials, bool) or not isinstance(trials, int) or trials < 1:
        raise ValueError(f"trials must be an integer >= 1, got {trials!r}.")
    taken: list[tuple[Totals, float]] = []
    seen = failed = 0
    with _beside(evaluator) as own:
        for x, info in examples:
            seen += 1
            began = time.perf_counter()
            with usage() as totals:
                [found] = own.evaluations([Request(program, x, info)], guide, judging=judging)
            if found.cached:
                continue
            taken.append((totals, time.perf_counter() - began))
            failed += found.failure is not None
            if len(taken) == trials:
                break
    if not taken:
        known = "every result is known already" if seen else "there is no example"
        return UnitCost((0, 0), None, None, notes=(f"no evaluation was measured: {known}.",))
    return _measured(taken, failed, _known(prices))


def as_range(name: str, value: Any) -> Range:
    """A number, or a pair of the least and the most, as a pair.

    Raises:
        ValueError: it is none, is negative, or the least is more than the most.
    """
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    good = len(pair) == 2 and all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in pair)
    if not good or not 0 <= pair[0] <= pair[1] < float("inf"):
        raise ValueError(f"{name} must be a number >= 0 or a pair (least, most) of such, got {value!r}.")
    return (pair[0], pair[1])


def _beside(evaluator: Evaluator | None) -> Evaluator:
    """An evaluator that runs here, one after the other, with what another one knows."""
    if evaluator is None:
        return Evaluator(workers=1)
    given = evaluator.settings
    return Evaluator(
        workers=1, timeout=given.timeout, retries=given.retries, cache=given.cache, identity=given.identity
    )


def _measured(taken: list[tuple[Totals, float]], failed: int, prices: Mapping[str, Price]) -> UnitCost:
    notes = []
    if failed:
        notes.append(f"the program failed on {failed} of the {len(taken)} examples.")
    replayed = sum(totals.replayed for totals, _ in taken)
    if replayed:
        notes.append(f"{replayed} answers came from a cache or a recording; others may have to be paid for.")
    counted = [(name, each) for totals, _ in taken for name, each in totals.models.items()]
    silent = {name: None for name, each in counted if each.calls > each.failed and not each.prompt_tokens}
    notes += [f"{name!r} does not say how many tokens it took." for name in silent]
    unpriced = {name: None for name, each in counted if each.unpriced and name not in prices and name not in silent}
    dollars = [sum(_usd(name, each, prices) for name, each in totals.models.items()) for totals, _ in taken]
    notes += [_unpriced(name) for name in unpriced]
    return UnitCost(
        _ends(totals.calls for totals, _ in taken),
        None if silent else _ends(totals.prompt_tokens + totals.completion_tokens for totals, _ in taken),
        None if silent or unpriced else _ends(dollars),
        _ends(seconds for _, seconds in taken),
        len(taken),
        tuple(notes),
    )


def _usd(model: str, totals: ModelTotals, prices: Mapping[str, Price]) -> float:
    """What the calls of a model took, by the prices that are given, else by LiteLLM's."""
    price = prices.get(model)
    if price is None:
        return totals.usd
    tokens = price.pico_usd(totals.prompt_tokens, totals.completion_tokens) / PICO
    return tokens + (totals.calls - 1) * price.request


def _ends(values: Iterable[float]) -> Range:
    found = list(values)
    return (min(found), max(found))


def _known(prices: Mapping[str, PriceLike] | None) -> dict[str, Price]:
    return {name: Price.of(price) for name, price in (prices or {}).items()}


def _unpriced(model: str) -> str:
    return (
        f"the price of {model!r} is not known: give prices={{{model!r}: (input, output)}} in dollars a million tokens."
    )
