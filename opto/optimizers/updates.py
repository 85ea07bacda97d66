"""Sets of new values: checked, told, and set as one."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from opto.errors import StaleValueWarning
from opto.optimizers.canonical import plain
from opto.trace.nodes import Node, ParameterNode

if TYPE_CHECKING:
    from opto.trace.propagators import TraceGraph

__all__ = ["check_update", "checked_parameters", "same_value", "told_values", "warn_of_stale_values"]


def told_values(values: Mapping[ParameterNode[Any], Any]) -> dict[str, dict[str, Any]]:
    """Old and new values by name, as plain data."""
    return {
        "old": {parameter.py_name: plain(parameter._data) for parameter in values},
        "new": {parameter.py_name: plain(value) for parameter, value in values.items()},
    }


def checked_parameters(parameters: Any) -> list[ParameterNode[Any]]:
    """The parameters given, each once.

    Raises:
        TypeError: `parameters` is no iterable or holds something that is no `ParameterNode`.
        ValueError: it is empty.
    """
    if isinstance(parameters, (Node, str, bytes, Mapping)) or not isinstance(parameters, Iterable):
        raise TypeError(f"parameters must be a list of ParameterNodes, got {parameters!r}.")
    unique: dict[int, ParameterNode[Any]] = {}
    for position, parameter in enumerate(parameters):
        if not isinstance(parameter, ParameterNode):
            raise TypeError(
                f"parameters must be ParameterNodes, made by node(value, trainable=True), "
                f"but parameters[{position}] is {parameter!r}."
            )
        unique[id(parameter)] = parameter
    if not unique:
        raise ValueError("parameters must hold at least one ParameterNode, got none: is anything trainable?")
    return list(unique.values())


def check_update(values: Any) -> None:
    """Raise a `TypeError` for what maps something else than parameters to values."""
    if not isinstance(values, Mapping):
        raise TypeError(f"an update must map ParameterNodes to values, got {values!r}.")
    for parameter in values:
        if not isinstance(parameter, ParameterNode):
            raise TypeError(f"an update must map ParameterNodes to values, got the key {parameter!r}.")


def same_value(left: Any, right: Any) -> bool:
    """Whether two values are of one type and equal."""
    if left is right:
        return True
    try:
        return type(left) is type(right) and bool(left == right)
    except Exception:  # values that cannot be compared count as changed
        return False


def warn_of_stale_values(parameters: Iterable[ParameterNode[Any]], graph: TraceGraph) -> None:
    """Warn of each parameter that has changed since the forward pass that the feedback is about."""
    mine = {id(parameter) for parameter in parameters}
    shown = ((node, graph.value(node)) for _, node in graph if id(node) in mine)
    stale = [node.py_name for node, value in shown if not same_value(value, node._data)]
    if stale:
        names = ", ".join(stale[:10]) + (f" and {len(stale) - 10} more" if len(stale) > 10 else "")
        warnings.warn(
            f"{names} changed after the forward pass that the feedback is about: the new value is proposed from "
            "the older one. Call zero_feedback() after each step, and step before the next forward pass.",
            StaleValueWarning,
            stacklevel=3,
        )
