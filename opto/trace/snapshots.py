"""Snapshots: parameters read as they were when a block began, whatever other threads and tasks set meanwhile.

A set of new values is put in place at once, but a program reads its parameters one after the other, and an update may
come in between. Inside a snapshot it does not: an old value that an open snapshot may still need is kept beside the new
one. This is snapshot isolation, as databases have it. Without an open snapshot nothing is kept, and a read costs what
it costs otherwise.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from itertools import repeat
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from opto.forking import forkable_lock
from opto.trace.abstract_node import AbstractNode

if TYPE_CHECKING:
    from opto.trace.nodes import ParameterNode

__all__ = ["as_of_snapshot", "assign", "kept", "read", "snapshot", "write"]

_SLOT: Any = AbstractNode.__dict__["_data"]
read: Any = _SLOT.__get__  # the present value of a parameter


class _Former(NamedTuple):
    """A value that was replaced: by the update of which number, and in which snapshot."""

    number: int
    value: Any
    writer: snapshot | None


_lock: AbstractContextManager[Any] = forkable_lock()
_updates = itertools.count(1)
_open: dict[int, snapshot] = {}
_current: ContextVar[snapshot | None] = ContextVar("opto_snapshot", default=None)

kept: dict[int, tuple[Any, tuple[_Former, ...]]] = {}
"""By the `id` of a parameter: the parameter, and its former values in their order. Empty while no snapshot is open."""


class snapshot:  # noqa: N801 - used as a statement
    """Read all parameters as they are now until the block ends, whoever updates them meanwhile.

        with snapshot():
            answer = f"{greeting.data}, {name}{mark.data}"      # both from before an update, or both from after it

    Holds for the threads and tasks that get a copy of this context, as long as the block lasts. What is set inside the
    block itself is seen in it. Calls of a `Module` are in a snapshot without asking. Inside another snapshot it does
    nothing.
    """

    __slots__ = ("_token", "at")

    def __init__(self) -> None:
        self.at = 0
        self._token: Token[snapshot | None] | None = None

    def __enter__(self) -> None:
        if self._token is not None:
            raise RuntimeError("a snapshot holds for one block: make a new one by `with snapshot():`.")
        outer = _current.get()
        if outer is not None and id(outer) in _open:
            return
        with _lock:
            self.at = next(_updates)
            _open[id(self)] = self
        self._token = _current.set(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is None:
            return
        _current.reset(self._token)
        self._token = None
        with _lock:
            del _open[id(self)]
            if kept:
                _forget()


def _forget() -> None:
    """Drop the former values that no open snapshot needs."""
    if not _open:
        kept.clear()
        return
    oldest = min(each.at for each in _open.values())
    for key, (parameter, former) in list(kept.items()):
        needed = tuple(entry for entry in former if entry.number > oldest)
        if needed:
            kept[key] = (parameter, needed)
        else:
            del kept[key]


def as_of_snapshot(parameter: ParameterNode[Any], value: Any) -> Any:
    """The value of a parameter in the snapshot of this context; `value`, its present one, where none is needed."""
    inside = _current.get()
    if inside is None or id(inside) not in _open:
        return value
    _, former = kept.get(id(parameter), (None, ()))
    seen = value
    for entry in reversed(former):
        if entry.number <= inside.at or entry.writer is inside:
            break
        seen = entry.value
    return seen


def assign(parameters: Iterable[ParameterNode[Any]], values: Iterable[Any]) -> None:
    """Set all values in one call into C, during which neither another thread nor a signal handler gets its turn.

    A class of parameters with a `__setattr__` of its own is asked; what it raises is raised here, half way.
    """
    parameters = list(parameters)
    with _lock:
        if _open:
            number, writer = next(_updates), _current.get()
            for each in parameters:
                _keep(each, number, writer)
        if all(type(each).__setattr__ is object.__setattr__ for each in parameters):
            deque(map(_SLOT.__set__, parameters, values), maxlen=0)
        else:
            deque(map(setattr, parameters, repeat("_data"), values), maxlen=0)


def write(parameter: ParameterNode[Any], value: Any) -> None:
    """Set one value."""
    with _lock:
        if _open:
            _keep(parameter, next(_updates), _current.get())
        _SLOT.__set__(parameter, value)


def _keep(parameter: ParameterNode[Any], number: int, writer: snapshot | None) -> None:
    """Keep the value that this update ends."""
    try:
        old = read(parameter)
    except AttributeError:  # the parameter is being made
        return
    _, former = kept.get(id(parameter), (None, ()))
    kept[id(parameter)] = (parameter, (*former, _Former(number, old, writer)))
