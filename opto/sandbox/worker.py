"""What runs in the process of a text: raises its walls, then answers one program. Started by `process.py`."""

from __future__ import annotations

import builtins
import contextlib
import inspect
import os
import sys
import types
from collections.abc import Callable
from os import read, write
from typing import Any

from opto.errors import CodeError
from opto.sandbox import wire
from opto.sandbox.crossing import CrossingLimits, pack, unpack
from opto.sandbox.in_process import InProcess, text_tag
from opto.sandbox.raised import reported
from opto.sandbox.stand_ins import Unavailable, dataclass_like, exception_like, fetched

__all__ = ["Worker", "main"]

_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Worker:
    """Defines one text, and calls what it defines as often as it is asked to.

    Args:
        reading: the descriptor of the wire from the program.
        writing: the descriptor of the wire to it.
    """

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._limits = CrossingLimits()
        self._namespace: dict[str, Any] = {"__builtins__": builtins}
        self._classes: dict[str, Any] = {}
        self._host_errors: dict[int, int] = {}
        self._function: Callable[..., Any] | None = None
        self._waiting: list[tuple[list[Any], Any]] = []
        self._reserve = bytes(1 << 21)

    def serve(self) -> None:
        """Answer messages until the program hangs up."""
        self._send(wire.READY, b"")
        while True:
            kind, payload = self._receive()
            if kind == wire.SETTINGS:
                self._raise_walls(unpack(payload))
            elif kind == wire.TEXT:
                self._define(*unpack(payload, limits=self._limits))
            elif kind == wire.REBIND:
                self._bind(self._value(payload))
            elif kind == wire.CALL:
                self._call(payload)

    # ---- the wire

    def _receive(self) -> tuple[int, bytes]:
        length, kind = wire.HEADER.unpack(self._read(wire.HEADER.size))
        return kind, self._read(length)

    def _read(self, length: int) -> bytes:
        data = read(self._reading, min(length, 1 << 20)) if length else b""
        if len(data) == length:
            return data
        parts, left = [data], length - len(data)
        while left:
            if not parts[-1]:
                os._exit(0)  # the program has hung up
            parts.append(read(self._reading, min(left, 1 << 20)))
            left -= len(parts[-1])
        return b"".join(parts)

    def _send(self, kind: int, payload: bytes) -> None:
        data = memoryview(wire.frame(kind, payload))
        while data:
            data = data[write(self._writing, data) :]

    def _value(self, payload: bytes) -> Any:
        return unpack(payload, limits=self._limits, classes=self._class)

    def _class(self, name: str) -> type | None:
        """The dataclass of that name: a stand-in, or one of a module that can be imported here."""
        known = self._classes.get(name)
        if isinstance(known, type):
            return known
        module, _, qualified = name.partition(":")
        try:
            found = fetched(module, qualified)
        except (ImportError, AttributeError):
            return None
        return found if isinstance(found, type) and "__dataclass_fields__" in vars(found) else None

    # ---- what it is asked

    def _raise_walls(self, settings: dict[str, Any]) -> None:
        from opto.sandbox.walls import raise_walls

        self._limits = CrossingLimits(**settings["crossing"])
        sys.path[:] = settings["search"]
        os.chdir(settings["scratch"])
        seen = raise_walls(settings)
        self._send(wire.WALLS, pack(seen))

    def _define(self, source: str, name: str) -> None:
        try:
            needed = sorted(_names_read(source, name))
            self._send(wire.NEED, pack(needed))
            kind, payload = self._receive()
            assert kind == wire.BIND, kind
            self._bind(self._value(payload))
            self._function = InProcess().compile(source, name, self._namespace)
            described = {"kind": _kind_of(self._function), "doc": _doc_of(self._function)}
            answer = wire.DEFINED, pack(described)
        except CodeError as error:
            if isinstance(error.__cause__, MemoryError):
                self._make_room(error.__cause__)
            cause = None if error.__cause__ is None else reported(error.__cause__, _OWN, self._host_errors)
            answer = wire.UNDEFINED, pack({"message": str(error)[:20_000], "cause": cause})
        except BaseException as error:
            message = f"The code of {name!r} fails while it is being defined: {type(error).__name__}"
            report = reported(error, _OWN, self._host_errors)
            answer = wire.UNDEFINED, pack({"message": message, "cause": report})
        _flush()
        self._send(*answer)

    def _bind(self, bindings: dict[str, Any]) -> None:
        """Take in what names mean."""
        for name, spec in bindings["dataclasses"].items():
            if name not in self._classes:
                self._classes[name] = dataclass_like(name, spec)
        for name, (kind, content) in bindings["names"].items():
            if kind == "missing":
                self._namespace.pop(name, None)
            else:
                self._namespace[name] = self._meaning(name, kind, content)

    def _meaning(self, name: str, kind: str, content: Any) -> Any:
        if kind == "value":
            return content
        if kind == "host":
            return self._host_function(*content)
        if kind == "dataclass":
            return self._class(content)
        if kind == "exception":
            return self._classes.setdefault(content[0], exception_like(*content))
        if kind == "import":
            try:
                return fetched(*content)
            except Exception as error:  # an import may run into any wall
                reason = f"{content[0]} cannot be imported there: {type(error).__name__}: {error}"
                return Unavailable(name, reason)
        return Unavailable(name, content)

    def _call(self, payload: bytes) -> None:
        try:
            args, kwargs = self._value(payload)
            assert self._function is not None
            result = self._function(*args, **kwargs)
            if inspect.iscoroutine(result) or inspect.isasyncgen(result) or inspect.isgenerator(result):
                result = _driven(result)
            answer = wire.RESULT, pack(result, limits=self._limits, root="the result")
        except BaseException as error:  # SystemExit too: it is the program that decides when to end
            if isinstance(error, MemoryError):
                self._make_room(error)
            answer = wire.ERROR, pack(reported(error, _OWN, self._host_errors))
            self._host_errors.clear()
        _flush()
        self._send(*answer)

    def _make_room(self, error: MemoryError) -> None:
        """Let go of what fills the memory, to be able to tell of it."""
        self._reserve = b""
        traceback = error.__traceback__
        while traceback is not None:
            with contextlib.suppress(RuntimeError):  # our own frames still run
                traceback.tb_frame.clear()
            traceback = traceback.tb_next

    # ---- functions of the program

    def _host_function(self, name: str, is_coroutine: bool) -> Callable[..., Any]:
        def function(*args: Any, **kwargs: Any) -> Any:
            ((value, error),) = self._ask([[name, list(args), kwargs]])
            if error is not None:
                raise error
            return value

        async def coroutine_function(*args: Any, **kwargs: Any) -> Any:
            return await self._awaited([name, list(args), kwargs])

        made = coroutine_function if is_coroutine else function
        made.__name__ = made.__qualname__ = name
        return made

    async def _awaited(self, call: list[Any]) -> Any:
        """Ask together with all that is asked in the same turn of the event loop: the program does it side by side."""
        loop = sys.modules["asyncio"].get_running_loop()
        future = loop.create_future()
        self._waiting.append((call, future))
        if len(self._waiting) == 1:
            loop.call_soon(self._ask_together)
        return await future

    def _ask_together(self) -> None:
        waiting, self._waiting = self._waiting, []
        for (_, future), (value, error) in zip(waiting, self._ask([call for call, _ in waiting]), strict=True):
            if future.done():  # cancelled meanwhile
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)

    def _ask(self, calls: list[list[Any]]) -> list[tuple[Any, Exception | None]]:
        """Call functions of the program: for each what it returned, or what it raised."""
        self._send(wire.HOST, pack(calls, limits=self._limits, root="the calls"))
        return [self._answer() for _ in calls]

    def _answer(self) -> tuple[Any, Exception | None]:
        kind, payload = self._receive()
        while kind == wire.REBIND:
            self._bind(self._value(payload))
            kind, payload = self._receive()
        value = self._value(payload)
        if kind == wire.VALUE:
            return value, None
        error = _host_error(value)
        self._host_errors[id(error)] = value["number"]
        return None, error


def _host_error(report: dict[str, Any]) -> Exception:
    """What a host function raised: of the same type if that is built in, else one with its name."""
    cls = getattr(builtins, report["name"], None) if report["module"] == "builtins" else None
    if isinstance(cls, type) and issubclass(cls, Exception):
        try:
            error = cls(report["message"])
        except TypeError:
            error = RuntimeError(report["message"])
    else:
        kind: Any = exception_like(f"{report['module']}:{report['name']}", report["bases"])
        error = kind(report["message"])
    return error


def _names_read(source: str, name: str) -> set[str]:
    """The names that a text may look up outside of itself; none if it does not parse."""
    from opto.sandbox._factory import parse

    try:
        names = parse(source, text_tag(source, name).filename).names
    except Exception:  # the runner will say what is wrong with it
        return set()
    return {*names.read, *names.read_at_once, *names.declared}


def _kind_of(function: Any) -> str:
    if inspect.iscoroutinefunction(function):
        return "coroutine"
    if inspect.isasyncgenfunction(function):
        return "async generator"
    return "generator" if inspect.isgeneratorfunction(function) else "plain"


def _doc_of(function: Any) -> str | None:
    doc = getattr(function, "__doc__", None)
    return doc[:20_000] if type(doc) is str else None


def _driven(result: Any) -> Any:
    """What a coroutine gives, or the list of what a generator yields."""
    if inspect.isgenerator(result):
        return list(result)
    import asyncio

    async def items() -> list[Any]:
        return [item async for item in result]

    return asyncio.run(items() if inspect.isasyncgen(result) else result)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # the code may have put anything there
            continue


def _keep_builtins() -> None:
    """Give the modules that serve the program builtins of their own: code may put anything in place of `len`."""
    for name in ("worker", "wire", "crossing", "raised", "stand_ins", "plainness"):
        own = vars(sys.modules[f"opto.sandbox.{name}"])
        for word, value in vars(builtins).items():
            if not word.startswith("__"):
                own.setdefault(word, value)


def main() -> None:
    """Take over the standard streams for the wire, give output a pipe of its own, and serve."""
    from opto.sandbox.walls import die_with_parent

    die_with_parent(int(sys.argv[2]))
    os.environ.pop("PWD", None)  # which bubblewrap adds
    sys.modules["__main__"] = types.ModuleType("__main__")
    reading, writing = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    walls, sys.argv[:] = sys.argv[3], [""]
    vars(builtins).update(exit=sys.exit, quit=sys.exit)  # which Python's `site` adds, and which is not loaded here
    import msgpack  # noqa: F401 - while it can be read for sure

    if walls == "landlock":
        import sandlock  # noqa: F401

    _keep_builtins()
    Worker(reading, writing).serve()
