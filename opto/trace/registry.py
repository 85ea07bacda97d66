"""The registry `GRAPH`: it numbers nodes by their base name and holds the switches of the engine, but no nodes."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opto.trace.context import AMBIENT, current

if TYPE_CHECKING:
    from opto.trace.nodes import Node

__all__ = ["FIRST_SWEEP", "GRAPH", "Graph"]

FIRST_SWEEP = 16
"""How many children a node has before it first looks for dead ones."""


class Graph:
    """Numbers nodes by base name, so that the k-th node called `add` is `add:k`.

    Attributes:
        ALLOW_NESTED_GRAPHS: whether feedback goes on into the graphs inside `traceable_code` bundles.
        external_dependencies_allowed: overrides what bundles say of nodes that are used but are no inputs; None for no.
        counters: for each base name, the iterator that gives its next number. `next` on it is atomic.
    """

    def __init__(self) -> None:
        self.ALLOW_NESTED_GRAPHS = True
        self.external_dependencies_allowed: bool | None = None
        self.counters: dict[str, itertools.count[int]] = {}
        self._legacy: weakref.WeakValueDictionary[str, Node[Any]] | None = None

    @property
    def TRACE(self) -> bool:  # noqa: N802 - a published name
        """Whether operators and bundled calls are recorded in this thread or task."""
        return current().tracing

    @TRACE.setter
    def TRACE(self, value: bool) -> None:  # noqa: N802 - a published name
        AMBIENT.set(current().replaced(tracing=bool(value)))

    @property
    def LEGACY_GRAPH_BEHAVIOR(self) -> bool:  # noqa: N802 - a published name
        """Whether living nodes can be looked up by name with `get`; off, the registry only counts."""
        return self._legacy is not None

    @LEGACY_GRAPH_BEHAVIOR.setter
    def LEGACY_GRAPH_BEHAVIOR(self, value: bool) -> None:  # noqa: N802 - a published name
        if value and self._legacy is None:
            self._legacy = weakref.WeakValueDictionary()
        elif not value:
            self._legacy = None

    def number(self, base: str) -> int:
        """The next number of `base`, from 0; safe from any thread."""
        try:
            return next(self.counters[base])
        except KeyError:
            return next(self.counters.setdefault(base, itertools.count()))

    def register(self, node: Node[Any]) -> None:
        """Make `node` known to `get` and `roots`, in legacy mode only."""
        if self._legacy is not None:
            self._legacy[node.name] = node

    def get(self, name: str) -> Node[Any]:
        """The living node called `name`, such as `"add:0"`; in legacy mode only."""
        nodes = self._require_legacy("get")
        if name not in nodes:
            raise KeyError(f"no living node is called {name!r}")
        return nodes[name]

    @property
    def roots(self) -> list[Node[Any]]:
        """The living nodes without parents; in legacy mode only."""
        return [node for node in self._require_legacy("roots").values() if node.is_root]

    def clear(self) -> None:
        """Number from 0 again, as in a new process."""
        self.counters.clear()
        if self._legacy is not None:
            self._legacy.clear()

    def numbers(self) -> dict[str, int]:
        """The number that the next node of each base name will get."""
        # A count shows its next value nowhere but in its text: "count(7)".
        return {base: int(repr(counter)[6:-1]) for base, counter in list(self.counters.items())}

    def renumber(self, numbers: Mapping[str, int]) -> None:
        """Go on from what `numbers` gave, here or in another process: nodes get the names that they got after it."""
        self.counters.clear()
        self.counters.update({base: itertools.count(number) for base, number in numbers.items()})

    def __len__(self) -> int:
        """How many nodes were numbered since the last `clear`."""
        return sum(self.numbers().values())

    def __repr__(self) -> str:
        return f"<Graph: {len(self)} nodes of {len(self.counters)} names>"

    def _require_legacy(self, what: str) -> weakref.WeakValueDictionary[str, Node[Any]]:
        if self._legacy is None:
            raise RuntimeError(
                f"GRAPH.{what} needs GRAPH.LEGACY_GRAPH_BEHAVIOR = True, set before the nodes are made: "
                "by default the registry holds counters and no nodes."
            )
        return self._legacy


GRAPH = Graph()
