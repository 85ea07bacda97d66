"""One call of a text in the Monty interpreter: each begins with a fresh session, so that none sees another.

The interpreter stops at each call of a host function; the function then runs here, in the caller's thread and context,
and the interpreter goes on with what it gave. Async functions are awaited in the caller's event loop.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opto.errors import CrossingError
from opto.sandbox.monty.failures import Limits, Told, failure, too_long, too_many_calls
from opto.sandbox.monty.values import WRITTEN, Incoming, Outgoing
from opto.sandbox.remote_errors import RemoteText

if TYPE_CHECKING:
    import asyncio

__all__ = ["Call", "run", "run_async"]

# More than calls of host functions and sleeps can take; the package's own limit is for names that are not bound.
_MOST_STOPS = 1_000_000
_SLEEP, _ASYNC_SLEEP = "system.sleep", "system.async_sleep"
# Exceptions that code inside can name; others arrive as the nearest of these.
_EXCEPTIONS = frozenset(
    {
        "Exception",
        "ArithmeticError",
        "OverflowError",
        "ZeroDivisionError",
        "LookupError",
        "IndexError",
        "KeyError",
        "RuntimeError",
        "NotImplementedError",
        "RecursionError",
        "AttributeError",
        "NameError",
        "UnboundLocalError",
        "ValueError",
        "ImportError",
        "ModuleNotFoundError",
        "OSError",
        "FileNotFoundError",
        "FileExistsError",
        "IsADirectoryError",
        "NotADirectoryError",
        "PermissionError",
        "AssertionError",
        "MemoryError",
        "SyntaxError",
        "TimeoutError",
        "TypeError",
    }
)


@dataclass
class Call:
    """What one call needs.

    Attributes:
        code: the whole Python that is fed to the interpreter.
        offset: how many of its lines stand before the text.
        text: the text.
        inputs: values to bind before.
        host: the host functions, by name.
        refused: names that have a value which may not go in, and why.
        classes: the dataclasses that may come out, by their bare names.
        limits: what it may take.
        on_output: called with what it printed, if it did.
    """

    code: str
    offset: int
    text: RemoteText
    inputs: dict[str, Any]
    host: Mapping[str, Callable[..., Any]]
    refused: Mapping[str, str]
    classes: dict[str, type]
    limits: Limits
    on_output: Callable[[str], Any] | None = None


class _Refused(BaseException):
    """The call ends, whatever the code inside would make of the error."""


class _UnboundNameError(NameError):
    """Code inside called a name that is not bound."""


def run(pool: Any, call: Call) -> Any:
    """Make a call, from code that is not async. Gives what the code answers, checked.

    Raises:
        CrossingError, LimitExceededError, SandboxError: it could not be done.
        Exception: what the code raised.
    """
    from pydantic_monty import FunctionSnapshot, FutureSnapshot, MontyComplete, NameLookupSnapshot

    driver = _Driver(call)
    failed: BaseException | None = None
    try:
        with pool.checkout(**driver.options()) as session:
            snapshot = session.feed_start(call.code, **driver.feed())
            while type(snapshot) is not MontyComplete:
                if type(snapshot) is FunctionSnapshot and driver.answers(snapshot):
                    snapshot = snapshot.resume(driver.answer_now(snapshot))
                elif type(snapshot) is NameLookupSnapshot:
                    driver.refuse(snapshot.variable_name)
                    snapshot = snapshot.resume()
                elif type(snapshot) is FutureSnapshot:
                    snapshot = snapshot.resume(driver.settled_now(snapshot))
                else:
                    snapshot = snapshot.resume_auto()
            output = snapshot.output
    except (Exception, _Refused) as error:
        failed = driver.failure(error)
    finally:
        driver.show()
    if failed is None:
        return driver.checked(output)
    try:
        raise failed  # here, where no exception is being handled that would become its context
    finally:
        del failed


async def run_async(pool: Any, call: Call) -> Any:
    """Make a call, from async code; see `run`."""
    from pydantic_monty import AsyncFunctionSnapshot, AsyncFutureSnapshot, AsyncNameLookupSnapshot, MontyComplete

    driver = _Driver(call)
    failed: BaseException | None = None
    try:
        async with pool.checkout(**driver.options()) as session:
            snapshot = await session.feed_start(call.code, **driver.feed())
            while type(snapshot) is not MontyComplete:
                if type(snapshot) is AsyncFunctionSnapshot and driver.answers(snapshot):
                    snapshot = await snapshot.resume(await driver.answer(snapshot))
                elif type(snapshot) is AsyncNameLookupSnapshot:
                    driver.refuse(snapshot.variable_name)
                    snapshot = await snapshot.resume()
                elif type(snapshot) is AsyncFutureSnapshot and driver.awaits(snapshot):
                    snapshot = await snapshot.resume(await driver.settled(snapshot))
                else:
                    snapshot = await snapshot.resume_auto()
            output = snapshot.output
    except (Exception, _Refused) as error:
        failed = driver.failure(error)
    finally:
        driver.close()
        driver.show()
    if failed is None:
        return driver.checked(output)
    try:
        raise failed  # here, where no exception is being handled that would become its context
    finally:
        del failed


class _Driver:
    """Answers the interpreter during one call."""

    def __init__(self, call: Call) -> None:
        self._call = call
        from pydantic_monty import CollectString

        self._printed = CollectString(call.limits.output)
        self._told = Told(call.text, call.offset, call.limits)
        self._tasks: dict[int, asyncio.Future[Any]] = {}
        self._done: dict[int, Any] = {}
        self._slept = 0.0
        self._calls = 0

    def options(self) -> dict[str, Any]:
        """How to check out a session."""
        limits = self._call.limits
        return {
            "limits": {
                "max_feed_duration_secs": limits.seconds,
                "max_total_sleep_secs": limits.seconds,
                "max_memory": limits.memory,
                "max_recursion_depth": limits.recursion,
                "max_suspensions": _MOST_STOPS,
            },
            "os_policy": {"sleep_system_max": float("inf")},
            "assert_message_annotations": False,
        }

    def feed(self) -> dict[str, Any]:
        """What goes in with the code, and where it prints to."""
        return {"inputs": self._call.inputs, "print_callback": self._printed}

    # ---- host functions

    def answers(self, snapshot: Any) -> bool:
        """Whether a call is answered here; other calls of the operating system have no answer."""
        return not snapshot.is_os_function or snapshot.function_name in (_SLEEP, _ASYNC_SLEEP)

    def answer_now(self, snapshot: Any) -> Any:
        """What a host function gives, called from code that is not async."""
        if snapshot.is_os_function:
            self._count_sleep(snapshot.args[0])
            time.sleep(snapshot.args[0])
            if snapshot.function_name == _SLEEP:
                return {"return_value": None}
            self._done[snapshot.call_id] = {"return_value": None}
            return {"future": ...}
        try:
            result = self._called(snapshot)
            if inspect.isawaitable(result):
                if inspect.iscoroutine(result):
                    result.close()
                raise CrossingError(
                    f"The host function {snapshot.function_name!r} is async, and the code that calls it is not. Define "
                    "the code with `async def`, or offer a function that is not async."
                )
            return self._returned(snapshot, result)
        except Exception as error:
            return self._raised(error)

    async def answer(self, snapshot: Any) -> Any:
        """What a host function gives; of an async one, a promise."""
        import asyncio

        if snapshot.is_os_function and snapshot.function_name == _SLEEP:
            return self.answer_now(snapshot)
        try:
            result = self._called(snapshot)
            if not inspect.isawaitable(result):
                return self._returned(snapshot, result)
        except Exception as error:
            return self._raised(error)
        if snapshot.allow_eager_await:  # nothing else can run inside meanwhile: await it here, in the caller's context
            self._done[snapshot.call_id] = await self._outcome(snapshot, result)
        else:
            self._tasks[snapshot.call_id] = asyncio.ensure_future(self._outcome(snapshot, result))
        return {"future": ...}

    def awaits(self, snapshot: Any) -> bool:
        """Whether the interpreter waits for something promised here."""
        return any(each in self._done or each in self._tasks for each in snapshot.pending_call_ids)

    async def settled(self, snapshot: Any) -> dict[int, Any]:
        """The outcomes of at least one of the calls that the interpreter waits for."""
        import asyncio

        pending = snapshot.pending_call_ids
        ready = {each: self._done.pop(each) for each in pending if each in self._done}
        if not ready:
            tasks = {self._tasks[each]: each for each in pending if each in self._tasks}
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                ready[tasks[task]] = task.result()
                del self._tasks[tasks[task]]
        return ready

    def settled_now(self, snapshot: Any) -> dict[int, Any]:
        """The outcomes of what the interpreter waits for, in code that is not async."""
        return {each: self._done.pop(each) for each in snapshot.pending_call_ids if each in self._done}

    def close(self) -> None:
        """Cancel what nobody waits for any more."""
        for task in self._tasks.values():
            task.cancel()

    async def _outcome(self, snapshot: Any, promised: Awaitable[Any]) -> Any:
        try:
            return self._returned(snapshot, await promised)
        except Exception as error:
            return self._raised(error)

    def _called(self, snapshot: Any) -> Any:
        name = snapshot.function_name
        self._calls += 1
        if self._calls > self._call.limits.host_calls:
            raise _Refused(too_many_calls(self._call.limits))
        if snapshot.is_os_function:
            import asyncio

            self._count_sleep(snapshot.args[0])
            return asyncio.sleep(snapshot.args[0])
        if name not in self._call.host:
            self.refuse(name)
            raise _UnboundNameError(f"name {name!r} is not defined")
        coming = Outgoing(self._call.classes)
        if len(snapshot.args) == 2 and snapshot.args[0] == WRITTEN:
            args, kwargs = coming.written(snapshot.args[1], f"the arguments of {name}")
            return self._call.host[name](*args, **kwargs)
        args = [coming.value(each, f"argument {n} of {name}") for n, each in enumerate(snapshot.args)]
        kwargs = {key: coming.value(each, f"argument {key!r} of {name}") for key, each in snapshot.kwargs.items()}
        return self._call.host[name](*args, **kwargs)

    def _returned(self, snapshot: Any, result: Any) -> Any:
        offered = getattr(
            type(result), "__sandbox_data__", None
        )  # a node of a graph, say, offers the data that it holds
        going = Incoming()
        value = going.value(
            result if offered is None else offered(result), f"the result of the host function {snapshot.function_name}"
        )
        if going.word:
            raise CrossingError(
                f"The host function {snapshot.function_name!r} gave an instance of a dataclass, which can enter the "
                "Monty sandbox only as an argument. Return its fields as a dict, or use Subprocess."
            )
        return {"return_value": value}

    def _raised(self, error: Exception) -> Any:
        kind = next(cls.__name__ for cls in type(error).__mro__ if cls.__name__ in _EXCEPTIONS)
        message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        if not isinstance(error, _UnboundNameError):
            self._told.raised = (error, kind, message)
        return {"exc_type": kind, "message": message}

    # ---- names, outcomes

    def refuse(self, name: str) -> None:
        """Stop, if `name` has a value that may not go in.

        Raises:
            CrossingError: it has.
        """
        if name in self._call.refused:
            raise _Refused(CrossingError(self._call.refused[name]))

    def _count_sleep(self, seconds: float) -> None:
        self._slept += seconds
        if self._slept > self._call.limits.seconds:
            raise _Refused(too_long(self._call.limits))

    def show(self) -> None:
        """Hand on what the code printed."""
        if self._call.on_output is not None and self._printed.output:
            self._call.on_output(self._printed.output)

    def failure(self, error: Exception | _Refused) -> BaseException:
        """What the caller gets for `error`."""
        refusal: BaseException = error.args[0] if isinstance(error, _Refused) else failure(error, self._told)
        return refusal

    def checked(self, output: Any) -> Any:
        """The value of an answer of `CHECK`."""
        from opto.sandbox.monty.values import left_out

        if type(output) is tuple and len(output) == 3 and output[0] is False:
            raise CrossingError(left_out(str(output[1]), str(output[2])))
        if type(output) is tuple and len(output) == 3 and output[0] is True:
            return Outgoing(self._call.classes).written(output[1], "result")
        if type(output) is not tuple or len(output) != 2 or output[0] is not True:
            raise CrossingError("The code changed what checks its result, so there is none.")
        return Outgoing(self._call.classes).value(output[1], "result")
