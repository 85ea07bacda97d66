"""What stands between an optimizer's logic and a model: who sends its requests, in threads or in asyncio.

The logic of an optimizer is a generator, a *proposal*: it yields a list of requests, receives the list of replies, and
returns the new values. It never calls a model, so the same logic runs under both drivers below, and one that needs no
model yields nothing. Requests of one list go out at once; they are numbered in the order of the list, not of arrival,
so that a recording of the run can be replayed exactly.

A function of the user's that may take long, such as a score, is called by the drivers too (`called`): on this thread,
or beside the event loop. Only one runs at a time, for it may set parameters while it runs.
"""

from __future__ import annotations

import inspect
import itertools
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from opto.errors import ModelResponseError, ReplayDifferenceError
from opto.llm.exchanges import error_data, inside, recorded, told_request, usd_of, watched
from opto.runs import Deferred, heard, tell

if TYPE_CHECKING:
    import asyncio

    from opto.llm import Model, Response
    from opto.runs.answers import Keep

__all__ = ["Call", "Proposal", "Reply", "Request", "arun", "called", "describe", "finished", "run", "together"]

T = TypeVar("T")
_MOST_THREADS = 32


@dataclass(frozen=True)
class Request:
    """One question to a model.

    Attributes:
        messages: the conversation, as mappings with `role` and `content`.
        options: what goes with it: `max_tokens`, `temperature`, `response_format`...
        model: the model to ask instead of the optimizer's own; anything that `opto.llm.as_model` takes.
        purpose: a word for the record: "propose", "repair"...
    """

    messages: list[dict[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict)
    model: Any = None
    purpose: str = "propose"


@dataclass(frozen=True, kw_only=True)
class Call(Request):
    """A call of a function in place of a question to a model; it has no messages, and is not recorded.

    Attributes:
        function: the function, also a coroutine function.
        arguments: what it is given.
    """

    messages: list[dict[str, Any]] = field(default_factory=list)
    purpose: str = "call"
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Reply:
    """What came back for one request: a response, or the error that was raised instead.

    Attributes:
        request: the request.
        response: the answer of the model.
        error: what the model, or the function of a `Call`, raised.
        seconds: how long it took.
        value: what the function of a `Call` returned.
    """

    request: Request
    response: Response | None = None
    error: Exception | None = None
    seconds: float = 0.0
    value: Any = None

    @property
    def text(self) -> str:
        """The text of the answer.

        Raises:
            Exception: the model's own error, when there is no answer.
            ModelResponseError: when the answer holds no text.
        """
        if self.error is not None:
            raise self.error
        content = self.response.choices[0].message.content if self.response else None
        if content is None:
            raise ModelResponseError(f"the model answered without any text: {self.response!r}")
        return content

    @property
    def was_cut(self) -> bool:
        """Whether the answer ended because it reached `max_tokens`."""
        return self.response is not None and self.response.choices[0].finish_reason == "length"


Proposal: TypeAlias = Generator[list[Request], list[Reply], T]


def describe(error: BaseException) -> str:
    """The error in one line, for the record."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def run(proposal: Proposal[T], model: Callable[[], Model], about: Mapping[str, Any]) -> T:
    """Drive a proposal to its end on this thread; the requests of one list go out together, in threads.

    Args:
        proposal: the generator.
        model: gives the model to ask; called only when there is a request that names none.
        about: what every event says of itself, such as the optimizer and the step.

    Returns:
        What the proposal returns.
    """
    number = itertools.count(1)
    try:
        requests = next(proposal)
        while True:
            calls = [_prepare(request, model, about, number) for request in requests]
            replies = [calls[0]()] if len(calls) == 1 else _in_threads(calls)
            requests = proposal.send(_told(calls, replies, about))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        proposal.close()


def called(function: Callable[..., Any], *arguments: Any, purpose: str = "call") -> Proposal[Any]:
    """What a function returns: it is called by the driver, which awaits coroutine functions and does not block a loop.

    Raises:
        Exception: what the function raised.
    """
    [reply] = yield [Call(function=function, arguments=arguments, purpose=purpose)]
    if reply.error is not None:
        raise reply.error
    return reply.value


def together(proposals: Iterable[Proposal[T]]) -> Proposal[list[T]]:
    """Several proposals as one: what they ask at the same time goes out in one list.

    Returns:
        What each returned, in their order. When one raises, the others are closed and the error is raised.
    """
    running = list(proposals)
    results: dict[int, T] = {}
    waiting: dict[int, list[Request]] = {}
    try:
        for place, proposal in enumerate(running):
            _advance(place, lambda proposal=proposal: next(proposal), waiting, results)  # type: ignore[misc]
        while waiting:
            asked, waiting = waiting, {}
            replies = yield [request for requests in asked.values() for request in requests]
            start = 0
            for place, requests in asked.items():
                own = replies[start : start + len(requests)]
                start += len(requests)
                send = running[place].send
                _advance(place, lambda send=send, own=own: send(own), waiting, results)  # type: ignore[misc]
        return [results[place] for place in range(len(running))]
    finally:
        for proposal in running:
            proposal.close()


def _advance(
    place: int, go: Callable[[], list[Request]], waiting: dict[int, list[Request]], results: dict[int, T]
) -> None:
    """Let one proposal run on to its next requests, or to its end."""
    try:
        waiting[place] = go()
    except StopIteration as stop:
        results[place] = stop.value


async def arun(proposal: Proposal[T], model: Callable[[], Model], about: Mapping[str, Any]) -> T:
    """`run` on the event loop: the requests of one list are awaited together."""
    import asyncio

    number = itertools.count(1)
    try:
        requests = next(proposal)
        while True:
            calls = [_prepare(request, model, about, number) for request in requests]
            one_at_a_time = asyncio.Lock()
            replies = await asyncio.gather(*(call.awaited(one_at_a_time) for call in calls))
            requests = proposal.send(_told(calls, replies, about))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        proposal.close()


@dataclass(frozen=True)
class _Call:
    """A request with its model and its reserved place among equal requests.

    Attributes:
        number: which request of the step it is, from 1.
        told: whether listeners hear of it; they do not of one inside another, which a replaced `call_llm` sends.
        recorded: the answer from a record, where a run is replayed.
        keep: takes the answer of the model, where somebody does.
    """

    request: Request
    model: Model
    options: dict[str, Any]
    number: int
    told: bool
    recorded: Response | Exception | None
    keep: Keep | None = None

    def __call__(self) -> Reply:
        if self.recorded is not None:
            return self._replayed(self.recorded)
        start = time.perf_counter()
        try:
            with inside():
                response = self.model(messages=self.request.messages, **self.options)
        except Exception as error:  # handed to the proposal, which decides what a failed request means
            return Reply(self.request, error=error, seconds=time.perf_counter() - start)
        return self._kept(Reply(self.request, response, seconds=time.perf_counter() - start))

    async def awaited(self, _: asyncio.Lock) -> Reply:
        if self.recorded is not None:
            return self._replayed(self.recorded)
        start = time.perf_counter()
        try:
            with inside():
                response = await self.model.acall(messages=self.request.messages, **self.options)
        except Exception as error:  # as above; a cancellation is no Exception and passes
            return Reply(self.request, error=error, seconds=time.perf_counter() - start)
        return self._kept(Reply(self.request, response, seconds=time.perf_counter() - start))

    def _kept(self, reply: Reply) -> Reply:
        if self.keep is not None and reply.response is not None:
            self.keep(reply.response.to_dict())
        return reply

    def _replayed(self, outcome: Response | Exception) -> Reply:
        if isinstance(outcome, Exception):
            return Reply(self.request, error=outcome)
        return Reply(self.request, outcome)


@dataclass(frozen=True)
class _FunctionCall:
    """A `Call` to be made."""

    request: Call

    def __call__(self) -> Reply:
        return self._reply(finished)

    def _reply(self, ready: Callable[[Any], Any] = lambda value: value) -> Reply:
        start = time.perf_counter()
        try:
            value = ready(self.request.function(*self.request.arguments))
        except Exception as error:  # handed to the proposal, which decides what it means
            return Reply(self.request, error=error, seconds=time.perf_counter() - start)
        return Reply(self.request, value=value, seconds=time.perf_counter() - start)

    async def awaited(self, one_at_a_time: asyncio.Lock) -> Reply:
        import asyncio

        async with one_at_a_time:
            is_coroutine = inspect.iscoroutinefunction(self.request.function)
            reply = self._reply() if is_coroutine else await asyncio.to_thread(self._reply)
            if not inspect.isawaitable(reply.value):
                return reply
            start = time.perf_counter()
            try:
                value = await reply.value
            except Exception as error:
                return Reply(self.request, error=error, seconds=time.perf_counter() - start)
            return Reply(self.request, value=value, seconds=time.perf_counter() - start)


def finished(value: Any) -> Any:
    """The value itself, or what comes of it where it is an awaitable, on a loop in a thread of its own.

    Raises:
        TypeError: an event loop runs on this thread, which may not be blocked.
    """
    if not inspect.isawaitable(value):
        return value
    import asyncio

    async def awaited() -> Any:
        return await value

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        import contextvars
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1, thread_name_prefix="opto-call") as pool:  # this thread may have a loop set
            return pool.submit(contextvars.copy_context().run, asyncio.run, awaited()).result()
    if inspect.iscoroutine(value):
        value.close()
    raise TypeError("a coroutine function cannot be waited for on the event loop: use `await optimizer.astep()`.")


def _prepare(
    request: Request, model: Callable[[], Model], about: Mapping[str, Any], numbers: Iterator[int]
) -> _Call | _FunctionCall:
    if isinstance(request, Call):
        return _FunctionCall(request)
    from opto.llm import as_model

    number = next(numbers)
    chosen = model() if request.model is None else as_model(request.model)
    options = dict(request.options)
    options.update(chosen.reserve(request.messages, **options))
    if not watched():
        return _Call(request, chosen, options, number, told=False, recorded=None)
    asked = told_request(chosen.name, request.messages, options)
    tell("request", Deferred(lambda: {**about, "number": number, "purpose": request.purpose, **asked}))
    answer: Response | Keep | Exception | None
    try:
        answer = recorded(asked)  # here, in the order of the list, and not in the threads
    except ReplayDifferenceError:
        raise
    except Exception as error:
        answer = error
    if callable(answer):
        return _Call(request, chosen, options, number, told=True, recorded=None, keep=answer)
    return _Call(request, chosen, options, number, told=True, recorded=answer)


def _in_threads(calls: Sequence[_Call | _FunctionCall]) -> list[Reply]:
    """All replies: models are asked in threads, functions are called on this one meanwhile."""
    if not calls:
        return []
    import contextvars
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(min(len(calls), _MOST_THREADS), thread_name_prefix="opto-request")
    try:
        futures = {
            place: pool.submit(contextvars.copy_context().run, call)
            for place, call in enumerate(calls)
            if isinstance(call, _Call)
        }
        made = {place: call() for place, call in enumerate(calls) if isinstance(call, _FunctionCall)}
        return [made[place] if place in made else futures[place].result() for place in range(len(calls))]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # an interrupted step must not wait for answers nobody reads


def _told(calls: Sequence[_Call | _FunctionCall], replies: list[Reply], about: Mapping[str, Any]) -> list[Reply]:
    for call, reply in zip(calls, replies, strict=True):
        if isinstance(call, _FunctionCall) or not call.told or not heard():
            continue
        told = {**about, "number": call.number, "purpose": reply.request.purpose, "seconds": reply.seconds}
        tell("response", Deferred(partial(_outcome, told, call, reply)))
    return replies


def _outcome(told: dict[str, Any], call: _Call, reply: Reply) -> dict[str, Any]:
    if reply.response is not None:
        usd = usd_of(call.model.name, reply.response, call.options)
        return {**told, "usd": usd, "response": reply.response.to_dict()}
    error = reply.error or ModelResponseError("no answer")
    return {**told, "error": describe(error), "raised": error_data(error)}
