"""Exchanges with models as listeners hear of them, and as a replay answers them: plain data on both sides.

An optimizer's driver tells of its own requests, which belong to a step. What a program asks a model by itself is told
here, as one event "call" for each outermost call: a wrapper that asks the model inside it is not told of twice.
"""

from __future__ import annotations

import builtins
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from opto import errors
from opto.llm.request import request_data
from opto.llm.response import Response
from opto.runs.answers import Keep, answers
from opto.runs.events import FIXED, Deferred, emit, heard

if TYPE_CHECKING:
    from opto.llm.model import Messages

__all__ = [
    "aexchanged",
    "error_data",
    "error_from",
    "exchanged",
    "inside",
    "plain_request",
    "recorded",
    "told_request",
    "usd_of",
    "watched",
]

_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+\b")

_inside: ContextVar[bool] = ContextVar("opto_inside_exchange", default=False)


def watched() -> bool:
    """Whether a call that begins here is to be told of, or answered from a record."""
    return (heard() or answers() is not None) and not _inside.get()


class inside:  # noqa: N801 - used as a statement
    """Calls in this block are part of an exchange that is told of already."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token = _inside.set(True)

    def __exit__(self, *error: object) -> None:
        _inside.reset(self._token)


def exchanged(name: str, messages: Messages, options: Mapping[str, Any], ask: Callable[[], Response]) -> Response:
    """Do a watched call: ask the model, or read its answer from a record, and tell of it.

    Args:
        name: of the model.
        messages: the conversation.
        options: go with it.
        ask: asks the model.
    """
    request = plain_request(name, messages, options)
    start = time.perf_counter()
    try:
        found = recorded(request)
        if isinstance(found, Response):
            response = found
        else:
            with inside():
                response = ask()
            if found is not None:
                found(response.to_dict())
    except errors.ReplayDifferenceError:
        raise
    except Exception as error:
        _tell(request, start, raised=error)
        raise
    _tell(request, start, response=response)
    return response


async def aexchanged(
    name: str, messages: Messages, options: Mapping[str, Any], ask: Callable[[], Awaitable[Response]]
) -> Response:
    """`exchanged` without blocking the event loop."""
    request = plain_request(name, messages, options)
    start = time.perf_counter()
    try:
        found = recorded(request)
        if isinstance(found, Response):
            response = found
        else:
            with inside():
                response = await ask()
            if found is not None:
                found(response.to_dict())
    except errors.ReplayDifferenceError:
        raise
    except Exception as error:
        _tell(request, start, raised=error)
        raise
    _tell(request, start, response=response)
    return response


def recorded(request: Mapping[str, Any]) -> Response | Keep | None:
    """The answer that a record holds to this request.

    Returns:
        The answer; or, where the model is to be asked, what takes its response as a dict, or None if nobody does.

    Raises:
        Exception: what the model raised when the record was made, as an exception of the same name and family.
        ReplayDifferenceError: the record holds no such request.
    """
    source = answers()
    if source is None:
        return None
    answer = source.answer(request)
    if callable(answer):
        return answer
    if "raised" in answer:
        raise error_from(answer["raised"])
    return Response.of(answer["response"])


def plain_request(name: str, messages: Messages, options: Mapping[str, Any]) -> dict[str, Any]:
    """A request as plain data, without keys and options of transport."""
    try:
        return {"model": name, **request_data(messages, options)}
    except (TypeError, ValueError):  # what JSON cannot say: its text must do, since telling must not fail the call
        told = [{"role": "user", "content": _text(messages)}]
        return {"model": name, **request_data(told, {key: _text(value) for key, value in options.items()})}


def told_request(name: str, messages: Messages, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """`plain_request`, put together when somebody reads it, if nothing of it can change until then."""
    copies = list(map(dict, messages)) if all(type(each) is dict for each in messages) else None
    if copies is None:
        return plain_request(name, messages, options)
    fixed = all(FIXED.issuperset(map(type, each.values())) for each in copies)
    for value in options.values():  # a dict among them, such as a `response_format`, is made anew for each request
        fixed = fixed and (
            type(value) in FIXED or (type(value) is dict and FIXED.issuperset(map(type, value.values())))
        )
    return Deferred(partial(plain_request, name, copies, dict(options)), fixed)


def usd_of(name: str, response: Response, options: Mapping[str, Any]) -> float | None:
    """What an answer cost; None where the tokens or the price are not known, or nothing was asked."""
    usage = response.usage
    if usage is None or not usage.total_tokens or response.replayed:
        return None
    from opto.llm.prices import cost

    return cost(name, usage.prompt_tokens, usage.completion_tokens, options)


def error_data(error: BaseException) -> dict[str, Any]:
    """An error as plain data, from which `error_from` makes one like it."""
    data: dict[str, Any] = {
        "type": type(error).__name__,
        "family": [kind.__name__ for kind in type(error).__mro__ if _known(kind.__name__) is kind],
        "message": str(error),
    }
    if isinstance(error, errors.ModelError):
        data.update(transient=error.transient, status=error.status, retry_after=error.retry_after)
    return data


def error_from(data: Mapping[str, Any]) -> Exception:
    """An error of the recorded name and message, which is caught by the builtin classes and those of opto it was of."""
    family = (kind for kind in map(_known, data["family"]) if kind is not None)
    base = next(family, errors.ModelError)
    message = data["message"]
    as_recorded = {
        "__module__": base.__module__,
        "__init__": lambda error, *args: None,  # some take more than a message
        "__str__": lambda error: message,
    }
    error: Exception = type(data["type"], (base,), as_recorded)(message)
    if isinstance(error, errors.ModelError):
        error.transient = data.get("transient", False)
        error.status, error.retry_after = data.get("status"), data.get("retry_after")
    return error


def _known(name: str) -> type[Exception] | None:
    """The class of this name in `opto.errors` or among the builtins."""
    found = getattr(errors, name, None) or getattr(builtins, name, None)
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _text(value: Any) -> Any:
    plain = value is None or isinstance(value, (str, bool, int, float))
    return value if plain else _ADDRESS.sub("", repr(value))


def _tell(request: Mapping[str, Any], start: float, **outcome: Any) -> None:
    if not heard():
        return
    seconds = time.perf_counter() - start
    if "raised" in outcome:
        emit("call", **request, seconds=seconds, raised=error_data(outcome["raised"]))
    else:
        response = outcome["response"]
        usd = usd_of(request["model"], response, request["options"])
        emit("call", **request, seconds=seconds, usd=usd, response=response.to_dict())
