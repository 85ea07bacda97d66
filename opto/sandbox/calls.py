"""A text behind walls: how it is defined in a worker, and how what it defines is called.

The course of a call is a generator, which yields what has to be waited for and which functions of the program to call;
see `driving` for who does that.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

from opto.errors import CodeError, CrossingError, LimitExceededError, SandboxError
from opto.sandbox import wire
from opto.sandbox.bindings import Bindings
from opto.sandbox.crossing import pack, unpack
from opto.sandbox.driving import HostCall, Steps, adrive, drive
from opto.sandbox.in_process import text_tag
from opto.sandbox.limits import Budget
from opto.sandbox.process import WorkerProcess
from opto.sandbox.raised import Rebuilding, rebuilt

if TYPE_CHECKING:
    from opto.sandbox.pool import Pool

__all__ = ["Program", "callable_of"]


class Program:
    """One text with its namespace, and the calls of what it defines.

    Args:
        pool: gives the workers of this process.
        source: the text.
        name: what it defines.
        namespace: what its names mean.
        options: those of `Subprocess`.
    """

    def __init__(
        self,
        pool: Callable[[], Pool],
        source: str,
        name: str,
        namespace: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        self._pool = pool
        self._source, self.name, self._namespace = source, name, namespace
        self._tag = text_tag(source, name)
        self._options = options
        self._host: dict[str, Callable[..., Any]] = options["host"]

    def prepare(self) -> tuple[str, str | None]:
        """Define the text: the kind of function that comes of it, and its docstring.

        Raises:
            CodeError: it defines none.
        """
        pool = self._pool()
        worker = pool.fresh()
        described: tuple[str, str | None] = _result(drive(self._used(pool, worker, self._define(worker))))
        return described

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function, and wait for it in this thread."""
        pool = self._pool()
        worker = pool.take(self) or pool.fresh()
        return _result(drive(self._used(pool, worker, self._call(worker, args, kwargs))))

    async def acall(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function, and await it."""
        pool = self._pool()
        worker = pool.take(self)
        if worker is None:
            worker = await _fresh(pool)
        return _result(await adrive(self._used(pool, worker, self._call(worker, args, kwargs))))

    # ---- the course of it

    def _used(self, pool: Pool, worker: WorkerProcess, steps: Steps) -> Steps:
        """Go through steps with a worker, which is kept afterwards if it may be.

        Gives an exception of the code, not raises it: no StopIteration gets out of a generator.
        """
        reusable = False
        worker.begin()
        try:
            outcome, reusable = yield from steps
        finally:
            if reusable:
                pool.give(self, worker)
            else:
                pool.discard(worker)
        return outcome

    def _define(self, worker: WorkerProcess) -> Generator[Any, Any, tuple[Any, bool]]:
        """What came of defining the text, and whether the worker can be used with it."""
        budget = Budget(worker.settings)
        host_errors: dict[int, BaseException] = {}
        try:
            text = pack([self._source, self.name], limits=worker.settings.crossing, root=f"the code of {self.name!r}")
            kind, payload = yield from self._converse(worker, wire.frame(wire.TEXT, text), budget, host_errors)
            _expected(kind, wire.NEED)
            bindings = self._bindings(worker, unpack(payload))
            meanings = bindings.changed() or pack({"names": {}, "dataclasses": {}})
            kind, payload = yield from self._converse(worker, wire.frame(wire.BIND, meanings), budget, host_errors)
            reusable = worker.settle(budget)
        finally:
            self._show(budget)
        answer = unpack(payload)
        if not isinstance(answer, dict):
            raise SandboxError("The worker does not keep to the form of messages.")
        if kind == wire.UNDEFINED:
            return self._code_error(answer, worker, host_errors), False
        _expected(kind, wire.DEFINED)
        worker.bindings = bindings
        doc = answer.get("doc")
        return (str(answer.get("kind")), doc if isinstance(doc, str) else None), reusable

    def _bindings(self, worker: WorkerProcess, names: Any) -> Bindings:
        if not isinstance(names, list) or not all(type(each) is str for each in names):
            raise SandboxError("The worker does not keep to the form of messages.")
        shared = self._options["names"]
        return Bindings(
            names,
            self._namespace,
            host=self._host,
            reach=worker.settings.reach,
            limits=worker.settings.crossing,
            shared=None if shared is None else frozenset(shared),
        )

    def _code_error(self, answer: Any, worker: WorkerProcess, host_errors: dict[int, BaseException]) -> CodeError:
        error = CodeError(str(answer.get("message"))[:20_000])
        error.source = self._source
        if answer.get("cause") is not None:
            error.__cause__ = rebuilt(answer["cause"], self._known(worker, host_errors))
        return error

    def _call(
        self, worker: WorkerProcess, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Generator[Any, Any, tuple[Any, bool]]:
        """What came of a call, and whether the worker can be used again."""
        if worker.bindings is None:
            defined, _ = yield from self._define(worker)
            if isinstance(defined, BaseException):
                return defined, False
            worker.begin()
        bindings = worker.bindings
        try:
            described, arguments = bindings.arguments(args, kwargs)
            rebound = bindings.changed()
        except CrossingError as error:
            return error, True
        message = wire.frame(wire.CALL, arguments)
        for before in (rebound, described):
            message = message if before is None else wire.frame(wire.REBIND, before) + message
        budget = Budget(worker.settings)
        host_errors: dict[int, BaseException] = {}
        try:
            kind, payload = yield from self._converse(worker, message, budget, host_errors)
            reusable = worker.settle(budget)
        finally:
            self._show(budget)
        return self._outcome(worker, kind, payload, host_errors), reusable

    def _outcome(self, worker: WorkerProcess, kind: int, payload: bytes, host_errors: dict[int, BaseException]) -> Any:
        limits = worker.settings.crossing
        try:
            if kind == wire.RESULT:
                return unpack(payload, limits=limits, classes=worker.bindings.dataclasses, root="the result")
            _expected(kind, wire.ERROR)
            return rebuilt(unpack(payload, limits=limits), self._known(worker, host_errors))
        except SandboxError as error:
            return error

    def _known(self, worker: WorkerProcess, host_errors: dict[int, BaseException]) -> Rebuilding:
        settings = worker.settings
        return Rebuilding(
            tag=self._tag,
            is_library=settings.reach.covers,
            classes=worker.bindings.exceptions if worker.bindings is not None else {},
            host_errors=host_errors,
            memory=settings.memory,
        )

    def _converse(
        self, worker: WorkerProcess, message: bytes, budget: Budget, host_errors: dict[int, BaseException]
    ) -> Generator[Any, Any, tuple[int, bytes]]:
        """Send a message, call functions of the program as the code asks, and give the answer when it comes."""
        allowed = left = self._options["host_calls"]
        while True:
            kind, payload = yield from worker.exchange(message, budget)
            if kind != wire.HOST:
                return kind, payload
            requests = self._requests(worker, payload)
            left -= len(requests)
            if left < 0:
                raise LimitExceededError(
                    f"The code called functions of the program more than {allowed:,} times; raise it with host_calls=.",
                    limit="host_calls",
                    allowed=allowed,
                )
            begun = time.monotonic()
            answers = yield requests
            budget.pause(time.monotonic() - begun)
            message = b"".join(
                self._reply(worker, request.name, succeeded, value, host_errors)
                for request, (succeeded, value) in zip(requests, answers, strict=True)
            )

    def _requests(self, worker: WorkerProcess, payload: bytes) -> list[HostCall]:
        classes = worker.bindings.dataclasses if worker.bindings is not None else {}
        calls = unpack(payload, limits=worker.settings.crossing, classes=classes, root="a call")
        if not (isinstance(calls, list) and calls and all(_is_call(each) for each in calls)):
            raise SandboxError("The worker does not keep to the form of messages.")
        for name, _, _ in calls:
            if name not in self._host:
                raise SandboxError(f"The code called {name[:100]!r}, which is not offered with host=.")
        return [HostCall(self._host[name], name, args, kwargs) for name, args, kwargs in calls]

    def _reply(
        self, worker: WorkerProcess, name: str, succeeded: bool, value: Any, host_errors: dict[int, BaseException]
    ) -> bytes:
        described = None
        if succeeded:
            # A node of a graph, say, offers the data that it holds.
            offered = getattr(type(value), "__sandbox_data__", None)
            try:
                root = f"what {name} returned"
                plain = value if offered is None else offered(value)
                if worker.bindings is None:
                    data = pack(plain, limits=worker.settings.crossing, root=root)
                else:
                    described, data = worker.bindings.described(plain, root)
            except CrossingError as error:
                succeeded, value = False, error
        if not succeeded:
            data = pack(_told(value, len(host_errors)))
            host_errors[len(host_errors)] = value
        message = wire.frame(wire.VALUE if succeeded else wire.RAISED, data)
        return message if described is None else wire.frame(wire.REBIND, described) + message

    def _show(self, budget: Budget) -> None:
        on_output = self._options["on_output"]
        if on_output is not None and budget.output:
            on_output(budget.output.decode("utf-8", "replace"))


async def _fresh(pool: Pool) -> WorkerProcess:
    """A worker without a text; given back if nobody awaits it any more when it is ready."""

    def give_back(done: asyncio.Future[WorkerProcess]) -> None:
        if done.exception() is None:
            pool.discard(done.result())

    starting = asyncio.get_running_loop().run_in_executor(None, pool.fresh)
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(give_back)
        raise


def _result(outcome: Any) -> Any:
    """What came of steps; raised if it is an exception, which is no data that could be returned."""
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _expected(kind: int, wanted: int) -> None:
    if kind != wanted:
        raise SandboxError("The worker does not keep to the form of messages.")


def _is_call(parts: Any) -> bool:
    if not (isinstance(parts, list) and [type(each) for each in parts] == [str, list, dict]):
        return False
    return all(type(each) is str for each in parts[2])


def _told(error: BaseException, number: int) -> dict[str, Any]:
    """What the code learns of an exception in a function of the program."""
    cls = type(error)
    return {
        "number": number,
        "module": cls.__module__,
        "name": cls.__qualname__,
        "bases": [each.__name__ for each in cls.__mro__ if each.__module__ == "builtins"],
        "message": str(error)[:20_000],
    }


# ---- what a program sees


def callable_of(program: Program, kind: str, doc: str | None) -> Callable[..., Any]:
    """The function of a program, of the kind that the text made it."""
    forms: dict[str, Any] = {"coroutine": _acall, "generator": _items, "async generator": _aitems}
    made = functools.partial(forms.get(kind, _call), program)
    described: Any = made
    described.__name__ = described.__qualname__ = program.name
    described.__doc__ = doc
    return made


def _call(program: Program, /, *args: Any, **kwargs: Any) -> Any:
    return program.call(args, kwargs)


async def _acall(program: Program, /, *args: Any, **kwargs: Any) -> Any:
    return await program.acall(args, kwargs)


def _items(program: Program, /, *args: Any, **kwargs: Any) -> Generator[Any, None, None]:
    yield from program.call(args, kwargs)


async def _aitems(program: Program, /, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
    for item in await program.acall(args, kwargs):
        yield item
