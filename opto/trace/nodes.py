"""Nodes: values with a past.

A `Node` holds a value; a `ParameterNode` one that optimizers may rewrite; a `MessageNode` one that was computed, and
remembers from what; an `ExceptionNode` stands for a computation that raised.
"""

from __future__ import annotations

import warnings
import weakref
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from opto.errors import ConstraintWarning
from opto.trace.abstract_node import AbstractNode, checked_description, checked_name, get_op_name
from opto.trace.base_node import Node, feedback_lock
from opto.trace.context import AMBIENT, NAME_SCOPES, USED_NODES
from opto.trace.registry import GRAPH, Graph
from opto.trace.snapshots import as_of_snapshot, kept, read, write
from opto.trace.source import describe_error

if TYPE_CHECKING:
    from opto.trace.projections import Projection

__all__ = [
    "GRAPH",
    "IDENTITY_OPERATORS",
    "NAME_SCOPES",
    "USED_NODES",
    "AbstractNode",
    "ExceptionNode",
    "Graph",
    "MessageNode",
    "Node",
    "ParameterNode",
    "feedback_lock",
    "get_op_name",
    "node",
]

T = TypeVar("T")

IDENTITY_OPERATORS = ("identity", "clone")


class ParameterNode(Node[T]):
    """A value that an optimizer may rewrite.

    Args:
        value: the initial value.
        name: see `Node`.
        trainable: whether it is to be optimized now.
        description: what the value is about, and what it must satisfy, in words.
        projections: applied in turn to each new value before it is set.
        constraint: what a new value must satisfy: a type that pydantic understands (`int`, `Literal["a", "b"]`,
            `Annotated[float, Interval(ge=0, le=1)]`, an enum, a model, a dataclass), a `range`, a compiled regular
            expression that matches the whole text, a predicate that returns False or raises for a bad value, a
            sentence, or a tuple of these, all of which must hold.
        info: anything to keep with the node.

    Raises:
        TypeError: `constraint` is none of these.
        ValueError: `constraint` is an empty range.

    Warns:
        ConstraintWarning: the initial value breaks the constraint. None, for a value not yet known, does not.
    """

    __slots__ = ("_origin", "constraint", "projections")

    _kind = "ParameterNode"

    _origin: weakref.ref[Any] | None
    constraint: Any
    projections: list[Projection]

    def __init__(
        self,
        value: T | Node[T],
        *,
        name: str | None = None,
        trainable: bool = True,
        description: str | None = None,
        projections: list[Projection] | None = None,
        constraint: Any = None,
        info: Any = None,
    ) -> None:
        super().__init__(value, name=name, trainable=trainable, description=description, info=info)
        self.projections = _checked_projections(projections)
        self.constraint = constraint
        if constraint is not None and not isinstance(constraint, str):
            self._check_declaration()

    @property
    def _data(self) -> T:
        value = read(self)
        return as_of_snapshot(self, value) if kept else value  # type: ignore[no-any-return]

    @_data.setter
    def _data(self, value: T) -> None:
        write(self, value)

    def _check_declaration(self) -> None:
        from opto.trace.constraints import read_constraint

        constraint = read_constraint(self.constraint)
        complaint = None if self._data is None else constraint.complaint(self._data, self._data)
        if complaint:
            warnings.warn(
                f"the value that {self.py_name} is declared with {complaint}. No optimizer may set it so; "
                "give another value, or None.",
                ConstraintWarning,
                stacklevel=4,
            )

    @property
    def origin(self) -> Any:
        """The bundled function whose code this is, while it lives; None for other parameters."""
        reference = getattr(self, "_origin", None)
        return None if reference is None else reference()

    def _twin(self) -> Node[T]:
        twin = cast("ParameterNode[T]", super()._twin())
        twin.projections = list(self.projections)
        twin.constraint = self.constraint
        twin._origin = getattr(self, "_origin", None)
        return twin


class MessageNode(Node[T]):
    """A computed value: what it was computed from, and by what.

    Args:
        value: the value.
        inputs: the nodes it was computed from: a dict by parameter name, or a list, whose names then serve as keys.
        description: must start with the operator's name in square brackets.
        name: by default the operator's name.
        info: what is known of the call.
    """

    __slots__ = ("_done", "_names", "_op", "_parents", "_read")

    _kind = "MessageNode"
    _computed = True

    trainable: Literal[False] = False  # a class constant costs a node nothing

    def __init__(
        self,
        value: T | Node[T],
        *,
        inputs: list[Node[Any]] | dict[str, Node[Any]],
        description: str,
        name: str | None = None,
        info: Any = None,
    ) -> None:
        parents = _checked_inputs(list(inputs.values()) if isinstance(inputs, dict) else inputs)
        names = list(inputs) if isinstance(inputs, dict) else [parent.name for parent in parents]
        op_name = get_op_name(description)
        ambient = AMBIENT.get()
        if ambient is not None and not ambient.tracing:
            parents, names = [], []
        self._op = None
        self._names = tuple(names)
        self._parents = tuple(parents)
        self._read = tuple(parent._data for parent in self._parents)
        self._done = False
        self._start(value._data if isinstance(value, Node) else value, op_name if name is None else checked_name(name))
        self._text = description
        self._info = info
        if self._parents:
            self._level = 1 + max(parent._level for parent in self._parents)
            reference = weakref.ref(self)
            for parent in dict.fromkeys(self._parents):
                parent._adopt(reference)

    def _twin(self) -> Node[T]:
        twin: MessageNode[T] = object.__new__(type(self))
        twin._parents, twin._names, twin._op, twin._read, twin._done = (), (), None, None, False
        twin._start(self._data, f"{self.py_name}_copy".rpartition("/")[2])
        twin._text = self._description
        twin._info = _detached(self.info, self._data)
        return twin

    def _take_the_place_of(self, original: MessageNode[T], parents: tuple[Node[Any], ...], read: Any) -> None:
        """Stand in a copied graph where `original` stands in its own."""
        self._parents, self._names, self._op, self._level = parents, original._names, original._op, original._level
        self._read, self._done = read, original._done
        reference = weakref.ref(self)
        for parent in dict.fromkeys(parents):
            parent._adopt(reference)

    @property
    def _description(self) -> str:
        if self._text is None and self._op is not None:
            return cast(str, self._op.description_of(self))
        return super()._description

    @property
    def info(self) -> Any:
        """What is known of the call that made this node, a dict; see `bundle`."""
        if not isinstance(self._info, dict) and self._op is not None:
            self._info = self._op.info_of(self)
        return self._info


class ExceptionNode(MessageNode[str]):
    """A computation that raised; its value is the text `"(<ErrorClass>) <message>"`.

    Send feedback to it as to any other output: the error reaches the parameters that led to it.
    """

    __slots__ = ()

    def __init__(
        self,
        value: BaseException | str,
        *,
        inputs: list[Node[Any]] | dict[str, Node[Any]],
        description: str = "[exception] A computation that raised.",
        name: str | None = None,
        info: Any = None,
    ) -> None:
        text = describe_error(value) if isinstance(value, BaseException) else value
        super().__init__(text, inputs=inputs, description=description, name=name, info=info)

    def create_feedback(self, style: Literal["simple", "full"] = "simple") -> str:
        """The error as feedback.

        Args:
            style: `"simple"` for the error's class and message; `"full"` for the source of the failed function with the
                failing line marked, where it is known.

        Raises:
            ValueError: if `style` is neither.
        """
        if style not in ("simple", "full"):
            raise ValueError(f"style must be 'simple' or 'full', got {style!r}.")
        comment = (self.info or {}).get("error_comment") if style == "full" else None
        return comment or self._data


@overload
def node(
    data: Any,
    name: str | None = None,
    trainable: Literal[False] = False,
    description: str | None = None,
    constraint: Any = None,
) -> Node[Any]: ...
@overload
def node(
    data: Any,
    name: str | None = None,
    *,
    trainable: Literal[True],
    description: str | None = None,
    constraint: Any = None,
) -> ParameterNode[Any]: ...
@overload
def node(
    data: Any,
    name: str | None = None,
    trainable: bool = False,
    description: str | None = None,
    constraint: Any = None,
) -> Node[Any]: ...
def node(
    data: Any,
    name: str | None = None,
    trainable: bool = False,
    description: str | None = None,
    constraint: Any = None,
) -> Node[Any]:
    """Make a node of any Python object.

    Args:
        data: the value. A node is returned as it is, unless `trainable`.
        name: the base of its name; by default the value's type name.
        trainable: make a new `ParameterNode`, which an optimizer may rewrite; from a node it takes the value, by
            reference, and the base name.
        description: what the value is about, in words.
        constraint: what a new value must satisfy; see `ParameterNode`.

    Returns:
        A `ParameterNode` if `trainable`, else a `Node`.
    """
    if description is not None:
        checked_description(description)
    if not trainable:
        if isinstance(data, Node):
            if name is not None:
                warnings.warn(f"name {name!r} is ignored: {data.name} is a node already.", stacklevel=2)
            return data
        return Node(data, name=name, description=description)
    if isinstance(data, Node):
        name = data._base.rpartition("/")[2] if name is None else name
        data = data._data
    return ParameterNode(data, name=name, description=description, constraint=constraint)


def _detached(info: Any, data: Any) -> Any:
    """What a copy keeps of an `info`: all but the nodes of the graph, which it must not keep alive."""
    if not isinstance(info, dict) or "inputs" not in info:
        return info
    output = data if isinstance(info.get("output"), Node) else info.get("output")
    return {**info, "inputs": {"args": [], "kwargs": {}}, "output": output, "external_dependencies": []}


def _checked_projections(projections: list[Projection] | None) -> list[Projection]:
    """`projections` as a list, or an error."""
    from opto.trace.projections import Projection

    if projections is None:
        return []
    if not isinstance(projections, list) or not all(isinstance(each, Projection) for each in projections):
        raise TypeError(f"projections must be a list of Projection objects, got {projections!r}.")
    return projections


def _checked_inputs(inputs: Any) -> list[Node[Any]]:
    if not isinstance(inputs, list) or not all(isinstance(each, Node) for each in inputs):
        raise TypeError(f"inputs must be a list or dict of nodes, got {inputs!r}.")
    return inputs
