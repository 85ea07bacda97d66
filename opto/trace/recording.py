"""The primitive of the engine: from values to a node that remembers them.

Operators and bundled functions are both *operations*: they wrap their arguments as nodes, compute with the raw values,
and `record` the result. An operation has a `name`, a text `description_of` its results, and the `info_of` a result.
"""

from __future__ import annotations

from typing import Any, Protocol
from weakref import ref

from opto.errors import CodeError, ExecutionError
from opto.secrets import redact_text
from opto.trace.context import AMBIENT
from opto.trace.nodes import ExceptionNode, MessageNode, Node, ParameterNode
from opto.trace.registry import FIRST_SWEEP, GRAPH
from opto.trace.source import comment_error, describe_error
from opto.trace.tracebacks import traceback_of

__all__ = ["NODE_CLASSES", "Operation", "fail", "record", "root"]

_new = object.__new__
_counters = GRAPH.counters

NODE_CLASSES = {Node, ParameterNode, MessageNode, ExceptionNode}
"""The classes that a look-up tells as nodes; subclasses are told by `isinstance`."""


class Operation(Protocol):
    """What makes nodes: an operator or a bundled function."""

    name: str

    def description_of(self, node: Node[Any]) -> str:
        """The description of a result, starting with a tag."""

    def info_of(self, node: Node[Any]) -> dict[str, Any]:
        """What is known of the call that gave `node`, in full; read once and kept."""


def root(data: Any, base: str) -> Node[Any]:
    """A plain node around a raw value: `Node(data, name=base)` without its checks."""
    ambient = AMBIENT.get()
    made: Node[Any] = _new(Node)
    if ambient is not None and ambient.scopes:
        base = f"{ambient.scopes[-1]}/{base}"
    made._data = data
    made._base = base
    try:
        made._index = next(_counters[base])
    except KeyError:
        made._index = GRAPH.number(base)
    made._level = 0
    made.trainable = False
    made._children = []
    made._sweep_at = FIRST_SWEEP
    made._feedback = made._info = made._text = None
    if ambient is not None and ambient.created is not None:
        ambient.created.append(made)
    if GRAPH._legacy is not None:
        GRAPH.register(made)
    return made


def record(
    operation: Any,
    base: str,
    data: Any,
    parents: tuple[Node[Any], ...],
    names: tuple[str, ...],
    values: tuple[Any, ...],
    kind: type[MessageNode[Any]] = MessageNode,
) -> MessageNode[Any]:
    """The node of a computed value.

    Args:
        operation: what computed it; see `Operation`.
        base: the base of the node's name.
        data: the raw result.
        parents: the input nodes, in the order of `names`; one may occur twice.
        names: the parameter names of the inputs.
        values: the raw values that were read from `parents`: what graphs will show of trainable ones.
        kind: the class of the node.
    """
    made: MessageNode[Any] = _new(kind)
    ambient = AMBIENT.get()
    if ambient is not None:
        if not ambient.tracing:
            parents = names = values = ()
        if ambient.scopes:
            base = f"{ambient.scopes[-1]}/{base}"
        if ambient.created is not None:
            ambient.created.append(made)
    made._data = data
    made._base = base
    try:
        made._index = next(_counters[base])
    except KeyError:
        made._index = GRAPH.number(base)
    made._op = operation
    made._parents = parents
    made._names = names
    made._done = False
    made._children = []
    made._sweep_at = FIRST_SWEEP
    made._read = made._feedback = made._info = made._text = None
    reference = ref(made)
    highest = -1
    for parent in parents:
        level = parent._level
        if level > highest:  # noqa: PLR1730 - a call of max would cost more than the rest of the loop
            highest = level
        if parent.trainable:
            made._read = values
        children = parent._children
        children.append(reference)
        if len(children) > parent._sweep_at:
            parent._sweep()
    made._level = highest + 1
    if GRAPH._legacy is not None:
        GRAPH.register(made)
    return made


def fail(
    operation: Any,
    base: str,
    error: BaseException,
    parents: tuple[Node[Any], ...],
    names: tuple[str, ...],
    values: tuple[Any, ...],
    *,
    function: Any = None,
) -> ExecutionError:
    """The `ExecutionError` to raise from `error`; its exception node has the call's inputs as parents.

    Args:
        operation: what failed; see `Operation`.
        base: the name of what failed; the node is called `exception_<base>`.
        error: what it raised.
        parents: as in `record`.
        names: as in `record`.
        values: as in `record`.
        function: the function that failed, where the marked source begins.
    """
    cause = (error.__cause__ or error) if isinstance(error, CodeError) else error
    told = redact_text(describe_error(cause))
    made = record(operation, f"exception_{base}", told, parents, names, values, ExceptionNode)
    made._text = f"[exception] The operator {base} raises an exception."
    info = operation.info_of(made)
    info["traceback"] = redact_text(traceback_of(error))
    info["error_comment"] = redact_text(comment_error(error, function=function))
    made._info = info
    return ExecutionError(made)
