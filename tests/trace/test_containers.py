"""Containers: which parameters they have, and copies that share them."""

from __future__ import annotations

import functools
import pickle

import pytest

from opto.trace import Map, Module, Node, NodeContainer, ParameterContainer, ParameterNode, Seq, bundle, node
from opto.trace.containers import trainable_method


def is_in(each, parameters):
    """Whether this very node is among them; `in` would compare values."""
    return any(each is other for other in parameters)


class Base(Module):
    """One parameter and one trainable method."""

    def __init__(self):
        self.x = node(1, trainable=True)
        self.plain = node(2)
        self.number = 3

    @bundle(trainable=True)
    def work(self, n):
        return n + 1

    @bundle()
    def fixed(self, n):
        return n

    def forward(self, n):
        return self.work(n) + self.x


class Child(Base):
    """One parameter more, and a nested module."""

    def __init__(self):
        super().__init__()
        self.y = node(3, trainable=True)
        self.inner = Base()


class TestParameters:
    def test_a_module(self):
        """One parameter and one trainable method are two parameters; other nodes and bundles are none."""
        module = Base()
        assert len(module.parameters()) == 2
        assert module.parameters_dict().keys() == {"x", "work"}
        assert module.parameters_dict()["x"] is module.x
        assert is_in(module.work.parameter, module.parameters())

    def test_a_nested_module(self):
        """Nested parameters are collected; in the dict, the module stands for them."""
        module = Child()
        assert len(module.parameters()) == 5
        assert module.parameters_dict().keys() == {"x", "y", "work", "inner"}
        assert is_in(module.inner.x, module.parameters())

    def test_shared_ones_repeat(self):
        """What two attributes share is listed twice."""
        module = Module()
        module.a = module.b = node(1, trainable=True)
        assert len(module.parameters()) == 2

    def test_frozen_ones_are_left_out(self):
        """A parameter that is not to be trained is not collected."""
        module = Module()
        module.a = ParameterNode(1, trainable=False)
        assert module.parameters() == []

    def test_plain_lists_and_dicts(self):
        """Parameters and modules in lists, tuples and dicts are found, at any depth."""
        module = Module()
        one, two, three = (node(k, trainable=True) for k in range(3))
        module.prompts = [one, "text", 5]
        module.agents = {"first": {"deep": (two, Base())}, "other": None}
        module.pair = (three,)
        module.nothing = [node(1), "a", [2]]
        found = module.parameters()
        assert len(found) == 5
        assert all(is_in(each, found) for each in (one, two, three))
        assert module.parameters_dict().keys() == {"prompts", "agents", "pair"}
        assert type(module.parameters_dict()["prompts"]) is Seq
        assert type(module.parameters_dict()["agents"]) is Map

    def test_large_and_deep_data(self):
        """Data that holds no parameter is told quickly, and depth is no limit."""
        module = Module()
        deep = [node(1, trainable=True)]
        for _ in range(50_000):
            deep = [deep]
        module.rows = [{"a": k, "b": "text"} for k in range(10_000)]
        assert module.parameters() == []
        module.deep = deep
        assert module.parameters_dict().keys() == {"deep"}
        while isinstance(deep[0], list):  # taken apart by hand: Python's own would recurse
            deep = deep[0]

    def test_cycles(self):
        """Modules and lists that hold each other are walked once."""
        a, b = Module(), Module()
        a.x = node(1, trainable=True)
        a.b, b.a = b, a
        b.children = [a, b]
        b.children.append(b.children)
        assert len(a.parameters()) == 1
        assert len(dict(a.named_parameters())) == 1

    def test_a_partial_around_a_trainable_bundle(self):
        """Its parameter would be lost, so it is refused with the attribute's name."""

        @bundle(trainable=True)
        def work(n, k):
            return n + k

        module = Module()
        module.job = functools.partial(functools.partial(work, 1), 2)
        with pytest.raises(ValueError, match=r"attribute 'job' is a functools.partial around the trainable bundle"):
            module.parameters()

    def test_other_partials_are_fine(self):
        """Of plain functions, and of bundles whose code is not trained."""

        @bundle()
        def work(n):
            return n

        module = Module()
        module.a = functools.partial(work, 1)
        module.b = functools.partial(len, "a")
        assert module.parameters() == []

    def test_reserved_attributes_are_not_shown(self):
        """What opto keeps on an object is not among its parameters."""
        module = Base()
        module(1)
        assert any(name.startswith("__TRACE_RESERVED_") for name in vars(module))
        assert module.parameters_dict().keys() == {"x", "work"}

    def test_trainable_method(self):
        """It tells trainable bundles from everything else."""
        module = Base()
        assert trainable_method(module.work)
        for other in (module.fixed, module, module.x, len, None):
            assert not trainable_method(other)

    def test_a_bundle_as_an_attribute(self):
        """A trainable function kept as an attribute brings its code."""

        @bundle(trainable=True)
        def work(n):
            return n

        module = Module()
        module.job = work
        assert module.parameters()[0] is work.parameter

    def test_node_container_is_a_marker(self):
        """It adds nothing; a `ParameterContainer` is one."""
        assert issubclass(ParameterContainer, NodeContainer)
        assert NodeContainer()


class TestCopy:
    def test_attributes_are_copied_and_parameters_shared(self):
        """A copy has its own attributes and the same parameters, nested and in methods and lists too."""
        module = Child()
        module.notes = ["a"]
        module.prompts = [node("p", trainable=True)]
        module(1)
        twin = module.copy()
        assert twin is not module
        assert type(twin) is Child
        assert twin.notes == ["a"]
        assert twin.notes is not module.notes
        assert twin.inner is not module.inner
        assert twin.x is module.x
        assert twin.inner.x is module.inner.x
        assert twin.work.parameter is module.work.parameter
        assert twin.prompts is not module.prompts
        assert twin.prompts[0] is module.prompts[0]
        twin.notes.append("b")
        assert module.notes == ["a"]
        assert twin(1) == module(1)


class TestSeq:
    def test_of_items_or_a_sequence(self):
        """Both forms make the same; raw items come back raw."""
        for made in (Seq(1, 2), Seq([1, 2]), Seq((1, 2)), Seq(Seq(1, 2))):
            assert list(made) == [1, 2]
            assert type(made[0]) is int
        assert list(Seq()) == []
        assert list(Seq("ab")) == ["ab"]
        assert list(Seq([1], [2])) == [[1], [2]]

    def test_parameters(self):
        """Nested ones are collected; keys are node names."""
        x, y, z = (node(k, trainable=True) for k in range(3))
        made = Seq(x, node(5), Seq(y), Map({"k": z}), 7)
        assert [each.data for each in made.parameters()] == [0, 1, 2]
        assert list(made.parameters_dict()) == [x.name, "2", "3"]

    def test_it_is_a_list(self):
        """It changes, compares and slices as a list does."""
        made = Seq(1)
        made.append(2)
        made[0] = 5
        assert made == [5, 2]
        assert made[1:] == Seq(2)


class TestMap:
    def test_parameters_in_values_and_keys(self):
        """Both are collected."""
        x, y, key = node(1, trainable=True), node(2, trainable=True), node("k", trainable=True)
        made = Map({"a": x, key: 3, "nested": Map({"b": y}), "raw": 4})
        assert len(made.parameters()) == 3
        assert list(made.parameters_dict()) == ["a", key.name, "nested"]
        assert made["a"] is x
        assert made["raw"] == 4

    def test_a_parameter_under_a_parameter(self):
        """Key and value are both found."""
        key, value = node("k", trainable=True), node(2, trainable=True)
        assert len(Map({key: value}).parameters()) == 2

    def test_bad_input(self):
        """Anything but a mapping is an error that shows it."""
        with pytest.raises(TypeError, match=r"mapping must be a mapping or None, got \[1\]"):
            Map([1])
        assert len(Map()) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: Seq(1, node(2), node(3, trainable=True), Seq(4)),
        lambda: Map({"a": 1, "b": node(2), "c": Map({"d": node(3, trainable=True)})}),
        lambda: Map({node("k", trainable=True): 1}),
    ],
)
def test_pickle(make):
    """Containers are equal after a round trip, also with nodes inside."""
    made = make()
    back = pickle.loads(pickle.dumps(made))
    assert back == made
    assert type(back) is type(made)
    assert len(back.parameters()) == len(made.parameters())
    assert all(isinstance(each, Node) for each in back.parameters())
