"""Sending feedback back: one walk for the graph propagator, message passing for all others.

A backward pass is atomic: under a lock it first checks, then delivers to all parameters, then marks what is done. If it
raises, nothing has been sent.
"""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any

from opto.errors import BackwardError, UnreachedFeedbackWarning
from opto.trace.dependencies import ancestors
from opto.trace.propagators.graph import GraphPropagator, TraceGraph
from opto.trace.propagators.propagators import Propagator
from opto.trace.registry import GRAPH
from opto.trace.walk import Walk

if TYPE_CHECKING:
    import graphviz

__all__ = ["backward", "expanded", "feedback_lock", "feedback_of"]

feedback_lock = threading.RLock()
"""Held while feedback is delivered; hold it to read or clear the feedback of several parameters as one."""


def backward(
    output: Any,
    source: Any,
    *,
    propagator: Propagator | None = None,
    retain_graph: bool = False,
    picture: dict[str, Any] | None = None,
) -> graphviz.Digraph | None:
    """See `Node.backward`.

    Args:
        output: the node that gets the feedback.
        source: a fresh node that holds the feedback, and stands for whoever gave it.
        propagator: see `Node.backward`.
        retain_graph: see `Node.backward`.
        picture: the options of the drawing; None for no drawing.
    """
    if propagator is not None and not isinstance(propagator, Propagator):
        raise TypeError(f"propagator must be a Propagator or None, got {propagator!r}.")
    walk = Walk(output, source, nested=GRAPH.ALLOW_NESTED_GRAPHS)
    with feedback_lock:
        _check_not_done(walk)
        if propagator is None or (type(propagator) is GraphPropagator and not propagator._registered):
            _deliver(walk)
        else:
            _pass_messages(walk, propagator)
        if not retain_graph:
            _finish(walk)
    if not walk.entries:
        _warn_unreached(output)
    return None if picture is None else _drawn(walk, picture)


def _check_not_done(walk: Walk) -> None:
    for node in (*walk.path, walk.output) if not walk.path else walk.path:
        if node._done:
            raise BackwardError(
                f"{node.name} has been backwarded before, on the way from {walk.output.name}. "
                "Run the forward pass again, or call the first backward with retain_graph=True."
            )


def _deliver(walk: Walk) -> None:
    """Leave the walk with each of its parameters; `expanded` turns it into feedback by child when that is read."""
    for parameter in walk.entries:
        pending = parameter._feedback
        if pending is None:
            parameter._feedback = [walk]
        elif isinstance(pending, list):
            pending.append(walk)
        else:
            _expand(walk, parameter, pending)


def expanded(parameter: Any) -> dict[Any, list[Any]]:
    """The feedback of a node as the dict that its `feedback` shows."""
    with feedback_lock:
        pending = parameter._feedback
        if not isinstance(pending, dict):
            feedback: dict[Any, list[Any]] = {}
            for walk in pending or ():
                _expand(walk, parameter, feedback)
            parameter._feedback = feedback
        return parameter._feedback  # type: ignore[no-any-return]


def _expand(walk: Walk, parameter: Any, feedback: dict[Any, list[Any]]) -> None:
    children = walk.entries[parameter]
    if not children:  # the output is the parameter itself: its own feedback comes from a node of its own
        feedback[walk.source] = [TraceGraph.view(walk, parameter, [])]
    for child in children:
        feedback.setdefault(child, []).append(TraceGraph.view(walk, parameter, [child]))


def feedback_of(parameter: Any) -> TraceGraph:
    """All the feedback of a node as one graph, still to be read."""
    with feedback_lock:
        pending = parameter._feedback
        if not pending:
            return TraceGraph.empty()
        if isinstance(pending, list):
            return TraceGraph._lazy(*((walk, parameter, walk.entries[parameter]) for walk in pending))
        return GraphPropagator().aggregate(pending)


def _pass_messages(walk: Walk, propagator: Propagator) -> None:
    """Pass messages from the output down; each computed node sends once, when all its children have."""
    output = walk.output
    receivers = {*walk.path, *walk.entries}
    output._add_feedback(walk.source, propagator.init_feedback(output, walk.feedback))
    for node in reversed(walk.path):
        if not node._feedback:
            continue
        for parent, message in propagator(node).items():
            if parent in receivers:
                parent._add_feedback(node, message)
        if node not in walk.entries:
            node._feedback = None
    if output not in walk.entries:
        output._feedback = None


def _finish(walk: Walk) -> None:
    """Mark the walked nodes as done, which takes them off their parents' children, and let go of their own."""
    for node in walk.path:
        node._done = True
        node._children.clear()
    if not walk.path and walk.output._parents:
        walk.output._done = True


def _warn_unreached(output: Any) -> None:
    roots = [node.name for node in ancestors([output]) if not node._parents]
    shown = ", ".join(roots[:5]) + (f" and {len(roots) - 5} more" if len(roots) > 5 else "")
    if roots == [output.name]:
        cause = "it has no inputs: it was made by node(), inside no_trace(), or by a function without traced inputs"
    else:
        cause = f"it was computed from {shown}, of which none is trainable"
    warnings.warn(
        f"The feedback on {output.name} reaches no trainable parameter: {cause}. "
        "Make a value trainable with node(value, trainable=True), or a function with bundle(trainable=True).",
        UnreachedFeedbackWarning,
        stacklevel=4,
    )


def _drawn(walk: Walk, options: dict[str, Any]) -> graphviz.Digraph:
    if walk.entries:
        graph = TraceGraph._lazy(*((walk, parameter, children) for parameter, children in walk.entries.items()))
    else:
        graph = TraceGraph([(node._level, node) for node in ancestors([walk.output])], walk.feedback)
    return graph.visualize(**options)
