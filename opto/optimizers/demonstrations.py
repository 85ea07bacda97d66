"""Demonstrations from a program's own runs: what went into a traced call, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from opto.trace.dependencies import ancestors
from opto.trace.nodes import ExceptionNode, ParameterNode

if TYPE_CHECKING:
    from opto.trace.nodes import Node

__all__ = ["as_mapping", "harvested"]


def as_mapping(inputs: Mapping[str, Any], output: Any) -> Any:
    """The inputs by name, and the output under `"output"`."""
    return {**inputs, "output": output}


def harvested(
    output: Node[Any],
    parameter: ParameterNode[Any],
    *,
    at: str | None,
    form: Callable[[Mapping[str, Any], Any], Any],
) -> list[Any]:
    """The demonstrations in the graph above an output, in the order in which they were computed.

    Args:
        output: the output of a traced run.
        parameter: the list of demonstrations that was in use.
        at: the name of the operator, function or method whose calls are demonstrations, with or without what it is
            defined in; None for the calls that take the parameter itself.
        form: makes a demonstration of a call's inputs by name, without trainable ones, and of its output.
    """
    found = []
    for node in ancestors([output]):
        if not node._parents or isinstance(node, ExceptionNode):
            continue
        if _is_wanted(node, parameter, at):
            inputs = {
                name: parent._data
                for name, parent in node.inputs.items()
                if not (isinstance(parent, ParameterNode) and parent.trainable) and parent is not parameter
            }
            found.append(form(inputs, node._data))
    return found


def _is_wanted(node: Node[Any], parameter: ParameterNode[Any], at: str | None) -> bool:
    if at is None:
        return any(parent is parameter for parent in node._parents)
    return at in (node.op_name, node.op_name.rpartition(".")[2])
