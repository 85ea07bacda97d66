"""What an operator is: a computation on raw values that nodes can be passed to."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from opto.trace.arguments import wrap
from opto.trace.context import surrounded
from opto.trace.nodes import MessageNode, Node
from opto.trace.recording import fail, record
from opto.trace.signature import Signature

__all__ = ["CallOperator", "Operator"]


class Operator:
    """A traced function of the table in `operators.py`.

    Args:
        name: its name, and the base name of its results.
        function: the computation on raw values.
        parameters: its parameters, as they are written between the parentheses of a definition.
        doc: what it gives, in a sentence.
        catches: whether an exception becomes an `ExceptionNode`; else it escapes as it is.

    Calling it with any mixture of nodes and raw values gives a `MessageNode`. Raises `ExecutionError` when the
    computation does.
    """

    def __init__(
        self, name: str, function: Callable[..., Any], parameters: str, doc: str, *, catches: bool = True
    ) -> None:
        self.name = self.__name__ = name
        self.function = function
        self.parameters = parameters
        self.__doc__ = doc
        self.catches = catches
        self.description = f"[{name}] {doc}"

    @functools.cached_property
    def signature(self) -> Signature:
        """Its parameters, ready to bind."""
        namespace: dict[str, Any] = {}
        exec(f"def {self.name}({self.parameters}): pass", namespace)  # a line of the table, nothing from outside
        return Signature(namespace[self.name])

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The names of its positional parameters."""
        return self.signature.positional

    def __call__(self, /, *args: Any, **kwargs: Any) -> MessageNode[Any]:
        """Compute with nodes and raw values, by position or keyword."""
        values, names, positional = self.signature.bind(*args, **kwargs)
        return self._apply(tuple([wrap(value) for value in values]), names, positional)

    def _apply(self, parents: tuple[Node[Any], ...], names: tuple[str, ...], positional: int) -> MessageNode[Any]:
        values = tuple([parent._data for parent in parents])
        try:
            data = self.function(*values[:positional], **_named(names, values, positional))
        except Exception as error:
            if not self.catches:
                raise
            raise fail(self, self.name, error, parents, names, values) from error
        if isinstance(data, Node):
            data = data._data
        return record(self, self.name, data, parents, names, values)

    def description_of(self, node: Node[Any]) -> str:
        """See `recording.Operation`."""
        return self.description

    def info_of(self, node: Node[Any]) -> dict[str, Any]:
        """See `recording.Operation`."""
        return {
            "fun": self,
            "fun_name": self.name,
            "_fun_name": self.name,
            "doc": self.__doc__,
            "signature": self.signature.text,
            "source": None,
            "line_number": None,
            "file": None,
            "error_comment": None,
            "traceback": None,
            "output": node._data,
            "inputs": {"args": [], "kwargs": node.inputs},
            "external_dependencies": [],
        }

    def __repr__(self) -> str:
        return f"<operator {self.name}({self.parameters})>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _operator, (self.name,)


class CallOperator(Operator):
    """Calls a value. What is written in Python receives nodes, what is built in receives raw values."""

    def _apply(self, parents: tuple[Node[Any], ...], names: tuple[str, ...], positional: int) -> MessageNode[Any]:
        values = tuple([parent._data for parent in parents])
        function = values[0]
        passed: tuple[Any, ...] = parents if _written_in_python(function) else values
        try:
            with surrounded(used=None):  # what the callee reads is no input of a bundled body around this call
                data = function(*passed[1:positional], **_named(names, passed, positional))
        except Exception as error:
            raise fail(self, self.name, error, parents, names, values) from error
        if isinstance(data, Node):
            data = data._data
        return record(self, self.name, data, parents, names, values)


def _named(names: tuple[str, ...], values: tuple[Any, ...], positional: int) -> dict[str, Any]:
    return dict(zip(names[positional:], values[positional:], strict=True))


def _written_in_python(function: Any) -> bool:
    if isinstance(function, type):
        return function.__module__ != "builtins"
    if isinstance(function, types.MethodType):
        function = function.__func__
    return hasattr(function, "__code__") or hasattr(type(function).__call__, "__code__")


def _operator(name: str) -> Operator:
    from importlib import import_module

    found: Operator = import_module("opto.trace.operators").OPERATORS[name]
    return found
