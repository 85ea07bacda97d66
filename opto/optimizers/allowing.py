"""Which parameters a step may change, where it is not all of them."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from opto.trace.nodes import Node, ParameterNode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["allowed_ones", "allowing", "refused"]

_allowed: ContextVar[frozenset[int] | None] = ContextVar("opto_allowed_parameters", default=None)


@contextmanager
def allowing(only: Iterable[ParameterNode[Any]] | None) -> Generator[None, None, None]:
    """In this block, steps may change no other parameters than these; None changes nothing, and blocks nest.

    Raises:
        TypeError: `only` holds something that is no parameter.
    """
    if only is None:
        yield
        return
    given: Any = only
    if isinstance(given, (str, Node)) or not isinstance(given, Iterable):
        raise TypeError(f"only must be a list of ParameterNodes, got {only!r}.")
    chosen = list(only)
    for each in chosen:
        if not isinstance(each, ParameterNode):
            raise TypeError(f"only must be a list of ParameterNodes, got {each!r} in it.")
    ids = frozenset(map(id, chosen))
    outer = _allowed.get()
    token = _allowed.set(ids if outer is None else ids & outer)
    try:
        yield
    finally:
        _allowed.reset(token)


def allowed_ones(parameters: Iterable[ParameterNode[Any]]) -> list[ParameterNode[Any]]:
    """Those that are trainable and that the step in hand may change."""
    ids = _allowed.get()
    return [each for each in parameters if each.trainable and (ids is None or id(each) in ids)]


def refused(values: Mapping[ParameterNode[Any], Any]) -> list[ParameterNode[Any]]:
    """Those that the step in hand may not change."""
    ids = _allowed.get()
    return [] if ids is None else [each for each in values if id(each) not in ids]
