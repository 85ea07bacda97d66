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
from opto.trace.nodes import ExceptionNode, Node, get_op_name

if TYPE_CHECKING:
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

_ODD = re.compile(r"[^\w/.-]")  # a name may come from data, and must not look like something else in a prompt
_CALL = re.compile(r"([^ =()]+) = ([^=()]+)\(([^()]*)\)")

Facts: TypeAlias = "dict[str, tuple[Any, str | None]]"
"""Values by name, each with its description or None."""


class Call(str):
    """A line of code, `add0 = add(x=int0, y=int1)`, that knows its parts.

    Attributes:
        result: the name of the result; "" when the parts are not known.
        function: the name of the function.
        keys: the names of the parameters.
        inputs: the name of the value that each of them got.
    """

    __slots__ = ("function", "inputs", "keys", "result")

    result: str
    function: str
    keys: tuple[str, ...]
    inputs: tuple[str, ...]

    def __new__(
        cls, text: str, result: str = "", function: str = "", arguments: tuple[tuple[str, str], ...] = ()
    ) -> Call:
        """The line of this text."""
        made = super().__new__(cls, text)
        made.result, made.function = result, function
        made.keys, made.inputs = tuple([key for key, _ in arguments]), tuple([name for _, name in arguments])
        return made

    @property
    def arguments(self) -> tuple[tuple[str, str], ...]:
        """Pairs of the name of a parameter and the name of the value it got."""
        return tuple(zip(self.keys, self.inputs, strict=True))

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


_new_call = str.__new__


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
        base = node._base
        if not base.isidentifier():
            base = _ODD.sub("_", base)
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
    highest = pairs[-1][0] if pairs else 0
    facts = FunctionFeedback([], {}, {}, {}, {}, None)
    graph, roots, others, output = facts.graph, facts.roots, facts.others, facts.output
    for level, node in pairs:
        name = names[id(node)]
        value = trace_graph.value(node) if node.trainable else node._data
        try:
            inputs = tuple([names[id(parent)] for parent in node._parents]) if node._parents else ()
        except KeyError:  # a parent outside the graph
            inputs = ()
        if not inputs:
            roots[name] = (value, words.about(node))
            continue
        graph.append((level, words.call(node, name, inputs)))
        py_name = node.py_name
        if py_name in commented:
            commented[py_name] = name
            output[name] = (value, None)
        elif level == highest:
            output[name] = (value, None)
        else:
            others[name] = (value, None)
    if len(pairs) == 1:
        output.update(roots)
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
        self._lines: dict[Any, tuple[str, tuple[str, ...], str]] = {}

    def about(self, node: Node[Any]) -> str | None:
        """A root's description, and its constraint in words; None if nothing is said."""
        constraint = None if type(node) is Node else getattr(node, "constraint", None)
        if node._text is None and constraint is None:
            return None
        said = "" if node._parents else self._tag_and_text(node._description)[1]
        if constraint is not None:
            words = read_constraint(constraint).words(node._data)
            said = "\n".join(dict.fromkeys(text for text in (said, inspect.cleandoc(words)) if text))
        return said or None

    def call(self, node: Node[Any], result: str, inputs: tuple[str, ...]) -> Call:
        """The call that a node is the result of, by the names of the result and of the inputs; notes what it does."""
        kind = type(node)
        form = (kind, node._description, node._names)
        found = self._lines.get(form)
        if found is None:
            found = self._line(node)
            if not issubclass(kind, ExceptionNode):  # which have an info of their own
                self._lines[form] = found
        function, keys, line = found
        made = _new_call(Call, line % (result, *inputs))  # as quick as can be: there is one for every node
        made.result, made.function, made.keys, made.inputs = result, function, keys, inputs
        return made

    def _line(self, node: Node[Any]) -> tuple[str, tuple[str, ...], str]:
        """The function of a call, its parameters, and the line with a %s for each name."""
        function, text = self._tag_and_text(node._description)
        if isinstance(node, ExceptionNode):
            info = node.info or {}
            function, text = str(info.get("fun_name") or function), inspect.cleandoc(info.get("doc") or text)
        self._documented.setdefault(function, {})[text] = None
        keys = tuple(node._inputs)
        written = ", ".join([f"{key}=%s" for key in [key.replace("%", "%%") for key in keys]])
        return function, keys, f"%s = {function.replace('%', '%%')}({written})"

    def documentation(self) -> dict[str, str]:
        """What each function does; functions that share a name keep all that is said of them."""
        return {name: "\n".join(text for text in texts if text) for name, texts in self._documented.items()}

    def _tag_and_text(self, description: str) -> tuple[str, str]:
        found = self._parsed.get(description)
        if found is None:
            tag = get_op_name(description)
            found = self._parsed[description] = tag, inspect.cleandoc(description.partition("]")[2])
        return found
