"""Applying an operation to matching pieces of containers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from opto.trace.arguments import unwrap
from opto.trace.containers import NodeContainer
from opto.trace.nodes import Node

__all__ = ["apply_op", "recursive_conversion", "to_data"]

to_data = unwrap

_CONTAINERS = (list, tuple, dict, NodeContainer)


def apply_op(op: Callable[..., Any], output: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply `op` to the matching pieces of the inputs, and write the results into `output`.

    Args:
        op: any callable; it gets one node from each input.
        output: a node, or nested lists, tuples, dicts and containers of nodes: the shape to fill. Leaves that are
            neither node nor container keep their value.
        *args: inputs: of the shape of `output`, or single nodes, which go with every piece.
        **kwargs: the same, by keyword.

    Returns:
        `output` itself, filled; for a node or a tuple, a new object.

    Raises:
        TypeError: if an input is neither a node nor of the type of `output`.
        ValueError: if an input has another length, or other keys, than `output`.
    """
    for each in (*args, *kwargs.values()):
        _check_fits(each, output)
    if isinstance(output, Node):
        return op(*args, **kwargs)
    filled = {}
    for key, piece in _pieces(output):
        if isinstance(piece, (Node, *_CONTAINERS)):
            pieces = [_piece(each, key) for each in args]
            filled[key] = apply_op(op, piece, *pieces, **{name: _piece(each, key) for name, each in kwargs.items()})
        else:
            filled[key] = piece
    return _filled(output, filled)


def _check_fits(value: Any, output: Any) -> None:
    if isinstance(value, Node):
        return
    if not isinstance(value, type(output)):
        raise TypeError(f"inputs must be nodes or of the type {type(output).__name__} of output, got {value!r}.")
    if isinstance(output, (list, tuple)) and len(value) != len(output):
        raise ValueError(f"inputs must have the length {len(output)} of output, got {value!r}.")
    missing = [key for key, _ in _pieces(output) if key not in dict(_pieces(value))]
    if missing:
        raise ValueError(f"inputs must have the keys of output, but {missing} are not in {value!r}.")


def _pieces(container: Any) -> list[tuple[Any, Any]]:
    if isinstance(container, (list, tuple)):
        return list(enumerate(container))
    if isinstance(container, dict):
        return list(container.items())
    return list(vars(container).items()) if isinstance(container, NodeContainer) else []


def _piece(value: Any, key: Any) -> Any:
    if isinstance(value, Node):
        return value
    return getattr(value, key) if isinstance(value, NodeContainer) else value[key]


def _filled(output: Any, filled: dict[Any, Any]) -> Any:
    if isinstance(output, tuple):
        return _sequence_like(output, list(filled.values()))
    if isinstance(output, NodeContainer):
        for name, each in filled.items():
            setattr(output, name, each)
    elif isinstance(output, (list, dict)):
        for key, each in filled.items():
            output[key] = each
    return output


def _sequence_like(original: Any, elements: list[Any]) -> Any:
    named = hasattr(original, "_fields")  # a named tuple
    return type(original)(*elements) if named else type(original)(elements)


def recursive_conversion(true_func: Callable[[Any], Any], false_func: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A mapper of nested lists, tuples, dict values, sets and containers.

    Args:
        true_func: what nodes become.
        false_func: what other leaves become.
    """

    def convert(value: Any) -> Any:
        if isinstance(value, Node):
            return true_func(value)
        if isinstance(value, (list, tuple, set, frozenset)):
            return _sequence_like(value, [convert(each) for each in value])
        if isinstance(value, dict):
            return {key: convert(each) for key, each in value.items()}
        if isinstance(value, NodeContainer):
            made = copy.copy(value)
            for name, each in vars(value).items():
                setattr(made, name, convert(each))
            return made
        return false_func(value)

    return convert
