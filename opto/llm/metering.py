"""The one place through which every call of a back-end goes: budgets pay for it, and totals count it.

Only back-ends are metered. A model that asks another one (`Model.asks_another`) passes through. A back-end that turns
out to ask another model, such as a function around one, hands its place over, so that no request counts twice.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opto.llm.ambient import budgets, collectors, open_call
from opto.llm.prices import cost
from opto.llm.response import Response
from opto.llm.retry_rules import charge_of_failure
from opto.llm.totals import ModelTotals

if TYPE_CHECKING:
    from opto.llm.budget import Budget
    from opto.llm.model import Model
    from opto.llm.reservation import Reservation
    from opto.llm.totals import Totals

__all__ = ["ametered", "metered"]

_Options = Mapping[str, Any]


def metered(model: Model, messages: Any, options: _Options, complete: Callable[..., Any]) -> Response:
    """The response of `complete(**options)`, paid for by the budgets of this context and counted by its totals.

    Args:
        model: the model that is asked.
        messages: the conversation, to count it.
        options: of the request.
        complete: asks the model; called with the options, perhaps with a shorter `timeout`.

    Raises:
        BudgetExceededError: a budget has no room. Nothing was sent.
        ValueError: a budget cannot know what the request may take at most.
    """
    call = _call(model, messages, options)
    if call is None:
        return Response.of(complete(**options), model=model.name)
    if call.paying:
        call.reservation = call.paying[0].reserve(call.paying, *call.asked)
    with call.under_way():
        answer = complete(**call.options())
        return call.answered(answer, Response.of(answer, model=model.name))


async def ametered(model: Model, messages: Any, options: _Options, complete: Callable[..., Awaitable[Any]]) -> Response:
    """`metered` for a coroutine function."""
    call = _call(model, messages, options)
    if call is None:
        return Response.of(await complete(**options), model=model.name)
    if call.paying:
        call.reservation = await call.paying[0].areserve(call.paying, *call.asked)
    with call.under_way():
        answer = await complete(**call.options())
        return call.answered(answer, Response.of(answer, model=model.name))


def _call(model: Model, messages: Any, options: _Options) -> _Call | None:
    """The call to meter, None where nobody pays or counts."""
    paying, counting = budgets.get(), collectors.get()
    if model.asks_another or not (paying or counting):
        return None
    outer: _Call | None = open_call.get()
    if outer is not None:
        outer.hand_over()
    return _Call(model, messages, options, tuple(dict.fromkeys(paying)), tuple(dict.fromkeys(counting)))


class _Call:
    """One request to a back-end, from its reservation to its end."""

    def __init__(
        self, model: Model, messages: Any, options: _Options, paying: Sequence[Budget], counting: Sequence[Totals]
    ) -> None:
        self.model, self.paying, self.counting = model, paying, counting
        self._options = options
        self._sent = model.effective_options(options)
        conversation = messages if _is_conversation(messages) else [{"role": "user", "content": str(messages)}]
        self.asked = (model.name, conversation, self._sent)
        self.reservation: Reservation | None = None
        self._handed_over = False
        self._begin = 0.0

    def options(self) -> dict[str, Any]:
        """The options to send: where the budget limits the time, with no more than is left of it."""
        options = dict(self._options)
        left = None if self.reservation is None else self.reservation.seconds
        if left is not None and self.model.takes_timeout:
            given = self._sent.get("timeout")
            options["timeout"] = min(left, given) if isinstance(given, (int, float)) else left
        return options

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """While the back-end works. Whatever is raised ends the reservation."""
        token = open_call.set(self)
        self._begin = time.perf_counter()
        try:
            yield
        except BaseException as error:
            self._failed(error)
            raise
        finally:
            open_call.reset(token)

    def hand_over(self) -> None:
        """Leave the paying and counting to the call of another model that this one asks."""
        self._handed_over = True
        if self.reservation is not None:
            self.reservation.release(sent=False)

    def answered(self, answer: Any, response: Response) -> Response:
        """The response, after it is paid for and counted."""
        if self._handed_over:
            return response
        if response.replayed:
            self._count(ModelTotals(replayed=1))
            if self.reservation is not None:
                self.reservation.release(sent=False)
            return response
        usage = response.usage
        known = usage is not None and usage.total_tokens > 0
        if self.reservation is not None:
            if usage is None or not known:
                self.reservation.settle_at_worst()
            else:
                stated = _stated_cost(answer)
                self.reservation.settle(usage.prompt_tokens, usage.completion_tokens, stated_usd=stated)
        self._count(self._counts(response) if known else ModelTotals(calls=1, unpriced=1))
        return response

    def _failed(self, error: BaseException) -> None:
        if self._handed_over:
            return
        outcome = charge_of_failure(error)
        if self.reservation is not None:
            if outcome == "unknown":
                self.reservation.settle_at_worst()
            else:
                self.reservation.release(sent=outcome == "none")
        if outcome != "unsent":
            self._count(ModelTotals(calls=1, failed=1))

    def _counts(self, response: Response) -> ModelTotals:
        assert response.usage is not None
        prompt, completion = response.usage.prompt_tokens, response.usage.completion_tokens
        usd = cost(self.model.name, prompt, completion, self._sent) if self.counting else None
        return ModelTotals(
            calls=1, prompt_tokens=prompt, completion_tokens=completion, usd=usd or 0.0, unpriced=int(usd is None)
        )

    def _count(self, counts: ModelTotals) -> None:
        counts.seconds = 0.0 if counts.replayed else time.perf_counter() - self._begin
        for totals in self.counting:
            totals.count(self.model.name, counts)


def _is_conversation(messages: Any) -> bool:
    return (
        isinstance(messages, Sequence)
        and not isinstance(messages, (str, bytes))
        and all(isinstance(message, Mapping) for message in messages)
    )


def _stated_cost(answer: Any) -> float | None:
    """What the client says that the answer costs, as LiteLLM does where it knows the price."""
    hidden = getattr(answer, "_hidden_params", None)
    stated = hidden.get("response_cost") if isinstance(hidden, Mapping) else None
    return float(stated) if isinstance(stated, (int, float)) and stated > 0 else None
