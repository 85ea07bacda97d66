"""Small helpers that existing programs import."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from opto.trace.arguments import nodes_inside
from opto.trace.backward import feedback_lock, feedback_of
from opto.trace.nodes import Node
from opto.trace.propagators import TraceGraph

__all__ = ["contain", "dedent", "for_all_methods", "render_opt_step", "sum_feedback"]

C = TypeVar("C", bound=type)


def contain(container_of_nodes: Iterable[Any], node: Node[Any]) -> bool:
    """Whether this very node, not an equal one, is in a container of nodes, also in nested ones or as a key."""
    inside = nodes_inside([*container_of_nodes, container_of_nodes])
    return any(each is node for each in inside)


def dedent(text: str) -> str:
    """`text` without its common indentation and without blank lines at its ends."""
    return textwrap.dedent(text).strip("\n")


def for_all_methods(decorator: Callable[[Any], Any]) -> Callable[[C], C]:
    """A class decorator that applies `decorator` to all methods defined in the class, except dunder methods."""

    def decorate(cls: C) -> C:
        for name, value in list(vars(cls).items()):
            if inspect.isfunction(value) and not (name.startswith("__") and name.endswith("__")):
                decorated = decorator(value)
                setattr(cls, name, decorated)
                if hasattr(decorated, "__set_name__"):
                    decorated.__set_name__(cls, name)
        return cls

    return decorate


def sum_feedback(nodes: Iterable[Node[Any]]) -> TraceGraph:
    """All the feedback of some nodes as one graph: linear in its nodes, and computed when it is read."""
    with feedback_lock:
        return TraceGraph._lazy(*[feedback_of(node) for node in nodes])


def render_opt_step(step: int, optimizer: Any, no_trace_graph: bool = False, no_improvement: bool = False) -> str:
    """The last step of an optimizer as Markdown: its problem and the model's answer.

    Args:
        step: the number to show.
        optimizer: one with a `log` and a `summary_log`.
        no_trace_graph: leave the problem out.
        no_improvement: leave the answer out.
    """
    parts = [f"### Step {step}"]
    if not no_trace_graph and optimizer.summary_log:
        parts.append(f"```\n{optimizer.summary_log[-1]['problem_instance']}\n```")
    if not no_improvement and optimizer.log:
        parts.append(f"```\n{optimizer.log[-1]['response']}\n```")
    return "\n\n".join(parts)
