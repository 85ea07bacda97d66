"""`bundle` on methods: the object as an input, parameters of each object, copies."""

from __future__ import annotations

import copy

import pytest

from opto.trace import (
    Module,
    bundle,
    node,
)
from opto.trace.bundle import FunModule

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
        assert one.parents[0] is two.parents[0]
        assert one.parents[0].data is counter
        assert isinstance(Counter.add, FunModule)
        assert not isinstance(Counter.add, type(counter.add))

    def test_trainable_methods_have_three_parents(self):
        """Self, the argument and the code."""

        class Agent:
            @bundle(trainable=True)
            def act(self, x):
                return x + 1

        agent = Agent()
        output = agent.act(node(1))
        assert len(output.parents) == 3
        assert output.data == 2
        assert agent.act is agent.act
        assert agent.act.parameter in output.parents

    def test_two_instances_have_parameters_of_their_own(self):
        """Their bundles differ, their parameters are equal in value and distinct."""

        class Agent:
            @bundle(trainable=True)
            def act(self, x):
                return x + 1

        a, b = Agent(), Agent()
        assert a.act != b.act
        assert a.act.parameter == b.act.parameter
        assert a.act.parameter is not b.act.parameter
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
        assert output.data == 2
        assert output.parents[0].data is agent

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
        assert output.data == 7
        assert agent.act(1).data == 3
        assert output.parents[0].data is twin
        assert output.parents[0] is not agent.act(1).parents[0]
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

        assert Derived().act(1).data == 20
        assert Base().act(1).data == 2

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
            assert owner.inner(1).data == 2
            assert owner.outer(1).data == 3
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

    def test_parameters_of_class_methods(self):
        """The code of a trainable class method, in either order, is among a module's parameters."""

        class Tools(Module):
            @bundle(trainable=True)
            @classmethod
            def inner(cls, x):
                return x

            @classmethod
            @bundle(trainable=True)
            def outer(cls, x):
                return x

        tools = Tools()
        assert sorted(tools.parameters_dict()) == ["inner", "outer"]
        output = tools.inner(1) + tools.outer(1)
        output.backward("more")
        assert all(each.feedback for each in tools.parameters())

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


# ---- copies


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
        assert twin is not f
        assert twin.parameter.data == f.parameter.data

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
        assert twin(3).data == 6
        assert f(3).data == 3
