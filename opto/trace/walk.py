"""One reverse pass over the graph above an output, and what each parameter sees of it.

The paper's propagator (arXiv 2406.16218, section 4) sends every node the subgraph that its children collected:
N^2 log N for N nodes. Here one pass, linear in nodes and edges, marks what lies on a path from a parameter to the
output; each parameter remembers only the walk and the children through which it enters it. Reading computes the nodes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opto.trace.dependencies import ancestors, hidden_parameters, values_read

__all__ = ["Walk"]


class Walk:
    """The part of a graph that feedback on `output` concerns.

    Attributes:
        output: the node that got the feedback.
        source: the node that stands for whoever gave the feedback, and holds it.
        path: the computed nodes that lie between a parameter and the output, by rising level.
        entries: for each trainable node, the children through which it enters the path.
    """

    __slots__ = ("_value", "entries", "output", "path", "source")

    def __init__(self, output: Any, source: Any, *, nested: bool = True) -> None:
        self.output = output
        self.source = source
        self._value = output._data
        self.path: list[Any] = []
        self.entries: dict[Any, list[Any]] = {}
        if output.trainable and not output._parents:
            self.entries[output] = []
        else:
            self._mark(ancestors([output]), nested)

    @property
    def feedback(self) -> Any:
        """What the output got."""
        return self.source._data

    def _mark(self, nodes: list[Any], nested: bool) -> None:
        path, entries = self.path, self.entries
        alive = set()
        for node in nodes:
            parents = node._parents
            if not parents and node.trainable:
                alive.add(node)
                continue
            on_path = False
            for parent in parents:
                if parent in alive:
                    on_path = True
                    if parent.trainable:
                        self._enter(parent, node)
            if nested and node._info is not None:
                for parameter in hidden_parameters(node):
                    on_path = True
                    self._enter(parameter, node)
            if on_path or node.trainable:
                alive.add(node)
                path.append(node)
                if node.trainable:  # a trainable node with a past is a parameter too
                    entries.setdefault(node, [])

    def _enter(self, parameter: Any, child: Any) -> None:
        children = self.entries.get(parameter)
        if children is None:
            self.entries[parameter] = [child]
        elif not children or children[-1] is not child:
            children.append(child)

    def subgraph(self, parameters: Iterable[Any], children: Iterable[Any]) -> dict[Any, None]:
        """The paper's minimal subgraph for some entries, by rising level within the walk, as the keys of a dict.

        Args:
            parameters: the trainable nodes that are asked about.
            children: the path nodes through which they enter.

        Returns:
            The parameters; the path nodes that are both descendants of them and ancestors of the output; and the direct
            inputs of those.
        """
        found = dict.fromkeys(parameters)
        reached = set(children)
        for node in self.path:
            if node not in reached:
                for parent in node._parents:
                    if parent in reached:
                        reached.add(node)
                        break
                else:
                    continue
            for parent in node._parents:
                found[parent] = None
            found[node] = None
        return found

    def values(self, nodes: Iterable[Any]) -> dict[Any, Any]:
        """For the trainable nodes among some nodes of the walk: the value that this forward pass read."""
        values = values_read(nodes)
        if self.output not in values:
            values[self.output] = self._value
        return values
