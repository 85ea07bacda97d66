"""What listeners are told of the problem of a step: its graph, its values and its feedback as plain data.

Values are shown in bounded length and number, so that telling of a graph costs little and a record stays small.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from opto.optimizers.canonical import canonical, plain
from opto.optimizers.problem import LabelledFeedback, node_to_function_feedback, problem_names
from opto.runs.events import FIXED, Deferred
from opto.trace.brief import brief

if TYPE_CHECKING:
    from opto.optimizers.problem import Facts, FunctionFeedback
    from opto.trace.propagators import TraceGraph

__all__ = ["graph_facts", "problem_facts", "told_later"]

LONGEST_VALUE = 2000
MOST_NODES = 5000
_NUMBERS = {int, float, bool, type(None)}


def problem_facts(summary: FunctionFeedback) -> dict[str, Any]:
    """The facts of a problem as plain data.

    Returns:
        `calls`: one `name = operator(input=name, ...)` a line, by rising level; `roots`, `others`, `output`: values by
        name; `feedback`: what was said of the output; `nodes`: how many there are. Of a graph of more than 5,000 calls
        the first ones are told, and `left_out` says how many are not.
    """
    calls = summary.graph if len(summary.graph) <= MOST_NODES else summary.graph[:MOST_NODES]
    facts: dict[str, Any] = {
        "nodes": len(summary.roots) + len(summary.graph),
        "calls": "\n".join([call for _, call in calls]),
        "roots": _values(summary.roots),
        "others": _values(summary.others),
        "output": _values(summary.output),
        "feedback": _feedback(summary.user_feedback),
    }
    if len(summary.graph) > MOST_NODES:
        facts["left_out"] = len(summary.graph) - MOST_NODES
    return facts


def told_later(summary: FunctionFeedback) -> Mapping[str, Any]:
    """`problem_facts`, put together when somebody reads them."""
    fixed = type(summary.user_feedback) in FIXED
    for facts in (summary.roots, summary.others, summary.output):
        fixed = fixed and FIXED.issuperset([type(value) for value, _ in facts.values()])
    return Deferred(partial(problem_facts, summary), fixed)


def graph_facts(graph: TraceGraph) -> Mapping[str, Any]:
    """`told_later` of a graph, for optimizers that put no problem into words."""
    nodes = [node for _, node in graph]
    return told_later(node_to_function_feedback(graph, names=problem_names(nodes)))


def _values(facts: Facts) -> dict[str, Any]:
    if len(facts) > MOST_NODES:
        facts = dict(list(facts.items())[:MOST_NODES])
    values = [value for value, _ in facts.values()]
    if _NUMBERS.issuperset(map(type, values)):
        return dict(zip(facts, values, strict=True))
    return {name: _bounded(value) for name, value in zip(facts, values, strict=True)}


def _bounded(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return value if len(value) <= LONGEST_VALUE else _shortened(value)
    return value if kind in _NUMBERS else brief(value, LONGEST_VALUE)


def _shortened(text: str) -> str:
    head, tail = LONGEST_VALUE * 3 // 4, LONGEST_VALUE // 4
    return f"{text[:head]}... ({len(text) - head - tail} characters left out) ...{text[-tail:]}"


def _feedback(feedback: Any) -> Any:
    if isinstance(feedback, LabelledFeedback):
        return {"outputs": [[name, _said(said)] for name, said in feedback]}
    return _said(feedback)


def _said(feedback: Any) -> Any:
    if isinstance(feedback, Mapping):
        return canonical(feedback)
    number = getattr(feedback, "item", None)
    if number is not None and getattr(feedback, "shape", None) == ():  # a number of NumPy or PyTorch is one
        return plain(number())
    return plain(feedback)
