"""Containers of nodes: objects whose parameters can be collected."""

from __future__ import annotations

import copy
import functools
import inspect
import types
from collections import UserDict, UserList
from collections.abc import Mapping
from typing import Any

from opto.trace.nodes import Node, ParameterNode

__all__ = ["Map", "NodeContainer", "ParameterContainer", "Seq", "trainable_method"]

RESERVED = "__TRACE_RESERVED_"
"""Attributes whose names start so are opto's own."""


_PLAIN = (list, tuple, dict)
_ATOMS = {int, float, str, bool, type(None), bytes, complex}


class NodeContainer:
    """Marks a class whose instances hold nodes in their attributes."""

    _stands_for_itself = False


class ParameterContainer(NodeContainer):
    """An object whose trainable nodes are found in its attributes, also in nested containers, lists and dicts."""

    def parameters(self) -> list[ParameterNode[Any]]:
        """All its trainable nodes, those of nested containers included; what is shared repeats."""
        return _collected(self, (identity(self),))

    def parameters_dict(self) -> dict[str, Any]:
        """Attribute name -> `ParameterNode` or `ParameterContainer`.

        Trainable methods stand under their own name; a plain list, tuple or dict that holds parameters, at any depth,
        is given as a `Seq` or `Map` of its elements.

        Raises:
            ValueError: if an attribute is a `functools.partial` around a trainable bundle: its parameter would be lost.
        """
        found = {}
        for name, value in inspect.getmembers(self):
            if name.startswith("__"):  # Python's own, and what is RESERVED
                continue
            if isinstance(value, functools.partial) and trainable_method(_innermost(value)):
                raise ValueError(
                    f"attribute {name!r} is a functools.partial around the trainable bundle "
                    f"{_innermost(value).name!r}, whose code parameter cannot be reached through it: keep the bundle "
                    "itself as an attribute."
                )
            entry = entry_of(value)
            if entry is not None:
                found[name] = entry
        return found

    def copy(self) -> Any:
        """A copy whose ordinary attributes are its own and whose parameters are shared."""
        memo: dict[int, Any] = {id(parameter): parameter for parameter in self.parameters()}
        return copy.deepcopy(self, memo)


def trainable_method(value: Any) -> bool:
    """Whether `value` is a trainable bundle."""
    return isinstance(value, ParameterContainer) and isinstance(getattr(value, "parameter", None), ParameterNode)


def _collected(container: ParameterContainer, around: tuple[int, ...]) -> list[ParameterNode[Any]]:
    """The parameters of a container that stands in those `around`; one that holds itself is entered once."""
    found: list[ParameterNode[Any]] = []
    for value in container.parameters_dict().values():
        if isinstance(value, ParameterNode):
            found.append(value)
        elif type(value).parameters is not ParameterContainer.parameters:
            found.extend(value.parameters())
        elif identity(value) not in around:
            found.extend(_collected(value, (*around, identity(value))))
    return found


def identity(container: Any) -> int:
    """The `id` of a container; for a view of a plain list or dict, of that."""
    return id(container if getattr(container, "_plain", None) is None else container._plain)


def entry_of(value: Any) -> Any:
    """What stands for `value` among the parameters: a parameter or container; None if it holds no parameter."""
    if isinstance(value, ParameterNode):
        return value if value.trainable else None
    if isinstance(value, types.MethodType) and trainable_method(value.__func__):
        return value.__func__  # a class method around a bundle: before Python 3.13 it gives the bundle itself
    if isinstance(value, ParameterContainer):
        # A bundle without code to train is a function, not a container.
        return value if trainable_method(value) or not hasattr(value, "parameter") else None
    if isinstance(value, _PLAIN) and _holds_parameters(value):
        view: Any = Map(value) if isinstance(value, dict) else Seq(value)
        view._plain = value
        return view
    return None


def _holds_parameters(container: Any) -> bool:
    """Whether a plain list, tuple or dict holds a parameter at any depth; without recursion."""
    waiting = [container]
    seen = set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        inside = each.values() if isinstance(each, dict) else each
        if _ATOMS.issuperset(map(type, inside)):
            continue  # the common case of plain data, told without a Python loop
        for element in inside:
            if isinstance(element, _PLAIN):
                waiting.append(element)
            elif entry_of(element) is not None:
                return True
    return False


def _innermost(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


class Seq(UserList[Any], ParameterContainer):
    """A list whose parameters can be collected: `Seq(a, b)` or `Seq([a, b])`."""

    _plain: Any = None  # the list or tuple that this is a view of

    def __init__(self, *items: Any) -> None:
        if len(items) == 1 and isinstance(items[0], (list, tuple, UserList)):
            items = tuple(items[0])
        super().__init__(items)

    def parameters_dict(self) -> dict[str, Any]:
        """Name -> parameter or container; parameters stand under their own name, containers under their position."""
        found = {}
        for position, value in enumerate(self.data):
            entry = entry_of(value)
            if entry is not None:
                found[value.name if isinstance(value, Node) else str(position)] = entry
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self.data),)


class Map(UserDict[Any, Any], ParameterContainer):
    """A dict whose parameters, values or keys, can be collected."""

    _plain: Any = None  # the dict that this is a view of

    def __init__(self, mapping: Mapping[Any, Any] | None = None) -> None:
        if mapping is not None and not isinstance(mapping, Mapping):
            raise TypeError(f"mapping must be a mapping or None, got {mapping!r}.")
        super().__init__(mapping or {})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Map, dict)):
            return NotImplemented
        if dict(self) == dict(other):
            return True
        # Keys that are nodes are told apart by identity, so after a round trip only their values can agree.
        pairs = zip(self.items(), other.items(), strict=False)
        return len(self) == len(other) and all(k == key and v == value for (k, v), (key, value) in pairs)

    __hash__ = None  # type: ignore[assignment]

    def parameters_dict(self) -> dict[str, Any]:
        """Key -> parameter or container; keys that are parameters stand under their own name."""
        found = {}
        for key, value in self.data.items():
            if entry_of(key) is not None:
                found[key.name] = key
            entry = entry_of(value)
            if entry is not None:
                found[key.name + " value" if isinstance(key, Node) else str(key)] = entry
        return found
