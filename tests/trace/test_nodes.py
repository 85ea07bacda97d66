"""Nodes: the factory, names, attributes, subclasses, copies, and what they do as the value that they hold."""

from __future__ import annotations

import copy
import gc
import operator
import warnings
import weakref
from collections import UserDict

import numpy as np
import pytest

from opto.trace import GRAPH, ExceptionNode, MessageNode, Node, ParameterNode, bundle, node
from opto.trace import operators as ops
from opto.trace.abstract_node import same_value
from opto.trace.nodes import AbstractNode, get_op_name
from opto.trace.projections import BlackCodeFormatter


@pytest.fixture(autouse=True)
def numbered_from_zero():
    """Number nodes from 0 in each test."""
    GRAPH.clear()


class TestFactory:
    def test_wraps_any_value(self):
        """Anything becomes a plain node, which holds it by reference."""
        value = [1]
        made = node(value)
        assert type(made) is Node
        assert made.data is value
        assert not made.trainable

    def test_a_node_is_returned_as_it_is(self):
        """A node is not wrapped again."""
        x = node(1)
        assert node(x) is x
        assert node(ops.add(x, 1)).name == "add:0"

    def test_a_name_for_a_node_is_ignored_with_a_warning(self):
        """A node keeps its name; that the new one is ignored is said."""
        x = node(1)
        with pytest.warns(UserWarning, match="'other' is ignored"):
            assert node(x, name="other") is x

    def test_trainable_makes_a_parameter(self):
        """A trainable node is a parameter, with its description and constraint."""
        x = node("hi", trainable=True, description="A greeting.", constraint="Be short.")
        assert type(x) is ParameterNode
        assert x.trainable
        assert x.description == "A greeting."
        assert x.constraint == "Be short."

    def test_trainable_from_a_node_takes_its_value_and_base_name(self):
        """A parameter made of a node holds the same object and counts on under the same base."""
        x = node([1], name="start")
        y = node(x, trainable=True)
        assert y is not x
        assert y.data is x.data
        assert y.name == "start:1"
        assert y.parents == []

    def test_trainable_from_a_parameter_is_a_new_one(self):
        """A parameter is not reused for another."""
        x = node(1, trainable=True)
        y = node(x, trainable=True)
        assert y is not x

    def test_a_given_name_wins(self):
        """The name given counts, also over that of the node."""
        assert node(node(1, name="a"), name="b", trainable=True).name == "b:0"

    @pytest.mark.parametrize("name", [3, b"x", ["x"]])
    def test_a_name_is_a_text(self, name):
        """Another type of name is an error that shows it."""
        with pytest.raises(TypeError, match="name must be a str or None, got"):
            node(1, name=name)

    @pytest.mark.parametrize("name", ["a:0", ":", ""])
    def test_a_name_has_no_colon(self, name):
        """A name is not empty and leaves the number to opto."""
        with pytest.raises(ValueError, match="without a colon"):
            node(1, name=name)

    @pytest.mark.parametrize("trainable", [False, True])
    def test_a_description_is_a_text(self, trainable):
        """Another type of description is an error that shows it."""
        with pytest.raises(TypeError, match="description must be a str or None, got 3"):
            node(1, description=3, trainable=trainable)

    def test_a_wrong_description_for_a_node_is_told_too(self):
        """The check does not depend on what is wrapped."""
        with pytest.raises(TypeError, match="description"):
            node(node(1), description=3)


class TestNames:
    @pytest.mark.parametrize(
        ("value", "name"),
        [(1, "int:0"), ("a", "str:0"), ([1], "list:0"), (None, "NoneType:0"), (1.5, "float:0"), (len, None)],
    )
    def test_the_type_names_a_value(self, value, name):
        """The base name is the name of the Python type."""
        assert node(value).name == (name or "builtin_function_or_method:0")

    def test_functions(self):
        """A function is called so."""
        assert node(lambda: 1).name == "function:0"

    def test_numbers_count_per_base(self):
        """Each base counts from 0."""
        assert [node(1).name, node("a").name, node(2).name] == ["int:0", "str:0", "int:1"]

    def test_forms_of_a_name(self):
        """`py_name` leaves the colon out, `id` is the number as text."""
        x = node(1, name="fancy.name")
        assert (x.name, x.py_name, x.id) == ("fancy.name:0", "fancy.name0", "0")

    def test_operators_name_their_results(self):
        """A result is called after the operator."""
        x = node(1)
        assert (x + 1).name == "add:0"
        assert (node("a") + "b").name == "concat:0"
        assert node([1])[0].name == "getitem:0"
        assert node(1).getattr("real").name == "node_getattr:0"
        assert node(abs)(-1).name == "call:0"

    def test_copies(self):
        """A deep copy is called after its source, and a copy of it after that."""
        x = node("a")
        y = copy.deepcopy(x)
        assert y.name == "str0_copy:0"
        assert copy.deepcopy(y).name == "str0_copy0_copy:0"
        assert copy.deepcopy(x).name == "str0_copy:1"

    def test_copies_of_scoped_names_stay_in_one_scope(self):
        """A copy does not repeat the scope of its source."""
        from opto.trace import name_scope

        with name_scope("agent"):
            x = node(1)
            assert x.name == "agent/int:0"
            assert copy.deepcopy(x).name == "agent/int0_copy:0"


class TestDescriptions:
    @pytest.mark.parametrize(
        ("made", "written", "text"),
        [
            (lambda: node(1), "[Node]", None),
            (lambda: node(1, description="x"), "[Node] x", "x"),
            (lambda: node(1, trainable=True), "[ParameterNode]", None),
            (lambda: node(1, trainable=True, description="x"), "[ParameterNode] x", "x"),
            (lambda: node(1, description="[mine] x"), "[mine] x", "x"),
        ],
    )
    def test_tags(self, made, written, text):
        """The written form has a tag, the bare one not."""
        assert made()._description == written
        assert made().description == text

    def test_op_name(self):
        """The operator's name is the text of the tag."""
        assert node(1).op_name == "Node"
        assert (node(1) + 1).op_name == "add"
        assert (node(1) + 1).description == "The sum of x and y."

    def test_get_op_name(self):
        """The name in brackets; without one it is an error."""
        assert get_op_name("[fancy.cond] x") == "fancy.cond"
        assert get_op_name("  [add]x") == "add"
        for wrong in ("no tag", "", "[] x", None, 3):
            with pytest.raises(ValueError, match="square brackets"):
                get_op_name(wrong)


class TestGraph:
    def test_a_root(self):
        """A root has neither parents nor inputs, and level 0."""
        x = node(1)
        assert x.parents == []
        assert x.inputs == {}
        assert x.level == 0
        assert x.is_root
        assert x.is_leaf
        assert x.info is None

    def test_levels(self):
        """A level is one more than the highest parent's."""
        x = node(1)
        y = x + 1
        z = x + y
        assert [x.level, y.level, z.level] == [0, 1, 2]
        assert not z.is_root

    def test_parents_and_children(self):
        """Both ends know of the edge, by identity."""
        x, y = node(1), node(1)
        z = x + y
        assert z.parents[0] is x
        assert z.parents[1] is y
        assert len(x.children) == 1
        assert x.children[0] is z
        assert not x.is_leaf

    def test_the_same_node_twice_is_one_parent_and_one_child(self):
        """`x + x` has one parent; its inputs keep both names."""
        x = node(1)
        z = x + x
        assert len(z.parents) == 1
        assert len(x.children) == 1
        assert list(z.inputs) == ["x", "y"]

    def test_inputs_are_a_copy(self):
        """Changing what `inputs` and `parents` gave changes no node."""
        z = node(1) + 2
        z.inputs.clear()
        z.parents.clear()
        assert list(z.inputs) == ["x", "y"]
        assert z._inputs.keys() == z.inputs.keys()
        assert len(z.parents) == 2

    def test_dead_children_are_forgotten(self):
        """A result that is dropped is no child any more, and is freed at once."""
        x = node(1)
        y = x + 1
        gone = weakref.ref(y)
        gc.disable()
        try:
            del y
            assert gone() is None
        finally:
            gc.enable()
        assert x.children == []

    def test_children_are_swept(self):
        """The list of weak references stays short, however many children come and go, and loses no living one."""
        x = node(1)
        kept = [x + 1 for _ in range(100)]
        for _ in range(10_000):
            x + 1
        assert len(x._children) <= 2 * len(kept) + 1
        assert len(x.children) == len(kept)
        assert all(child is each for child, each in zip(x.children, kept))

    def test_equal_nodes_are_different_keys(self):
        """Hashes go by identity, so sets and dicts tell equal nodes apart."""
        x, y = node(1), node(1)
        assert x == y
        assert x in [y]
        assert x not in {y}
        assert len({x, y}) == 2

    def test_type(self):
        """`type` is that of the value."""
        assert node(1).type is int

    def test_set(self):
        """`_set` writes the value, and takes it out of a node."""
        x = node(1, trainable=True)
        x._set(2)
        assert x.data == 2
        x._set(node(3))
        assert x.data == 3
        x._data = 4
        assert x.data == 4

    def test_text(self):
        """The text says kind, name, type and value."""
        assert str(node(1)) == "Node: (int:0, dtype=<class 'int'>, data=1)"
        assert str(node("a", trainable=True)) == "ParameterNode: (str:0, dtype=<class 'str'>, data=a)"
        assert str(node(1) + 1) == "MessageNode: (add:0, dtype=<class 'int'>, data=2)"
        assert f"{node('b')}" == "Node: (str:1, dtype=<class 'str'>, data=b)"
        assert f"{node(1.25):.1f}" == "1.2"
        assert node(3)._repr_mimebundle_() == {"text/plain": "Node: (int:3, dtype=<class 'int'>, data=3)"}


class TestSubclasses:
    def test_a_node_of_a_node_holds_its_value(self):
        """Constructors take the value out of a node."""
        assert Node(node(1)).data == 1
        assert ParameterNode(node(1)).data == 1

    def test_info(self):
        """What is given as `info` is kept."""
        assert Node(1, info={"a": 1}).info == {"a": 1}
        assert ParameterNode(1, info=[2]).info == [2]

    def test_a_parameter(self):
        """A parameter is trainable, has no projections, and depends on itself."""
        x = ParameterNode(1)
        assert x.trainable
        assert x.projections == []
        assert x.parameter_dependencies == {x}
        assert x.constraint is None

    def test_projections(self):
        """Projections are a list of `Projection`; anything else is an error that shows it."""
        formatter = BlackCodeFormatter()
        assert ParameterNode(1, projections=[formatter]).projections == [formatter]
        for wrong in (formatter, [1], "x", (formatter,)):
            with pytest.raises(TypeError, match="projections must be a list of Projection objects, got"):
                ParameterNode(1, projections=wrong)

    def test_a_frozen_parameter(self):
        """A parameter may be excluded from training."""
        x = ParameterNode(1, trainable=False)
        assert not x.trainable
        assert (x + 1).parameter_dependencies == set()

    def test_a_message_by_hand(self):
        """A message takes inputs by name or as a list, whose node names then serve as keys."""
        x, y = node(1), node(1)
        named = MessageNode(2, inputs={"a": x, "b": y}, description="[mine] adds")
        assert named.name == "mine:0"
        assert list(named.inputs) == ["a", "b"]
        assert named.level == 1
        assert x.children[0] is named
        listed = MessageNode(2, inputs=[x, y], description="[mine] adds", name="other")
        assert listed.name == "other:0"
        assert list(listed.inputs) == ["int:0", "int:1"]
        assert not listed.trainable

    def test_a_message_keeps_inputs_of_one_name(self):
        """Two nodes may have one name after the registry was cleared: neither is lost."""
        x = node(1)
        GRAPH.clear()
        y = node(1)
        message = MessageNode(2, inputs=[x, y], description="[mine] adds")
        assert len(message.parents) == 2
        assert len(message.inputs) == 2

    @pytest.mark.parametrize("inputs", [3, [3], {"x": 3}, (1, 2), None])
    def test_inputs_are_nodes(self, inputs):
        """Anything else is an error that shows it."""
        with pytest.raises(TypeError, match="inputs must be a list or dict of nodes, got"):
            MessageNode(1, inputs=inputs, description="[mine]")

    def test_a_message_needs_a_tag(self):
        """The description of a message names its operator."""
        with pytest.raises(ValueError, match="'no tag'"):
            MessageNode(1, inputs=[], description="no tag")

    def test_an_exception_by_hand(self):
        """An exception node holds the error's class and message as text."""
        x = node(1)
        made = ExceptionNode(ZeroDivisionError("no"), inputs={"x": x}, description="[exception] of mine")
        assert made.data == "(ZeroDivisionError) no"
        assert made.create_feedback() == made.create_feedback("full") == "(ZeroDivisionError) no"
        assert ExceptionNode("(E) text", inputs=[]).data == "(E) text"

    def test_exception_feedback_styles(self):
        """`full` shows the source with the failing line; an unknown style is an error."""

        @bundle()
        def fails(x):
            return x / 0

        with pytest.raises(Exception, match="division") as caught:
            fails(1)
        made = caught.value.exception_node
        assert made.create_feedback("simple") == "(ZeroDivisionError) division by zero"
        assert "return x / 0 <--- (ZeroDivisionError) division by zero" in made.create_feedback("full")
        with pytest.raises(ValueError, match="style must be 'simple' or 'full', got 'short'"):
            made.create_feedback("short")

    def test_of_foreign_classes_the_module_is_shown(self):
        """An error class that is not built in is given with its module."""

        class Odd(Exception):
            pass

        assert ExceptionNode(Odd("x"), inputs=[]).data.startswith(f"({__name__}.")

    def test_all_are_abstract_nodes(self):
        """One test tells all nodes."""
        for made in (node(1), node(1, trainable=True), node(1) + 1):
            assert isinstance(made, AbstractNode)


class Tagged(ParameterNode):
    """A user's own kind of parameter, with an attribute of its own."""

    def __init__(self, value, tags):
        super().__init__(value)
        self.tags = tags


class TestCopies:
    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda each: each.detach()])
    def test_a_copy_knows_nothing_of_the_graph(self, copied):
        """Copies have no parents, children or feedback; the original keeps its own."""
        x = node([1], trainable=True)
        y = x[0]
        y.backward("good", retain_graph=True)
        for original in (x, y):
            twin = copied(original)
            assert type(twin) is type(original)
            assert twin.data == original.data
            assert twin.parents == twin.children == []
            assert twin.feedback == {}
            assert twin.level == 0
            assert twin.trainable == original.trainable
            assert twin.description == original.description
        assert len(x.feedback) == 1

    def test_deep_and_shallow(self):
        """`deepcopy` and `detach` copy the value, `copy` shares it."""
        x = node([1])
        assert copy.copy(x).data is x.data
        assert copy.deepcopy(x).data is not x.data
        assert x.detach().data is not x.data

    def test_a_parameter_keeps_what_is_known_of_it(self):
        """Projections and constraint go along."""
        formatter = BlackCodeFormatter()
        x = ParameterNode(1, projections=[formatter], constraint="small", description="d")
        twin = copy.deepcopy(x)
        assert twin.projections == [formatter]
        assert twin.projections is not x.projections
        assert twin.constraint == "small"
        assert twin.trainable

    def test_a_copied_message_keeps_its_info(self):
        """What is known of the call survives, without its inputs as parents."""
        twin = copy.deepcopy(node(1) + 1)
        assert twin.op_name == "add"
        assert twin.info["fun_name"] == "add"
        assert twin.info["output"] == 2

    def test_copies_do_not_keep_their_graph_alive(self):
        """In a loop that detaches its state, each step lets go of the one before."""
        state = node(0)
        gone = []
        gc.disable()
        try:
            for _ in range(5):
                result = state + 1
                gone.append(weakref.ref(result))
                state = result.detach()
                del result
            assert all(each() is None for each in gone)
        finally:
            gc.enable()
        assert state == 5

    def test_a_copy_hides_no_parameters(self):
        """A copy of a call with an inner graph is a plain value."""
        weight = node(3, trainable=True)

        @bundle(traceable_code=True, allow_external_dependencies=True)
        def weighted(a):
            return a * weight

        call = weighted(1)
        assert call.expandable_dependencies == {call}
        assert call.detach().expandable_dependencies == set()
        assert call.detach().info["output"] == 3

    def test_copying_a_deep_graph_does_not_recurse(self):
        """A copy takes one node, whatever led to it."""
        x = node(0)
        for _ in range(50_000):
            x = x + 1
        assert copy.deepcopy(x).data == 50_000

    def test_a_value_that_holds_its_node(self):
        """Cycles through a value end: the copy holds the copy."""
        holder = {}
        x = node(holder)
        holder["me"] = x
        twin = copy.deepcopy(x)
        assert twin is not x
        assert twin.data["me"] is twin

    def test_one_memo_for_a_structure(self):
        """What was shared in a structure is shared in its copy."""
        x = node(1)
        twins = copy.deepcopy([x, x])
        assert twins[0] is twins[1]
        assert twins[0] is not x

    def test_attributes_of_a_subclass_go_along(self):
        """A subclass keeps its own attributes: shared by `copy`, copied by `deepcopy`."""
        x = Tagged(1, ["a"])
        assert copy.copy(x).tags is x.tags
        assert copy.deepcopy(x).tags == ["a"]
        assert copy.deepcopy(x).tags is not x.tags

    def test_clone_is_traced(self):
        """`clone` is an operator: its result comes from the original."""
        x = node([1], trainable=True)
        y = x.clone()
        assert y.op_name == "clone"
        assert y.parents[0] is x
        assert y.data == x.data
        assert y.data is not x.data
        assert y.parameter_dependencies == {x}


class TestAsTheValue:
    def test_equality_is_raw(self):
        """`==` and `!=` compare values and give plain bools."""
        x = node(1)
        assert (x == 1) is True
        assert (x == node(1)) is True
        assert (x != 1) is False
        assert (x == "1") is False
        assert (2 == x) is False
        assert x.children == []

    def test_equality_of_arrays(self):
        """Arrays are equal when shapes and all elements are."""
        x = node(np.array([1, 2]))
        assert (x == np.array([1, 2])) is True
        assert (x == node(np.array([1, 3]))) is False
        assert (x == np.array([1, 2, 3])) is False
        assert (node(np.array([[1, 2], [1, 2]])) == np.array([1, 2])) is False
        assert (node(np.array([2, 2])) == 2) is True
        assert (node(np.float64(2)) == 2) is True
        assert (node(np.zeros(0)) == np.zeros(0)) is True

    def test_errors_of_foreign_equality_are_not_hidden(self):
        """What a value's own `==` raises reaches the caller."""

        class Odd:
            def __eq__(self, other):
                raise ValueError("odd")

        with pytest.raises(ValueError, match="odd"):
            same_value(Odd(), 1)

    def test_truth_is_raw(self):
        """`and` and `or` give one of the operands, unchanged."""
        x, y = node(1), node(0)
        assert (x and y) is y
        assert (x or y) is x
        assert (y or "raw") == "raw"
        assert type(y or "raw") is str
        assert type(x or y) is Node
        assert not node([])

    def test_membership(self):
        """`in` gives a plain bool, for nodes and raw values, on lists, texts, dicts and their subclasses."""

        class Dict(dict):
            pass

        assert (1 in node([1, 2])) is True
        assert (node(3) in node([1, 2])) is False
        assert ("a" in node("abc")) is True
        assert (node("k") in node({"k": 1})) is True
        assert ("k" in node(Dict(k=1))) is True
        assert ("k" in node(UserDict(k=1))) is True

    def test_length(self):
        """`len` is raw, `.len()` traced."""
        x = node([1, 2])
        assert len(x) == 2
        assert type(len(x)) is int
        assert x.len() == 2
        assert x.len().name.startswith("len_:")

    def test_numbers(self):
        """A node of a number goes where Python wants a number."""
        assert int(node(2.5)) == 2
        assert float(node(2)) == 2.0
        assert complex(node(2)) == 2 + 0j
        assert operator.index(node(2)) == 2
        assert [1, 2, 3][node(1)] == 2
        assert list(range(node(2))) == [0, 1]

    def test_what_is_no_index(self):
        """The error is Python's own."""
        with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
            [1][node("a")]

    def test_attributes_of_the_value_are_not_reached(self):
        """Plain attribute access is about the node; `getattr` is about the value."""
        x = node(3)
        with pytest.raises(AttributeError):
            x.real  # noqa: B018
        assert x.getattr("real") == 3

    def test_no_in_place_operators(self):
        """`+=` rebinds the name to a new node; the old one is untouched."""
        for name in ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor"):
            assert not hasattr(Node, f"__{name}__")
        x = y = node([1])
        x += [2]
        assert type(x) is MessageNode
        assert y.data == [1]
        assert x.parents[0] is y


def test_a_warning_free_import_of_names():
    """The names that programs import from `opto.trace.nodes` are there."""
    from opto.trace import nodes

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in nodes.__all__:
            assert hasattr(nodes, name)
    assert nodes.IDENTITY_OPERATORS == ("identity", "clone")
