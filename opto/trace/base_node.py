"""`Node`: a value with a past.

Parents are strong references and children weak ones, so a result that is dropped takes its graph with it. What is
rarely read (`inputs`, `parents`, dependency sets, feedback by child) is computed when read.
"""

from __future__ import annotations

import copy
import threading
import weakref
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from opto.trace import backward as _backward
from opto.trace import dependencies as _dependencies
from opto.trace.abstract_node import AbstractNode, checked_description, checked_name
from opto.trace.backward import feedback_lock
from opto.trace.context import AMBIENT
from opto.trace.registry import FIRST_SWEEP, GRAPH

if TYPE_CHECKING:
    import graphviz

    from opto.trace.nodes import ParameterNode

__all__ = ["Node", "feedback_lock"]

T = TypeVar("T")

_counters = GRAPH.counters
_sweeping = threading.Lock()


class Node(AbstractNode[T]):
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
        "_children",
        "_feedback",
        "_info",
        "_level",
        "_sweep_at",
        "trainable",
    )

    # What a computed node has and a root has not.
    _computed: ClassVar[bool] = False
    _parents: tuple[Node[Any], ...] = ()
    _names: tuple[str, ...] = ()
    _op: Any = None
    _read: tuple[Any, ...] | None = None
    _done: bool = False

    _level: int
    _children: list[weakref.ref[Any]]
    _sweep_at: int
    _feedback: Any  # see `backward.expanded`
    _info: Any
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
        self._text = None if description is None else checked_description(description)
        self._info = info

    def _start(self, data: T, base: str) -> None:
        """Fill the slots that every node has, as those of a root, and take a number."""
        ambient = AMBIENT.get()
        if ambient is not None and ambient.scopes:
            base = f"{ambient.scopes[-1]}/{base}"
        self._data = data
        self._base = base
        try:
            self._index = next(_counters[base])
        except KeyError:
            self._index = GRAPH.number(base)
        self._level = 0
        self._children = []
        self._sweep_at = FIRST_SWEEP
        self._feedback = self._info = self._text = None
        if ambient is not None and ambient.created is not None:
            ambient.created.append(self)
        if GRAPH._legacy is not None:
            GRAPH.register(self)

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
        # By identity: weak references compare by their referents, and hash only while these live.
        found = [reference() for reference in list(self._children)]
        return list(dict.fromkeys([child for child in found if child is not None and not child._done]))

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
        inputs = dict(zip(self._names, self._parents))  # noqa: B905 - of the same length, and read by every prompt
        return inputs if len(inputs) == len(self._names) else _told_apart(self._names, self._parents)

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

    def _adopt(self, reference: weakref.ref[Any]) -> None:
        """Remember a child; forget dead ones now and then, at a constant cost a child."""
        self._children.append(reference)
        if len(self._children) > self._sweep_at:
            self._sweep()

    def _sweep(self) -> None:
        children = self._children
        if not _sweeping.acquire(blocking=False):
            return  # another thread is at it; the next child tries again
        try:
            count = len(children)
            living = [r for r in children[:count] if (child := r()) is not None and not child._done]
            # One atomic slice assignment: what other threads append meanwhile stands behind `count` and stays.
            children[:count] = living
            self._sweep_at = max(FIRST_SWEEP, 2 * len(living))
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
        with feedback_lock:
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

        One walk over the ancestors, linear in nodes and edges, without recursion. What each parameter then finds in its
        `feedback` is the minimal subgraph of the Trace paper (arXiv 2406.16218, section 4).

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
            BackwardError: (an AttributeError) if a node on the way has been walked before and was not retained. Nothing
                has been sent then.

        Warns:
            UnreachedFeedbackWarning: if no trainable node leads here.
        """
        picture = {
            "simple_visualization": simple_visualization,
            "reverse_plot": reverse_plot,
            "print_limit": print_limit,
        }
        return _backward.backward(
            self,
            Node(feedback, name="feedback"),
            propagator=propagator,
            retain_graph=retain_graph,
            picture=picture if visualize else None,
        )

    # ---- copies

    def detach(self) -> Node[T]:
        """A copy that knows nothing of the graph; the value is copied deeply."""
        return copy.deepcopy(self)

    def __copy__(self) -> Node[T]:
        twin = self._twin()
        if hasattr(self, "__dict__"):  # of a subclass
            vars(twin).update(vars(self))
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Node[T]:
        twin = memo[id(self)] = self._twin()  # known before its value is copied, which may hold this node
        twin._data = copy.deepcopy(self._data, memo)
        if hasattr(self, "__dict__"):
            vars(twin).update(copy.deepcopy(vars(self), memo))
        return twin

    def _twin(self) -> Node[T]:
        """A node of the same class and value that knows nothing of the graph."""
        twin: Node[T] = object.__new__(type(self))
        twin._start(self._data, f"{self.py_name}_copy".rpartition("/")[2])
        twin.trainable = self.trainable
        twin._text = self._text
        twin._info = self._info
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        from opto.trace import pickling

        return pickling.reduce_node(self)


def _told_apart(names: tuple[str, ...], parents: tuple[Node[Any], ...]) -> dict[str, Node[Any]]:
    """Inputs of which two have one name: a positional-only parameter and an extra keyword may."""
    inputs: dict[str, Node[Any]] = {}
    for name, parent in zip(names, parents, strict=True):
        number = 1
        free = name
        while free in inputs:
            free = f"{name}_{number}"
            number += 1
        inputs[free] = parent
    return inputs
