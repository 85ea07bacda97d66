"""What surrounds a traced call: is tracing on, which scope names its nodes, which nodes its body has read.

All of it lives in context variables, so threads and asyncio tasks never see each other, and every change is undone on
exit. The common case (tracing on, no scope, not inside a bundled body) is the single value None, which costs the engine
one look-up a node.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, MutableSequence, Sequence
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

if TYPE_CHECKING:
    from opto.trace.nodes import Node

F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["AMBIENT", "NAME_SCOPES", "USED_NODES", "Ambient", "detect_anomaly", "name_scope", "no_trace", "tracing"]


class Ambient:
    """The surroundings of a traced call where they differ from the common case. Not changed while they are in force.

    Attributes:
        tracing: whether new nodes remember what they were made from.
        scopes: the stack of name scopes; the last one prefixes the names of new nodes.
        created: collects the nodes made while the body of a bundled function runs; None outside of one.
        used: collects the nodes whose data is read meanwhile; None where nobody asks.
        body: the `FunModule` whose body runs; None outside of one.
        detect_anomaly: whether bundled bodies are checked for changing their inputs in place.
        outer: the surroundings around that body.
    """

    __slots__ = ("body", "created", "detect_anomaly", "outer", "scopes", "tracing", "used")

    def __init__(
        self,
        *,
        tracing: bool = True,
        scopes: tuple[str, ...] = (),
        created: list[Node[Any]] | None = None,
        used: set[Node[Any]] | None = None,
        body: Any = None,
        detect_anomaly: bool = False,
        outer: Ambient | None = None,
    ) -> None:
        self.tracing = tracing
        self.scopes = scopes
        self.created = created
        self.used = used
        self.body = body
        self.detect_anomaly = detect_anomaly
        self.outer = outer

    def replaced(self, **changes: Any) -> Ambient | None:
        """These surroundings with some fields changed; None where that is the common case."""
        fields = {name: changes.get(name, getattr(self, name)) for name in Ambient.__slots__}
        common = all(fields[name] == getattr(COMMON, name) for name in Ambient.__slots__)
        return None if common else Ambient(**fields)


COMMON = Ambient()

AMBIENT: ContextVar[Ambient | None] = ContextVar("opto_ambient", default=None)


class UsedNodes(Sequence[set["Node[Any]"]]):
    """A stack of sets, one for each bundled body that runs here; the last one collects the nodes whose data is read."""

    def _sets(self) -> list[set[Node[Any]]]:
        sets = []
        ambient = AMBIENT.get()
        while ambient is not None:
            if ambient.used is not None:
                sets.append(ambient.used)
            ambient = ambient.outer
        return sets[::-1]

    @overload
    def __getitem__(self, index: int) -> set[Node[Any]]: ...
    @overload
    def __getitem__(self, index: slice) -> list[set[Node[Any]]]: ...
    def __getitem__(self, index: int | slice) -> set[Node[Any]] | list[set[Node[Any]]]:
        return self._sets()[index]

    def __len__(self) -> int:
        return len(self._sets())

    def __eq__(self, other: object) -> bool:
        return other is self or (isinstance(other, list) and self._sets() == other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._sets())


USED_NODES: ContextVar[UsedNodes] = ContextVar("opto_used_nodes", default=UsedNodes())  # noqa: B039 - a view of AMBIENT
"""Holds the stack of used nodes of this thread or task; it is a view, so nobody sets it."""


def current() -> Ambient:
    """The surroundings in force here."""
    return AMBIENT.get() or COMMON


class surrounded(contextlib.ContextDecorator):  # noqa: N801 - used as a statement: `with surrounded(...)`
    """Run a block, or each call of a decorated function, with some fields of `Ambient` changed.

    What was before is restored on exit, also on an exception. One object may be entered again, also inside itself,
    within one thread or task.
    """

    def __init__(self, **changes: Any) -> None:
        self._changes = changes
        self._tokens: list[Token[Ambient | None]] = []

    def _inside(self, ambient: Ambient) -> Ambient | None:
        return ambient.replaced(**self._changes)

    def __enter__(self) -> None:
        self._tokens.append(AMBIENT.set(self._inside(current())))

    def __exit__(self, *error: object) -> None:
        AMBIENT.reset(self._tokens.pop())

    def _recreate_cm(self) -> surrounded:
        twin = object.__new__(type(self))  # each call of a decorated function has its own: threads do not mix
        surrounded.__init__(twin, **self._changes)
        return twin

    def __call__(self, function: F) -> F:
        """Decorate a function, or a coroutine function."""
        if not inspect.iscoroutinefunction(function):
            return super().__call__(function)

        @functools.wraps(function)
        async def inner(*args: Any, **kwargs: Any) -> Any:
            with self._recreate_cm():
                return await function(*args, **kwargs)

        return cast(F, inner)


def detect_anomaly() -> surrounded:
    """Report every bundled function that changes one of its inputs in place: which input, and on which line.

    Such a change is legal, but the graph then shows a value that the function did not get. The check compares the
    inputs after each line, so it is slow; off, it costs nothing. In the manner of PyTorch's anomaly detection.

    Warns:
        MutatedInputWarning: for each input that a body changed.
    """
    return surrounded(detect_anomaly=True)


def tracing() -> bool:
    """Whether new nodes remember what they were made from."""
    return current().tracing


def no_trace() -> surrounded:
    """Compute without recording: nodes made inside have no inputs.

    A context manager, or a decorator of functions and coroutine functions. Nests.
    """
    return surrounded(tracing=False)


class name_scope(surrounded):  # noqa: N801 - used as a statement
    """Prefix the names of the nodes made inside with `name/`; a context manager or a decorator.

    Of scopes inside each other the innermost counts.

    Args:
        name: the prefix.
        lasting: let it stand before the names of scopes inside it, as `name//`.

    Raises:
        TypeError: if `name` is not a str.
        ValueError: if `name` is empty or holds a colon.
    """

    def __init__(self, name: str, *, lasting: bool = False) -> None:
        _check_scope(name)
        super().__init__(name=_Lasting(name) if lasting else name)

    def _inside(self, ambient: Ambient) -> Ambient | None:
        name = self._changes["name"]
        for scope in reversed(ambient.scopes):
            if isinstance(scope, _Lasting):
                name = type(name)(f"{scope}//{name}")
                break
        return ambient.replaced(scopes=(*ambient.scopes, name))


class _Lasting(str):
    """The name of a scope that stands before those inside it."""

    __slots__ = ()


def _check_scope(name: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"a name scope must be a str, got {name!r}.")
    if not name or ":" in name:
        raise ValueError(f"a name scope must be non-empty and without a colon, got {name!r}.")


class ScopeStack(MutableSequence[str]):
    """The stack of name scopes of this thread or task, as a list."""

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> MutableSequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | MutableSequence[str]:
        scopes = list(current().scopes)
        return scopes[index]

    def __len__(self) -> int:
        return len(current().scopes)

    def __setitem__(self, index: Any, value: Any) -> None:
        scopes = list(current().scopes)
        scopes[index] = value
        self._replace(scopes)

    def __delitem__(self, index: int | slice) -> None:
        scopes = list(current().scopes)
        del scopes[index]
        self._replace(scopes)

    def insert(self, index: int, value: str) -> None:
        scopes = list(current().scopes)
        scopes.insert(index, value)
        self._replace(scopes)

    def __repr__(self) -> str:
        return repr(list(current().scopes))

    @staticmethod
    def _replace(scopes: list[str]) -> None:
        for name in scopes:
            _check_scope(name)
        AMBIENT.set(current().replaced(scopes=tuple(scopes)))


NAME_SCOPES = ScopeStack()
