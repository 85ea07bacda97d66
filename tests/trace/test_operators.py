"""The table of operators: what each computes, how it is called, and the traced functions that carry the same names."""

from __future__ import annotations

import copy
import math
import operator
import pickle
from types import SimpleNamespace

import pytest

from opto.trace import GRAPH, ExceptionNode, ExecutionError, MessageNode, Node, bundle, no_trace, node
from opto.trace import operators as ops
from opto.trace.operators import OPERATORS, TABLE

BINARY = [
    ("add", operator.add, 7, 2),
    ("subtract", operator.sub, 7, 2),
    ("multiply", operator.mul, 7, 2),
    ("divide", operator.truediv, 7, 2),
    ("floor_divide", operator.floordiv, 7, 2),
    ("mod", operator.mod, 7, 2),
    ("node_divmod", divmod, 7, 2),
    ("power", operator.pow, 7, 2),
    ("lshift", operator.lshift, 7, 2),
    ("rshift", operator.rshift, 7, 2),
    ("and_", operator.and_, 7, 2),
    ("or_", operator.or_, 7, 2),
    ("xor", operator.xor, 7, 2),
    ("add", operator.add, [1], [2]),
    ("add", operator.add, (1,), (2,)),
    ("concat", operator.add, "a", "b"),
    ("multiply", operator.mul, "ab", 3),
    ("multiply", operator.mul, 3, [1]),
    ("or_", operator.or_, {1: 2}, {3: 4}),
    ("and_", operator.and_, {1, 2}, {2, 3}),
    ("subtract", operator.sub, {1, 2}, {2, 3}),
]
COMPARISONS = [("lt", operator.lt), ("le", operator.le), ("gt", operator.gt), ("ge", operator.ge)]
MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


class TestBinary:
    @pytest.mark.parametrize(("name", "function", "left", "right"), BINARY)
    def test_every_mix_of_operands(self, name, function, left, right):
        """Node with node, node with raw, and raw with node give the raw result, from both operands in order."""
        expected = function(left, right)
        for x, y in ((node(left), node(right)), (node(left), right), (left, node(right))):
            made = function(x, y)
            assert type(made) is MessageNode
            assert made.data == expected
            assert type(made.data) is type(expected)
            assert made.op_name == name
            assert list(made.inputs) == ["x", "y"]
            assert [each.data for each in made.inputs.values()] == [left, right]
            assert all(given is kept for given, kept in zip((x, y), made.parents) if isinstance(given, Node))

    def test_a_number_on_the_left_of_matmul(self):
        """`@` is traced in both forms."""
        import numpy as np

        matrix = np.eye(2)
        for made in (node(matrix) @ matrix, matrix @ node(matrix), node(matrix) @ node(matrix)):
            assert made.op_name == "matmul"
            assert (made.data == matrix).all()

    @pytest.mark.parametrize("function", [operator.add, operator.sub, operator.mul, operator.truediv])
    def test_arrays_on_either_side(self, function):
        """An array on the left leaves the operation to the node, in one piece."""
        import numpy as np

        array = np.array([1.0, 2.0])
        for made in (function(array, node(3)), function(node(3), array), function(array, node(array))):
            assert type(made) is MessageNode
            assert made.data.shape == (2,)
        assert (function(array, node(3)).data == function(array, 3)).all()

    @pytest.mark.parametrize(("name", "function"), COMPARISONS)
    def test_comparisons_give_nodes(self, name, function):
        """Comparisons are traced, and true or false as the values say; a raw value on the left mirrors them."""
        for left, right in ((1, 2), (2, 1), (1, 1)):
            expected = function(left, right)
            for made in (function(node(left), node(right)), function(node(left), right)):
                assert type(made) is MessageNode
                assert made.op_name == name
                assert made.data is expected
                assert bool(made) is expected
            made = function(left, node(right))
            assert made.op_name == MIRRORED[name]
            assert made.data is expected

    def test_concat_is_for_texts(self):
        """Only a value of exactly type str on the left makes `+` a `concat`."""

        class Text(str):
            pass

        assert (node("a") + "b").op_name == "concat"
        assert ("a" + node("b")).op_name == "concat"
        assert (node(Text("a")) + "b").op_name == "add"
        assert (node(b"a") + b"b").op_name == "add"

    def test_traced_equality(self):
        """`eq` and `neq` are the traced forms of `==` and `!=`."""
        x = node(1)
        for made, name, value in ((x.eq(1), "eq", True), (x.neq(node(1)), "neq", False)):
            assert made.op_name == name
            assert made.data is value
            assert made.parents[0] is x

    def test_operands_of_foreign_types(self):
        """A value's own operators are used."""
        from datetime import date, timedelta
        from decimal import Decimal
        from fractions import Fraction

        assert (date(2024, 1, 1) + node(timedelta(1))).data == date(2024, 1, 2)
        assert (Fraction(1, 2) * node(2)).data == 1
        assert (Decimal(1) + node(Decimal(2))).data == 3

    def test_subclasses_of_nodes_are_operands(self):
        """An operand of a user's node class is taken as a node."""

        class Mine(Node):
            pass

        x = Mine(2)
        assert (1 + x).parents[1] is x
        assert (node(1) + x).parents[1] is x
        assert (x + 1).parents[0] is x


class TestUnary:
    @pytest.mark.parametrize(
        ("name", "function", "value"),
        [
            ("pos", operator.pos, -3),
            ("neg", operator.neg, -3),
            ("abs", abs, -3),
            ("invert", operator.invert, 5),
            ("round", round, 2.5),
            ("floor", math.floor, 2.5),
            ("ceil", math.ceil, 2.5),
            ("trunc", math.trunc, 2.5),
        ],
    )
    def test_value_and_edge(self, name, function, value):
        """The result is that of the raw value, with the node as its input `x`."""
        x = node(value)
        made = function(x)
        assert made.data == function(value)
        assert type(made.data) is type(function(value))
        assert made.op_name == name
        assert made.inputs["x"] is x

    def test_round_to_places(self):
        """The number of places is an input, node or raw."""
        made = round(node(1.256), 1)
        assert made.data == 1.3
        assert made.inputs["n"] == 1
        assert round(node(1.256), node(2)).data == 1.26

    def test_strings(self):
        """The methods of texts are traced."""
        x = node(" a Bc ")
        for name in ("capitalize", "lower", "upper", "swapcase", "title", "strip", "split"):
            made = getattr(x, name)()
            assert made.data == getattr(" a Bc ", name)()
            assert made.op_name == name
            assert made.inputs["x"] is x

    def test_strings_with_arguments(self):
        """Arguments are inputs by name, by position or keyword, nodes or raw."""
        assert node("a,b,c").split(",", 1).data == ["a", "b,c"]
        assert node("a,b,c").split(sep=node(","), maxsplit=1).data == ["a", "b,c"]
        assert list(node("a,b").split(",").inputs) == ["x", "sep", "maxsplit"]
        assert node("xax").strip("x").data == "a"
        assert node("xax").strip(chars="x").inputs["chars"] == "x"
        assert node("aaa").replace("a", "b", 2).data == "bba"
        assert node("aaa").replace("a", node("b")).data == "bbb"

    def test_format(self):
        """Fields are inputs, whatever their names."""
        made = node("{} {name}").format(node(1), name="b")
        assert made.data == "1 b"
        assert list(made.inputs) == ["x", "args_0", "name"]
        assert node("{x}{self}{fun}").format(x=1, self=2, fun=3).data == "123"
        assert len(node("{x}").format(x=1).inputs) == 2
        assert len(node("{x}").format(x=1).parents) == 2

    def test_join(self):
        """The parts of a join are inputs one by one."""
        parts = [node("a"), "b"]
        made = node("-").join(parts)
        assert made.data == "a-b"
        assert list(made.inputs) == ["x", "args_0", "args_1"]
        assert made.inputs["args_0"] is parts[0]
        assert node("-").join(node(["a", "b"])).data == "a-b"
        assert node("-").join([]).data == ""

    @pytest.mark.parametrize(
        ("method", "args"),
        [("capitalize", ()), ("lower", ()), ("upper", ()), ("swapcase", ()), ("title", ()), ("split", ())]
        + [("strip", ()), ("replace", ("a", "b")), ("format", ()), ("join", (["a"],))],
    )
    @pytest.mark.parametrize("value", [3, b"x", ["a"], None])
    def test_text_methods_of_other_values(self, method, args, value):
        """On other data they raise AttributeError and say what holds what."""
        with pytest.raises(
            AttributeError, match=f"holds a {type(value).__name__}, which has no traced method '{method}'"
        ):
            getattr(node(value), method)(*args)


class TestItems:
    def test_by_key_node_and_raw(self):
        """The container and the index are the parents."""
        x, i = node([10, 20]), node(1)
        for made in (x[i], x[1]):
            assert made.data == 20
            assert made.op_name == "getitem"
            assert list(made.inputs) == ["x", "index"]
            assert made.parents[0] is x
        assert x[i].parents[1] is i
        assert node({"k": 1})["k"] == 1
        assert node({"k": 1})[node("k")] == 1

    def test_slices(self):
        """Slices work, with node bounds too, which then are ancestors."""
        x, i = node([0, 1, 2, 3]), node(1, trainable=True)
        assert x[1:3].data == [1, 2]
        made = x[i:]
        assert made.data == [1, 2, 3]
        assert made.parameter_dependencies == {i}
        assert node("abc")[::-1].data == "cba"

    def test_tuples_of_keys(self):
        """A tuple key may hold nodes."""
        import numpy as np

        i = node(1, trainable=True)
        made = node(np.arange(6).reshape(2, 3))[i, 2]
        assert made == 5
        assert made.parameter_dependencies == {i}

    def test_an_element_that_is_a_node(self):
        """The result carries the element's raw data and is a new node each time."""
        z = node(5)
        x = node([z])
        made = x[0]
        assert made.data == 5
        assert made == z
        assert made is not z
        assert x[0] is not made
        assert made.parents[0] is x

    def test_missing_items(self):
        """A wrong index or key is an error in the graph, with both as parents."""
        for x, key in ((node([1]), 3), (node({}), "k"), (node(1), 0)):
            with pytest.raises(ExecutionError) as caught:
                x[key]
            made = caught.value.exception_node
            assert made.parents[0] is x
            assert made.parents[1].data == key

    def test_pop_and_get(self):
        """`pop` takes the element out of the container; `get` has a default."""
        x = node([1, 2, 3])
        assert x.pop() == 3
        assert x.pop(0) == 1
        assert x.data == [2]
        d = node({"a": 1})
        assert d.get("a") == 1
        assert d.get(node("b"), 5) == 5
        assert d.get("b").data is None
        assert list(d.get("b").inputs) == ["x", "key", "default"]

    def test_append(self):
        """`append` changes the list in place and gives a node of None, which comes from it."""
        values = []
        x = node(values)
        made = x.append(node(3))
        assert made.data is None
        assert values == [3]
        assert type(values[0]) is int
        assert made.op_name == "call"

    def test_iteration_sees_growth(self):
        """Iterating looks at the length at each step, as Python's own lists do."""
        x = node([1])
        seen = []
        for each in x:
            seen.append(each.data)
            if len(x.data) < 3:
                x.data.append(len(x.data) + 1)
        assert seen == [1, 2, 3]


class TestIteration:
    @pytest.mark.parametrize("value", [[1, 2], (1, 2), "ab", b"ab", range(2)])
    def test_sequences(self, value):
        """Each element is a node that comes from the container."""
        x = node(value)
        made = list(x)
        assert [each.data for each in made] == list(value)
        assert all(type(each) is MessageNode and each.parents[0] is x for each in made)

    def test_arrays(self):
        """Arrays give their rows."""
        import numpy as np

        x = node(np.arange(4).reshape(2, 2))
        made = list(x)
        assert [each.data.tolist() for each in made] == [[0, 1], [2, 3]]
        assert all(each.parents[0] is x for each in made)

    def test_sets(self):
        """A set is made a list first, in an order that does not depend on hashing."""
        x = node({"b", "a", "c"})
        made = list(x)
        assert [each.data for each in made] == ["a", "b", "c"]
        through = made[0].parents[0]
        assert through.op_name == "to_list"
        assert through.parents[0] is x
        mixed = [each.data for each in node({1, "a", (2,)})]
        assert mixed == [1, "a", (2,)]

    def test_dicts(self):
        """A dict gives its keys, by way of `keys`."""
        x = node({"a": 1, "b": 2})
        made = list(x)
        assert [each.data for each in made] == ["a", "b"]
        assert made[0].parents[0].op_name == "keys"
        assert made[0].parents[0].parents[0] is x

    def test_items_of_dicts(self):
        """`items` gives pairs of nodes: keys from `keys`, values from the dict."""
        x = node({"a": 1, "b": 2})
        pairs = list(x.items())
        assert [(key.data, value.data) for key, value in pairs] == [("a", 1), ("b", 2)]
        for key, value in pairs:
            assert key.parents[0].op_name == "keys"
            assert key.parents[0].parents[0] is x
            assert value.parents[0] is x
            assert value.parents[1] is key

    def test_keys_and_values(self):
        """`keys` and `values` are lists in nodes."""
        x = node({"a": 1})
        assert x.keys().data == ["a"]
        assert x.values().data == [1]
        assert x.values().parents[0] is x
        assert [each.data for each in x.values()] == [1]

    def test_a_plain_dict_takes_a_node_of_a_dict(self):
        """`dict.update` and `dict` take a node of a dict, with the same parentage."""
        x = node({"a": 1})
        plain = {}
        plain.update(x)
        ((key, value),) = plain.items()
        assert (key.data, value.data) == ("a", 1)
        assert key.parents[0].parents[0] is x
        assert value.parents[0] is x

    def test_dict_subclasses(self):
        """Other mappings are iterated like dicts."""
        from collections import OrderedDict, UserDict, defaultdict

        for value in (OrderedDict(a=1), UserDict(a=1), defaultdict(int, a=1)):
            assert [each.data for each in node(value)] == ["a"]
            assert [(k.data, v.data) for k, v in node(value).items()] == [("a", 1)]

    def test_other_iterables(self):
        """What has no index is made a list first."""
        x = node(each for each in "ab")
        assert [each.data for each in x] == ["a", "b"]
        assert [each.data for each in node({"k": 1}.values())] == [1]

    def test_unpacking(self):
        """Nodes unpack like their values."""
        a, b = node((1, 2))
        assert (a.data, b.data) == (1, 2)
        first, *rest = node([1, 2, 3])
        assert first == 1
        assert [each.data for each in rest] == [2, 3]

    @pytest.mark.parametrize("value", [None, 3, 2.5, object()])
    def test_what_cannot_be_iterated(self, value):
        """Unpacking it is an `ExecutionError` whose node comes from it."""
        x = node(value)
        with pytest.raises(ExecutionError) as caught:
            _a, _b = x
        assert isinstance(caught.value.exception_node, ExceptionNode)
        assert caught.value.exception_node.parents[0] is x

    def test_an_array_without_dimensions(self):
        """It has no elements, which is told at once."""
        import numpy as np

        with pytest.raises(ExecutionError):
            iter(node(np.array(3)))

    def test_items_of_what_is_no_dict(self):
        """The error comes at the call, not at the first item."""
        with pytest.raises(ExecutionError):
            node(3).items()

    def test_reversed(self):
        """`reversed` gives the elements last first, of dicts the keys."""
        x = node([1, 2])
        made = list(reversed(x))
        assert [each.data for each in made] == [2, 1]
        assert made[0].parents[0] is x
        assert [each.data for each in reversed(node({"a": 1, "b": 2}))] == ["b", "a"]
        with pytest.raises(ExecutionError):
            reversed(node(3))


class TestAttributesAndCalls:
    def test_getattr(self):
        """The parents are the object and the name."""
        x = node(SimpleNamespace(a=3))
        made = x.getattr("a")
        assert made == 3
        assert "getattr" in made.name
        assert made.parents[0] is x
        assert made.parents[1].data == "a"
        assert x.getattr(name=node("a")) == 3

    def test_an_attribute_that_is_a_node(self):
        """Its data is taken."""
        x = node(SimpleNamespace(a=node(3, trainable=True)))
        made = x.getattr("a")
        assert type(made) is MessageNode
        assert made.data == 3
        assert type(made.data) is int

    def test_a_missing_attribute(self):
        """It is an error in the graph."""
        with pytest.raises(ExecutionError) as caught:
            node(3).getattr("missing")
        assert "AttributeError" in caught.value.exception_node.data

    def test_call(self):
        """`call` reaches a method of the value; arguments are wrapped as nodes."""
        x = node("a-b")
        made = x.call("split", "-")
        assert made.data == ["a", "b"]
        assert made.op_name == "call"
        assert list(made.inputs) == ["fun", "args_0"]
        assert made.parents[0].op_name == "node_getattr"
        assert made.parents[0].parents[0] is x
        assert x.call("encode", encoding="ascii").inputs["encoding"] == "ascii"

    def test_a_callable_value(self):
        """It receives nodes, not raw data, and its result's data is taken."""
        seen = []

        def function(a, *, b):
            seen.extend((a, b))
            return a + b

        f = node(function)
        x = node(1)
        made = f(x, b=2)
        assert made == 3
        assert made.name.startswith("call:")
        assert list(made.inputs) == ["fun", "args_0", "b"]
        assert seen[0] is x
        assert isinstance(seen[1], Node)
        assert len(f(x, b=x).parents) == 2

    def test_one_argument_gives_two_parents(self):
        """The callable and the argument."""
        f, x = node(lambda a: a.data + 1), node(1)
        made = f(x)
        assert made == 2
        assert len(made.parents) == 2
        assert made.parents[0] is f
        assert made.parents[1] is x

    def test_keywords_of_any_name(self):
        """`self`, `fun` and `method` are fine as keywords of the callee."""
        made = node(lambda **given: sorted(given))(self=1, fun=2, method=3)
        assert made.data == ["fun", "method", "self"]
        assert len(made.parents) == 4

    def test_external_nodes_are_allowed(self):
        """The callee may read nodes that it was not given, also inside a bundled function."""
        outside = node(5)
        f = node(lambda a: a.data + outside.data)

        @bundle()
        def body(x):
            return f(x)

        assert f(1) == 6
        assert body(1) == 6

    def test_builtins_receive_raw_values(self):
        """What is not written in Python gets the values."""
        assert node(abs)(node(-1)) == 1
        assert node(dict)(a=1).data == {"a": 1}
        assert type(node(dict)(a=node(1)).data["a"]) is int

    @pytest.mark.parametrize("value", [3, None, "text"])
    def test_what_cannot_be_called(self, value):
        """Calling it is an error in the graph."""
        with pytest.raises(ExecutionError) as caught:
            node(value)(1)
        assert "TypeError" in caught.value.exception_node.data


class TestErrors:
    @pytest.mark.parametrize(
        ("function", "args"),
        [
            (operator.truediv, (node(1), node(0))),
            (operator.add, (node(1), node("a"))),
            (operator.add, (node("a"), node(1))),
            (operator.getitem, (node([]), node(3))),
            (operator.neg, (node("a"),)),
            (operator.lt, (node(1), node("a"))),
            (ops.concat, (node("a"), node(1))),
        ],
    )
    def test_an_error_is_in_the_graph(self, function, args):
        """`ExecutionError` carries an exception node with all operands as parents, and Python's error as its cause."""
        with pytest.raises(ExecutionError) as caught:
            function(*args)
        made = caught.value.exception_node
        assert isinstance(made, ExceptionNode)
        assert made.name.startswith("exception_")
        assert len(made.parents) == len(args)
        assert all(parent is each for parent, each in zip(made.parents, args))
        assert caught.value.__cause__ is not None
        assert type(caught.value.__cause__).__name__ in made.data
        assert "Traceback" in made.info["traceback"]

    def test_reflected_errors(self):
        """A raw operand on the left becomes a parent too."""
        with pytest.raises(ExecutionError) as caught:
            1 / node(0)
        assert [each.data for each in caught.value.exception_node.parents] == [1, 0]
        assert caught.value.exception_node.name.startswith("exception_divide:")

    def test_interrupts_are_not_caught(self):
        """What is no `Exception` escapes as it is."""

        class Stop:
            def __add__(self, other):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            node(Stop()) + 1


FUNCTIONS = {
    "clone": (([1],), [1]),
    "identity": ((3,), 3),
    "pos": ((-3,), -3),
    "neg": ((3,), -3),
    "abs": ((-3,), 3),
    "invert": ((5,), -6),
    "round": ((2.567, 1), 2.6),
    "floor": ((2.5,), 2),
    "ceil": ((2.5,), 3),
    "trunc": ((-2.5,), -2),
    "add": ((1, 2), 3),
    "subtract": ((1, 2), -1),
    "multiply": ((3, 2), 6),
    "floor_divide": ((7, 2), 3),
    "divide": ((7, 2), 3.5),
    "mod": ((7, 2), 1),
    "node_divmod": ((7, 2), (3, 1)),
    "power": ((3, 2), 9),
    "lshift": ((1, 2), 4),
    "rshift": ((4, 1), 2),
    "and_": ((6, 3), 2),
    "or_": ((6, 3), 7),
    "xor": ((6, 3), 5),
    "lt": ((1, 2), True),
    "le": ((2, 2), True),
    "eq": ((1, 2), False),
    "neq": ((1, 2), True),
    "ne": ((1, 2), True),
    "ge": ((1, 2), False),
    "gt": ((1, 2), False),
    "cond": ((True, 1, 2), 1),
    "not_": ((0,), True),
    "is_": ((None, None), True),
    "is_not": ((None, None), False),
    "in_": ((1, [1]), True),
    "not_in": ((1, [1]), False),
    "getitem": (([5, 6], 1), 6),
    "pop": (([5, 6],), 6),
    "get": (({"a": 1}, "b", 3), 3),
    "len_": (("ab",), 2),
    "ord_": (("a",), 97),
    "chr_": ((97,), "a"),
    "concat": (("a", "b"), "ab"),
    "lower": (("A",), "a"),
    "upper": (("a",), "A"),
    "title": (("a b",), "A B"),
    "swapcase": (("aB",), "Ab"),
    "capitalize": (("ab",), "Ab"),
    "split": (("a b",), ["a", "b"]),
    "strip": ((" a ",), "a"),
    "replace": (("aa", "a", "b"), "bb"),
    "format": (("{}", 1), "1"),
    "join": (("-", "a", "b"), "a-b"),
    "node_getattr": ((3, "real"), 3),
    "call": ((abs, -1), 1),
    "to_list": (((1, 2),), [1, 2]),
    "make_list": ((1, 2), [1, 2]),
    "to_dict": (([("a", 1)],), {"a": 1}),
    "to_set": (([1, 1],), {1}),
    "make_set": ((1, 1), {1}),
    "to_tuple": (([1, 2],), (1, 2)),
    "make_tuple": ((1, 2), (1, 2)),
    "keys": (({"a": 1},), ["a"]),
    "values": (({"a": 1},), [1]),
    "dict_update": (({"a": 1}, {"b": 2}), {"a": 1, "b": 2}),
    "dict_pop": (({"a": 1, "b": 2}, "a"), {"b": 2}),
    "dict_popitem": (({"a": 1, "b": 2},), {"a": 1}),
    "list_append": (([1], 2), [1, 2]),
    "list_clear": (([1],), []),
    "list_extend": (([1], [2]), [1, 2]),
    "list_insert": (([1], 0, 2), [2, 1]),
    "list_pop": (([1, 2],), [1]),
    "list_remove": (([1, 2], 1), [2]),
    "list_reverse": (([1, 2],), [2, 1]),
    "list_sort": (([2, 1],), [1, 2]),
    "set_add": (({1}, 2), {1, 2}),
    "set_clear": (({1},), set()),
    "set_discard": (({1}, 2), {1}),
    "set_intersection_update": (({1, 2}, {2}), {2}),
    "set_pop": (({1},), set()),
    "set_remove": (({1, 2}, 1), {2}),
    "set_symmetric_difference_update": (({1, 2}, {2, 3}), {1, 3}),
    "set_update": (({1}, {2}), {1, 2}),
}
PUBLISHED = """
    clone identity pos neg abs invert round floor ceil trunc add subtract multiply floor_divide divide mod node_divmod
    power lshift rshift and_ or_ xor lt le eq neq ne ge gt cond not_ is_ is_not in_ not_in getitem pop len_ ord_ chr_
    concat lower upper title swapcase capitalize split strip replace format join node_getattr call to_list make_list
    to_dict make_dict to_set make_set to_tuple make_tuple keys values get dict_update dict_pop dict_popitem list_append
    list_clear list_extend list_insert list_pop list_remove list_reverse list_sort set_add set_clear set_discard
    set_intersection_update set_pop set_remove set_symmetric_difference_update set_update call_llm
""".split()


class TestFunctions:
    def test_the_published_names(self):
        """Every published operator is there, under its name."""
        assert set(PUBLISHED) <= set(ops.__all__)
        for name in PUBLISHED:
            assert getattr(ops, name).name == name
        assert set(dir(ops)) == set(ops.__all__)

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_values(self, name):
        """The function computes with raw values and nodes alike; results are named after it; arguments are inputs."""
        args, expected = FUNCTIONS[name]
        raw = copy.deepcopy(args)  # `pop` changes its input
        for given in (raw, tuple(node(each) for each in copy.deepcopy(args))):
            made = getattr(ops, name)(*given)
            assert type(made) is MessageNode
            assert made.data == expected
            assert made.op_name == name
            assert len(made.inputs) >= len(args)

    def test_every_row_of_the_table_is_tested(self):
        """A new operator brings its line above."""
        assert {row[0] for row in TABLE} - {"matmul", "make_dict"} == FUNCTIONS.keys() - {"call"}

    def test_keywords(self):
        """Arguments go by keyword too."""
        made = ops.add(x=1, y=node(2))
        assert made == 3
        assert list(made.inputs) == ["x", "y"]
        assert ops.make_dict(a=1, self=node(2)).data == {"a": 1, "self": 2}
        assert ops.list_sort([1, 3, 2], key=lambda each: -each).data == [3, 2, 1]

    def test_cond_keeps_all_three(self):
        """Both branches and the condition are parents."""
        parts = node(False), node(1), node(2)
        made = ops.cond(*parts)
        assert made == 2
        assert all(parent is part for parent, part in zip(made.parents, parts))

    def test_identity_and_clone(self):
        """Both have `x` as their only parent; only a clone copies."""
        x = node([1])
        for made in (ops.identity(x), ops.clone(x), x.clone()):
            assert len(made.parents) == 1
            assert made.parents[0] is x
            assert made == x
        assert ops.identity(x).data is x.data
        assert ops.clone(x).data is not x.data

    def test_the_changing_forms_change_a_copy(self):
        """`list_extend` and the like leave their input as it is."""
        for name, (args, _) in FUNCTIONS.items():
            if name.startswith(("list_", "dict_", "set_")):
                value = type(args[0])(args[0])
                getattr(ops, name)(value, *args[1:])
                assert value == args[0]

    def test_containers_of_nodes_are_inputs(self):
        """A raw list of nodes becomes a computed node, so that feedback finds its way."""
        x = node(1, trainable=True)
        made = ops.len_([x, 2])
        assert made == 2
        assert made.parameter_dependencies == {x}
        assert made.parents[0].data == [1, 2]

    @pytest.mark.parametrize(
        "call",
        [
            lambda: ops.add(1),
            lambda: ops.add(1, 2, 3),
            lambda: ops.add(1, z=2),
            lambda: ops.getitem(x=[1]),
            lambda: node("a").replace("a"),
            lambda: node(1).getattr(),
        ],
    )
    def test_wrong_arguments(self, call):
        """A call that does not fit the signature is Python's TypeError, which names the function."""
        with pytest.raises(TypeError, match=r"\(\)"):
            call()

    def test_info(self):
        """What is known of a result's call."""
        x = node(1)
        made = ops.add(x, 2)
        assert made.info["fun_name"] == "add"
        assert made.info["doc"] == "The sum of x and y."
        assert made.info["signature"] == "(x, y)"
        assert made.info["output"] == 3
        assert made.info["inputs"]["kwargs"]["x"] is x
        assert (x + 2).info.keys() == made.info.keys()

    def test_repr_and_pickle(self):
        """An operator is shown by its signature, and travels by its name."""
        assert repr(ops.add) == "<operator add(x, y)>"
        assert all(pickle.loads(pickle.dumps(each)) is each for each in OPERATORS.values())

    def test_without_tracing(self):
        """Inside `no_trace`, operators give nodes without inputs and the right values."""
        with no_trace():
            assert ops.add(1, 2).inputs == {}
            assert ops.add(1, 2) == 3
            assert (1 + node(2)).inputs == {}


class TestCallLLM:
    @staticmethod
    def model(messages, **options):
        text = " | ".join(f"{each['role']}: {each['content']}" for each in messages)
        return SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content=f"{text} {options}"))])

    def test_the_answer_comes_from_the_prompts(self):
        """Prompts and options are inputs of the answer."""
        system, user = node("be kind", trainable=True), node("hello")
        made = ops.call_llm(self.model, system, user, "again", temperature=0)
        assert made.data == "system: be kind | user: hello | user: again {'temperature': 0}"
        assert list(made.inputs) == ["llm", "system_prompt", "args_0", "args_1", "temperature"]
        assert made.parameter_dependencies == {system}

    def test_the_older_form_is_told(self):
        """A text in place of the model is an error that names the argument."""
        with pytest.raises(TypeError, match="llm must be a model"):
            ops.call_llm("be kind", "hello")

    def test_errors_of_the_model_are_not_wrapped(self):
        """They reach the caller as they are."""

        def broken(messages):
            raise ConnectionError("down")

        with pytest.raises(ConnectionError, match="down"):
            ops.call_llm(broken, "a", "b")


def test_results_of_no_operator_grow_the_operand():
    """Operators leave no references behind but weak ones, which are swept."""
    GRAPH.clear()
    x = node(1)
    for _ in range(1000):
        x + 1
        1 - x
        -x
    assert x.children == []
    assert len(x._children) <= 17
