"""The runner `Monty`."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opto.errors import CodeError, CrossingError, LimitExceededError, SandboxError, UnsupportedFeatureError
from opto.sandbox._factory import names_of
from opto.sandbox.bindings import host_functions
from opto.sandbox.monty.adapting import Adapted, adapt, passed_by
from opto.sandbox.monty.calls import Call, run, run_async
from opto.sandbox.monty.failures import Limits, unsupported
from opto.sandbox.monty.namespace import Surroundings, class_texts, surroundings
from opto.sandbox.monty.values import CHECK, decode_text
from opto.sandbox.monty.workers import Workers
from opto.sandbox.remote_errors import RemoteFrame, RemoteText

__all__ = ["Monty"]

_MOST_TEXT = 2**18
# What is no function for sure, by the name of its type.
_DATA = frozenset(
    {
        "NoneType",
        "bool",
        "int",
        "float",
        "complex",
        "str",
        "bytes",
        "list",
        "tuple",
        "dict",
        "set",
        "frozenset",
        "module",
    }
)


class Monty:
    """A `CodeRunner` that interprets the code: it has no files, no network, no processes and no Python to break out of.

    The interpreter is written in Rust, and runs in worker processes that have nothing of the environment. It knows a
    part of Python; code that uses another part fails with an `UnsupportedFeatureError` that says so.

    Each call is independent: the text is executed anew, so a name that it changes is as before at the next call.

    - Data that the text reads from its namespace goes in as a copy, as of each call. So do arguments: changing them
      inside changes nothing here.
    - Modules, and functions and classes of modules, are imported inside, from among those that Monty has.
    - Functions in `host` are called back, in the caller's thread and context. Other functions have no meaning inside.

    Args:
        seconds: how long a call may run, host functions not counted.
        memory: bytes that it may take.
        recursion: how many calls may be inside each other.
        output: bytes that it may print.
        host: functions that the text may call by name: an iterable of functions, or a mapping from names to them.
        host_calls: how many times a call may call them.
        on_output: called with what a call printed, if it printed; by default, that is dropped.

    Raises:
        ValueError: a limit is out of range, or a host function has no name by which it can be called.
        TypeError: a host function is not callable, or has no name.
    """

    def __init__(
        self,
        *,
        seconds: float = 5.0,
        memory: int = 256 * 2**20,
        recursion: int = 1000,
        output: int = 2**20,
        host: Iterable[Callable[..., Any]] | Mapping[str, Callable[..., Any]] = (),
        host_calls: int = 10_000,
        on_output: Callable[[str], Any] | None = None,
    ) -> None:
        for name, value in {"seconds": seconds, "memory": memory, "recursion": recursion}.items():
            if not value > 0:
                raise ValueError(f"{name} must be > 0, got {value!r}.")
        for name, value in {"output": output, "host_calls": host_calls}.items():
            if not value >= 0:
                raise ValueError(f"{name} must be >= 0, got {value!r}.")
        self._limits = Limits(float(seconds), int(memory), int(recursion), int(output), int(host_calls))
        self._host = host_functions(host)
        self._on_output = on_output
        self._hosted = {id(function): name for name, function in self._host.items()}
        self._stand_ins = {name: _stand_in(name) for name in self._host}
        self._workers = Workers(self._limits.seconds)

    def compile(self, source: str, name: str, namespace: Mapping[str, Any]) -> Callable[..., Any]:
        """The callable that `source` defines as `name`; a coroutine function where that is an `async def`.

        Raises:
            CodeError: the text does not parse, fails while it is being defined, takes too long or too much memory for
                it, or does not define `name` as a callable. Its `__cause__` is the original exception, where there is
                one.
            MissingExtraError: the package is not installed.
            SandboxUnavailableError: the interpreter cannot be started.
        """
        program = _parsed(source, name)
        call = self._call(program, namespace, f"__opto_kind({name})", ())
        pool = self._workers.pool()
        try:
            kind = run(pool, call)
        except UnsupportedFeatureError as error:
            raise _unsupported(error, source) from error
        except (CrossingError, LimitExceededError) as error:
            raise _failed(name, error, source) from error
        except SandboxError:
            raise
        except Exception as error:
            raise _failed(name, error, source) from error
        if kind in _DATA:
            message = f"The code must define {name!r} as a function, but it is a value of type {kind}."
            raise _with_source(CodeError(message), source)
        perform: Callable[..., Any] = _perform_async if program.is_async else _perform
        function = functools.partial(perform, self, program, namespace)
        function.__name__ = function.__qualname__ = name  # type: ignore[attr-defined]
        return function

    def _call(self, program: _Program, namespace: Mapping[str, Any], expression: str, values: tuple[Any, ...]) -> Call:
        """What a session is fed: what has to be there first, the text, and the expression that is wanted."""
        found = surroundings(program.names, namespace, self._stand_ins, self._hosted)
        passed = [found.incoming.value(each, place) for each, place in zip(values, ("args", "kwargs"), strict=False)]
        found.inputs.update(zip(("__opto_args", "__opto_kwargs"), passed, strict=False))
        classes = {cls.__name__: cls for cls in found.incoming.classes}
        known = ", ".join(
            f"({name}, {[each.name for each in dataclasses.fields(cls)]!r})"
            for cls, name in found.incoming.classes.items()
        )
        prelude = _prelude(program, found) + self._guards(program, found.inputs, known)
        code = f"{prelude}{program.adapted.text}\n__opto_check({expression}, [{known}])"
        return Call(
            code,
            prelude.count("\n"),
            program.text,
            found.inputs,
            self._host,
            found.refused,
            classes,
            self._limits,
            self._on_output,
        )

    def _guards(self, program: _Program, inputs: Mapping[str, Any], known: str) -> str:
        """Python that has the arguments of host functions checked before they leave."""
        hosted = {id(each): name for name, each in self._stand_ins.items()}
        lines = []
        for name, value in inputs.items():
            if id(value) in hosted:
                is_async = program.is_async and inspect.iscoroutinefunction(self._host[hosted[id(value)]])
                lines.append(f"{name} = __opto_guarded{'_async' if is_async else ''}({name}, [{known}])\n")
        return "".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        limits = dataclasses.asdict(self._limits)
        return functools.partial(type(self), **limits, host=self._host, on_output=self._on_output), ()


@dataclass(frozen=True)
class _Program:
    """A text that parses.

    Attributes:
        name: what it defines.
        text: the text, for tracebacks.
        adapted: the text as Monty gets it.
        names: the names that it reads from its namespace.
        is_async: whether it defines an async function.
    """

    name: str
    text: RemoteText
    adapted: Adapted
    names: tuple[str, ...] = ()
    is_async: bool = False


def _parsed(source: str, name: str) -> _Program:
    if not isinstance(source, str):
        raise CodeError(f"The code of {name!r} must be a string, got {type(source).__name__}.")
    if not source.strip():
        raise CodeError(f"The code of {name!r} is empty.")
    if len(source) > _MOST_TEXT:
        raise CodeError(f"The code of {name!r} has {len(source):,} characters, and {_MOST_TEXT:,} are the most.")
    text = RemoteText(source, name)
    try:
        tree = ast.parse(source, text.filename)
        compile(tree, text.filename, "exec", dont_inherit=True)  # a `return` outside a function is found by this only
        names = names_of(source, text.filename)
        adapted = adapt(source, tree)
        is_async = any(isinstance(each, ast.AsyncFunctionDef) for each in _definitions(tree, name))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = f"{error.msg} (line {error.lineno})" if isinstance(error, SyntaxError) else repr(error)
        raise _with_source(CodeError(f"The code of {name!r} does not compile: {reason}"), source) from error
    if name not in names.bound:
        defined = ", ".join(sorted(names.bound)) or "nothing"
        message = f"The code must define {name!r} at its top level, but it defines {defined}."
        raise _with_source(CodeError(message), source)
    method = passed_by(tree)
    if method is not None:
        cause = unsupported(f"the method {method.name} of a class")
        place = RemoteFrame("<module>", method.lineno)
        raise _unsupported(cause, source) from text.placed(cause, [place])
    read = (names.read - names.bound) | (names.read_at_once & names.bound - _defined(tree))
    return _Program(name, text, adapted, tuple(sorted(read)), is_async)


def _definitions(tree: ast.AST, name: str) -> Iterator[ast.AST]:
    """The functions of this name that are defined outside of functions and classes."""
    for each in ast.iter_child_nodes(tree):
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if each.name == name:
                yield each
        else:
            yield from _definitions(each, name)


def _defined(tree: ast.Module) -> set[str]:
    """Names that the text binds by a definition or an import: whatever is read under them is its own."""
    names: set[str] = set()
    for each in tree.body:
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(each.name)
        elif isinstance(each, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name).split(".")[0] for alias in each.names)
    return names


def _prelude(program: _Program, found: Surroundings) -> str:
    incoming = found.incoming
    parts = [CHECK, program.adapted.prelude, class_texts(found)]
    if incoming.word:
        parts.append(decode_text(incoming.word, list(incoming.classes.values())))
        encoded = [name for name in found.inputs if name.startswith("__opto_") and name not in found.refused]
        parts += [f"{_decoded(name)} = __opto_decode({name})\n" for name in encoded]
    return "".join([*parts, *found.prelude])


def _decoded(name: str) -> str:
    return name.removeprefix("__opto_encoded_")


def _perform(runner: Monty, program: _Program, namespace: Mapping[str, Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a text."""
    expression = f"{program.name}(*__opto_args, **__opto_kwargs)"
    return run(runner._workers.pool(), runner._call(program, namespace, expression, (args, kwargs)))


async def _perform_async(
    runner: Monty, program: _Program, namespace: Mapping[str, Any], /, *args: Any, **kwargs: Any
) -> Any:
    """Call a text, in the caller's event loop."""
    expression = f"await {program.name}(*__opto_args, **__opto_kwargs)"
    pool = await runner._workers.async_pool()
    return await run_async(pool, runner._call(program, namespace, expression, (args, kwargs)))


def _stand_in(name: str) -> Callable[..., Any]:
    """A function for the package to take the name from; it is never called."""

    def stand_in() -> None:
        raise AssertionError(f"{name} is called by the driver")

    stand_in.__name__ = name
    return stand_in


def _failed(name: str, error: Exception, source: str) -> CodeError:
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    return _with_source(CodeError(f"The code of {name!r} fails while it is being defined: {reason}"), source)


def _unsupported(error: UnsupportedFeatureError, source: str) -> CodeError:
    return _with_source(UnsupportedFeatureError(str(error), feature=error.feature), source)


def _with_source(error: CodeError, source: str) -> CodeError:
    error.source = source
    return error
