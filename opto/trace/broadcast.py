"""Applying an operation to matching pieces of containers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opto.trace.arguments import unwrap
from opto.trace.containers import NodeContainer
from opto.trace.nodes import Node

__all__ = ["apply_op", "recursive_conversion", "to_data"]

to_data = unwrap


def apply_op(op: Callable[..., Any], output: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply `op` to the matching pieces of the inputs, and write the results into `output`.

    Args:
        op: any callable; it gets one node from each input.
        output: a node, or nested lists, tuples, dicts and containers of nodes: the shape to fill. Leaves that are neither
            node nor container keep their value.
        *args: inputs: of the shape of `output`, or single nodes, which go with every piece.
        **kwargs: the same, by keyword.

    Returns:
        `output` itself, filled; for a node or a tuple, a new object.

    Raises:
        TypeError: if an input is neither a node nor of the type of `output`.
        ValueError: if lengths differ.
    """
    inputs = [*args, *kwargs.values()]
    for each in inputs:
        if not isinstance(each, (Node, type(output))):
            raise TypeError(f"inputs must be nodes or of the type {type(output).__name__} of output, got {each!r}.")
    if isinstance(output, Node):
        return op(*args, **kwargs)

    def piece(reach: Callable[[Any], Any], current: Any) -> Any:
        if not isinstance(current, (Node, list, tuple, dict, NodeContainer)):
            return current
        pick = [each if isinstance(each, Node) else reach(each) for each in args]
        named = {key: each if isinstance(each, Node) else reach(each) for key, each in kwargs.items()}
        return apply_op(op, current, *pick, **named)

    if isinstance(output, (list, tuple)):
        for each in inputs:
            if not isinstance(each, Node) and len(each) != len(output):
                raise ValueError(f"inputs must have the length {len(output)} of output, got one of {len(each)}.")
        filled = [piece(lambda each, k=k: each[k], current) for k, current in enumerate(output)]  # type: ignore[misc]
        if isinstance(output, tuple):
            return type(output)(filled)
        output[:] = filled
    elif isinstance(output, dict):
        for key, current in output.items():
            output[key] = piece(lambda each, key=key: each[key], current)  # type: ignore[misc]
    elif isinstance(output, NodeContainer):
        for name, current in list(vars(output).items()):
            setattr(output, name, piece(lambda each, name=name: getattr(each, name), current))  # type: ignore[misc]
    return output


def recursive_conversion(true_func: Callable[[Any], Any], false_func: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A mapper of nested lists, tuples, dict values, sets and containers.

    Args:
        true_func: what nodes become.
        false_func: what other leaves become.
    """
    import copy

    def convert(value: Any) -> Any:
        if isinstance(value, Node):
            return true_func(value)
        if isinstance(value, (list, tuple, set, frozenset)):
            return type(value)(convert(each) for each in value)
        if isinstance(value, dict):
            return {key: convert(each) for key, each in value.items()}
        if isinstance(value, NodeContainer):
            made = copy.copy(value)
            for name, each in vars(value).items():
                setattr(made, name, convert(each))
            return made
        return false_func(value)

    return convert
