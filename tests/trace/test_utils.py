"""The small helpers that existing programs import."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import pytest

from opto.trace import Seq, TraceGraph, bundle, node
from opto.trace.propagators import SumPropagator
from opto.trace.utils import contain, dedent, for_all_methods, render_opt_step, sum_feedback


def test_contain_goes_by_identity():
    """An equal node is not the same node."""
    x, y = node(1), node(1)
    assert contain([x], x)
    assert not contain([x], y)
    assert contain({x}, x)
    assert contain([[y], (x,)], x)
    assert contain(Seq(y, x), x)
    assert contain({"k": x}, x)
    assert contain({x: 1}, x)
    assert not contain([], x)


def test_dedent():
    """The common indentation goes, and blank lines at the ends."""
    assert dedent("\n    a\n      b\n") == "a\n  b"


def test_for_all_methods():
    """Every method is decorated, except dunder ones; attributes stay."""

    def loud(function):
        @functools.wraps(function)
        def inner(*args):
            return f"{function(*args)}!"

        return inner

    @for_all_methods(loud)
    class Speaker:
        greeting = "hi"

        def __init__(self):
            self.name = "a"

        def greet(self):
            return self.greeting

        def _name(self):
            return self.name

    speaker = Speaker()
    assert (speaker.greet(), speaker._name(), speaker.greeting) == ("hi!", "a!", "hi")


def test_for_all_methods_with_bundles():
    """Methods become bundles, each with the object as its first input."""

    @for_all_methods(bundle())
    class Counter:
        def __init__(self):
            self.count = 0

        def add(self, n):
            self.count += n
            return self.count

        def double(self, n):
            return 2 * n

    counter = Counter()
    assert counter.add(2) == 2
    made = counter.double(counter.add(3))
    assert made == 10
    assert list(made.inputs) == ["self", "n"]


class TestSumFeedback:
    def test_all_graphs_of_all_nodes(self):
        """The graphs of all the nodes are joined; nodes without feedback add nothing."""
        x, y, z = (node(k, trainable=True) for k in range(3))
        (x + y).backward("first")
        (y * 2).backward("second")
        graph = sum_feedback([x, y, z])
        assert isinstance(graph, TraceGraph)
        names = [each.py_name for _, each in graph]
        assert len(names) == len(set(names)) == 5
        assert [feedback for _, feedback in graph.user_feedback] == ["first", "second"]

    def test_nothing(self):
        """Without nodes or feedback the graph is empty."""
        assert len(sum_feedback([])) == 0
        assert sum_feedback([node(1, trainable=True)]).user_feedback is None

    def test_after_reading(self):
        """It makes no difference whether the feedback was looked at before."""
        x = node(1, trainable=True)
        for k in range(3):
            (x + k).backward("good")
            assert len(x.feedback) == k + 1
        assert len(sum_feedback([x])) == 1 + 3 * 2
        (x + 9).backward("good")
        assert len(sum_feedback([x])) == 1 + 4 * 2
        assert len(x.feedback) == 4

    def test_feedback_that_is_no_graph(self):
        """What another propagator has sent cannot be joined: the error names the node and shows it."""
        x = node(1, trainable=True)
        (x + 1).backward("text", propagator=SumPropagator())
        with pytest.raises(
            TypeError, match=f"the feedback of {x.name} must be graphs to be joined, but it holds 'text'"
        ):
            sum_feedback([x])


def test_render_opt_step():
    """The last step of an optimizer as Markdown, with or without its parts."""
    optimizer = SimpleNamespace(
        log=[{"response": "the answer"}], summary_log=[{"problem_instance": "the problem", "summary": None}]
    )
    assert render_opt_step(3, optimizer) == "### Step 3\n\n```\nthe problem\n```\n\n```\nthe answer\n```"
    assert "problem" not in render_opt_step(3, optimizer, no_trace_graph=True)
    assert "answer" not in render_opt_step(3, optimizer, no_improvement=True)
    assert render_opt_step(0, SimpleNamespace(log=[], summary_log=[])) == "### Step 0"
