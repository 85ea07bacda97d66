"""`bundle` on every kind of function: what becomes a node, what its inputs are, what the body sees."""

from __future__ import annotations

import copy
import functools
import inspect
import random

import pytest

from opto.errors import LostDependencyWarning
from opto.trace import (
    GRAPH,
    ExceptionNode,
    ExecutionError,
    MessageNode,
    Module,
    Node,
    NodeContainer,
    ParameterNode,
    TraceMissingInputsError,
    bundle,
    no_trace,
    node,
)
from opto.trace.bundle import FunModule, disable_external_dependencies_check


def names_of(output: Node) -> list[str]:
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
        assert output.data == 3 and type(output) is MessageNode
        assert output.inputs["x"] is x and output.inputs["k"].name.startswith("k:")
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
        assert output.data == 6 and names_of(output) == ["x", "k", "flag"]

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

    @pytest.mark.parametrize("reserved", ["self", "bind", "module", "args", "kwargs", "description", "function", "_run"])
    def test_parameters_may_have_any_name(self, reserved):
        """A parameter called as something of opto's own is a parameter like any other, also when passed by keyword."""
        namespace: dict = {}
        exec(f"def f({reserved}, other=1): return {reserved} + other", namespace)
        f = bundle()(namespace["f"])
        for output in (f(2), f(**{reserved: 2})):
            assert output.data == 3 and names_of(output) == [reserved, "other"]

    def test_args_and_kwargs_as_plain_parameters(self):
        """A function may have ordinary parameters called args and kwargs."""

        @bundle()
        def f(args, kwargs):
            return args + kwargs["k"]

        output = f(1, {"k": 2})
        assert output.data == 3 and names_of(output) == ["args", "kwargs"]

    def test_extra_keyword_called_like_a_positional_only_parameter(self):
        """A positional-only name may come again by keyword, as Python allows; both are inputs."""

        @bundle()
        def f(x, /, **named):
            return x, named

        output = f(1, x=2)
        assert output.data == (1, {"x": 2}) and [parent.data for parent in output.parents] == [1, 2]

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
        assert output.parents == [x] and output.parents[0] is x and names_of(output) == ["a", "b"]
        assert len(x.children) == 1

    def test_no_arguments(self):
        """A call without arguments has no inputs, and can still be sent feedback."""

        @bundle(trainable=True)
        def f():
            return 7

        output = f()
        output.backward("more")
        assert output.parents == [f.parameter] and len(f.parameter.feedback) == 1

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
        assert raw == {"seen": True} and held.data == {"seen": True}

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
        assert a.feedback and b.feedback

    def test_sets_of_nodes(self):
        """A set of nodes arrives as a set of values."""

        @bundle()
        def f(values):
            return sorted(values)

        a, b = node(1, trainable=True), node(2, trainable=True)
        output = f({a, b})
        output.backward("good")
        assert output.data == [1, 2] and a.feedback and b.feedback

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
        assert output.data == 3 and pair.left.feedback and isinstance(pair.left, ParameterNode)

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
        assert output.data == 3 and output.inputs["function"] is helper.parameter

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
        assert output.data == 8 and output.inputs["module"].data is double

    def test_process_inputs_off_passes_what_the_caller_gave(self):
        """With _process_inputs=False the body gets the caller's own objects, nodes included."""
        seen = []

        @bundle(_process_inputs=False)
        def f(x, y):
            seen.extend([x, y])
            return 1

        x = node(1)
        f(x, 2)
        assert seen[0] is x and seen[1] == 2 and type(seen[1]) is int


# ---- what the body returns


class TestOutputs:
    def test_a_tuple_is_one_node(self):
        """A tuple result is one node, which can be indexed and unpacked."""

        @bundle()
        def f(x):
            return x, x + 1

        output = f(1)
        first, second = output
        assert type(output) is MessageNode and (output[1].data, first.data, second.data) == (2, 1, 2)

    def test_a_node_result_gives_its_data(self):
        """A body that returns a node gives a node of that node's data, whose parents are the inputs."""

        @bundle(traceable_code=True)
        def f(x):
            return x + 1

        x = node(1)
        output = f(x)
        assert output.data == 2 and output.parents[0] is x

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
        assert output.name == "eval:0" and f.parameter.name == "__code:0" and f.parameter.py_name == "__code0"
        assert names_of(output) == ["x", "__code"] and output.inputs["__code"] is f.parameter
        assert "eval" in output._description and output.info["fun_name"] == "eval"

    def test_no_trace(self):
        """Inside no_trace the value is right and nothing is remembered."""

        @bundle()
        def f(x):
            return x + 1

        with no_trace():
            output = f(node(1))
        assert output.data == 2 and output.parents == [] and output.inputs == {}


# ---- description and info


class TestInfo:
    def test_default_description(self):
        """The name without <locals>, and the docstring."""

        @bundle()
        def f(x):
            """Adds one."""
            return x + 1

        assert f.description.endswith(".f] Adds one.") and "<locals>" not in f.description
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
        assert info["fun"] is f.fun and info["doc"] == "Doc." and info["signature"] == "(x, *rest)"
        assert set(info["inputs"]) == {"args", "kwargs"}
        assert info["file"].endswith("test_bundle.py")
        assert info["source"].startswith("def f(x, *rest):") and info["source"].endswith("return x")
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
        assert two.info["source"] != "changed" and f.info["source"] != "changed"
        assert one.info is one.info

    def test_lambda(self):
        """A lambda is bundled like any function."""
        f = bundle("[square] Squares.")(lambda x: x * x)
        output = f(3)
        assert output.data == 9 and output._base == "square"
        assert bundle()(lambda x: x)(1).data == 1

    def test_wraps(self):
        """A bundle keeps the function's name, docstring and module."""

        @bundle()
        def f(x):
            """Doc."""

        assert (f.__name__, f.__doc__, f.__module__) == ("f", "Doc.", __name__)
        assert inspect.signature(f) == inspect.signature(f.fun)


# ---- methods


class TestMethods:
    def test_a_method_takes_the_objects_node_first(self):
        """Its first input is the object's own node, the same in each call."""

        class Counter:
            def __init__(self):
                self.total = 0

            @bundle()
            def add(self, x):
                self.total += x
                return self.total

        counter = Counter()
        one, two = counter.add(1), counter.add(2)
        assert (one.data, two.data) == (1, 3)
        assert one.parents[0] is two.parents[0] and one.parents[0].data is counter
        assert isinstance(Counter.add, FunModule) and not isinstance(Counter.add, type(counter.add))

    def test_trainable_methods_have_three_parents(self):
        """Self, the argument and the code."""

        class Agent:
            @bundle(trainable=True)
            def act(self, x):
                return x + 1

        agent = Agent()
        output = agent.act(node(1))
        assert len(output.parents) == 3 and output.data == 2
        assert agent.act is agent.act and agent.act.parameter in output.parents

    def test_two_instances_have_parameters_of_their_own(self):
        """Their bundles differ, their parameters are equal in value and distinct."""

        class Agent:
            @bundle(trainable=True)
            def act(self, x):
                return x + 1

        a, b = Agent(), Agent()
        assert a.act != b.act and a.act.parameter == b.act.parameter and a.act.parameter is not b.act.parameter
        a.act.parameter._data = a.act.parameter.data.replace("+ 1", "+ 10")
        assert (a.act(1).data, b.act(1).data, Agent().act(1).data) == (11, 2, 2)

    def test_reserved_attributes(self):
        """The bundle and the self node stand under the documented reserved names."""

        class Agent:
            @bundle()
            def act(self):
                return 1

        agent = Agent()
        agent.act()
        reserved = [name for name in vars(agent) if name.startswith("__TRACE_RESERVED_")]
        assert "__TRACE_RESERVED_self_node" in reserved
        assert any(name.startswith("__TRACE_RESERVED_bundle_") and name.endswith("Agent.act") for name in reserved)

    def test_called_through_the_class(self):
        """Through the class the object is an ordinary first argument."""

        class Agent:
            @bundle()
            def act(self, x):
                return x

        agent = Agent()
        output = Agent.act(agent, 2)
        assert output.data == 2 and output.parents[0].data is agent

    def test_deepcopy_of_the_object(self):
        """A deep copy has its own self node and its own parameter, with the current code."""

        class Agent:
            def __init__(self):
                self.bonus = 1

            @bundle(trainable=True)
            def act(self, x):
                return x + self.bonus

        agent = Agent()
        agent.act(1)
        agent.act.parameter._data = agent.act.parameter.data.replace("x +", "2 * x +")
        twin = copy.deepcopy(agent)
        twin.bonus = 5
        output = twin.act(1)
        assert output.data == 7 and agent.act(1).data == 3
        assert output.parents[0].data is twin and output.parents[0] is not agent.act(1).parents[0]
        assert twin.act.parameter is not agent.act.parameter

    def test_shallow_copy_of_the_object(self):
        """A shallow copy's methods work on the copy."""

        class Agent:
            bonus = 1

            @bundle()
            def act(self):
                return self.bonus

        agent = Agent()
        agent.act()
        twin = copy.copy(agent)
        twin.bonus = 2
        assert (twin.act().data, agent.act().data) == (2, 1)

    def test_inherited_and_overridden_methods(self):
        """A subclass's method calls its parent's through super(), and each is its own bundle."""

        class Base:
            @bundle()
            def act(self, x):
                return x + 1

        class Derived(Base):
            @bundle(allow_external_dependencies=True)
            def act(self, x):
                return super().act(x) * 10

        assert Derived().act(1).data == 20 and Base().act(1).data == 2

    @pytest.mark.parametrize("trainable", [False, True])
    def test_static_methods(self, trainable):
        """Static methods, with the decorators in either order, get no object."""

        class Tools:
            @bundle(trainable=trainable)
            @staticmethod
            def inner(x):
                return x + 1

            @staticmethod
            @bundle(trainable=trainable)
            def outer(x):
                return x + 2

        for owner in (Tools, Tools()):
            assert owner.inner(1).data == 2 and owner.outer(1).data == 3
            assert len(owner.inner(1).parents) == 1 + trainable

    @pytest.mark.parametrize("trainable", [False, True])
    def test_class_methods(self, trainable):
        """Class methods, with the decorators in either order, get the class, also of a subclass."""

        class Tools:
            bonus = 1

            @bundle(trainable=trainable)
            @classmethod
            def inner(cls, x):
                return x + cls.bonus

            @classmethod
            @bundle(trainable=trainable)
            def outer(cls, x):
                return x + cls.bonus

        class Better(Tools):
            bonus = 10

        assert [Tools.inner(1).data, Tools().inner(1).data] == [2, 2]
        assert [Better.inner(1).data, Better().inner(1).data] == [11, 11]
        assert [Tools.outer(1).data, Tools().outer(1).data] == [2, 2]
        assert [Better.outer(1).data, Better().outer(1).data] == [11, 11]

    def test_slotted_objects(self):
        """An object without attributes of its own works, unless its method is trainable: then an error says why."""

        class Point:
            __slots__ = ("x",)

            @bundle()
            def twice(self):
                return 2 * self.x

        point = Point()
        point.x = 2
        assert point.twice().data == 4

        class Trained:
            __slots__ = ()

            @bundle(trainable=True)
            def act(self):
                return 1

        with pytest.raises(TypeError, match="__slots__"):
            Trained().act()

    def test_for_all_methods(self):
        """A class decorator that bundles every method works as the decorators one by one."""
        from opto.trace.utils import for_all_methods

        @for_all_methods(bundle())
        class Tools:
            def __init__(self):
                self.bonus = 1

            def act(self, x):
                return x + self.bonus

        assert Tools().act(2).data == 3

    def test_bundled_dunder_methods(self):
        """A bundled __call__ is found by the call."""

        class Agent:
            @bundle()
            def __call__(self, x):
                return x + 1

        assert Agent()(1).data == 2

    def test_as_attribute_of_a_class_after_the_fact(self):
        """A bundle that is set on a class later is a method too."""

        class Agent:
            pass

        @bundle()
        def act(self, x):
            return x

        Agent.act = act
        assert Agent().act(3).data == 3

    def test_one_bundle_under_two_names_and_classes(self):
        """One bundle used in two classes keeps apart what belongs to each object."""

        @bundle(trainable=True)
        def act(self, x):
            return x

        class A:
            run = act

        class B:
            run = act
            also = act

        a, b = A(), B()
        assert a.run(1).data == b.run(2).data - 1 == 1
        assert a.run.parameter is not b.run.parameter

    def test_partialmethod_and_property(self):
        """A bundle behind a property is called with the object."""

        class Agent:
            def __init__(self):
                self.x = 2

            @property
            @bundle()
            def doubled(self):
                return self.x * 2

        assert Agent().doubled.data == 4


# ---- other decorators


def plain_decorator(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs) + 100

    return wrapper


def wrapping_decorator(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs) + 100

    return wrapper


class TestDecorators:
    def test_over_a_wrapping_decorator(self):
        """Below bundle, a decorator with functools.wraps is part of the function; names are the wrapped one's."""

        @bundle()
        @wrapping_decorator
        def f(x):
            return x + 1

        output = f(1)
        assert output.data == 102 and names_of(output) == ["x"]

    def test_over_a_decorator_that_does_not_wrap(self):
        """Without functools.wraps the inputs are the wrapper's."""

        @bundle()
        @plain_decorator
        def f(x):
            return x + 1

        output = f(1)
        assert output.data == 102 and names_of(output) == ["args_0"]

    def test_trainable_over_a_wrapping_decorator_keeps_it(self):
        """Inner decorators are part of the code that is trained."""

        @bundle(trainable=True)
        @wrapping_decorator
        def f(x):
            return x + 1

        assert f.parameter.data.startswith("@wrapping_decorator\ndef f(x):") and f(1).data == 102
        f.parameter._data = "def f(x):\n    return -x"
        assert f(1).data == -1

    def test_under_another_decorator(self):
        """Above bundle, a decorator sees nodes come out."""

        @wrapping_decorator
        @bundle(trainable=True)
        def f(x):
            return x + 1

        output = f(node(1))
        assert output.data == 102 and output._base == "add"

    def test_lru_cache_below(self):
        """A cached function may be bundled: its cache keeps raw values."""

        @bundle()
        @functools.lru_cache
        def f(x):
            return x + 1

        assert (f(1).data, f(1).data, f.fun.cache_info().hits) == (2, 2, 1)

    def test_partial_of_bundle(self):
        """functools.partial of bundle decorates."""
        trained = functools.partial(bundle, trainable=True)

        @trained()
        def f(x):
            return x + 1

        assert f.trainable and f(1).data == 2

    def test_inline(self):
        """bundle()(function) bundles an existing function, with its whole source."""

        def f(x):
            return x + 1

        bundled = bundle(trainable=True)(f)
        assert bundled.parameter.data.startswith("def f(x):") and bundled(1).data == 2
        assert f(1) == 2

    def test_partial_object(self):
        """A functools.partial can be bundled."""

        def f(x, y):
            return x + y

        assert bundle("[part] Adds.")(functools.partial(f, 1))(2).data == 3

    @pytest.mark.parametrize("function", [len, max, str.upper, int])
    def test_builtins(self, function):
        """Functions written in C can be bundled."""
        argument = {"len": [1, 2], "max": [1, 2], "upper": "a", "int": "3"}[function.__name__]
        assert bundle()(function)(argument).data == function(argument)

    def test_callable_objects(self):
        """An object with __call__ can be bundled."""

        class Adder:
            def __call__(self, x, y=1):
                return x + y

        assert bundle("[adder] Adds.")(Adder())(1).data == 2

    def test_what_is_no_function(self):
        """Bundling a value that cannot be called, or a bundle, is a TypeError that says so."""
        with pytest.raises(TypeError, match="decorates a function"):
            bundle()(3)
        with pytest.raises(TypeError, match="bundled already"):
            bundle()(bundle()(lambda x: x))

    def test_bundle_without_parentheses(self):
        """Forgetting the parentheses is a TypeError that says to add them."""
        with pytest.raises(TypeError, match=r"bundle\(\)"):

            @bundle
            def f(x):
                return x


# ---- dependencies


class TestDependencies:
    def test_reading_another_node_is_an_error(self):
        """A body that reads the data of a node that is no input raises TraceMissingInputsError, naming the node."""
        outside = node(1, name="outside")

        @bundle()
        def f(x):
            return x + outside.data

        with pytest.raises(TraceMissingInputsError, match="outside:"):
            f(1)
        assert not issubclass(TraceMissingInputsError, ExecutionError)

    def test_allowed_dependencies_are_listed(self):
        """With allow_external_dependencies they are in the info and not among the parents."""
        outside = node(1)

        @bundle(allow_external_dependencies=True)
        def f(x):
            return x + outside.data

        output = f(1)
        (listed,) = output.info["external_dependencies"]
        assert listed is outside and all(parent is not outside for parent in output.parents)

    def test_global_override(self):
        """disable_external_dependencies_check overrides each bundle, until it is set back to None."""
        outside = node(1)
        strict = bundle()(lambda x: x + outside.data)
        lax = bundle(allow_external_dependencies=True)(lambda x: x + outside.data)
        try:
            disable_external_dependencies_check(True)
            assert strict(1).data == 2
            disable_external_dependencies_check(False)
            with pytest.raises(TraceMissingInputsError):
                lax(1)
        finally:
            disable_external_dependencies_check(None)
        assert lax(1).data == 2

    def test_nodes_made_in_the_body_are_its_own(self):
        """Reading a node that the body made is no external use."""

        @bundle()
        def f(x):
            return node(x).data + (node(1) + 2).data

        assert f(1).data == 4

    def test_reading_a_node_inside_an_argument(self):
        """A node that sits inside a node's list is no external one."""
        inner = node(1)

        @bundle()
        def f(values):
            return values[0].data

        assert f(node([inner])).data == 1

    def test_lost_dependency_warns(self):
        """A body that computes with an outer node's operators, without reading it, warns that feedback stops there."""
        outside = node(1, trainable=True, name="outside")

        @bundle()
        def f(x):
            return x + outside

        with pytest.warns(LostDependencyWarning, match="outside:"):
            assert f(1).data == 2

    def test_bundles_inside_add_no_parents(self):
        """A bundle called in a body, with raw values, leaves the outer inputs alone."""

        @bundle()
        def inner(x):
            return x + 1

        @bundle()
        def outer(x):
            return inner(x) * 2

        output = outer(1)
        assert output.data == 4 and len(output.parents) == 1

    def test_used_nodes_are_restored_after_an_exception(self):
        """Nothing of a body that raised stays on the stack of used nodes."""
        from opto.trace.nodes import USED_NODES

        @bundle()
        def f(x):
            raise ValueError("no")

        with pytest.raises(ExecutionError):
            f(1)
        assert list(USED_NODES.get()) == []

    def test_used_nodes_in_the_body(self):
        """Inside a body the last set of the stack holds the nodes that were read."""
        from opto.trace.nodes import USED_NODES

        outside = node(1)
        seen = []

        @bundle(allow_external_dependencies=True)
        def f(x):
            outside.data  # noqa: B018 - it is the reading that counts
            seen.append(set(USED_NODES.get()[-1]))
            return x

        f(1)
        assert len(USED_NODES.get()) == 0 and any(each is outside for each in seen[0])


# ---- the inner graph


class TestTraceableCode:
    def test_the_body_gets_detached_nodes(self):
        """The body sees nodes that are not the outer ones; the inner output is in the info."""

        @bundle("[outer] Outer.", traceable_code=True)
        def f(x):
            assert isinstance(x, Node) and x is not given
            return x + 1

        given = node(1)
        output = f(given)
        inner = output.info["output"]
        assert output._base == "outer" and inner._base == "add" and inner.data == 2
        assert all(parent is not given for parent in inner.parents) and output.parents[0] is given

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
        assert output.data == 13 and output.parameter_dependencies == set()
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
        assert output.parameter_dependencies == {x} and output.expandable_dependencies == set()


# ---- errors


class TestErrors:
    def test_an_exception_becomes_a_node(self):
        """Its data names the error, its parents are the inputs, and it takes feedback."""

        @bundle()
        def f(x, y):
            return x / y

        x, y = node(1, trainable=True), node(0)
        with pytest.raises(ExecutionError) as caught:
            f(x, y)
        failed = caught.value.exception_node
        assert isinstance(failed, ExceptionNode) and failed.data == "(ZeroDivisionError) division by zero"
        assert failed.parents == [x, y] and failed._base.startswith("exception_")
        assert caught.value.args[0] == failed.data and isinstance(caught.value.__cause__, ZeroDivisionError)
        failed.backward(failed.create_feedback("full"))
        assert x.feedback

    def test_the_line_is_marked(self):
        """The error comment is the source with the failing line marked; the text begins with two line feeds."""

        @bundle()
        def f(x):
            y = x + 1
            return y / 0

        with pytest.raises(ExecutionError) as caught:
            f(1)
        info = caught.value.exception_node.info
        assert "    return y / 0 <--- (ZeroDivisionError) division by zero." in info["error_comment"]
        assert "y = x + 1\n" in info["error_comment"]
        assert str(caught.value).startswith("\n\nTraceback") and "ZeroDivisionError" in info["traceback"]

    def test_trainable_includes_the_code(self):
        """The code parameter is a parent of the exception node, and the model's own line is marked."""

        @bundle(trainable=True)
        def f(x):
            return x

        f.parameter._data = "def f(x):\n    k = 0\n    return x / k"
        with pytest.raises(ExecutionError) as caught:
            f(1)
        failed = caught.value.exception_node
        assert f.parameter in failed.parents and len(failed.parents) == 2
        assert "return x / k <--- (ZeroDivisionError) division by zero." in failed.info["error_comment"]

    @pytest.mark.parametrize(
        ("code", "error", "marked"),
        [
            ("def f(x)\n    return x", "SyntaxError", "def f(x) <---"),
            ("k = 1 / 0\ndef f(x):\n    return x", "ZeroDivisionError", "k = 1 / 0 <---"),
            ("def g(x):\n    return x", "CodeError", "must define 'f'"),
            ("f = 3", "CodeError", "must define 'f'"),
            ("", "CodeError", "empty"),
        ],
    )
    def test_code_that_does_not_define_the_function(self, code, error, marked):
        """The exception node's one parent is the code parameter, and it is named after it."""

        @bundle(trainable=True)
        def f(x):
            return x

        f.parameter._data = code
        with pytest.raises(ExecutionError) as caught:
            f(node(1))
        failed = caught.value.exception_node
        assert failed.parents == [f.parameter] and failed.parents[0] is f.parameter
        assert error in failed.data and failed.name.startswith(f"exception_{f.parameter.py_name}:")
        assert marked in failed.info["error_comment"] + failed.data
        failed.backward("fix it")
        assert f.parameter.feedback

    def test_inside_comprehensions_lambdas_and_helpers(self):
        """An error in an inner scope marks the line where it happened."""

        def helper(x):
            return 1 / x

        @bundle()
        def comprehension(x):
            return [1 / each for each in x]

        @bundle()
        def uses_lambda(x):
            call = lambda y: 1 / y  # noqa: E731
            return call(x)

        @bundle()
        def nested(x):
            return helper(x)

        for function, argument in ((comprehension, [0]), (uses_lambda, 0), (nested, 0)):
            with pytest.raises(ExecutionError) as caught:
                function(argument)
            assert "<--- (ZeroDivisionError) division by zero." in caught.value.exception_node.info["error_comment"]
        comment = caught.value.exception_node.info["error_comment"]
        outer, inner = comment.split("\n\n")
        assert "nested call" in outer and "return 1 / x <---" in inner

    def test_nested_bundles(self):
        """A bundle that fails inside another shows both sources, and the message of the error."""

        @bundle()
        def inner(x):
            return 1 / x

        @bundle()
        def outer(x):
            return inner(x)

        with pytest.raises(ExecutionError) as caught:
            outer(0)
        failed = caught.value.exception_node
        assert failed.data == "(ZeroDivisionError) division by zero"
        assert "return inner(x) <---" in failed.info["error_comment"]
        assert "return 1 / x <---" in failed.info["error_comment"]
        assert failed._base == f"exception_{outer.name}"

    def test_exceptions_without_arguments(self):
        """An exception with nothing to say is named by its class."""

        class Refused(Exception):
            pass

        @bundle()
        def f(x):
            raise Refused

        with pytest.raises(ExecutionError) as caught:
            f(1)
        assert "Refused)" in caught.value.exception_node.data

    def test_custom_class_path(self):
        """A class that is not built in is named with its module."""

        @bundle()
        def f(x):
            raise TraceError("oh")

        with pytest.raises(ExecutionError) as caught:
            f(1)
        assert caught.value.exception_node.data == f"({__name__}.TraceError) oh"

    def test_catch_execution_error_off(self):
        """The original exception escapes."""

        @bundle(catch_execution_error=False)
        def f(x):
            return 1 / x

        with pytest.raises(ZeroDivisionError):
            f(0)

        @bundle(catch_execution_error=False, trainable=True)
        def g(x):
            return x

        g.parameter._data = "def g(x:"
        with pytest.raises(ValueError, match="does not compile"):
            g(0)

    def test_system_exit_in_a_models_code(self):
        """Code that calls exit() does not end the program."""

        @bundle(trainable=True)
        def f(x):
            return x

        f.parameter._data = "def f(x):\n    raise SystemExit(3)"
        with pytest.raises(ExecutionError, match="SystemExit"):
            f(1)

    def test_keyboard_interrupt_passes(self):
        """Ctrl-C in a body is no error of the body."""

        @bundle(trainable=True)
        def f(x):
            return x

        f.parameter._data = "def f(x):\n    raise KeyboardInterrupt"
        with pytest.raises(KeyboardInterrupt):
            f(1)

    def test_a_wrong_call_is_a_type_error(self):
        """Arguments that do not fit the signature are the caller's mistake, not the function's."""

        @bundle()
        def f(x):
            return x

        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            f()


class TraceError(Exception):
    pass


# ---- recursion


class TestRecursion:
    def test_plain_recursion_is_traced_call_by_call(self):
        """Without overwriting, an inner call gives the body a node."""

        @bundle()
        def f(n):
            return 0 if n == 0 else f(n - 1) + 1

        output = f(3)
        assert output.data == 3 and len(output.parents) == 1

    def test_overwritten_recursion_sees_plain_values(self):
        """With overwrite_python_recursion the body's own calls reach the plain function."""

        @bundle(overwrite_python_recursion=True)
        def f(n):
            if n == 0:
                return 0
            inner = f(n - 1)
            assert type(inner) is int
            return inner + 1

        output = f(node(3))
        assert output.data == 3 and len(output.parents) == 1

    def test_trainable_recursion(self):
        """Trainable implies it; the result's parents are the argument and the code."""

        @bundle(trainable=True)
        def fib(n):
            if n < 2:
                return n
            inner = fib(n - 1)
            assert type(inner) is int
            return inner + fib(n - 2)

        output = fib(node(10))
        assert output.data == 55 and len(output.parents) == 2

    def test_trainable_recursion_runs_the_current_code(self):
        """After an update, inner calls run the new code too."""

        @bundle(trainable=True)
        def f(n):
            return 0 if n == 0 else 1 + f(n - 1)

        f.parameter._data = "def f(n):\n    return 0 if n == 0 else 2 + f(n - 1)"
        assert f(3).data == 6

    def test_mutual_recursion(self):
        """Two bundles that call each other."""

        @bundle(trainable=True)
        def even(n):
            return True if n == 0 else bool(odd(n - 1))

        @bundle(trainable=True)
        def odd(n):
            return False if n == 0 else bool(even(n - 1))

        with pytest.warns(LostDependencyWarning, match="__code"):
            assert even(10).data is True and even(7).data is False

    def test_recursive_trainable_method(self):
        """self.method inside the body is the plain method."""

        class Agent:
            @bundle(trainable=True)
            def count(self, n):
                if n == 0:
                    return 0
                inner = self.count(n - 1)
                assert type(inner) is int
                return inner + 1

        output = Agent().count(4)
        assert output.data == 4 and len(output.parents) == 3

    def test_deep_recursion_costs_no_extra_frames_in_plain_code(self):
        """A trainable function may recurse a few hundred deep."""

        @bundle(trainable=True)
        def f(n):
            return 0 if n == 0 else 1 + f(n - 1)

        assert f(150).data == 150


def test_random_state_is_left_alone():
    """Bundling and calling a trainable function draws nothing from `random`."""
    random.seed(3)
    expected = random.random()
    random.seed(3)

    @bundle(trainable=True)
    def f(x):
        return x

    f(1)
    assert random.random() == expected


class TestCopies:
    @pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, FunModule.detach, FunModule.copy])
    def test_copies_run_the_current_code(self, make):
        """Each kind of copy is a callable that runs the code as it is now, also for functions inside functions."""
        import json

        captured = 5

        @bundle(trainable=True)
        def f(x):
            return x + captured + len(json.dumps([]))

        f.parameter._data = f.parameter.data.replace("captured", "captured * 2")
        twin = make(f)
        assert twin(1).data == f(1).data == 13
        assert (twin.parameter is f.parameter) == (make in (copy.copy, FunModule.copy))
        assert twin is not f and twin.parameter.data == f.parameter.data

    def test_deep_copies_are_independent(self):
        """Changing the code of a deep copy leaves the original alone, and the reverse."""

        @bundle(trainable=True)
        def f(x):
            return x + 1

        twin = copy.deepcopy(f)
        twin.parameter._data = "def f(x):\n    return x + 2"
        assert (f(1).data, twin(1).data) == (2, 3)
        f.parameter._data = "def f(x):\n    return x + 3"
        assert (f(1).data, twin(1).data) == (4, 3)

    def test_copies_of_bound_methods(self):
        """A copy of a bound method stays bound, and a deep copy has the object's copy."""

        class Agent:
            bonus = 1

            @bundle(trainable=True)
            def act(self, x):
                return x + self.bonus

        agent = Agent()
        assert agent.act.copy()(1).data == agent.act.detach()(1).data == 2
        assert agent.act.copy().parameter is agent.act.parameter
        assert agent.act.detach().parameter is not agent.act.parameter

    def test_recursion_in_a_copy(self):
        """A copy of a recursive trainable function calls the plain function too."""

        @bundle(trainable=True)
        def f(n):
            if n == 0:
                return 0
            inner = f(n - 1)
            return inner + 1

        twin = f.detach()
        twin.parameter._data = twin.parameter.data.replace("+ 1", "+ 2")
        assert twin(3).data == 6 and f(3).data == 3


def test_both_access_forms():
    """`opto.trace.bundle` is the decorator and, as a module, holds the names that programs import."""
    import opto.trace
    import opto.trace.bundle as module

    assert opto.trace.bundle is bundle
    assert module.to_data([node(1), 2]) == [1, 2]
    from opto.trace.bundle import ExecutionError as one
    from opto.trace.errors import ExecutionError as two

    assert one is two
