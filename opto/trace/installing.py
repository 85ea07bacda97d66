"""Puts the overloads of the operator table on nodes, each made for speed: no argument binding, no loops.

`node(1) + 2` costs one look-up whether 2 is a node, the addition itself, and the making of one node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from opto.trace.arguments import wrap
from opto.trace.nodes import Node
from opto.trace.operation import Operator
from opto.trace.operators import OPERATORS, TABLE
from opto.trace.overloads import NodeOperators
from opto.trace.recording import NODE_CLASSES, fail, record

__all__ = ["install"]

_STRING_METHODS = frozenset("capitalize lower upper swapcase title split strip replace format join".split())


def install() -> None:
    """Give `NodeOperators` its methods."""
    for name, _, parameters, _, overloads in TABLE:
        for overload in overloads.split():
            method = _method(OPERATORS[name], parameters, overload)
            method.__name__ = overload
            method.__qualname__ = f"Node.{overload}"
            method.__doc__ = OPERATORS[name].__doc__
            setattr(NodeOperators, overload, method)
    for function in (__iter__, __call__, call, append, items, join, __reversed__):
        setattr(NodeOperators, function.__name__, function)


def _method(operation: Operator, parameters: str, overload: str) -> Callable[..., Any]:
    count = len(parameters.split(","))
    if operation.name in _STRING_METHODS:
        return _string_method(operation)
    if overload == "__add__":
        return _plus(operation, OPERATORS["concat"])
    if overload == "__radd__":
        return _plus_reflected(operation, OPERATORS["concat"])
    if overload == "__getitem__":
        return _getitem(operation)
    if count == 1:
        return _unary(operation)
    if count == 2 and "=" not in parameters and "*" not in parameters:
        return _reflected(operation) if overload.startswith("__r") and overload != "__rshift__" else _binary(operation)
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
    function, name, names, classes = operation.function, operation.name, operation.names, NODE_CLASSES

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


def _reflected(operation: Operator) -> Callable[..., Any]:
    forward = _binary(operation)

    def method(self: Node[Any], other: Any) -> Any:
        return forward(wrap(other), self)

    return method


def _plus(add: Operator, concat: Operator) -> Callable[..., Any]:
    add_method, concat_method = _binary(add), _binary(concat)
    function, name, names, classes = add.function, add.name, add.names, NODE_CLASSES

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


def _plus_reflected(add: Operator, concat: Operator) -> Callable[..., Any]:
    forward = _plus(add, concat)

    def method(self: Node[Any], other: Any) -> Any:
        return forward(wrap(other), self)

    return method


def _getitem(operation: Operator) -> Callable[..., Any]:
    function, name, names, classes = operation.function, operation.name, operation.names, NODE_CLASSES

    def method(self: Node[Any], index: Any) -> Any:
        if index.__class__ not in classes:
            index = wrap(index)
        container, key = self._data, index._data
        try:
            data = function(container, key)
        except Exception as error:
            raise fail(operation, name, error, (self, index), names, (container, key)) from error
        if isinstance(data, Node):
            data = data._data
        return record(operation, name, data, (self, index), names, (container, key))

    return method


def _any(operation: Operator) -> Callable[..., Any]:
    def method(self: Node[Any], *args: Any, **kwargs: Any) -> Any:
        return operation(self, *args, **kwargs)

    return method


def _string_method(operation: Operator) -> Callable[..., Any]:
    def method(self: Node[Any], *args: Any, **kwargs: Any) -> Any:
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


def join(self: Node[Any], seq: Any) -> Any:
    """The texts in `seq` joined by this text."""
    _require_text(self, "join")
    return OPERATORS["join"](self, *seq)


def __call__(self: Node[Any], *args: Any, **kwargs: Any) -> Any:
    """Call the value; arguments become inputs."""
    return OPERATORS["call"](self, *args, **kwargs)


def call(self: Node[Any], method: str, *args: Any, **kwargs: Any) -> Any:
    """Call a method of the value; arguments become inputs."""
    return OPERATORS["call"](OPERATORS["node_getattr"](self, method), *args, **kwargs)


def append(self: Node[Any], value: Any) -> Any:
    """Append to the list in place; gives a node that holds None."""
    return OPERATORS["call"](OPERATORS["node_getattr"](self, "append"), value)


def items(self: Node[Any]) -> Iterator[tuple[Any, Any]]:
    """The key and value of each item of the dict, both as nodes."""
    for key in OPERATORS["keys"](self):
        yield key, OPERATORS["getitem"](self, key)


def __iter__(self: Node[Any]) -> Iterator[Any]:
    """The elements, as nodes; of a dict its keys."""
    data = self._data
    if isinstance(data, Mapping):
        source = OPERATORS["keys"](self)
    elif isinstance(data, Sequence) or type(data).__name__ == "ndarray":
        source = self
    else:
        source = OPERATORS["to_list"](self)
    return _elements(source)


def _elements(node: Node[Any]) -> Iterator[Any]:
    index = 0
    while index < len(node._data):
        yield node[index]
        index += 1


def __reversed__(self: Node[Any]) -> Iterator[Any]:
    """The elements as nodes, last first."""
    for index in range(len(self._data) - 1, -1, -1):
        yield self[index]
