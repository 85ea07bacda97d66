"""The path on which criticism travels from outputs to parameters: who gets it from whom, and in which round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opto.optimizers.cutting import cut
from opto.optimizers.rendering import feedback_text
from opto.trace.dependencies import hidden_parameters
from opto.trace.nodes import IDENTITY_OPERATORS

if TYPE_CHECKING:
    from opto.trace.nodes import Node, ParameterNode
    from opto.trace.propagators import TraceGraph

__all__ = ["Edge", "Gradients", "Path"]


@dataclass(frozen=True)
class Edge:
    """A computed node, and one of the nodes it was computed from that lead to a parameter."""

    child: Node[Any]
    parent: Node[Any]


class Path:
    """The nodes of a graph between some parameters and the outputs that got feedback.

    Args:
        graph: with its feedback.
        parameters: the trainable ones.

    Attributes:
        edges: for each computed node on the path, the edges to its inputs on the path.
        free: the parameters that the graph holds.
    """

    def __init__(self, graph: TraceGraph, parameters: Iterable[ParameterNode[Any]]) -> None:
        wanted = {id(parameter) for parameter in parameters}
        nodes = [node for _, node in graph]
        self.free = [node for node in nodes if id(node) in wanted]
        alive = set(self.free)
        self.edges: dict[Node[Any], list[Edge]] = {}
        for node in nodes:
            inputs = dict.fromkeys([*node._parents, *hidden_parameters(node)])
            edges = [Edge(node, each) for each in inputs if each in alive]
            if edges:
                self.edges[node] = edges
                alive.add(node)

    def rounds(self) -> Iterator[list[Node[Any]]]:
        """The computed nodes, from the outputs on: each is in a later round than all that it gets criticism from.

        There are as many rounds as there are calls on the longest way from an output to a parameter. A node that only
        passes a value on is in the round in which it gets its criticism.
        """
        rank = dict.fromkeys(self.edges, 0)
        waves: list[list[Node[Any]]] = []
        for node in reversed(list(self.edges)):
            here = rank[node]
            while len(waves) <= here:
                waves.append([])
            waves[here].append(node)
            after = here if passes_on(node) else here + 1
            for edge in self.edges[node]:
                if edge.parent in rank:
                    rank[edge.parent] = max(rank[edge.parent], after)
        yield from waves


def passes_on(node: Node[Any]) -> bool:
    """Whether the node only hands on the value of its input."""
    return node.op_name in IDENTITY_OPERATORS


class Gradients:
    """The criticism that each node has got so far.

    Args:
        graph: the graph, whose outputs start with their feedback.
    """

    def __init__(self, graph: TraceGraph) -> None:
        self._texts: dict[Node[Any], list[str]] = {}
        outputs = {node.py_name: node for _, node in graph}
        for name, feedback in graph.feedback_by_output:
            if name in outputs:
                self.add(outputs[name], feedback_text(feedback))

    def add(self, node: Node[Any], text: str) -> None:
        """Criticism of a node, once for each distinct text."""
        texts = self._texts.setdefault(node, [])
        if text and text not in texts:
            texts.append(text)

    def of(self, node: Node[Any]) -> list[str]:
        """All criticism of a node."""
        return list(self._texts.get(node, ()))


def joined(texts: list[str], limit: int, *, latest: bool = False) -> str:
    """The texts as a list of about `limit` characters; what does not fit is counted, the middle of a long text too.

    Args:
        texts: the texts, the oldest first.
        limit: how many characters; 0 for none of the texts.
        latest: leave out the first ones, not the last ones.
    """
    kept: list[str] = []
    length = 0
    for text in reversed(texts) if latest else texts:
        length += len(text)
        if not limit or (kept and length > limit):
            break
        kept.append(f"- {cut(text, limit)}")
    note = [f"({len(texts) - len(kept)} more were left out)"] if len(kept) < len(texts) else []
    return "\n".join([*note, *kept[::-1]] if latest else [*kept, *note])
