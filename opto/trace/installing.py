"""Puts the overloads of the operator table on nodes, each made for speed: no argument binding, no loops.

`node(1) + 2` costs one look-up whether 2 is a node, the addition itself, and the making of one node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from opto.trace.arguments import wrap
from opto.trace.nodes import MessageNode, Node
from opto.trace.operation import Operator
from opto.trace.operators import OPERATORS, REFLECTED, TABLE
from opto.trace.overloads import NodeOperators
from opto.trace.recording import NODE_CLASSES, fail, record

__all__ = ["COMPOSED", "install"]

_STRING_METHODS = frozenset(
    ("capitalize", "lower", "upper", "swapcase", "title", "split", "strip", "replace", "format", "join")
)


def install() -> None:
    """Give `NodeOperators` its methods."""
    for name, _, parameters, _, overloads in TABLE:
        for overload in overloads.split():
            _install(overload, _method(OPERATORS[name], parameters, overload), OPERATORS[name].__doc__)
    for overload, function in COMPOSED.items():
        _install(overload, function, function.__doc__)


def _install(name: str, method: Callable[..., Any], doc: str | None) -> None:
    method.__name__ = name
    method.__qualname__ = f"Node.{name}"
    method.__doc__ = doc
    setattr(NodeOperators, name, method)


def _method(operation: Operator, parameters: str, overload: str) -> Callable[..., Any]:
    if operation.name in _STRING_METHODS:
        return _string_method(operation)
    if overload == "__add__":
        return _plus(operation, OPERATORS["concat"])
    if overload == "__radd__":
        return _swapped(_plus(operation, OPERATORS["concat"]))
    if overload == "__getitem__":
        return _getitem(operation)
    if parameters == "x":
        return _unary(operation)
    if parameters == "x, y":
        return _swapped(_binary(operation)) if overload in REFLECTED else _binary(operation)
    return _any(operation)


def _unary(operation: Operator) -> Callable[..., Any]:
    function, name, names = operation.function, operation.name, operation.names

    def method(self: Node[Any]) -> Any:
        value = self._data
        try:
            data = function(value)
        except Exception as error:
            raise fail(operation, name, error, (self,), names, (value,)) from error
        return record(operation, name, data, (self,), names, (value,))

    return method


def _binary(operation: Operator) -> Callable[..., Any]:
    function, name, names = operation.function, operation.name, operation.names
    classes: Any = NODE_CLASSES

    def method(self: Node[Any], other: Any) -> Any:
        if other.__class__ not in classes:
            other = wrap(other)
        left, right = self._data, other._data
        try:
            data = function(left, right)
        except Exception as error:
            raise fail(operation, name, error, (self, other), names, (left, right)) from error
        return record(operation, name, data, (self, other), names, (left, right))

    return method


def _swapped(forward: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """The reflected form: the node stands on the right."""

    def method(self: Node[Any], other: Any) -> Any:
        return forward(wrap(other), self)

    return method


def _plus(add: Operator, concat: Operator) -> Callable[..., Any]:
    add_method, concat_method = _binary(add), _binary(concat)
    function, name, names = add.function, add.name, add.names
    classes: Any = NODE_CLASSES

    def method(self: Node[Any], other: Any) -> Any:
        left = self._data
        if left.__class__ is str:
            return concat_method(self, other)
        if other.__class__ not in classes:
            return add_method(self, other)
        right = other._data
        try:
            data = function(left, right)
        except Exception as error:
            raise fail(add, name, error, (self, other), names, (left, right)) from error
        return record(add, name, data, (self, other), names, (left, right))

    return method


def _getitem(operation: Operator) -> Callable[..., Any]:
    function, name, names = operation.function, operation.name, operation.names
    classes: Any = NODE_CLASSES

    def method(self: Node[Any], key: Any) -> Any:
        if key.__class__ not in classes:
            key = wrap(key)
        whole, which = self._data, key._data
        try:
            data = function(whole, which)
        except Exception as error:
            raise fail(operation, name, error, (self, key), names, (whole, which)) from error
        if isinstance(data, Node):
            data = data._data
        return record(operation, name, data, (self, key), names, (whole, which))

    return method


def _any(operation: Operator) -> Callable[..., Any]:
    def method(self: Node[Any], /, *args: Any, **kwargs: Any) -> Any:
        return operation(self, *args, **kwargs)

    return method


def _string_method(operation: Operator) -> Callable[..., Any]:
    def method(self: Node[Any], /, *args: Any, **kwargs: Any) -> Any:
        _require_text(self, operation.name)
        return operation(self, *args, **kwargs)

    return method


def _require_text(node: Node[Any], method: str) -> None:
    if not isinstance(node._data, str):
        raise AttributeError(
            f"{node.name} holds a {type(node._data).__name__}, which has no traced method {method!r}: it is for str. "
            f"Use .call({method!r}, ...) for a method of the value."
        )


# ---- the methods that are more than one operator


def _join(self: Node[Any], seq: Any) -> MessageNode[Any]:
    """The texts in `seq` joined by this text."""
    _require_text(self, "join")
    return OPERATORS["join"](self, *seq)


def _call_value(self: Node[Any], /, *args: Any, **kwargs: Any) -> MessageNode[Any]:
    """Call the value; arguments become inputs."""
    return OPERATORS["call"](self, *args, **kwargs)


def _call_method(self: Node[Any], method: str, /, *args: Any, **kwargs: Any) -> MessageNode[Any]:
    """Call a method of the value; arguments become inputs."""
    return OPERATORS["call"](OPERATORS["node_getattr"](self, method), *args, **kwargs)


def _append(self: Node[Any], value: Any) -> MessageNode[Any]:
    """Append to the list in place; gives a node that holds None."""
    return _call_method(self, "append", value)


def _items(self: Node[Any]) -> Iterator[tuple[MessageNode[Any], MessageNode[Any]]]:
    """The key and value of each item of the dict, both as nodes."""
    keys = OPERATORS["keys"](self)
    return ((key, OPERATORS["getitem"](self, key)) for key in _elements(keys))


def _iterate(self: Node[Any]) -> Iterator[MessageNode[Any]]:
    """The elements, as nodes; of a dict its keys."""
    return _elements(_indexed(self))


def _reversed(self: Node[Any]) -> Iterator[MessageNode[Any]]:
    """The elements as nodes, last first."""
    source: Any = _indexed(self)
    return (source[index] for index in range(len(source._data) - 1, -1, -1))


def _indexed(node: Node[Any]) -> Node[Any]:
    """A node whose elements stand at 0, 1, 2...: this one, or a list made of it."""
    data = node._data
    if isinstance(data, Mapping):
        return OPERATORS["keys"](node)
    if isinstance(data, Sequence) or (type(data).__name__ == "ndarray" and data.ndim):
        return node
    return OPERATORS["to_list"](node)


def _elements(node: Any) -> Iterator[Any]:
    index = 0
    while index < len(node._data):  # which the loop may change
        yield node[index]
        index += 1


COMPOSED: dict[str, Callable[..., Any]] = {
    "__call__": _call_value,
    "__iter__": _iterate,
    "__reversed__": _reversed,
    "append": _append,
    "call": _call_method,
    "items": _items,
    "join": _join,
}
