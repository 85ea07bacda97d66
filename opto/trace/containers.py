"""Containers of nodes: objects whose parameters can be collected."""

from __future__ import annotations

import copy
import functools
import inspect
from collections import UserDict, UserList
from collections.abc import Mapping
from typing import Any

from opto.trace.nodes import Node, ParameterNode

__all__ = ["Map", "NodeContainer", "ParameterContainer", "Seq", "trainable_method"]

RESERVED = "__TRACE_RESERVED_"
"""Attributes whose names start so are opto's own."""


class NodeContainer:
    """Marks a class whose instances hold nodes in their attributes."""

    _stands_for_itself = False


class ParameterContainer(NodeContainer):
    """An object whose trainable nodes are found in its attributes, also in nested containers."""

    def parameters(self) -> list[ParameterNode[Any]]:
        """All its trainable nodes, those of nested containers included; what is shared repeats."""
        found: list[ParameterNode[Any]] = []
        for value in self.parameters_dict().values():
            if isinstance(value, ParameterNode):
                found.append(value)
            else:
                found.extend(value.parameters())
        return found

    def parameters_dict(self) -> dict[str, Any]:
        """Attribute name -> `ParameterNode` or `ParameterContainer`; trainable methods stand under their own name.

        Raises:
            ValueError: if an attribute is a `functools.partial` around a trainable bundle: its parameter would be lost.
        """
        found = {}
        for name, value in inspect.getmembers(self):
            if name.startswith(RESERVED):
                continue
            if isinstance(value, functools.partial) and trainable_method(_innermost(value)):
                raise ValueError(
                    f"attribute {name!r} is a functools.partial around the trainable bundle {_innermost(value).name!r}, whose "
                    "code parameter cannot be reached through it: keep the bundle itself as an attribute."
                )
            if _is_parameter(value):
                found[name] = value
        return found

    def copy(self) -> Any:
        """A copy whose ordinary attributes are its own and whose parameters are shared."""
        memo: dict[int, Any] = {id(parameter): parameter for parameter in self.parameters()}
        return copy.deepcopy(self, memo)


def trainable_method(value: Any) -> bool:
    """Whether `value` is a trainable bundle."""
    return isinstance(value, ParameterContainer) and isinstance(getattr(value, "parameter", None), ParameterNode)


def _is_parameter(value: Any) -> bool:
    if isinstance(value, ParameterNode):
        return value.trainable
    if isinstance(value, ParameterContainer):
        # A bundle without code to train is a function, not a container.
        return not hasattr(value, "parameter") or trainable_method(value)
    return False


def _innermost(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


class Seq(UserList[Any], ParameterContainer):
    """A list whose parameters can be collected: `Seq(a, b)` or `Seq([a, b])`."""

    def __init__(self, *items: Any) -> None:
        if len(items) == 1 and isinstance(items[0], (list, tuple, UserList)):
            items = tuple(items[0])
        super().__init__(items)

    def parameters_dict(self) -> dict[str, Any]:
        """Name -> parameter or container; parameters stand under their own name, containers under their position."""
        found = {}
        for position, value in enumerate(self.data):
            if _is_parameter(value):
                found[value.name if isinstance(value, Node) else str(position)] = value
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self.data),)


class Map(UserDict[Any, Any], ParameterContainer):
    """A dict whose parameters, values or keys, can be collected."""

    def __init__(self, mapping: Mapping[Any, Any] | None = None) -> None:
        super().__init__(mapping or {})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Map, dict)):
            return NotImplemented
        if dict(self) == dict(other):
            return True
        # Keys that are nodes are told apart by identity, so after a round trip only their values can agree.
        pairs = zip(self.items(), other.items())
        return len(self) == len(other) and all(k == key and v == value for (k, v), (key, value) in pairs)

    __hash__ = None  # type: ignore[assignment]

    def parameters_dict(self) -> dict[str, Any]:
        """Key -> parameter or container; keys that are parameters stand under their own name."""
        found = {}
        for key, value in self.data.items():
            if _is_parameter(key):
                found[key.name] = key
            if _is_parameter(value):
                found[key.name + " value" if isinstance(key, Node) else str(key)] = value
        return found
