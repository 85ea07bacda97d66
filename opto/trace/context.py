"""What surrounds a traced call: is tracing on, which scope names its nodes, which nodes its body has read.

All of it lives in context variables, so threads and asyncio tasks never see each other, and every change is undone on
exit. The common case (tracing on, no scope, not inside a bundled body) is the single value None, which costs the engine
one look-up a node.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, MutableSequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from opto.trace.nodes import Node

__all__ = ["AMBIENT", "NAME_SCOPES", "USED_NODES", "Ambient", "detect_anomaly", "name_scope", "no_trace", "tracing"]


class Ambient:
    """The surroundings of a traced call where they differ from the common case. Never changed once made.

    Attributes:
        tracing: whether new nodes remember what they were made from.
        scopes: the stack of name scopes; the last one prefixes the names of new nodes.
        created: collects the nodes made while the body of a bundled function runs; None outside of one.
        body: the `FunModule` whose body runs; None outside of one.
        detect_anomaly: whether bundled bodies are checked for changing their inputs in place.
    """

    __slots__ = ("body", "created", "detect_anomaly", "scopes", "tracing")

    def __init__(
        self,
        tracing: bool = True,
        scopes: tuple[str, ...] = (),
        created: list[Node[Any]] | None = None,
        body: Any = None,
        detect_anomaly: bool = False,
    ) -> None:
        self.tracing = tracing
        self.scopes = scopes
        self.created = created
        self.body = body
        self.detect_anomaly = detect_anomaly

    def replaced(self, **changes: Any) -> Ambient | None:
        """These surroundings with some fields changed; None where that is the common case."""
        fields = {name: changes.get(name, getattr(self, name)) for name in self.__slots__}
        common = all(fields[name] == getattr(COMMON, name) for name in self.__slots__)
        return None if common else Ambient(**fields)


COMMON = Ambient()

AMBIENT: ContextVar[Ambient | None] = ContextVar("opto_ambient", default=None)

USED_NODES: ContextVar[list[set[Node[Any]]]] = ContextVar("opto_used_nodes", default=[])  # noqa: B039 - never mutated: a body sets a new list
"""A stack of sets, one for each bundled body that runs; the last one collects the nodes whose data is read."""


def current() -> Ambient:
    """The surroundings in force here."""
    return AMBIENT.get() or COMMON


@contextlib.contextmanager
def surrounded(**changes: Any) -> Iterator[None]:
    """Run a block with some fields of `Ambient` changed; what was before is restored, also on an exception."""
    token = AMBIENT.set(current().replaced(**changes))
    try:
        yield
    finally:
        AMBIENT.reset(token)


def detect_anomaly() -> contextlib.AbstractContextManager[None]:
    """Report every bundled function that changes one of its inputs in place: which input, and on which line.

    Such a change is legal, but the graph then shows a value that the function did not get. The check compares the inputs
    after each line, so it is slow; off, it costs nothing. In the manner of PyTorch's anomaly detection.

    Warns:
        MutatedInputWarning: for each input that a body changed.
    """
    return surrounded(detect_anomaly=True)


def tracing() -> bool:
    """Whether new nodes remember what they were made from."""
    return current().tracing


def no_trace() -> contextlib.AbstractContextManager[None]:
    """Compute without recording: nodes made inside have no inputs. Nests, and may be used as a decorator."""
    return surrounded(tracing=False)


def name_scope(name: str) -> contextlib.AbstractContextManager[None]:
    """Prefix the names of the nodes made inside with `name/`."""
    return surrounded(scopes=(*current().scopes, name))


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
        AMBIENT.set(current().replaced(scopes=tuple(scopes)))


NAME_SCOPES = ScopeStack()
