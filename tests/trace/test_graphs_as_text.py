"""Graphs as JSON data."""

from __future__ import annotations

import json

import pytest

from opto.errors import FileFormatError
from opto.trace import GRAPH, ExecutionError, MessageNode, Node, ParameterNode, bundle, node
from opto.trace import operators as ops
from opto.trace.graphs_as_text import graph_as_text, graph_from_text
from opto.trace.operation import Operator
from opto.trace.projections import DocstringProjection
from opto.trace.remembered import Remembered, words_of


class Linked:
    """Links some nodes by name, and keeps the words of bundles."""

    def __init__(self, **nodes):
        self.nodes = nodes
        self.words = []

    def name_of(self, value):
        """The name of a node."""
        return next((name for name, each in self.nodes.items() if each is value), None)

    def named(self, name):
        """The node of a name."""
        return self.nodes[name]

    def owns(self, node):
        """All others are the graph's."""
        return True

    def number_of(self, bundle):
        """Its place in the list."""
        self.words.append(json.loads(json.dumps(words_of(bundle))))
        return len(self.words) - 1

    def operation(self, number):
        """The words at a place."""
        return Remembered(self.words[number])


def again(value, links):
    """The value after a journey through JSON."""
    return graph_from_text(json.loads(json.dumps(graph_as_text(value, links))), links)


@bundle()
def add_all(*values):
    """The sum."""
    return sum(values)


def test_a_graph_comes_back_linked():
    """What is linked is the very node; all else is new, with the same names, values and inputs."""
    x = node(1, trainable=True, name="x")
    links = Linked(x=x)
    y = add_all(x, 2) * x
    z = again(y, links)
    assert z is not y
    assert (z.name, z.data, z.level, z.op_name, z.description) == (y.name, y.data, y.level, y.op_name, y.description)
    assert list(z.inputs) == list(y.inputs)
    assert z.parents[1] is x
    z.backward("more")
    assert [each.name for each in x.feedback] == [y.parents[0].name, y.name]
    assert z in x.feedback


def test_what_was_read_comes_back_with_the_graph():
    """A graph shows the values of its forward pass, whatever the parameter holds by now."""
    x = node("old", trainable=True)
    links = Linked(x=x)
    y = x + "!"
    x._set("new")
    z = again(y, links)
    assert z._read == ("old", "!")
    z.backward("more")
    [graph] = next(iter(x.feedback.values()))
    assert graph.value(x) == "old"


def test_sharing_is_kept():
    """One node is one node again, also in a value and in several outputs."""
    a = node(1)
    b = a + a
    first, [second, third] = again((b, [b + 1, {5: a}]), Linked())
    assert second.parents[0] is first
    assert first.parents == [third[5]]


def test_every_kind_of_node():
    """Roots with `info`, frozen parameters with constraints, computed nodes made by hand, exceptions."""
    frozen = ParameterNode(5, trainable=False, name="frozen", constraint="an odd number", description="a size")
    root = Node("r", name="r", info={"about": [frozen]}, description="what it is")
    by_hand = MessageNode(7, inputs={"a": frozen, "b": root}, description="[mine] By hand.", info=("x", 1))
    with pytest.raises(ExecutionError) as raised:
        by_hand / 0
    found = again(raised.value.exception_node, Linked())
    made = found.parents[0]
    assert type(found) is type(raised.value.exception_node)
    assert found.create_feedback("full") == raised.value.exception_node.create_feedback("full")
    assert (made.info, made.description, made.op_name) == (("x", 1), "By hand.", "mine")
    size, word = made.parents
    assert (size.constraint, size.trainable, size.description, type(size)) == (
        "an odd number", False, "a size", ParameterNode,
    )  # fmt: skip
    assert word.info["about"][0] is size


def test_depth_is_no_limit():
    """A chain of thousands of operators comes back."""
    x = node(0, trainable=True)
    y = x
    for _ in range(3000):
        y = y + 1
    z = again(y, Linked(x=x))
    assert (z.data, z.level) == (3000, 3000)


def test_old_registries_know_them():
    """In legacy mode nodes can be looked up by name."""
    y = node(1) + 2
    document = graph_as_text(y, Linked())
    GRAPH.LEGACY_GRAPH_BEHAVIOR = True
    try:
        z = graph_from_text(document, Linked())
        assert GRAPH.get(y.name) is z
    finally:
        GRAPH.LEGACY_GRAPH_BEHAVIOR = False


class Sub(Node):
    """A class of its own."""


def circular():
    """A list that holds itself and a node."""
    items = [node(1)]
    items.append(items)
    return items


@pytest.mark.parametrize(
    "make",
    [
        lambda: ops.identity(object()),
        lambda: Sub(1) + 1,
        lambda: ParameterNode(1, projections=[DocstringProjection("x")]),
        lambda: Operator("add", max, "x, y", "Not the operator of the table.")(1, 2),
        circular,
    ],
)
def test_what_has_no_text_form_is_refused(make):
    """With an error that says what."""
    with pytest.raises((TypeError, ValueError)):
        graph_as_text(make(), Linked())


def test_a_graph_with_feedback_is_refused():
    """What was sent through it would be lost."""
    x = node(1, trainable=True)
    y = x + 1
    y.backward("good")
    with pytest.raises(ValueError, match="feedback"):
        graph_as_text(y, Linked(x=x))


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"nodes": [], "value": {"!node": 0}},
        {"nodes": [], "value": {"!link": "x"}},
        {"nodes": [["z"]], "value": 0},
        {"nodes": [["n"]], "value": 0},
        {"nodes": [["m", "a", 0, 1, 0, None, None, "add", ["x"], []]], "value": {"!node": 0}},
        {"nodes": [["m", "a", 0, 1, 0, None, None, "none", [], []]], "value": {"!node": 0}},
        {"nodes": [["m", "a", 0, 1, 0, None, None, 5, [], []]], "value": {"!node": 0}},
        {"nodes": [["m", "a", 0, 1, 0, None, {"told": {}}, None, [], []]], "value": {"!node": 0}},
        {"nodes": [], "value": {"!pickle": {"type": "x", "data": ""}}},
        {"nodes": 5, "value": 5},
    ],
)
def test_damage_is_an_error_of_the_file(document):
    """Whatever is wrong with it, and nothing is run."""
    with pytest.raises(FileFormatError):
        graph_from_text(document, Linked())
