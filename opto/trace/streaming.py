"""Calls of bundled generator functions: inputs are taken at the call, the body runs as the items are asked for.

Each item is a node with the call's inputs as parents. Between two items the body rests, and what surrounds it is not in
force. What is sent or thrown into the iterator reaches the body; closing the iterator closes the body.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any
from weakref import ref

from opto.trace import anomaly
from opto.trace.nodes import MessageNode
from opto.trace.running import Call

__all__ = ["run_async_generator", "run_generator"]


def run_generator(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Generator[MessageNode[Any], Any, MessageNode[Any] | None]:
    """Call a generator function. What the body returns, if anything, is a node too."""
    return _items(Call(module, args, kwargs))


def _items(call: Call) -> Generator[MessageNode[Any], Any, MessageNode[Any] | None]:
    iterator: Any = None
    sent: Any = None
    thrown: BaseException | None = None
    try:
        while True:
            try:
                with call, anomaly.compared(call):
                    if iterator is None:
                        iterator = iter(call.function(*call.args, **call.kwargs))
                    item = _next(iterator, sent, thrown)
            except StopIteration as end:
                return None if end.value is None else call.result(end.value)
            except (Exception, SystemExit) as error:
                if error is thrown or call.passes_on(error):
                    raise
                raise call.failure(error) from error
            made = call.result(item)
            _forget(call)
            sent, thrown = None, None
            try:
                sent = yield made
            except GeneratorExit:
                raise
            except BaseException as error:
                thrown = error
    finally:
        if hasattr(iterator, "close"):
            with call:
                iterator.close()


def _next(iterator: Any, sent: Any, thrown: BaseException | None) -> Any:
    if thrown is not None:
        return _method(iterator, "throw", thrown)(thrown)
    return next(iterator) if sent is None else iterator.send(sent)


def run_async_generator(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> AsyncGenerator[MessageNode[Any], Any]:
    """Call an async generator function."""
    return _async_items(Call(module, args, kwargs))


async def _async_items(call: Call) -> AsyncGenerator[MessageNode[Any], Any]:
    iterator: Any = None
    sent: Any = None
    thrown: BaseException | None = None
    try:
        while True:
            try:
                with call, anomaly.compared(call):
                    if iterator is None:
                        iterator = _aiter(call.function(*call.args, **call.kwargs))
                    item = await _anext(iterator, sent, thrown)
            except StopAsyncIteration:
                return
            except (Exception, SystemExit) as error:
                if error is thrown or call.passes_on(error):
                    raise
                raise call.failure(error) from error
            made = call.result(item)
            _forget(call)
            sent, thrown = None, None
            try:
                sent = yield made
            except GeneratorExit:
                raise
            except BaseException as error:
                thrown = error
    finally:
        if hasattr(iterator, "aclose"):
            with call:
                await iterator.aclose()


def _aiter(iterable: Any) -> Any:
    if not hasattr(iterable, "__aiter__"):
        raise TypeError(f"the code must define an async generator function, but its call gave {iterable!r}")
    return iterable.__aiter__()


def _anext(iterator: Any, sent: Any, thrown: BaseException | None) -> Any:
    if thrown is not None:
        return _method(iterator, "athrow", thrown)(thrown)
    return iterator.__anext__() if sent is None else iterator.asend(sent)


def _method(iterator: Any, name: str, thrown: BaseException) -> Callable[[BaseException], Any]:
    if not hasattr(iterator, name):
        raise thrown
    return getattr(iterator, name)  # type: ignore[no-any-return]


def _forget(call: Call) -> None:
    """Let go of the nodes made in the body that it does not hold any more: a body may yield for ever."""
    if call.used:
        call.used.difference_update(call.created)
    references = [ref(each) for each in call.created]
    call.created.clear()
    call.created.extend(each for reference in references if (each := reference()) is not None)
