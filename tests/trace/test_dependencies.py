"""Which parameters a node depends on, visibly or hidden in the graph inside a call."""

from __future__ import annotations

from opto.trace import bundle, node
from opto.trace.dependencies import ancestors, hidden_parameters, inner_output


class TestVisible:
    def test_union_over_inputs(self):
        """A result depends on what its inputs depend on."""
        x, y, plain = node(1, trainable=True), node(2, trainable=True), node(3)
        assert (x + plain).parameter_dependencies == {x}
        assert (x * 2 + y).parameter_dependencies == {x, y}
        assert (plain + 1).parameter_dependencies == set()
        assert x.parameter_dependencies == {x}
        assert plain.parameter_dependencies == set()

    def test_code_is_a_parameter(self):
        """The result of a trainable bundle depends on its code."""

        @bundle(trainable=True)
        def work(n):
            return n

        assert work(1).parameter_dependencies == {work.parameter}

    def test_depth_and_sharing(self):
        """Neither is a limit."""
        x = y = node(0, trainable=True)
        for _ in range(50_000):
            y = y + 1
        assert y.parameter_dependencies == {x}
        y = x
        for _ in range(1000):
            y = y + y
        assert y.parameter_dependencies == {x}
        assert y.expandable_dependencies == set()


class TestHidden:
    def test_a_call_that_hides_a_parameter(self):
        """It depends on it expandably, not visibly; results of it do too."""
        weight, x = node(3, trainable=True), node(1, trainable=True)

        @bundle(traceable_code=True, allow_external_dependencies=True)
        def weighted(a):
            return a * weight

        call = weighted(x)
        later = call + 1
        assert call.parameter_dependencies == later.parameter_dependencies == {x}
        assert call.expandable_dependencies == later.expandable_dependencies == {call}
        assert hidden_parameters(call) == [weight]

    def test_a_visible_parameter_is_not_hidden(self):
        """A call whose inner graph uses only its inputs hides nothing."""
        x = node(1, trainable=True)

        @bundle(traceable_code=True)
        def plain(a):
            return a + 1

        call = plain(x)
        assert call.expandable_dependencies == set()
        assert call.info["output"].parameter_dependencies == set()

    def test_a_parameter_that_is_also_an_input(self):
        """It is visible, so the call does not hide it."""
        weight = node(3, trainable=True)

        @bundle(traceable_code=True, allow_external_dependencies=True)
        def weighted(a):
            return a * weight

        assert weighted(weight).expandable_dependencies == set()

    def test_only_traceable_code_hides(self):
        """A plain bundle that reads a parameter has it as an external dependency."""
        weight = node(3, trainable=True)

        @bundle(allow_external_dependencies=True)
        def weighted(a):
            return a * weight.data

        call = weighted(1)
        assert call.expandable_dependencies == set()
        assert call.parameter_dependencies == set()

    def test_three_deep(self):
        """Nested calls chain through `info["output"]`."""
        weight = node(3, trainable=True)

        @bundle(traceable_code=True, allow_external_dependencies=True)
        def first(a):
            return a * weight

        @bundle(traceable_code=True)
        def second(a):
            return first(a) + 1

        @bundle(traceable_code=True)
        def third(a):
            return second(a) + 1

        call = third(node(1))
        assert call.expandable_dependencies == {call}
        inner = call.info["output"]
        (within,) = inner.expandable_dependencies
        assert within.op_name.endswith("second")
        (deepest,) = within.info["output"].expandable_dependencies
        assert deepest.op_name.endswith("first")
        assert deepest.info["output"].parameter_dependencies == {weight}
        assert hidden_parameters(call) == [weight]

    def test_inner_output(self):
        """The inner graph's output, for calls of `traceable_code` bundles alone."""

        @bundle(traceable_code=True)
        def plain(a):
            return a + 1

        assert inner_output(plain(1)).op_name == "add"
        assert inner_output(node(1) + 1) is None
        assert inner_output(node(1)) is None


def test_ancestors_come_parents_first():
    """Each node once, by rising level, for one or several outputs."""
    x = node(1)
    y = x + 1
    z = y + x
    found = ancestors([z, y])
    assert len(found) == len(set(found)) == 4
    assert [each._level for each in found] == [0, 0, 1, 2]
    assert ancestors([]) == []
