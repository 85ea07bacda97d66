"""`bundle` on functions: what becomes a node, what its inputs are, what the body sees."""

from __future__ import annotations

import inspect

import pytest

from opto.trace import (
    GRAPH,
    MessageNode,
    Module,
    Node,
    NodeContainer,
    ParameterNode,
    bundle,
    no_trace,
    node,
)
from opto.trace.bundle import FunModule


def names_of(output: Node) -> list[str]:
    """The input names of a result."""
    return list(output.inputs)


# ---- arguments become inputs


class TestInputs:
    def test_each_argument_is_an_input_under_its_parameter_name(self):
        """Positional and keyword arguments are keyed by parameter; raw values get nodes named after it."""

        @bundle()
        def f(x, k):
            return x + k

        x = node(1)
        output = f(x, k=2)
        assert output.data == 3
        assert type(output) is MessageNode
        assert output.inputs["x"] is x
        assert output.inputs["k"].name.startswith("k:")
        assert [parent.data for parent in output.parents] == [1, 2]

    def test_names_restart_with_the_registry(self):
        """Raw arguments are numbered per parameter name from 0, results per operator."""
        GRAPH.clear()

        @bundle("[double] Doubles.")
        def f(x):
            return 2 * x

        output = f(3)
        assert (output.name, output.parents[0].name) == ("double:0", "x:0")

    def test_omitted_defaults_are_inputs(self):
        """A default that the caller leaves out is an input all the same."""

        @bundle()
        def f(x, k=3, *, flag=True):
            return x * k if flag else x

        output = f(node(2))
        assert output.data == 6
        assert names_of(output) == ["x", "k", "flag"]

    def test_extra_positionals_and_keywords(self):
        """Extra positionals are args_0, args_1 ...; extra keywords keep their own names."""

        @bundle()
        def f(first, *rest, **named):
            return first + sum(rest) + sum(named.values())

        output = f(1, 2, 3, a=4, b=5)
        assert output.data == 15
        assert names_of(output) == ["first", "args_0", "args_1", "a", "b"]
        assert [parent._base for parent in output.parents] == ["first", "int", "int", "a", "b"]
        assert list(output.info["inputs"]["args"]) == output.parents[1:3]
        assert list(output.info["inputs"]["kwargs"]) == ["first", "a", "b"]

    @pytest.mark.parametrize("reserved", ["self", "bind", "module", "args", "kwargs", "function", "len", "_run"])
    def test_parameters_may_have_any_name(self, reserved):
        """A parameter called as something of opto's own is a parameter like any other, also when passed by keyword."""
        namespace: dict = {}
        exec(f"def f({reserved}, other=1): return {reserved} + other", namespace)
        f = bundle()(namespace["f"])
        for output in (f(2), f(**{reserved: 2})):
            assert output.data == 3
            assert names_of(output) == [reserved, "other"]

    def test_args_and_kwargs_as_plain_parameters(self):
        """A function may have ordinary parameters called args and kwargs."""

        @bundle()
        def f(args, kwargs):
            return args + kwargs["k"]

        output = f(1, {"k": 2})
        assert output.data == 3
        assert names_of(output) == ["args", "kwargs"]

    def test_extra_keyword_called_like_a_positional_only_parameter(self):
        """A positional-only name may come again by keyword, as Python allows; both are inputs."""

        @bundle()
        def f(x, /, **named):
            return x, named

        output = f(1, x=2)
        assert output.data == (1, {"x": 2})
        assert [parent.data for parent in output.parents] == [1, 2]

    def test_positional_only_and_keyword_only(self):
        """Both kinds bind as Python binds them, and a wrong call raises TypeError that names the function."""

        @bundle()
        def f(a, /, b, *, c):
            return a, b, c

        assert f(1, b=2, c=3).data == (1, 2, 3)
        with pytest.raises(TypeError, match=r"f\(\).*positional-only"):
            f(a=1, b=2, c=3)
        with pytest.raises(TypeError, match=r"f\(\).*'c'"):
            f(1, 2)

    def test_the_same_node_twice_is_one_parent(self):
        """A node passed for two parameters is two inputs and one parent."""

        @bundle()
        def f(a, b):
            return a * b

        x = node(3)
        output = f(x, x)
        assert output.parents == [x]
        assert output.parents[0] is x
        assert names_of(output) == ["a", "b"]
        assert len(x.children) == 1

    def test_no_arguments(self):
        """A call without arguments has no inputs, and can still be sent feedback."""

        @bundle(trainable=True)
        def f():
            return 7

        output = f()
        output.backward("more")
        assert output.parents == [f.parameter]
        assert len(f.parameter.feedback) == 1

    def test_raw_containers_go_by_reference(self):
        """A body may change a dict it was given, raw or in a node."""

        @bundle()
        def f(table):
            table["seen"] = True
            return len(table)

        raw: dict = {}
        f(raw)
        held = node({})
        f(held)
        assert raw == {"seen": True}
        assert held.data == {"seen": True}

    @pytest.mark.parametrize(
        "wrapped",
        [
            lambda a, b: [a, b],
            lambda a, b: (a, [b]),
            lambda a, b: {"a": a, "b": {"c": b}},
        ],
    )
    def test_feedback_reaches_nodes_inside_containers(self, wrapped):
        """Nodes inside lists, tuples and dicts reach the body as raw values, and receive its feedback."""

        @bundle()
        def f(values):
            assert "Node" not in repr(values)
            return str(values)

        a, b = node(1, trainable=True), node(2, trainable=True)
        f(wrapped(a, b)).backward("good")
        assert a.feedback
        assert b.feedback

    def test_sets_of_nodes(self):
        """A set of nodes arrives as a set of values."""

        @bundle()
        def f(values):
            return sorted(values)

        a, b = node(1, trainable=True), node(2, trainable=True)
        output = f({a, b})
        output.backward("good")
        assert output.data == [1, 2]
        assert a.feedback
        assert b.feedback

    def test_a_node_that_holds_nodes_is_unwrapped_one_level(self):
        """A node around a list of nodes gives the body that list as it is."""
        inner = node(1)

        @bundle(allow_external_dependencies=True)
        def f(values):
            return values[0] is inner

        assert f(node([inner])).data is True

    def test_node_containers(self):
        """A container's attributes arrive as raw values, and the nodes in them get feedback."""

        class Pair(NodeContainer):
            def __init__(self, left, right):
                self.left, self.right = left, right

        @bundle()
        def f(pair):
            return pair.left + pair.right

        pair = Pair(node(1, trainable=True), node(2))
        output = f(pair)
        output.backward("more")
        assert output.data == 3
        assert pair.left.feedback
        assert isinstance(pair.left, ParameterNode)

    def test_a_bundle_as_an_argument_is_passed_unwrapped(self):
        """A bundled function arrives as itself; if it is trainable, its code is the input that is recorded."""

        @bundle(trainable=True)
        def helper(x):
            return x + 1

        @bundle(allow_external_dependencies=True)
        def f(function, x):
            assert isinstance(function, FunModule)
            return function(x)

        output = f(helper, 2)
        assert output.data == 3
        assert output.inputs["function"] is helper.parameter

    def test_a_module_as_an_argument(self):
        """A module arrives as itself, so that the body can call it."""

        class Double(Module):
            def forward(self, x):
                return 2 * x

        @bundle()
        def f(module, x):
            return module(x)

        double = Double()
        output = f(double, 4)
        assert output.data == 8
        assert output.inputs["module"].data is double

    def test_process_inputs_off_passes_what_the_caller_gave(self):
        """With _process_inputs=False the body gets the caller's own objects, nodes included."""
        seen = []

        @bundle(_process_inputs=False)
        def f(x, y):
            seen.extend([x, y])
            return 1

        x = node(1)
        f(x, 2)
        assert seen[0] is x
        assert seen[1] == 2
        assert type(seen[1]) is int


# ---- what the body returns


class TestOutputs:
    def test_a_tuple_is_one_node(self):
        """A tuple result is one node, which can be indexed and unpacked."""

        @bundle()
        def f(x):
            return x, x + 1

        output = f(1)
        first, second = output
        assert type(output) is MessageNode
        assert (output[1].data, first.data, second.data) == (2, 1, 2)

    def test_a_node_result_gives_its_data(self):
        """A body that returns a node gives a node of that node's data, whose parents are the inputs."""

        @bundle(traceable_code=True)
        def f(x):
            return x + 1

        x = node(1)
        output = f(x)
        assert output.data == 2
        assert output.parents[0] is x

    def test_output_name(self):
        """output_name names the results."""
        GRAPH.clear()

        @bundle(output_name="answer")
        def f(x):
            return x

        assert f(1).name == "answer:0"

    def test_dotted_operator_names(self):
        """The bracketed name may hold dots."""
        GRAPH.clear()
        assert bundle("[fancy.cond] Chooses.")(lambda x: x)(1).name == "fancy.cond:0"

    def test_trainable_results_are_called_eval(self):
        """A trainable function's results are called eval, its code __code, and the code is one more input."""
        GRAPH.clear()

        @bundle(trainable=True)
        def f(x):
            return x

        output = f(1)
        assert output.name == "eval:0"
        assert f.parameter.name == "__code:0"
        assert f.parameter.py_name == "__code0"
        assert names_of(output) == ["x", "__code"]
        assert output.inputs["__code"] is f.parameter
        assert "eval" in output._description
        assert output.info["fun_name"] == "eval"

    def test_no_trace(self):
        """Inside no_trace the value is right and nothing is remembered."""

        @bundle()
        def f(x):
            return x + 1

        with no_trace():
            output = f(node(1))
        assert output.data == 2
        assert output.parents == []
        assert output.inputs == {}


# ---- description and info


class TestInfo:
    def test_default_description(self):
        """The name without <locals>, and the docstring."""

        @bundle()
        def f(x):
            """Adds one."""
            return x + 1

        assert f.description.endswith(".f] Adds one.")
        assert "<locals>" not in f.description
        assert f(1).description == "Adds one."

    def test_a_description_without_a_name_is_an_error(self):
        """A description must begin with a bracketed name."""
        with pytest.raises(ValueError, match="square brackets"):
            bundle("no name")(lambda x: x)

    def test_keys(self):
        """The info of a result has all keys of the contract."""

        @bundle()
        def f(x, *rest):
            """Doc."""
            return x

        info = f(1, 2).info
        expected = (
            "fun fun_name _fun_name doc signature source line_number file error_comment traceback output inputs "
            "external_dependencies"
        )
        assert set(info) == set(expected.split())
        assert info["fun"] is f.fun
        assert info["doc"] == "Doc."
        assert info["signature"] == "(x, *rest)"
        assert set(info["inputs"]) == {"args", "kwargs"}
        assert info["file"].endswith("test_bundle.py")
        assert info["source"].startswith("def f(x, *rest):")
        assert info["source"].endswith("return x")
        lines = inspect.getsource(type(self)).splitlines()
        first = inspect.getsourcelines(type(self))[1]
        assert lines[info["line_number"] - first].strip() == "def f(x, *rest):"

    def test_outputs_carry_their_own_info(self):
        """Changing a result's info changes nothing else."""

        @bundle()
        def f(x):
            return x

        one, two = f(1), f(2)
        one.info["source"] = "changed"
        assert two.info["source"] != "changed"
        assert f.info["source"] != "changed"
        assert one.info is one.info

    def test_lambda(self):
        """A lambda is bundled like any function."""
        f = bundle("[square] Squares.")(lambda x: x * x)
        output = f(3)
        assert output.data == 9
        assert output._base == "square"
        assert bundle()(lambda x: x)(1).data == 1

    def test_wraps(self):
        """A bundle keeps the function's name, docstring and module."""

        @bundle()
        def f(x):
            """Doc."""

        assert (f.__name__, f.__doc__, f.__module__) == ("f", "Doc.", __name__)
        assert inspect.signature(f) == inspect.signature(f.fun)


# ---- the inner graph


class TestTraceableCode:
    def test_the_body_gets_detached_nodes(self):
        """The body sees nodes that are not the outer ones; the inner output is in the info."""

        @bundle("[outer] Outer.", traceable_code=True)
        def f(x):
            assert isinstance(x, Node)
            assert x is not given
            return x + 1

        given = node(1)
        output = f(given)
        inner = output.info["output"]
        assert output._base == "outer"
        assert inner._base == "add"
        assert inner.data == 2
        assert all(parent is not given for parent in inner.parents)
        assert output.parents[0] is given

    def test_hidden_parameters_three_deep(self):
        """A parameter hidden three calls deep is found through the chain of inner outputs, and gets the feedback."""
        hidden = node(10, trainable=True)

        @bundle(traceable_code=True)
        def third(x):
            return x * hidden

        @bundle(traceable_code=True)
        def second(x):
            return third(x) + 1

        @bundle(traceable_code=True)
        def first(x):
            return second(x) + 2

        output = first(node(1))
        assert output.data == 13
        assert output.parameter_dependencies == set()
        assert output.expandable_dependencies == {output}
        inner = output.info["output"]
        assert len(inner.expandable_dependencies) == 1
        (deeper,) = inner.expandable_dependencies
        (deepest,) = deeper.info["output"].expandable_dependencies
        assert hidden in deepest.info["output"].parameter_dependencies
        output.backward("more")
        assert len(hidden.feedback) == 1

    def test_a_visible_parameter_is_not_hidden(self):
        """A parameter that is an input hides nothing."""
        x = node(1, trainable=True)

        @bundle(traceable_code=True)
        def f(x):
            return x + 1

        output = f(x)
        assert output.parameter_dependencies == {x}
        assert output.expandable_dependencies == set()
