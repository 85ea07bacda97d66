"""Applying an operation to the matching pieces of containers."""

from __future__ import annotations

from collections import namedtuple

import pytest

from opto.trace import NodeContainer, apply_op, node
from opto.trace import operators as ops
from opto.trace.broadcast import recursive_conversion, to_data

Pair = namedtuple("Pair", "a b")  # noqa: PYI024 - what people use


class Box(NodeContainer):
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


def test_nodes():
    """On nodes it is the operation itself."""
    made = apply_op(ops.add, node(0), node(1), node(2))
    assert made == 3


def test_lists():
    """Element by element, into the list that is given."""
    output = [node(0), node(0)]
    made = apply_op(ops.add, output, [node(1), node(2)], [node(3), node(4)])
    assert made is output
    assert [each.data for each in made] == [4, 6]
    assert made[0].op_name == "add"


def test_single_nodes_go_with_every_piece():
    """A node input broadcasts, by position or keyword."""
    x = node(10)
    made = apply_op(ops.add, [node(0), node(0)], [node(1), node(2)], x)
    assert [each.data for each in made] == [11, 12]
    assert all(each.parents[1] is x for each in made)
    made = apply_op(ops.add, {"a": node(0)}, x={"a": node(1)}, y=x)
    assert made["a"] == 11


def test_nested():
    """Containers, lists, tuples and dicts, at any depth."""

    def shape(k):
        return Box(a=node(k), b=[node(k + 1), {"c": (node(k + 2), node(k + 3))}], d=Box(e=node(k + 4)), f=3)

    output = shape(0)
    made = apply_op(ops.add, output, shape(10), shape(100))
    assert made is output
    assert made.a == 110
    assert made.b[0] == 112
    assert [each.data for each in made.b[1]["c"]] == [114, 116]
    assert made.d.e == 118
    assert made.f == 3


def test_other_leaves_keep_the_value_of_the_output():
    """What is neither node nor container is not touched."""
    assert apply_op(ops.add, [3, node(0)], [1, node(2)], [1, node(2)])[0] == 3
    assert apply_op(ops.add, 3, 1) == 3


def test_tuples_and_named_tuples():
    """A tuple is made anew, of its own type."""
    made = apply_op(ops.add, Pair(node(0), 5), Pair(node(1), 0), node(2))
    assert type(made) is Pair
    assert made.a == 3
    assert made.b == 5


def test_any_callable():
    """The operation may return anything, such as a list or a dict of its inputs."""
    x, y = node(1), node(2)
    made = apply_op(lambda *args: list(args), [node(0)], [x], [y])
    assert made[0][0] is x
    assert made[0][1] is y
    made = apply_op(dict, {"k": node(0)}, a={"k": x}, b={"k": y})
    assert made["k"]["a"] is x


@pytest.mark.parametrize("wrong", [3, "ab", (node(1), node(2)), {"a": node(1)}, None])
def test_inputs_of_another_type(wrong):
    """An input is a node or of the output's type; the error shows it."""
    with pytest.raises(TypeError, match="inputs must be nodes or of the type list of output, got"):
        apply_op(ops.add, [node(0), node(0)], wrong, node(1))


def test_inputs_of_another_length():
    """The error says which length is right."""
    with pytest.raises(ValueError, match="inputs must have the length 2 of output"):
        apply_op(ops.add, [node(0), node(0)], [node(1)], node(1))


def test_inputs_with_other_keys():
    """The error says which keys are missing."""
    with pytest.raises(ValueError, match=r"\['b'\] are not in"):
        apply_op(ops.neg, {"b": node(0)}, {"a": node(1)})
    with pytest.raises(ValueError, match=r"\['b'\] are not in"):
        apply_op(ops.neg, Box(b=node(0)), Box(a=node(1)))


def test_recursive_conversion():
    """A mapper of nested containers, from what nodes and other leaves become."""
    convert = recursive_conversion(lambda each: each.data, lambda each: -each)
    assert convert([node(1), (2, {"k": node(3)})]) == [1, (-2, {"k": 3})]
    assert convert(Pair(node(1), 2)) == Pair(1, -2)
    assert convert({node(1)}) == {1}
    box = convert(Box(a=node(1), b=2))
    assert (box.a, box.b) == (1, -2)
    assert convert(4) == -4


def test_to_data():
    """Nodes become their values; keys that are nodes stay."""
    key = node("k")
    assert to_data([node(1), 2]) == [1, 2]
    assert list(to_data({key: node(1)})) == [key]
