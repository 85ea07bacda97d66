"""Between callers and bodies: what becomes a node, and what is taken out of nodes."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple

import pytest

from opto.trace import GRAPH, Map, Node, NodeContainer, Seq, node
from opto.trace.arguments import nodes_inside, unwrap, wrap


class Box(NodeContainer):
    """A user's container."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


Point = namedtuple("Point", "x y")  # noqa: PYI024 - what people use


class TestWrap:
    def test_raw_values(self):
        """Anything becomes a node, by reference, named after its type or the given base."""
        GRAPH.clear()
        value = [1]
        assert wrap(value).data is value
        assert wrap(value).name == "list:1"
        assert wrap(3, "k").name == "k:0"

    def test_nodes_stay(self):
        """A node is returned as it is, of a subclass too."""

        class Mine(Node):
            pass

        for x in (node(1), node(1, trainable=True), node(1) + 1, Mine(1)):
            assert wrap(x) is x

    @pytest.mark.parametrize(
        ("pack", "raw", "op_name"),
        [
            (lambda x: [x, 1], [5, 1], "make_list"),
            (lambda x: (x, [x]), (5, [5]), "make_tuple"),
            (lambda x: {"a": x}, {"a": 5}, "make_dict"),
            (lambda x: {"a": {"b": [x]}}, {"a": {"b": [5]}}, "make_dict"),
            (lambda x: {x}, {5}, "make_set"),
            (lambda x: slice(x, None), slice(5, None), "make_slice"),
        ],
    )
    def test_containers_of_nodes(self, pack, raw, op_name):
        """A container that holds nodes is computed from them."""
        x = node(5, trainable=True)
        made = wrap(pack(x))
        assert made.data == raw
        assert made.op_name == op_name
        assert len(made.parents) == 1
        assert made.parents[0] is x
        assert made.parameter_dependencies == {x}
        assert made.info["fun_name"] == op_name

    def test_containers_of_one_s_own(self):
        """A `NodeContainer` that holds nodes is copied, with their values in it."""
        x = node(5, trainable=True)
        box = Box(a=x, b=3)
        made = wrap(box)
        assert (made.data.a, made.data.b) == (5, 3)
        assert made.data is not box
        assert box.a is x
        assert made.parents[0] is x


class TestNodesInside:
    def test_order_and_once(self):
        """Each node comes once, in the order in which it stands there."""
        x, y, z = node(1), node(1), node(1)
        found = nodes_inside([x, (y, x), {"k": [z]}, {x}, slice(y, z), Box(a=z)])
        assert len(found) == 3
        assert all(a is b for a, b in zip(found, [x, y, z]))

    def test_keys_are_left_alone(self):
        """Keys of dicts are not looked at."""
        assert nodes_inside({node(1): 2}) == []

    def test_depth_and_cycles(self):
        """Neither is a limit."""
        x = node(1)
        deep = [x]
        for _ in range(100_000):
            deep = [deep]
        assert nodes_inside(deep)[0] is x
        loop = [x]
        loop.append(loop)
        assert len(nodes_inside(loop)) == 1
        while len(deep) == 1 and isinstance(deep[0], list):  # taken apart by hand: Python's own would recurse
            deep = deep[0]


class TestUnwrap:
    def test_without_nodes_it_is_the_value_itself(self):
        """Plain containers are passed by reference, however nested."""
        for value in ([1, [2]], {"a": (1, {2})}, (1,), "a", None, Box(a=1), object()):
            assert unwrap(value) is value

    def test_one_level_of_nodes(self):
        """A node that holds a list of nodes gives that list as it is."""
        inner = [node(1)]
        assert unwrap(node(inner)) is inner
        assert unwrap([node(inner)])[0] is inner

    def test_containers(self):
        """Tuples, lists, dict values, sets, slices and containers are rebuilt with raw values."""
        x = node(5)
        assert unwrap([x, 1]) == [5, 1]
        assert unwrap((x, [x])) == (5, [5])
        assert unwrap({"a": x}) == {"a": 5}
        assert unwrap({x}) == {5}
        assert unwrap(frozenset([x])) == frozenset([5])
        assert unwrap(slice(x, x, None)) == slice(5, 5, None)
        assert unwrap(Box(a=[x])).a == [5]

    def test_types_are_kept(self):
        """Subclasses of the built-in containers stay what they are."""

        class Rows(list):
            pass

        rows = Rows([node(5)])
        rows.title = "t"
        x = node(5)
        assert type(unwrap(rows)) is Rows
        assert unwrap(rows).title == "t"
        assert unwrap(Point(x, 1)) == Point(5, 1)
        assert type(unwrap(Point(x, 1))) is Point
        ordered = unwrap(OrderedDict(b=x, a=1))
        assert type(ordered) is OrderedDict
        assert list(ordered) == ["b", "a"]
        counted = unwrap(defaultdict(int, a=x))
        assert counted["other"] == 0
        assert unwrap(Seq(x, 1)).data == [5, 1]
        assert unwrap(Map({"a": x})).data == {"a": 5}

    def test_the_original_is_untouched(self):
        """Only copies change."""
        x = node(5)
        value = {"a": [x], "plain": [1]}
        made = unwrap(value)
        assert value["a"][0] is x
        assert made["plain"] is value["plain"]

    def test_sharing_and_cycles(self):
        """What is shared stays shared, and a list that holds itself gives one that does."""
        x = node(5)
        shared = [x]
        made = unwrap([shared, shared])
        assert made[0] is made[1]
        loop = [x]
        loop.append(loop)
        made = unwrap(loop)
        assert made[0] == 5
        assert made[1] is made

    def test_keys_that_are_nodes_stay(self):
        """Converting a dict with node keys does not raise, and leaves them."""
        key = node("k")
        made = unwrap({key: node(1), "other": 2})
        assert list(made)[0] is key
        assert list(made.values()) == [1, 2]

    def test_frozen_containers(self):
        """A container that forbids assignment is copied all the same."""

        class Frozen(NodeContainer):
            def __init__(self, a):
                object.__setattr__(self, "a", a)

            def __setattr__(self, name, value):
                raise TypeError("frozen")

        assert unwrap(Frozen(node(5))).a == 5
