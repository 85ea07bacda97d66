"""A graph with feedback, as the facts of a problem: what was called, on what, with what result, what was said of it.

This is the pseudo-algorithm of the Trace paper (arXiv 2406.16218, section 4.2) before it is put into words.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from opto.trace.nodes import ExceptionNode

if TYPE_CHECKING:
    from opto.trace.nodes import Node
    from opto.trace.propagators import TraceGraph

__all__ = ["Facts", "FunctionFeedback", "LabelledFeedback", "node_to_function_feedback", "problem_names"]

Facts: TypeAlias = "dict[str, tuple[Any, str | None]]"
"""Values by name, each with its description or None."""


class LabelledFeedback(list["tuple[str, Any]"]):
    """Several feedbacks that differ: pairs of the name of an output and what was said of it."""


@dataclass
class FunctionFeedback:
    """A graph and its feedback as plain facts.

    Attributes:
        graph: pairs of level and call, such as `(1, "add0 = add(x=int0, y=int1)")`, by rising level.
        documentation: what each function does, by its name.
        others: intermediate results.
        roots: values that no call of this graph computed.
        output: the values that the feedback is about.
        user_feedback: the feedback; `LabelledFeedback` when outputs got different ones; None if there is none.
        variables: the roots that may be changed. Filled in by `OptoPrime.summarize`.
        inputs: the other roots. Filled in by `OptoPrime.summarize`.
    """

    graph: list[tuple[int, str]]
    documentation: dict[str, str]
    others: Facts
    roots: Facts
    output: Facts
    user_feedback: Any
    variables: Facts = field(default_factory=dict)
    inputs: Facts = field(default_factory=dict)


def problem_names(nodes: Iterable[Node[Any]]) -> dict[int, str]:
    """Names for a prompt, by the `id` of the node: numbered from 0 within this problem alone.

    So a problem does not show how much the program has computed before it. Trainable nodes keep their `py_name`,
    because answers refer to them by it; no other node gets a name that one of them has.
    """
    names: dict[int, str] = {}
    rest: list[Node[Any]] = []
    for node in nodes:
        if node.trainable:
            names[id(node)] = node.py_name
        else:
            rest.append(node)
    taken = set(names.values())
    counts: dict[str, int] = {}
    for node in rest:
        base = node.name.rpartition(":")[0]
        number = counts.get(base, 0)
        while (name := f"{base}{number}") in taken:
            number += 1
        counts[base] = number + 1
        taken.add(name)
        names[id(node)] = name
    return names


def node_to_function_feedback(trace_graph: TraceGraph, *, names: Mapping[int, str] | None = None) -> FunctionFeedback:
    """The facts of a graph.

    Args:
        trace_graph: what `backward` leaves in a parameter's feedback.
        names: how to call each node, by its `id`; by default its `py_name`. See `problem_names`.

    Returns:
        A node with no parents, or with a parent outside the graph, is a root. The nodes on the highest level, and those
        that got feedback, are the output; the rest are others.
    """
    pairs = trace_graph.graph
    if names is None:
        names = {id(node): node.py_name for _, node in pairs}
    commented = _outputs(trace_graph)
    highest = max((level for level, _ in pairs), default=0)
    feedback = FunctionFeedback([], {}, {}, {}, {}, _feedback(trace_graph, names))
    documentation = _Documentation()
    for level, node in pairs:
        name = names[id(node)]
        fact = (trace_graph.value(node), described(node))
        is_output = level == highest or node.py_name in commented
        parents = node.parents
        if not parents or any(id(parent) not in names for parent in parents):
            feedback.roots[name] = fact
            if is_output and len(pairs) == 1:
                feedback.output[name] = fact
            continue
        feedback.graph.append((level, _call(name, node, names)))
        documentation.add(node)
        (feedback.output if is_output else feedback.others)[name] = fact
    feedback.documentation = documentation.texts()
    return feedback


def described(node: Node[Any]) -> str | None:
    """What is said of a node's value: its description, and its constraint in words; None if nothing is."""
    said = [] if node.parents else [node.description]
    constraint = getattr(node, "constraint", None)
    if isinstance(constraint, str):
        said.append(constraint)
    elif constraint is not None:
        said.append(inspect.getdoc(constraint) if inspect.isroutine(constraint) else None)
    texts = [inspect.cleandoc(text) for text in said if text]
    return "\n".join(dict.fromkeys(texts)) or None


def _call(name: str, node: Node[Any], names: Mapping[int, str]) -> str:
    arguments = ", ".join([f"{key}={names[id(parent)]}" for key, parent in node._inputs.items()])
    return f"{name} = {_function_name(node)}({arguments})"


def _function_name(node: Node[Any]) -> str:
    if isinstance(node, ExceptionNode):
        called = (node.info or {}).get("fun_name")
        if called:
            return str(called)
    return node.op_name


def _outputs(trace_graph: TraceGraph) -> set[str]:
    """The names of the nodes that feedback was given to."""
    trace_graph.graph  # noqa: B018  # reading joins the parts
    return {name for name, _ in trace_graph._feedback}


def _feedback(trace_graph: TraceGraph, names: Mapping[int, str]) -> Any:
    feedback = trace_graph.user_feedback
    if not isinstance(feedback, list) or len(trace_graph._feedback) < 2 or feedback != trace_graph._feedback:
        return feedback
    by_py_name = {node.py_name: names[id(node)] for _, node in trace_graph.graph}
    return LabelledFeedback((by_py_name.get(name, name), said) for name, said in feedback)


class _Documentation:
    """What functions do, each said once; functions that share a name keep all that is said of them."""

    def __init__(self) -> None:
        self._said: dict[str, dict[str, None]] = {}
        self._clean: dict[str | None, str] = {None: ""}

    def add(self, node: Node[Any]) -> None:
        text = node.description
        if isinstance(node, ExceptionNode):
            text = (node.info or {}).get("doc") or text
        clean = self._clean.get(text)
        if clean is None:
            clean = self._clean[text] = inspect.cleandoc(text or "")
        self._said.setdefault(_function_name(node), {})[clean] = None

    def texts(self) -> dict[str, str]:
        return {name: "\n".join(text for text in said if text) for name, said in self._said.items()}
