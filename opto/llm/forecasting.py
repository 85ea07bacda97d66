"""What a run may cost, said before it begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opto.llm.from_callable import as_model
from opto.llm.model import Model
from opto.llm.prices import PICO, Price, PriceLike
from opto.llm.worst_case import WorstCase

__all__ = ["Forecast", "forecast"]


@dataclass(frozen=True)
class Forecast:
    """What requests may take at most.

    Attributes:
        calls: how many requests are sent.
        prompt_tokens: at most, in all of them.
        completion_tokens: at most; None where a request says no `max_tokens`.
        usd: at most; None where that or a price is missing.
        missing: what to set so that all is known, one sentence for each kind of request.
        models: calls by name of model.
    """

    calls: int
    prompt_tokens: int
    completion_tokens: int | None
    usd: float | None
    missing: tuple[str, ...] = ()
    models: Mapping[str, int] = field(default_factory=dict)

    @property
    def tokens(self) -> int | None:
        """The most tokens in all, None where they are not limited."""
        return None if self.completion_tokens is None else self.prompt_tokens + self.completion_tokens

    def __str__(self) -> str:
        names = ", ".join(f"{count} of {name}" for name, count in sorted(self.models.items()))
        answers = "any number of" if self.completion_tokens is None else f"{self.completion_tokens:,}"
        money = "an unknown sum" if self.usd is None else f"${self.usd:.4f}"
        calls = f"{self.calls} call{'' if self.calls == 1 else 's'}"
        lines = [f"at most {money}: {calls} ({names}), {self.prompt_tokens:,} + {answers} tokens"]
        return "\n".join([*lines, *(f"unknown: {each}" for each in self.missing)])


def forecast(
    what: Any,
    *,
    model: Any = None,
    steps: int = 1,
    attempts: int = 1,
    prices: Mapping[str, PriceLike] | None = None,
    **options: Any,
) -> Forecast:
    """What a run may cost at most, without sending anything.

        forecast(optimizer, steps=20)            # after a `backward`: 20 times the requests of its next step
        forecast([messages, ...], model="gpt-4o", max_tokens=500)

    For an optimizer the requests of the step that it would take now stand for every step. A prompt may grow from step
    to step (a memory, a longer value), and an optimizer that asks again because of what was answered shows its first
    requests only: `attempts` allows for that. Set a `Budget` where a limit must hold.

    Args:
        what: an optimizer whose parameters have feedback; or requests: conversations, pairs (conversation, options), or
            objects with `messages` and `options`, which may name a `model` of their own.
        model: a model or the name of one; by default the optimizer's. Its options count.
        steps: how often all this is done.
        attempts: how often each request is sent at most, with retries and repairs.
        prices: dollars a million tokens by name of model, as for `Budget`.
        **options: of every request, such as `max_tokens`; a request's own take their place.

    Raises:
        TypeError: `what` is neither.
        ValueError: `steps` or `attempts` is < 1; there is no request, or no model.
    """
    for name, value in (("steps", steps), ("attempts", attempts)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
    if hasattr(what, "_propose"):
        model = what.llm if model is None else model
        requests = _next_requests(what)
    else:
        requests = list(_as_requests(what))
    if not requests:
        raise ValueError("there is no request to forecast: give at least one, or an optimizer whose step needs a model")
    known = {name: Price.of(price) for name, price in (prices or {}).items()}
    cases = [_worst_case(request, model, options) for request in requests]
    return _summed(cases, steps * attempts, known)


def _summed(cases: list[WorstCase], times: int, prices: Mapping[str, Price]) -> Forecast:
    money = [case.pico_usd(prices) for case in cases]
    answers = [case.completion_tokens for case in cases]
    models: dict[str, int] = {}
    for case in cases:
        models[case.model] = models.get(case.model, 0) + times
    reasons = (case.obstacle(prices, money=True) for case in cases)
    return Forecast(
        calls=len(cases) * times,
        prompt_tokens=times * sum(case.prompt_tokens for case in cases),
        completion_tokens=None if None in answers else times * sum(answer or 0 for answer in answers),
        usd=None if None in money else times * sum(each or 0 for each in money) / PICO,
        missing=tuple(dict.fromkeys(reason for reason in reasons if reason)),
        models=models,
    )


def _worst_case(request: tuple[Any, Mapping[str, Any], Any], model: Any, options: Mapping[str, Any]) -> WorstCase:
    messages, own, named = request
    asked = model if named is None else named
    given = {**options, **own}
    if asked is None:
        from opto.llm.environment import LLM

        asked = LLM()
    if isinstance(asked, str):
        return WorstCase(asked, messages, given)
    inner: Model = as_model(asked)
    return WorstCase(inner.name, messages, inner.effective_options(given))


def _next_requests(optimizer: Any) -> list[tuple[Any, Mapping[str, Any], Any]]:
    """The requests that the next step of an optimizer begins with; the step is given up then."""
    proposal = optimizer._propose()
    try:
        requests = next(proposal)
    except StopIteration:
        return []
    finally:
        proposal.close()
    return [(request.messages, request.options, request.model) for request in requests]


def _as_requests(requests: Any) -> Iterable[tuple[Any, Mapping[str, Any], Any]]:
    if isinstance(requests, (str, bytes, Mapping)) or not isinstance(requests, Iterable):
        raise TypeError(f"what must be an optimizer or a list of requests, got {type(requests).__name__}")
    for position, request in enumerate(requests):
        if hasattr(request, "messages"):
            yield request.messages, getattr(request, "options", {}), getattr(request, "model", None)
        elif isinstance(request, tuple) and len(request) == 2 and isinstance(request[1], Mapping):
            messages, options = request
            if isinstance(messages, Mapping):
                yield list(request), {}, None  # a conversation of two messages
            else:
                yield messages, options, None
        elif isinstance(request, (list, tuple)) and all(isinstance(message, Mapping) for message in request):
            yield request, {}, None
        else:
            raise TypeError(
                f"requests[{position}] must be a conversation (a list of messages) or a pair (conversation, options), "
                f"got {str(request)[:80]!r}: one conversation alone is forecast([messages])"
            )
