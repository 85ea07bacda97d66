"""The feedback of the paper's propagator: a `TraceGraph`, the minimal subgraph from parameters to an output.

A `TraceGraph` is lazy: `backward` hands out views of its walk, adding graphs only notes what to join, and the nodes are
computed once, when first read. So collecting the feedback of N parameters or N samples is linear in all their nodes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from opto.trace.abstract_node import same_value
from opto.trace.dependencies import ancestors, hidden_parameters, inner_output, values_read
from opto.trace.propagators.propagators import Propagator
from opto.trace.walk import Walk

if TYPE_CHECKING:
    import graphviz

__all__ = ["GraphPropagator", "TraceGraph"]

_by_level = itemgetter(0)


class TraceGraph:
    """A graph and the feedback on its output.

    Args:
        graph: pairs of level and node.
        user_feedback: the feedback on the highest node; None if there is none.

    Adding two graphs merges them by the identity of their nodes.
    """

    __slots__ = ("_feedback", "_graph", "_parts", "_values")

    def __init__(self, graph: Iterable[tuple[int, Any]], user_feedback: Any = None) -> None:
        self._graph: list[tuple[int, Any]] | None = sorted(_checked(graph), key=_by_level)
        self._feedback: list[tuple[str, Any]] = []
        if user_feedback is not None:
            self._feedback = [(self._graph[-1][1].py_name if self._graph else "output", user_feedback)]
        self._values: dict[Any, Any] | None = None  # found when asked for
        self._parts: tuple[Any, ...] = ()

    @classmethod
    def _lazy(cls, *parts: Any) -> TraceGraph:
        """A graph that is still to be joined: of graphs, or of views `(walk, parameter, children)`."""
        made = object.__new__(cls)
        made._graph = None
        made._feedback = []
        made._values = None
        made._parts = parts
        return made

    @classmethod
    def view(cls, walk: Walk, parameter: Any, children: list[Any]) -> TraceGraph:
        """What `parameter` sees of a walk that it enters through `children`."""
        return cls._lazy((walk, parameter, children))

    @classmethod
    def empty(cls) -> TraceGraph:
        """The graph without nodes or feedback."""
        return cls([], None)

    @classmethod
    def expand(cls, node: Any) -> TraceGraph:
        """The graph inside a call of a `traceable_code` bundle, with the parameters it hides; empty for other nodes."""
        if not hasattr(node, "_parents"):
            raise TypeError(f"node must be a node, got {node!r}.")
        inner = inner_output(node)
        if inner is None:
            return cls.empty()
        nodes = dict.fromkeys([*ancestors([inner]), *hidden_parameters(node)])
        return cls([(each._level, each) for each in nodes], None)

    # ---- reading

    @property
    def graph(self) -> list[tuple[int, Any]]:
        """Pairs of level and node, by rising level."""
        return self._join()

    @property
    def user_feedback(self) -> Any:
        """The feedback: the single value while all outputs agree, else a list of `(output name, feedback)` pairs.

        None if there is none.
        """
        self._join()
        if not self._feedback:
            return None
        first = self._feedback[0][1]
        if all(_equal(first, feedback) for _, feedback in self._feedback[1:]):
            return first
        return list(self._feedback)

    @property
    def feedback_by_output(self) -> list[tuple[str, Any]]:
        """Pairs of output name and feedback, in order of arrival, equal feedback too; [] if there is none."""
        self._join()
        return list(self._feedback)

    def value(self, node: Any) -> Any:
        """The value of a node that the forward pass read; a parameter may hold another one by now."""
        if self._graph is None:
            self._join()
        values = self._values
        return (self._known_values() if values is None else values).get(node, node._data)

    def _known_values(self) -> dict[Any, Any]:
        if self._values is None:
            self._values = values_read(node for _, node in self._graph or ())
        return self._values

    def __len__(self) -> int:
        return len(self.graph)

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        return iter(self.graph)

    def __bool__(self) -> bool:
        return bool(self.graph)

    def __repr__(self) -> str:
        if self._graph is None:
            return "<TraceGraph: not read yet>"
        return f"<TraceGraph: {len(self._graph)} nodes, feedback {self.user_feedback!r}>"

    # ---- joining

    def __add__(self, other: Any) -> TraceGraph:
        if isinstance(other, TraceGraph):
            return TraceGraph._lazy(self, other)
        return self if isinstance(other, int) and other == 0 else NotImplemented  # where `sum` starts

    __radd__ = __add__

    def _join(self) -> list[tuple[int, Any]]:
        parts = self._parts  # before the look at the graph: another thread sets that first, and then lets go of these
        if self._graph is None:
            found, self._feedback, self._values = _joined(parts)
            self._graph = sorted(((node._level, node) for node in found), key=_by_level)
            self._parts = ()
        return self._graph

    # ---- drawing, and travelling

    def visualize(
        self, simple_visualization: bool = True, reverse_plot: bool = False, print_limit: int = 100
    ) -> graphviz.Digraph:
        """A picture of the graph; see `Node.backward` for the options. Nothing is rendered yet."""
        from opto.trace.visualize import digraph

        return digraph(
            self.graph,
            simple_visualization=simple_visualization,
            reverse_plot=reverse_plot,
            print_limit=print_limit,
            value=self.value,
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from opto.trace.visualize import notebook_bundle

        return notebook_bundle(self.visualize())

    def __deepcopy__(self, memo: dict[int, Any]) -> TraceGraph:
        """A graph of its own: copies of the nodes, joined as these are; what is outside the graph is left out."""
        pairs = []
        for level, node in self.graph:  # parents come before children, so each finds the copies of its inputs
            pairs.append((level, copy.deepcopy(node, memo)))
            parents = tuple([memo[id(parent)] for parent in node._parents if id(parent) in memo])
            if parents and len(parents) == len(node._parents):
                memo[id(node)]._take_the_place_of(node, parents, copy.deepcopy(node._read, memo))
        known = self._known_values().items()
        values = [(memo[id(node)], copy.deepcopy(value, memo)) for node, value in known if id(node) in memo]
        return _restored(pairs, copy.deepcopy(self._feedback, memo), values)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.graph, self._feedback, list(self._known_values().items()))


def _restored(graph: Any, feedback: Any, values: Any) -> TraceGraph:
    made = TraceGraph(graph)
    made._feedback, made._values = feedback, dict(values)
    return made


def _joined(parts: tuple[Any, ...]) -> tuple[list[Any], list[tuple[str, Any]], dict[Any, Any]]:
    """The nodes, feedback and read values of lazy parts: one pass over the parts, and one over each walk."""
    found: dict[int, Any] = {}  # graphs and views, in order; the views of one walk are one view of several parameters
    waiting = list(reversed(parts))
    seen = set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, TraceGraph):
            if id(part) in seen:
                continue  # sums share parts: each is taken once, however many ways lead to it
            seen.add(id(part))
            inner = part._parts  # before the look at the graph; see `_join`
            if part._graph is None:
                waiting.extend(reversed(inner))
            else:
                found[id(part)] = part
            continue
        walk, parameter, children = part
        view = found.get(id(walk))
        if view is None:
            found[id(walk)] = walk, (parameter,), children
            continue
        if type(view[1]) is tuple:
            view = found[id(walk)] = walk, list(view[1]), list(view[2])
        view[1].append(parameter)
        view[2].extend(children)

    nodes: dict[Any, None] = {}
    values: dict[Any, Any] = {}
    feedback: dict[tuple[str, int], tuple[str, Any]] = {}
    for each in found.values():
        if isinstance(each, TraceGraph):
            nodes.update((node, None) for _, node in each._graph or ())
            values.update(each._known_values())
            given = each._feedback
        else:
            walk, parameters, entries = each
            shown = walk.subgraph(parameters, entries)
            nodes.update(shown)
            values.update(walk.values(shown))
            given = [(walk.output.py_name, walk.feedback)]
        for pair in given:
            feedback[pair[0], id(pair[1])] = pair
    return list(nodes), list(feedback.values()), values


def _equal(left: Any, right: Any) -> bool:
    if left is right:
        return True
    try:
        return type(left) is type(right) and same_value(left, right)
    except Exception:  # whatever a foreign `==` raises: told apart
        return False


def _checked(graph: Iterable[tuple[int, Any]]) -> list[tuple[int, Any]]:
    pairs = list(graph)
    for each in pairs:
        if not isinstance(each, tuple) or len(each) != 2 or not hasattr(each[1], "_parents"):
            raise TypeError(f"graph must hold pairs of level and node, got {each!r}.")
    return pairs


class GraphPropagator(Propagator):
    """The paper's propagator: what travels is the graph itself.

    `backward` recognizes it and takes one linear walk instead of passing messages. Subclass it, or `register` a
    function for an operator, to change what some nodes send: then messages are passed node by node.
    """

    def init_feedback(self, node: Any, feedback: Any) -> TraceGraph:
        """The graph of the output alone, with its feedback."""
        return TraceGraph([(node._level, node)], feedback)

    def aggregate(self, feedback: dict[Any, list[TraceGraph]]) -> TraceGraph:
        """The sum of all graphs in a node's feedback; the empty graph for none."""
        graphs = [graph for each in feedback.values() for graph in each]
        return TraceGraph._lazy(*graphs) if graphs else TraceGraph.empty()

    def _propagate(self, child: Any) -> dict[Any, TraceGraph]:
        parents = child.parents
        own = TraceGraph([(node._level, node) for node in (*parents, child)], None)
        graph = self.aggregate(child.feedback) + own
        receivers = dict.fromkeys([*parents, *hidden_parameters(child)])
        return {parent: graph + TraceGraph([(parent._level, parent)], None) for parent in receivers}
