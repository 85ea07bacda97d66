"""Who waits for workers and calls functions of the program: a driver for threads, and one for event loops."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Generator
from typing import Any

from opto.sandbox.process import Wait

__all__ = ["HostCall", "Steps", "adrive", "drive"]


class HostCall:
    """A call of a function of the program, asked for by the code."""

    def __init__(self, function: Callable[..., Any], name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        self.function, self.name, self.args, self.kwargs = function, name, args, kwargs


Steps = Generator[Wait | list[HostCall], Any, Any]
"""The course of a call: yields a `Wait`, or calls, of which it gets a list: whether each went well, and its outcome."""


def drive(steps: Steps) -> Any:
    """Go through the steps in this thread, which waits where they do."""

    def answered(request: Wait | list[HostCall]) -> Any:
        if isinstance(request, Wait):
            return request.worker.poll(request)
        return [_called(each) for each in request]

    answer, error = None, None
    while True:
        try:
            request = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration as stop:
            return stop.value
        answer, error = None, None
        try:
            answer = answered(request)
        except BaseException as raised:
            error = raised


async def adrive(steps: Steps) -> Any:
    """Go through the steps in this task; functions that the code calls together run side by side."""

    async def answered(request: Wait | list[HostCall]) -> Any:
        if isinstance(request, Wait):
            return await _ready(request)
        if len(request) == 1:
            return [await _acalled(request[0])]
        return await asyncio.gather(*[_acalled(each) for each in request])

    answer, error = None, None
    while True:
        try:
            request = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration as stop:
            return stop.value
        answer, error = None, None
        try:
            answer = await answered(request)
        except BaseException as raised:
            error = raised


def _called(call: HostCall) -> tuple[bool, Any]:
    """Whether it went well, and what it returned or raised."""
    try:
        value = call.function(*call.args, **call.kwargs)
    except Exception as error:
        return False, error
    if inspect.iscoroutine(value):
        value.close()
        return False, TypeError(f"{call.name} is a coroutine function: the code that calls it must be an async def.")
    return True, value


async def _acalled(call: HostCall) -> tuple[bool, Any]:
    try:
        value = call.function(*call.args, **call.kwargs)
        return True, await value if inspect.isawaitable(value) else value
    except Exception as error:
        return False, error


async def _ready(wait: Wait) -> None:
    """Wait for a worker without holding up the event loop."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[bool] = loop.create_future()
    listening = list(wait.worker.listening)

    def wake(in_time: bool) -> None:
        if not ready.done():
            ready.set_result(in_time)

    for descriptor in listening:
        loop.add_reader(descriptor, wake, True)
    if wait.writing:
        loop.add_writer(wait.worker.to_worker, wake, True)
    timer = loop.call_later(wait.seconds, wake, False)
    try:
        in_time = await ready
    finally:
        timer.cancel()
        for descriptor in listening:
            loop.remove_reader(descriptor)
        if wait.writing:
            loop.remove_writer(wait.worker.to_worker)
    if not in_time:
        wait.worker.check()
