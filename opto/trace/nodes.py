"""Nodes: values with a past.

A `Node` holds a value; a `ParameterNode` one that optimizers may rewrite; a `MessageNode` one that was computed, and
remembers from what; an `ExceptionNode` stands for a computation that raised. Parents are strong references and children
weak ones, so a result that is dropped takes its graph with it. What is rarely read (the written name, `info`,
`inputs`, dependency sets) is computed when read.
"""

from __future__ import annotations

import copy
import re
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar, cast, overload

from opto.trace import backward as _backward
from opto.trace import dependencies as _dependencies
from opto.trace.context import AMBIENT, NAME_SCOPES, USED_NODES
from opto.trace.overloads import NodeOperators
from opto.trace.registry import GRAPH, Graph
from opto.trace.source import describe_error

if TYPE_CHECKING:
    import graphviz

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

feedback_lock = _backward.feedback_lock

_TAG = re.compile(r"\s*\[([^\[\]]+)\]\s*")
_FIRST_SWEEP = 16
_sweeping = threading.Lock()


def get_op_name(description: str) -> str:
    """The operator's name in a description such as `"[add] Add two values."`.

    Raises:
        ValueError: when the description does not start with a name in square brackets.
    """
    match = _TAG.match(description or "")
    if match is None:
        raise ValueError(
            f"description must start with the operator's name in square brackets, such as '[add] Add.', got {description!r}."
        )
    return match.group(1)


class AbstractNode(NodeOperators):
    """Base of all nodes: what code that only asks "is this a node" should test for."""

    __slots__ = ()


class Node(AbstractNode, Generic[T]):
    """A value that is traced.

    Args:
        value: any Python object; a node gives its value.
        name: the base of its name, without a colon; by default the value's type name.
        trainable: whether feedback is collected here for an optimizer.
        description: what the value is about, in words that an optimizer will read.
        info: anything to keep with the node.

    Raises:
        TypeError: if `name` or `description` is not a str.
        ValueError: if `name` is empty or holds a colon.
    """

    __slots__ = (
        "__weakref__",
        "_base",
        "_children",
        "_data",
        "_feedback",
        "_index",
        "_info",
        "_level",
        "_sweep_at",
        "_text",
        "trainable",
    )

    # A NumPy array on the left of an operator leaves the operation to the node.
    __array_ufunc__: ClassVar[None] = None
    # Identity, not value: equal nodes are different keys. (`==` compares data.)
    __hash__ = object.__hash__

    # What a computed node has and a root has not.
    _parents: tuple[Node[Any], ...] = ()
    _names: tuple[str, ...] = ()
    _op: Any = None
    _read: tuple[Any, ...] | None = None
    _done: bool = False

    _data: T
    _base: str
    _index: int
    _level: int
    _children: list[weakref.ref[Node[Any]]] | None
    _sweep_at: int
    _feedback: dict[Node[Any], list[Any]] | None
    _info: Any
    _text: str | None
    trainable: bool

    def __init__(
        self,
        value: T | Node[T],
        *,
        name: str | None = None,
        trainable: bool = False,
        description: str | None = None,
        info: Any = None,
    ) -> None:
        data = value._data if isinstance(value, Node) else value
        self._start(data, type(data).__name__ if name is None else checked_name(name))
        self.trainable = trainable
        self._text = checked_description(description)
        self._info = info

    def _start(self, data: T, base: str) -> None:
        """Fill the slots that every node has, as those of a root, and take a number."""
        ambient = AMBIENT.get()
        if ambient is not None and ambient.scopes:
            base = f"{ambient.scopes[-1]}/{base}"
        self._data = data
        self._base = base
        self._index = GRAPH.number(base)
        self._level = 0
        self._children = self._feedback = self._info = self._text = None
        if ambient is not None and ambient.created is not None:
            ambient.created.append(self)
        if GRAPH.LEGACY_GRAPH_BEHAVIOR:
            GRAPH.register(self)

    # ---- the value and its names

    @property
    def data(self) -> T:
        """The value. Read inside a bundled function, it is recorded as used by it."""
        used = USED_NODES.get()
        if used:
            used[-1].add(self)
        return self._data

    def _set(self, value: T | Node[T]) -> None:
        """Replace the value; graphs recorded before go on showing the one that they read."""
        self._data = value._data if isinstance(value, Node) else value

    @property
    def name(self) -> str:
        """Base name and number, such as `"add:0"`."""
        return f"{self._base}:{self._index}"

    @property
    def py_name(self) -> str:
        """The name without its colon, such as `"add0"`: how prompts call the node."""
        return f"{self._base}{self._index}"

    @property
    def id(self) -> str:
        """The number in the name, as text."""
        return str(self._index)

    @property
    def type(self) -> type[T]:
        """The Python type of the value."""
        return type(self._data)

    # ---- descriptions

    @property
    def _description(self) -> str:
        """The description with the tag that names its kind or operator: `"[Node] x"`, or the bare tag."""
        text = self._text
        if text is None:
            return f"[{self._tag}]"
        return text if _TAG.match(text) else f"[{self._tag}] {text}"

    @property
    def _tag(self) -> str:
        return type(self).__name__

    @property
    def description(self) -> str | None:
        """The description without its tag; None if there is none."""
        return _TAG.sub("", self._description, count=1) or None

    @property
    def op_name(self) -> str:
        """The text of the tag: the operator's name, or the node's class."""
        return get_op_name(self._description)

    @property
    def info(self) -> Any:
        """What is known of the call that made this node, a dict (see `bundle`); None for roots without an `info`."""
        return self._info

    # ---- the graph

    @property
    def parents(self) -> list[Node[Any]]:
        """The nodes this one was computed from, each once, in the order of the inputs."""
        return list(dict.fromkeys(self._parents))

    @property
    def children(self) -> list[Node[Any]]:
        """The living nodes computed from this one that have not passed feedback on yet."""
        found = [reference() for reference in dict.fromkeys(self._children or ())]
        return [child for child in found if child is not None and not child._done]

    @property
    def level(self) -> int:
        """0 for a root, else one more than the highest parent."""
        return self._level

    @property
    def is_root(self) -> bool:
        """Whether it has no parents."""
        return not self._parents

    @property
    def is_leaf(self) -> bool:
        """Whether it has no children."""
        return not self.children

    @property
    def inputs(self) -> dict[str, Node[Any]]:
        """The inputs of the call that made this node, by parameter name (a new dict)."""
        return dict(zip(self._names, self._parents))

    @property
    def _inputs(self) -> dict[str, Node[Any]]:
        return self.inputs

    @property
    def parameter_dependencies(self) -> set[ParameterNode[Any]]:
        """The trainable nodes that its value was visibly computed from."""
        return cast("set[ParameterNode[Any]]", _dependencies.parameters_of(self))

    @property
    def expandable_dependencies(self) -> set[Node[Any]]:
        """The nodes up to this one that hide parameters in an inner graph (see `bundle(traceable_code=True)`)."""
        return cast("set[Node[Any]]", _dependencies.expandable_of(self))

    def _adopt(self, reference: weakref.ref[Node[Any]]) -> None:
        """Remember a child; forget dead ones now and then, at a constant cost a child."""
        children = self._children
        if children is None:
            self._sweep_at = _FIRST_SWEEP
            self._children = [reference]
            return
        children.append(reference)
        if len(children) > self._sweep_at:
            self._sweep()

    def _sweep(self) -> None:
        children = self._children
        if children is None or not _sweeping.acquire(blocking=False):
            return  # another thread is at it; the next child tries again
        try:
            count = len(children)
            living = [r for r in children[:count] if (child := r()) is not None and not child._done]
            # One atomic slice assignment: what other threads append meanwhile stands behind `count` and stays.
            children[:count] = living
            self._sweep_at = max(_FIRST_SWEEP, 2 * len(living))
        finally:
            _sweeping.release()

    # ---- feedback

    @property
    def feedback(self) -> dict[Node[Any], list[Any]]:
        """What children sent back: child -> list of feedback objects, in order of arrival."""
        return _backward.expanded(self)

    def zero_feedback(self) -> None:
        """Forget all feedback."""
        with feedback_lock:
            self._feedback = None

    def _add_feedback(self, child: Node[Any], feedback: Any) -> None:
        self.feedback.setdefault(child, []).append(feedback)

    def backward(
        self,
        feedback: Any = "",
        propagator: Any = None,
        retain_graph: bool = False,
        visualize: bool = False,
        simple_visualization: bool = True,
        reverse_plot: bool = False,
        print_limit: int = 100,
    ) -> graphviz.Digraph | None:
        """Send feedback back to the parameters that this node was computed from.

        One walk over the ancestors, linear in nodes and edges, without recursion. The minimal subgraph of the Trace paper
        (arXiv 2406.16218, section 4) is what each parameter then finds in its `feedback`.

        Args:
            feedback: any object: a score, a sentence, an exception's text.
            propagator: how feedback travels; by default the graph itself is sent (`GraphPropagator`).
            retain_graph: allow another `backward` through the same nodes.
            visualize: return a picture of the walked graph.
            simple_visualization: leave out nodes that copy their input.
            reverse_plot: draw arrows from results to inputs.
            print_limit: how many characters of a value the picture shows.

        Returns:
            A `graphviz.Digraph` if `visualize`, else None.

        Raises:
            BackwardError: (an AttributeError) if a node on the way has been walked before and was not retained. Nothing has
                been sent then.

        Warns:
            UnreachedFeedbackWarning: if no trainable node leads here.
        """
        return _backward.backward(
            self,
            Node(feedback, name="feedback"),
            propagator=propagator,
            retain_graph=retain_graph,
            picture=dict(
                simple_visualization=simple_visualization, reverse_plot=reverse_plot, print_limit=print_limit
            )
            if visualize
            else None,
        )

    # ---- copies

    def detach(self) -> Node[T]:
        """A copy that knows nothing of the graph; the value is copied deeply."""
        return copy.deepcopy(self)

    def __copy__(self) -> Node[T]:
        return self._copied(self._data)

    def __deepcopy__(self, memo: dict[int, Any]) -> Node[T]:
        twin = self._copied(copy.deepcopy(self._data, memo))
        memo[id(self)] = twin
        return twin

    def _copied(self, data: T) -> Node[T]:
        twin: Node[T] = object.__new__(type(self))
        twin._start(data, self._copy_base)
        twin.trainable = self.trainable
        twin._text = self._text
        twin._info = self._info
        return twin

    @property
    def _copy_base(self) -> str:
        return f"{self.py_name}_copy".rpartition("/")[2]

    def __reduce__(self) -> tuple[Any, ...]:
        from opto.trace import pickling

        return pickling.reduce_node(self)

    # ---- as text, and as what it holds

    def __str__(self) -> str:
        return f"{self._kind}: ({self.name}, dtype={type(self._data)}, data={self._data})"

    def __repr__(self) -> str:
        return f"{self._kind}: ({self.name}, dtype={type(self._data)}, data={self._data!r})"

    @property
    def _kind(self) -> str:
        return "Node"

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else str(self)

    def __eq__(self, other: object) -> bool:
        """Whether the values are equal: a plain bool. The traced form is `eq`."""
        return bool(_same(self.data, other.data if isinstance(other, Node) else other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        return bool(self.data)

    def __len__(self) -> int:
        return len(cast(Any, self.data))

    def __contains__(self, item: object) -> bool:
        return (item.data if isinstance(item, Node) else item) in cast(Any, self.data)

    def __int__(self) -> int:
        return int(cast(Any, self.data))

    def __float__(self) -> float:
        return float(cast(Any, self.data))

    def __complex__(self) -> complex:
        return complex(cast(Any, self.data))

    def __index__(self) -> int:
        return cast(int, cast(Any, self.data).__index__())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """How a notebook shows a node: its text. `backward(..., visualize=True)` gives the picture."""
        return {"text/plain": str(self)}


def _same(left: Any, right: Any) -> Any:
    result = left == right
    if hasattr(result, "all") and not isinstance(result, bool):
        return result.all()  # arrays are equal when all their elements are
    return result


class ParameterNode(Node[T]):
    """A value that an optimizer may rewrite.

    Args:
        value: the initial value.
        name: see `Node`.
        trainable: whether it is to be optimized now.
        description: what the value is about, and what it must satisfy, in words.
        projections: applied in turn to each new value before it is set.
        constraint: what a new value must satisfy: a sentence, or a callable that is false for a bad value.
        info: anything to keep with the node.
    """

    __slots__ = ("constraint", "projections")

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
        self.projections = checked_projections(projections)
        self.constraint = constraint

    @property
    def _kind(self) -> str:
        return "ParameterNode"

    def _copied(self, data: T) -> Node[T]:
        twin = cast("ParameterNode[T]", super()._copied(data))
        twin.projections = list(self.projections)
        twin.constraint = self.constraint
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

    trainable: Literal[False] = False  # type: ignore[assignment]  # a class constant costs a node nothing

    def __init__(
        self,
        value: T | Node[T],
        *,
        inputs: list[Node[Any]] | dict[str, Node[Any]],
        description: str,
        name: str | None = None,
        info: Any = None,
    ) -> None:
        named = inputs if isinstance(inputs, dict) else {parent.name: parent for parent in _checked_inputs(inputs)}
        op_name = get_op_name(description)
        ambient = AMBIENT.get()
        if ambient is not None and not ambient.tracing:
            named = {}
        self._op = None
        self._names = tuple(named)
        self._parents = tuple(_checked_inputs(list(named.values())))
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

    def _copied(self, data: T) -> Node[T]:
        twin: MessageNode[T] = object.__new__(type(self))
        twin._parents, twin._names, twin._op, twin._read, twin._done = (), (), None, None, False
        twin._start(data, self._copy_base)
        twin._text = self._description
        twin._info = self.info
        return twin

    @property
    def _kind(self) -> str:
        return "MessageNode"

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


# ---- making nodes


def checked_name(name: str) -> str:
    """`name`, or an error that says what a base name may be."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a str or None, got {name!r}.")
    if not name or ":" in name:
        raise ValueError(f"name must be non-empty and without a colon (opto adds the number), got {name!r}.")
    return name


def checked_description(description: str | None) -> str | None:
    """`description`, or an error."""
    if description is not None and not isinstance(description, str):
        raise TypeError(f"description must be a str or None, got {description!r}.")
    return description


def checked_projections(projections: list[Projection] | None) -> list[Projection]:
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


@overload
def node(data: Any, name: str | None = ..., trainable: Literal[True] = ..., description: str | None = ..., constraint: Any = ...) -> ParameterNode[Any]: ...
@overload
def node(data: Any, name: str | None = ..., trainable: bool = ..., description: str | None = ..., constraint: Any = ...) -> Node[Any]: ...
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
        trainable: make a new `ParameterNode`, which an optimizer may rewrite; from a node it takes the value, by reference,
            and the base name.
        description: what the value is about, in words.
        constraint: what a new value must satisfy; see `ParameterNode`.

    Returns:
        A `ParameterNode` if `trainable`, else a `Node`.
    """
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


