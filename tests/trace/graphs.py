"""Random graphs, and the minimal subgraph of the Trace paper read word for word: no cleverness, quadratic and slow."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from opto.trace import MessageNode, Node, node

# For each root whether it is trainable; for each computed node the places of its inputs among the nodes before it; and
# the place of the output.
Plan = tuple[list[bool], list[list[int]], int]


@st.composite
def plans(draw: st.DrawFn, most: int = 14) -> Plan:
    """Plans of graphs with at least one root."""
    roots = draw(st.lists(st.booleans(), min_size=1, max_size=5))
    count = draw(st.integers(0, most))
    computed = [draw(st.lists(st.integers(0, len(roots) + k - 1), min_size=1, max_size=3)) for k in range(count)]
    output = draw(st.integers(0, len(roots) + count - 1))
    return roots, computed, output


def build(plan: Plan) -> tuple[list[Node[Any]], Node[Any]]:
    """The nodes of a plan, and its output."""
    roots, computed, output = plan
    nodes: list[Node[Any]] = [node(k, name="root", trainable=trainable) for k, trainable in enumerate(roots)]
    for inputs in computed:
        named = {f"x{k}": nodes[place] for k, place in enumerate(inputs)}
        nodes.append(MessageNode(len(nodes), inputs=named, description="[step]"))
    return nodes, nodes[output]


def leads_to(start: Node[Any], end: Node[Any]) -> bool:
    """Whether a path of at least one edge goes from `start` to `end`."""
    return any(parent is start or leads_to(start, parent) for parent in end.parents)


def minimal_subgraph(
    parameter: Node[Any], output: Node[Any], nodes: list[Node[Any]], through: Node[Any] | None = None
) -> set[Node[Any]]:
    """The parameter, what is both its descendant and an ancestor of the output (or it itself), and its direct inputs.

    Args:
        parameter: where the graph begins.
        output: where it ends.
        nodes: all there are.
        through: only the paths that begin with this child of the parameter.
    """
    if parameter is output:
        return {parameter}
    between = [
        each
        for each in nodes
        if leads_to(parameter, each)
        and (each is output or leads_to(each, output))
        and (through is None or each is through or leads_to(through, each))
    ]
    if not between:
        return set()
    return {parameter, *between, *(parent for each in between for parent in each.parents)}
