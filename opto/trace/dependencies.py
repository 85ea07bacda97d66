"""Questions about the graph above a node, each answered by one iterative pass: no recursion, so depth is no limit.

This module knows nodes only by their shape, which lets `nodes.py` build on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

__all__ = ["ancestors", "expandable_of", "hidden_parameters", "inner_output", "parameters_of", "values_read"]

_level = attrgetter("_level")


def ancestors(outputs: Iterable[Any]) -> list[Any]:
    """The outputs and all that they were computed from, by rising level: parents come before children."""
    roots: list[Any] = []
    computed: list[Any] = []
    seen = set()
    for node in outputs:
        if node not in seen:
            seen.add(node)
            (computed if node._parents else roots).append(node)
    for node in computed:  # grows while it is walked
        for parent in node._parents:
            if parent not in seen:
                seen.add(parent)
                (computed if parent._parents else roots).append(parent)
    computed.sort(key=_level)
    return roots + computed


def inner_output(node: Any) -> Any:
    """The output of the graph inside a call of a `traceable_code` bundle; None for all other nodes."""
    info = node._info
    if info is None:
        return None
    output = info.get("output") if isinstance(info, dict) else getattr(info, "output", None)
    return output if hasattr(output, "_parents") else None


def parameters_of(node: Any) -> set[Any]:
    """The trainable nodes among a node and its visible ancestors."""
    return {each for each in ancestors([node]) if each.trainable}


def hidden_parameters(node: Any) -> list[Any]:
    """The trainable nodes of the graph inside a call, and of the graphs inside that one, in order; none twice."""
    found: dict[Any, None] = {}
    waiting = [node]
    seen = set()
    while waiting:
        inner = inner_output(waiting.pop())
        if inner is None or inner in seen:
            continue
        seen.add(inner)
        for each in ancestors([inner]):
            if each.trainable:
                found[each] = None
            elif each._info is not None:
                waiting.append(each)
    return list(found)


def expandable_of(node: Any) -> set[Any]:
    """The nodes, among a node and its ancestors, whose inner graph depends on parameters that are not visible."""
    found = set()
    for each in ancestors([node]):
        hidden = hidden_parameters(each) if each._info is not None else []
        if hidden and not parameters_of(each).issuperset(hidden):
            found.add(each)
    return found


def values_read(nodes: Iterable[Any]) -> dict[Any, Any]:
    """What the forward pass read: for each input of a call with trainable inputs, hidden ones too, its value then."""
    values: dict[Any, Any] = {}
    waiting: Iterable[Any] = nodes
    seen = set()
    while waiting:
        inside: list[Any] = []
        for node in waiting:
            if node._read is not None:
                for parent, value in zip(node._parents, node._read):  # noqa: B905 - of the same length, in a hot loop
                    if parent not in values:
                        values[parent] = value
            if node._info is not None:
                inner = inner_output(node)
                if inner is not None and inner not in seen:
                    seen.add(inner)
                    inside.extend(ancestors([inner]))
        waiting = inside
    return values
