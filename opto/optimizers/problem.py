"""A graph with feedback, as the facts of a problem: what was called, on what, with what result, what was said of it.

This is the pseudo-algorithm of the Trace paper (arXiv 2406.16218, section 4.2) before it is put into words.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from opto.trace.constraints import read_constraint
from opto.trace.nodes import ExceptionNode, get_op_name

if TYPE_CHECKING:
    from opto.trace.nodes import Node
    from opto.trace.propagators import TraceGraph

__all__ = [
    "Call",
    "Facts",
    "FunctionFeedback",
    "LabelledFeedback",
    "is_code",
    "node_to_function_feedback",
    "problem_names",
]

_CALL = re.compile(r"([^ =()]+) = ([^=()]+)\(([^()]*)\)")

Facts: TypeAlias = "dict[str, tuple[Any, str | None]]"
"""Values by name, each with its description or None."""


class Call(str):
    """A line of code, `add0 = add(x=int0, y=int1)`, that knows its parts.

    Attributes:
        result: the name of the result; "" when the parts are not known.
        function: the name of the function.
        arguments: pairs of the name of a parameter and the name of the value it got.
    """

    __slots__ = ("arguments", "function", "result")

    result: str
    function: str
    arguments: tuple[tuple[str, str], ...]

    def __new__(
        cls, text: str, result: str = "", function: str = "", arguments: tuple[tuple[str, str], ...] = ()
    ) -> Call:
        """The line of this text."""
        made = super().__new__(cls, text)
        made.result, made.function, made.arguments = result, function, arguments
        return made

    @classmethod
    def made(cls, result: str, function: str, arguments: tuple[tuple[str, str], ...]) -> Call:
        """The line of these parts."""
        written = ", ".join([f"{key}={name}" for key, name in arguments])
        return cls(f"{result} = {function}({written})", result, function, arguments)

    @classmethod
    def read(cls, text: str) -> Call:
        """A line with its parts read back from the text, as far as it can be read."""
        if isinstance(text, cls):
            return text
        found = _CALL.fullmatch(text)
        if found is None:
            return cls(text)
        result, function, inside = found.groups()
        pairs = [tuple(pair.split("=")) for pair in inside.split(", ")] if inside else []
        return cls(text, result, function, tuple(pairs)) if all(len(pair) == 2 for pair in pairs) else cls(text)

    def __getnewargs__(self) -> tuple[Any, ...]:
        return str(self), self.result, self.function, self.arguments


class LabelledFeedback(list["tuple[str, Any]"]):
    """Several feedbacks that differ: pairs of the name of an output and what was said of it."""


@dataclass
class FunctionFeedback:
    """A graph and its feedback as plain facts.

    Attributes:
        graph: pairs of level and call, such as `(1, "add0 = add(x=int0, y=int1)")`, by rising level. Calls are texts;
            those made here are `Call`s.
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


def is_code(name: str) -> bool:
    """Whether a variable of this name holds the source of a function."""
    return name.rpartition("/")[2].startswith("__code")


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
    words = _Words()
    commented = {name: name for name, _ in trace_graph.feedback_by_output}
    highest = max((level for level, _ in pairs), default=0)
    facts = FunctionFeedback([], {}, {}, {}, {}, None)
    for level, node in pairs:
        name = names[id(node)]
        value = trace_graph.value(node) if node.trainable else node._data
        inputs = node._inputs
        try:
            arguments = tuple([(key, names[id(parent)]) for key, parent in inputs.items()])
        except KeyError:  # a parent outside the graph
            inputs = {}
        if not inputs:
            facts.roots[name] = (value, words.about(node))
            if len(pairs) == 1:
                facts.output[name] = facts.roots[name]
            continue
        facts.graph.append((level, Call.made(name, words.function(node), arguments)))
        py_name = node.py_name
        if py_name in commented:
            commented[py_name] = name
        (facts.output if level == highest or py_name in commented else facts.others)[name] = (value, None)
    facts.documentation = words.documentation()
    facts.user_feedback = _feedback(trace_graph, commented)
    return facts


def _feedback(trace_graph: TraceGraph, names: Mapping[str, str]) -> Any:
    feedback, labelled = trace_graph.user_feedback, trace_graph.feedback_by_output
    if not isinstance(feedback, list) or len(labelled) < 2 or [*map(id, feedback)] != [*map(id, labelled)]:
        return feedback  # a value, which may itself be a list of pairs
    return LabelledFeedback((names.get(name, name), said) for name, said in feedback)


class _Words:
    """What is said of nodes. Each distinct text is taken apart once; each function is documented once."""

    def __init__(self) -> None:
        self._parsed: dict[str, tuple[str, str]] = {}
        self._documented: dict[str, dict[str, None]] = {}

    def about(self, node: Node[Any]) -> str | None:
        """A root's description, and its constraint in words; None if nothing is said."""
        said = "" if node._parents else self._tag_and_text(node._description)[1]
        constraint = getattr(node, "constraint", None)
        if constraint is not None:
            words = read_constraint(constraint).words(node._data)
            said = "\n".join(dict.fromkeys(text for text in (said, inspect.cleandoc(words)) if text))
        return said or None

    def function(self, node: Node[Any]) -> str:
        """The name of the function that a node is a result of; notes what it does."""
        name, text = self._tag_and_text(node._description)
        if isinstance(node, ExceptionNode):
            info = node.info or {}
            name, text = str(info.get("fun_name") or name), inspect.cleandoc(info.get("doc") or text)
        self._documented.setdefault(name, {})[text] = None
        return name

    def documentation(self) -> dict[str, str]:
        """What each function does; functions that share a name keep all that is said of them."""
        return {name: "\n".join(text for text in texts if text) for name, texts in self._documented.items()}

    def _tag_and_text(self, description: str) -> tuple[str, str]:
        found = self._parsed.get(description)
        if found is None:
            tag = get_op_name(description)
            found = self._parsed[description] = tag, inspect.cleandoc(description.partition("]")[2])
        return found
