"""Graphs as JSON data: a flat table of nodes, whatever its depth, and the value that leads to them.

It says of a node what a pickle says of it (`opto.trace.pickling`), but reading it runs nothing. What must not be
copied, such as the parameters that feedback is to reach, is named by `Links` on the way out and found on the way back.

Each row is `[kind, base, number, level, value, text, info, ...]`; a computed node has its operation, the names of its
inputs, the inputs (the number of a row, or the name of a link) and the values that were read from them besides.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from opto.errors import FileFormatError
from opto.runs.codec.trees import from_tree, to_tree
from opto.trace.arguments import Packing, packing
from opto.trace.containers import Map, Seq
from opto.trace.nodes import ExceptionNode, MessageNode, Node, ParameterNode
from opto.trace.operation import Operator
from opto.trace.operators import OPERATORS
from opto.trace.pickling import blank_node
from opto.trace.registry import GRAPH
from opto.trace.running import CallRecord

__all__ = ["Links", "graph_as_text", "graph_from_text"]

_KINDS: dict[str, type[Node[Any]]] = {"n": Node, "p": ParameterNode, "m": MessageNode, "e": ExceptionNode}
_LETTERS = {kind: letter for letter, kind in _KINDS.items()}
_SHORT = 4000  # bits of an integer that is written in decimal digits
_LONG = 60  # characters of a text that may be worth a link
_PAIR = re.compile("[\ud800-\udfff]")  # what a JSON parser might join
_OF_THE_CALL = ("error_comment", "traceback", "external_dependencies")
_OF_THE_FUNCTION = frozenset(
    {"fun", "fun_name", "_fun_name", "doc", "signature", "source", "line_number", "file", "inputs"}
)


class Links(Protocol):
    """What is outside of the text."""

    def name_of(self, value: Any) -> str | None:
        """The name of something that is not written but found again; None for what is to be written."""

    def named(self, name: str) -> Any:
        """What has a name by `name_of`.

        Raises:
            KeyError: there is nothing of this name.
        """

    def owns(self, node: Node[Any]) -> bool:
        """Whether a node without a name belongs to this graph alone, so that a copy of it is as good."""

    def number_of(self, bundle: Any) -> int:
        """A number for a bundled function, of which the words are kept."""

    def operation(self, number: int) -> Any:
        """The operation with a number by `number_of`; a KeyError if there is none."""


def graph_as_text(value: Any, links: Links) -> dict[str, Any]:
    """A value with the nodes in it, and all that they were computed from, as JSON data.

    Args:
        value: a node, or anything that holds nodes.
        links: what is not written.

    Raises:
        TypeError: something in it has no text form.
        ValueError: a value contains itself; feedback has been sent through the graph already.
    """
    return _Writer(links).written(value)


def graph_from_text(document: Any, links: Links) -> Any:
    """What `graph_as_text` was given, with what has links now in the place of what had them then.

    Raises:
        FileFormatError: the document is damaged, or a link leads nowhere.
    """
    try:
        return _Reader(document["nodes"], links).value(document["value"])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise FileFormatError(f"a graph cannot be read: {type(error).__name__}: {error}") from error


class _Writer:
    def __init__(self, links: Links) -> None:
        self._links = links
        self._nodes: list[Node[Any]] = []
        self._places: dict[Node[Any], int | str] = {}

    def written(self, value: Any) -> dict[str, Any]:
        try:
            tree = self._tree(value)
            rows = [self._row(node) for node in self._nodes]  # which grow while values in them lead to more
        except RecursionError as error:
            raise ValueError("a value contains itself, or is nested too deep") from error
        return {"nodes": rows, "value": tree}

    # ---- nodes

    def _place(self, node: Node[Any]) -> int | str:
        """The number of the row of a node, or the name of its link; all that it was computed from gets one too."""
        if node in self._places:
            return self._places[node]
        waiting = [node]
        while waiting:
            each = waiting.pop()
            if each in self._places:
                continue
            name = self._links.name_of(each)
            if name is not None:
                self._places[each] = name
                continue
            self._check(each)
            self._places[each] = len(self._nodes)
            self._nodes.append(each)
            waiting.extend(each._parents)
        return self._places[node]

    def _check(self, node: Node[Any]) -> None:
        if type(node) not in _LETTERS:
            raise TypeError(f"{node.name} is of the class {type(node).__qualname__}, which has no text form")
        if not self._links.owns(node):
            raise TypeError(f"{node.name} belongs to more than this graph")
        if node._done or node._feedback:
            raise ValueError(f"feedback has been sent through {node.name} already")

    def _row(self, node: Node[Any]) -> list[Any]:
        kind = type(node)
        row = [_LETTERS[kind], node._base, node._index, node._level, self._tree(node._data), node._text]
        if not kind._computed:
            row.append(None if node._info is None else self._tree(node._info))
            if node.trainable or kind is ParameterNode:
                row.append(self._declared(node))
            return row
        parents, read = node._parents, node._read
        row += [
            self._info(node),
            self._operation(node._op),
            node._names,
            [self._place(each) for each in parents],
        ]
        if read is not None:
            same = all(value is parent._data for value, parent in zip(read, parents, strict=True))
            row.append(True if same else [self._tree(value) for value in read])
        return row

    def _declared(self, node: Any) -> list[Any]:
        if getattr(node, "projections", None):
            raise TypeError(f"the projections of {node.name} have no text form")
        return [bool(node.trainable), self._tree(getattr(node, "constraint", None))]

    def _operation(self, operation: Any) -> Any:
        if operation is None:
            return None
        if isinstance(operation, Operator):
            if OPERATORS.get(operation.name) is operation:
                return operation.name
        elif getattr(type(operation), "_is_bundle", False):
            return self._links.number_of(operation)
        elif isinstance(operation, Packing):
            return [operation.name]
        raise TypeError(f"the operation {operation!r} has no text form")

    def _info(self, node: Node[Any]) -> Any:
        info = node._info
        if info is None:
            return None
        if isinstance(info, CallRecord):
            output = None if info.output is None else self._place(info.output)
            return {"output": output, "external": [self._place(each) for each in info.external]}
        if node._op is None or not isinstance(info, dict):
            return {"whole": self._tree(info)}
        told = {}
        for name, value in info.items():
            as_made = value is (node._data if name == "output" else None) or (name in _OF_THE_CALL and value == [])
            if name not in _OF_THE_FUNCTION and not as_made:
                told[name] = self._tree(value)
        return {"told": told}

    # ---- values

    def _tree(self, value: Any) -> Any:
        if isinstance(value, Node):
            return {"!node": self._place(value)}
        kind = type(value)
        if kind is str and len(value) <= _LONG and value.isascii():
            return value
        if value is None or kind is bool or (kind is int and value.bit_length() <= _SHORT):
            return value
        name = self._links.name_of(value)
        if name is not None:
            return {"!link": name}
        if kind is str and (value.isascii() or not _PAIR.search(value)):
            return value
        try:
            return to_tree(value)
        except TypeError:
            return self._container(value)

    def _container(self, value: Any) -> Any:
        """A container of what has no text form by itself."""
        kind = type(value)
        if kind is list:
            return [self._tree(each) for each in value]
        if kind is tuple:
            return {"!tuple": [self._tree(each) for each in value]}
        if kind is dict:
            return {"!dict": [[self._tree(key), self._tree(each)] for key, each in value.items()]}
        if kind is Seq:
            return {"!seq": [self._tree(each) for each in value.data]}
        if kind is Map:
            return {"!map": [[self._tree(key), self._tree(each)] for key, each in value.data.items()]}
        raise TypeError(f"a value of type {kind.__module__}.{kind.__qualname__} has no text form")


class _Reader:
    def __init__(self, rows: list[Any], links: Links) -> None:
        self._links = links
        self._nodes = [blank_node(_KINDS[row[0]]) for row in rows]
        for node, row in zip(self._nodes, rows, strict=True):
            self._fill(node, row)
        for node, row in zip(self._nodes, rows, strict=True):
            if node._computed:
                self._compute(node, row)

    def _node(self, place: Any) -> Node[Any]:
        node = self._links.named(place) if isinstance(place, str) else self._nodes[place]
        if not isinstance(node, Node):
            raise TypeError(f"{place!r} is no node")
        return node

    def _fill(self, node: Any, row: list[Any]) -> None:
        """Fill a node but for what needs the others to be filled."""
        _, node._base, node._index, node._level, data, node._text, info, *declared = row
        node._data = self.value(data)
        node._info = None
        if GRAPH.LEGACY_GRAPH_BEHAVIOR:
            GRAPH.register(node)
        if node._computed:
            return
        node._info = self.value(info)
        trainable, constraint = declared[0] if declared else (False, None)
        node.trainable = bool(trainable)
        if isinstance(node, ParameterNode):
            node.projections, node.constraint = [], self.value(constraint)

    def _compute(self, node: Any, row: list[Any]) -> None:
        """Give a computed node its past."""
        info, operation, names, inputs, *read = row[6:]
        node._parents = parents = tuple([self._node(place) for place in inputs])
        node._names = tuple(names)
        if len(node._names) != len(parents):
            raise ValueError(f"{len(names)} names for {len(parents)} inputs")
        node._op = self._operation(operation)
        if read:
            node._read = tuple([each._data for each in parents] if read[0] is True else map(self.value, read[0]))
        reference = weakref.ref(node)
        for parent in dict.fromkeys(parents):
            parent._adopt(reference)
        if info is None:
            return
        if "whole" in info:
            node._info = self.value(info["whole"])
        elif "told" in info:
            told = {name: self.value(tree) for name, tree in info["told"].items()}
            node._info = {**node._op.info_of(node), **told}
        else:
            output = None if info["output"] is None else self._node(info["output"])
            node._info = CallRecord(output, [self._node(place) for place in info["external"]])

    def _operation(self, operation: Any) -> Any:
        if operation is None:
            return None
        if isinstance(operation, str):
            return OPERATORS[operation]
        return packing(operation[0]) if isinstance(operation, list) else self._links.operation(operation)

    def value(self, tree: Any) -> Any:
        """The value of a tree."""
        if isinstance(tree, list):
            return [self.value(part) for part in tree]
        if not isinstance(tree, dict):
            return tree
        if len(tree) == 1:
            ((tag, part),) = tree.items()
            reader = _CONTAINERS.get(tag)
            if reader is not None:
                return reader(self, part)
            if tag.startswith("!"):
                return from_tree(tree)
        return {name: self.value(part) for name, part in tree.items()}

    def _pairs(self, part: Any) -> dict[Any, Any]:
        return {self.value(key): self.value(each) for key, each in part}


_CONTAINERS: dict[str, Callable[[_Reader, Any], Any]] = {
    "!node": lambda reader, place: reader._node(place),
    "!link": lambda reader, name: reader._links.named(name),
    "!tuple": lambda reader, part: tuple(reader.value(part)),
    "!dict": _Reader._pairs,
    "!seq": lambda reader, part: Seq(reader.value(part)),
    "!map": lambda reader, part: Map(reader._pairs(part)),
}
