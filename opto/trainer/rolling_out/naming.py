"""Names of nodes that do not depend on which of several rollouts was faster.

Nodes are numbered by base name in the order in which they are made, and prompts show these names. Programs that run
side by side would get other numbers each time. So a rollout makes its nodes in a name scope of its own, and when it is
consumed, in the order of submission, they get the names that they would have had, one after the other.
"""

from __future__ import annotations

from typing import Any

from opto.trace.arguments import nodes_inside
from opto.trace.context import current, name_scope
from opto.trace.dependencies import ancestors, inner_output
from opto.trace.nodes import Node
from opto.trace.registry import GRAPH

__all__ = ["is_provisional", "numbered", "provisional"]

_SCOPE = "__rollout"
_PREFIX = f"{_SCOPE}/"


def provisional() -> name_scope:
    """A block whose nodes are named for good by `numbered`, later."""
    return name_scope(_SCOPE, lasting=True)


def is_provisional(node: Node[Any]) -> bool:
    """Whether a node was made in such a block and has not got its name for good."""
    return node._base.startswith(_PREFIX)


def numbered(output: Any) -> None:
    """Name an output, or the nodes in it, and all it was computed from, as if computed now, in this name scope."""
    scopes = current().scopes
    prefix = f"{scopes[-1]}/" if scopes else ""
    waiting = nodes_inside(output)[::-1]
    seen: set[int] = set()
    while waiting:
        top = waiting.pop()
        if id(top) in seen:
            continue
        for node in ancestors([top]):
            seen.add(id(node))
            if is_provisional(node):
                rest = node._base[len(_PREFIX) :]
                node._base = rest[1:] if rest.startswith("/") else prefix + rest  # in a scope of the program's own
                node._index = GRAPH.number(node._base)
                GRAPH.register(node)
            inner = inner_output(node) if node._info is not None else None
            if inner is not None:
                waiting.append(inner)
