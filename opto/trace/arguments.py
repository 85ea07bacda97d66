"""Between what a caller passes and what a body gets: arguments become nodes, and nodes become raw values."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from opto.trace.containers import NodeContainer
from opto.trace.nodes import Node
from opto.trace.recording import NODE_CLASSES, record, root

__all__ = ["Packing", "nodes_inside", "packing", "unwrap", "wrap"]

_ATOMS = {int, float, str, bool, type(None), bytes, complex}
_SEQUENCES = (list, tuple, set, frozenset)
_CONTAINERS = (*_SEQUENCES, dict, slice, NodeContainer)


def wrap(value: Any, base: str | None = None) -> Node[Any]:
    """`value` as a node: a node as it is, anything else in a new one named after `base` or its type.

    A container that holds nodes becomes a computed node, so that feedback finds its way to them.
    """
    kind = value.__class__
    if kind in _ATOMS:
        return root(value, base or kind.__name__)
    if isinstance(value, Node):
        return value
    if isinstance(value, _CONTAINERS):
        inside = tuple(nodes_inside(value))
        if inside:
            operation = _PACKING[next(each for each in _PACKING if isinstance(value, each))]
            names = tuple(f"args_{k}" for k in range(len(inside)))
            values = tuple(each._data for each in inside)
            return record(operation, base or operation.name, unwrap(value), inside, names, values)
    return root(value, base or kind.__name__)


def nodes_inside(value: Any) -> list[Node[Any]]:
    """The nodes inside tuples, lists, dict values, sets, slices and containers, each once, in order.

    Linear in what is inside, with no recursion, so depth and cycles are no limit.
    """
    found: dict[Node[Any], None] = {}
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Node):
            found[each] = None
        elif isinstance(each, _CONTAINERS) and id(each) not in seen:
            seen.add(id(each))
            waiting.extend(reversed(_elements(each)))
    return list(found)


def _elements(container: Any) -> list[Any]:
    """What a container holds that is a node or a container itself."""
    if isinstance(container, dict):
        elements: Iterable[Any] = container.values()
    elif isinstance(container, slice):
        elements = (container.start, container.stop, container.step)
    elif isinstance(container, _SEQUENCES):
        if NODE_CLASSES.isdisjoint(kinds := set(map(type, container))) and _ATOMS.issuperset(kinds):
            return []  # the common case of plain data, told without a Python loop
        elements = container
    else:
        elements = _attributes(container).values()
    return [each for each in elements if isinstance(each, (Node, *_CONTAINERS))]


def _attributes(container: NodeContainer) -> dict[str, Any]:
    # A module stands for itself: its parameters are inputs only where its own methods say so.
    return {} if container._stands_for_itself else getattr(container, "__dict__", {})


def unwrap(value: Any) -> Any:
    """`value` with the nodes inside replaced by their raw data, one level deep; without any, `value` itself.

    Containers that hold nodes are copied; all others are passed by reference, so a bundled function may change them.
    """
    if isinstance(value, Node):
        return value._data
    if not isinstance(value, _CONTAINERS):
        return value
    holders = _holders(value)
    return _unwrapped(value, holders, {}) if holders else value


def _holders(value: Any) -> set[int]:
    """The ids of the containers, `value` among them, that hold a node at any depth; linear in what is inside."""
    around: dict[int, list[int]] = {id(value): []}  # container -> the containers that it stands in
    holders: list[int] = []
    waiting = [value]
    while waiting:
        container = waiting.pop()
        for each in _elements(container):
            if isinstance(each, Node):
                holders.append(id(container))
            elif id(each) in around:
                around[id(each)].append(id(container))
            else:
                around[id(each)] = [id(container)]
                waiting.append(each)
    found: set[int] = set()
    while holders:
        key = holders.pop()
        if key not in found:
            found.add(key)
            holders.extend(around[key])
    return found


def _unwrapped(value: Any, holders: set[int], copies: dict[int, Any]) -> Any:
    if isinstance(value, Node):
        return value._data
    if id(value) not in holders:
        return value
    if id(value) in copies:
        return copies[id(value)]
    made: Any
    if isinstance(value, (list, dict, NodeContainer)):
        made = copies[id(value)] = copy.copy(value)  # known before it is filled: it may hold itself
        _fill(made, value, holders, copies)
    elif isinstance(value, slice):
        made = slice(*(_unwrapped(each, holders, copies) for each in (value.start, value.stop, value.step)))
    else:
        elements = [_unwrapped(each, holders, copies) for each in value]
        made = type(value)(*elements) if hasattr(value, "_fields") else type(value)(elements)  # a named tuple, or not
        copies[id(value)] = made
    return made


def _fill(made: Any, original: Any, holders: set[int], copies: dict[int, Any]) -> None:
    if isinstance(made, list):
        made[:] = [_unwrapped(each, holders, copies) for each in original]
    elif isinstance(made, dict):
        for key, each in original.items():
            made[key] = _unwrapped(each, holders, copies)
    else:
        for name, each in list(_attributes(original).items()):
            object.__setattr__(made, name, _unwrapped(each, holders, copies))


class Packing:
    """The operation that makes a container of the nodes inside it."""

    def __init__(self, name: str, what: str) -> None:
        self.name = name
        self._what = what

    def description_of(self, node: Node[Any]) -> str:
        """See `recording.Operation`."""
        return f"[{self.name}] A {self._what} made of the inputs."

    def info_of(self, node: Node[Any]) -> dict[str, Any]:
        """See `recording.Operation`."""
        return {"fun_name": self.name, "_fun_name": self.name, "doc": f"A {self._what} made of the inputs."}

    def __reduce__(self) -> tuple[Any, ...]:
        return packing, (self.name,)


_PACKING: dict[Any, Packing] = {
    list: Packing("make_list", "list"),
    tuple: Packing("make_tuple", "tuple"),
    (set, frozenset): Packing("make_set", "set"),
    dict: Packing("make_dict", "dict"),
    slice: Packing("make_slice", "slice"),
    NodeContainer: Packing("make_container", "container"),
}


def packing(name: str) -> Packing:
    """The operation of this name."""
    return next(each for each in _PACKING.values() if each.name == name)
