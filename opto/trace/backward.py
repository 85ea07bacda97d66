"""Sending feedback back: one walk for the graph propagator, message passing for all others.

A backward pass is atomic: under a lock it first checks, then delivers to all parameters, then marks what is done. If it
raises, nothing has been sent.
"""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from opto.errors import BackwardError, UnreachedFeedbackWarning
from opto.forking import forkable_lock
from opto.trace.dependencies import ancestors
from opto.trace.propagators.graph import GraphPropagator, TraceGraph
from opto.trace.propagators.propagators import Propagator
from opto.trace.registry import GRAPH
from opto.trace.walk import Walk

if TYPE_CHECKING:
    import graphviz

__all__ = ["backward", "expanded", "feedback_lock", "feedback_of"]

feedback_lock: AbstractContextManager[Any] = forkable_lock()
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
    for node in walk.path or [walk.output]:
        if node._done:
            raise BackwardError(
                f"{node.name} has been backwarded before, on the way from {walk.output.name}. "
                "Run the forward pass again, or call the first backward with retain_graph=True."
            )


def _deliver(walk: Walk) -> None:
    """Leave the walk with each of its parameters; `expanded` turns it into feedback by child when that is read."""
    for parameter in walk.entries:
        _leave(parameter, walk)


def _leave(parameter: Any, part: Any) -> None:
    """Add a walk, or a dict of feedback by child, to what a parameter has got and nobody has read."""
    pending = parameter._feedback
    if isinstance(pending, list):
        pending.append(part)
    else:
        parameter._feedback = [part] if pending is None else [pending, part]


def expanded(parameter: Any) -> dict[Any, list[Any]]:
    """The feedback of a node as the dict that its `feedback` shows.

    A new dict each time that something has come in between: whoever iterates over the old one is not disturbed.
    """
    with feedback_lock:
        pending = parameter._feedback
        if isinstance(pending, dict):
            return pending
        feedback: dict[Any, list[Any]] = {}
        for part in pending or ():
            for child, sent in part.items() if isinstance(part, dict) else _views(part, parameter):
                feedback.setdefault(child, []).extend(sent)
        parameter._feedback = feedback
        return feedback


def _views(walk: Walk, parameter: Any) -> list[tuple[Any, list[Any]]]:
    """What a walk leaves with a parameter, by child."""
    children = walk.entries[parameter]
    if not children:  # the output is the parameter itself: its own feedback comes from a node of its own
        return [(walk.source, [TraceGraph.view(walk, parameter, [])])]
    return [(child, [TraceGraph.view(walk, parameter, [child])]) for child in children]


def feedback_of(parameter: Any) -> TraceGraph:
    """All the feedback of a node as one graph, still to be read.

    Raises:
        TypeError: if a propagator has sent something else than graphs.
    """
    with feedback_lock:
        pending = parameter._feedback
        parts: list[Any] = []
        for part in pending if isinstance(pending, list) else [pending or {}]:
            if isinstance(part, Walk):
                parts.append((part, parameter, part.entries[parameter]))
            else:
                parts.extend(each for sent in part.values() for each in sent)
    for part in parts:
        if not isinstance(part, (tuple, TraceGraph)):
            raise TypeError(f"the feedback of {parameter.name} must be graphs to be joined, but it holds {part!r}.")
    return TraceGraph._lazy(*parts) if parts else TraceGraph.empty()


def _pass_messages(walk: Walk, propagator: Propagator) -> None:
    """Pass messages from the output down; each computed node sends once, when all its children have.

    Parameters get theirs at the end, so a propagator that raises leaves no trace.
    """
    receivers = {*walk.path, *walk.entries}
    inboxes = {walk.output: {walk.source: [propagator.init_feedback(walk.output, walk.feedback)]}}
    for node in reversed(walk.path):
        received = inboxes.get(node)
        if received is None:
            continue
        before, node._feedback = node._feedback, received
        try:
            messages = propagator(node)
        finally:
            node._feedback = before
        for parent, message in messages.items():
            if parent in receivers:
                inboxes.setdefault(parent, {}).setdefault(node, []).append(message)
    for parameter in walk.entries:
        if parameter in inboxes:
            _leave(parameter, inboxes[parameter])


def _finish(walk: Walk) -> None:
    """Mark the walked nodes as done, which takes them off their parents' children, and let go of their own."""
    for node in walk.path:
        node._done = True
        node._children.clear()
    if not walk.path and walk.output._parents:
        walk.output._done = True


def _warn_unreached(output: Any) -> None:
    roots = [node for node in ancestors([output]) if not node._parents]
    cut = [node for node in roots if node._computed]
    if cut:
        cause = f"the path ends at {_listed(cut)}, computed by no_trace(), detach() or a function without traced inputs"
    elif not output._parents:
        cause = "it is a value that was not computed from any other"
    else:
        cause = f"it was computed from {_listed(roots)}, of which none is trainable"
    warnings.warn(
        f"The feedback on {output.name} reaches no trainable parameter: {cause}. "
        "Make a value trainable with node(value, trainable=True), or a function with bundle(trainable=True).",
        UnreachedFeedbackWarning,
        stacklevel=4,
    )


def _listed(nodes: list[Any]) -> str:
    shown = ", ".join(node.name for node in nodes[:5])
    return shown + (f" and {len(nodes) - 5} more" if len(nodes) > 5 else "")


def _drawn(walk: Walk, options: dict[str, Any]) -> graphviz.Digraph:
    if walk.entries:
        graph = TraceGraph._lazy(*((walk, parameter, children) for parameter, children in walk.entries.items()))
    else:
        graph = TraceGraph([(node._level, node) for node in ancestors([walk.output])], walk.feedback)
    return graph.visualize(**options)
