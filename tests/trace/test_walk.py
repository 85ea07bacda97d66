"""What each parameter sees of a graph: the paper's minimal subgraph, checked against a word-for-word reading of it."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opto.errors import UnreachedFeedbackWarning
from opto.trace import GRAPH, bundle, node
from opto.trace.propagators import GraphPropagator, TraceGraph
from opto.trace.utils import sum_feedback
from opto.trace.walk import Walk

from .graphs import build, minimal_subgraph, plans


class Passing(GraphPropagator):
    """The same feedback, passed from node to node: any subclass takes that way."""


def send(output, feedback="fb", **options):
    """Backward, whether or not a parameter is reached."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnreachedFeedbackWarning)
        output.backward(feedback, **options)


def nodes_of(graph):
    """The nodes of a graph, which must come in order and once."""
    levels = [level for level, _ in graph]
    assert levels == sorted(levels)
    assert all(level == each.level for level, each in graph)
    found = {each for _, each in graph}
    assert len(found) == len(graph)
    return found


@settings(max_examples=300)
@given(plans())
def test_each_parameter_sees_its_minimal_subgraph(plan):
    """For every parameter, and every child through which it enters, exactly the paper's subgraph."""
    nodes, output = build(plan)
    send(output)
    for parameter in (each for each in nodes if each.trainable):
        expected = minimal_subgraph(parameter, output, nodes)
        graph = sum_feedback([parameter])
        assert nodes_of(graph) == expected
        assert graph.user_feedback == ("fb" if expected else None)
        for child, (sent,) in parameter.feedback.items():
            through = None if parameter is output else child
            assert nodes_of(sent) == minimal_subgraph(parameter, output, nodes, through)
            assert sent.user_feedback == "fb"
        entered = {child for child in parameter.feedback if parameter is not output}
        assert entered == {each for each in expected if any(parent is parameter for parent in each.parents)}
    for each in nodes:
        assert each.trainable or each.feedback == {}


@settings(max_examples=200)
@given(plans())
def test_all_parameters_together(plan):
    """The joined graph is the union over the parameters: nothing that only co-inputs were computed from is in it."""
    nodes, output = build(plan)
    send(output)
    parameters = [each for each in nodes if each.trainable]
    expected = set().union(*(minimal_subgraph(each, output, nodes) for each in parameters))
    assert nodes_of(sum_feedback(parameters)) == expected
    apart = sum((graph for each in parameters for sent in each.feedback.values() for graph in sent), TraceGraph.empty())
    assert nodes_of(apart) == expected


@settings(max_examples=200)
@given(plans())
def test_message_passing_agrees_with_the_walk(plan):
    """A propagator that passes the same graphs from node to node leaves the same with every parameter."""
    nodes, output = build(plan)
    send(output, retain_graph=True)
    walked = {each: {child: nodes_of(sent[0]) for child, sent in each.feedback.items()} for each in nodes}
    for each in nodes:
        each.zero_feedback()
    send(output, propagator=Passing())
    for each in nodes:
        passed = {child: nodes_of(sent[0]) for child, sent in each.feedback.items()}
        if each is output and each.trainable:  # the source of the feedback is a new node each time
            assert list(passed.values()) == list(walked[each].values())
        else:
            assert passed == walked[each]
        assert all(graph.user_feedback == "fb" for (graph,) in each.feedback.values())
        assert each.trainable or each.feedback == {}


@settings(max_examples=100)
@given(plans(), st.integers(0, 30))
def test_two_outputs(plan, place):
    """Two outputs over shared parameters: the union of both subgraphs, with both feedbacks."""
    nodes, output = build(plan)
    other = nodes[place % len(nodes)]
    send(output, "one", retain_graph=True)
    send(other, "two", retain_graph=True)
    for parameter in (each for each in nodes if each.trainable):
        one, two = (minimal_subgraph(parameter, each, nodes) for each in (output, other))
        graph = sum_feedback([parameter])
        assert nodes_of(graph) == one | two
        given = [(each.py_name, text) for each, text, seen in ((output, "one", one), (other, "two", two)) if seen]
        assert graph.user_feedback == (given if len(given) > 1 else given[0][1] if given else None)


class TestByHand:
    def test_co_inputs_are_seen_and_what_is_behind_them_is_not(self):
        """With `(x*2 + y*3) + 1`, `y` itself is not in the graph of `x`, and the reverse."""
        x, y = node(1, trainable=True), node(2, trainable=True)
        left, right = x * 2, y * 3
        middle = left + right
        output = middle + 1
        output.backward("fb")
        seen = nodes_of(sum_feedback([x]))
        assert seen == {x, left, *left.parents, right, middle, output, *output.parents}
        assert y not in seen
        seen = nodes_of(sum_feedback([y]))
        assert x not in seen
        assert left in seen

    def test_parents_without_parameters_are_leaves(self):
        """What no parameter leads to gets nothing, and what is behind it is not shown."""
        a = node(1)
        b = a + 1
        x = node(2, trainable=True)
        output = x + b
        output.backward("fb")
        assert nodes_of(sum_feedback([x])) == {x, b, output}
        assert b.feedback == a.feedback == {}

    def test_a_parameter_as_the_output(self):
        """It gets a graph of one node, from a fresh node that stands for the giver."""
        x = node(1, trainable=True)
        x.backward("one")
        x.backward("two")
        assert len(x.feedback) == 2
        for (source, (graph,)), text in zip(x.feedback.items(), ("one", "two")):
            assert source.data == text
            assert graph.graph == [(0, x)]
            assert graph.user_feedback == text

    def test_a_frozen_parameter_is_a_plain_input(self):
        """It gets no feedback and shows up as an input."""
        x, frozen = node(1, trainable=True), node(2, trainable=True)
        frozen.trainable = False
        output = x + frozen
        output.backward("fb")
        assert nodes_of(sum_feedback([x])) == {x, frozen, output}
        assert frozen.feedback == {}

    def test_the_same_parameter_twice(self):
        """`x + x` is one child of `x`."""
        x = node(1, trainable=True)
        output = x + x
        output.backward("fb")
        assert list(x.feedback) == [output]
        assert nodes_of(sum_feedback([x])) == {x, output}


def outside(weight):
    """A bundle whose inner graph depends on a parameter that is not among its inputs."""

    @bundle(traceable_code=True, allow_external_dependencies=True)
    def weighted(a):
        return a * weight + 1

    return weighted


class TestHiddenParameters:
    @pytest.mark.parametrize("propagator", [None, Passing()])
    def test_they_receive_feedback_through_the_call(self, propagator):
        """A parameter used inside a `traceable_code` bundle gets the graph from the call on."""
        weight, x = node(3, trainable=True), node(2, trainable=True)
        call = outside(weight)(x)
        output = call + 10
        output.backward("fb", propagator=propagator)
        assert list(weight.feedback) == [call]
        assert nodes_of(sum_feedback([weight])) == {weight, x, call, output, output.parents[1]}
        assert nodes_of(sum_feedback([x])) == {x, call, output, output.parents[1]}

    def test_nested_three_deep(self):
        """Also through bundles inside bundles."""
        weight = node(3, trainable=True)
        inner = outside(weight)

        @bundle(traceable_code=True)
        def middle(a):
            return inner(a) + 1

        @bundle(traceable_code=True)
        def outer(a):
            return middle(a) + 1

        output = outer(node(2))
        assert output == 9
        output.backward("fb")
        assert nodes_of(sum_feedback([weight])) == {weight, output, *output.parents}

    def test_nested_graphs_turned_off(self):
        """Then hidden parameters get nothing."""
        weight, x = node(3, trainable=True), node(2, trainable=True)
        GRAPH.ALLOW_NESTED_GRAPHS = False
        try:
            output = outside(weight)(x)
            output.backward("fb")
        finally:
            GRAPH.ALLOW_NESTED_GRAPHS = True
        assert weight.feedback == {}
        assert nodes_of(sum_feedback([x])) == {x, output}


class TestValues:
    def test_a_graph_shows_what_its_forward_pass_read(self):
        """A parameter that has changed since is shown with its older value, read before or after."""
        x = node(1, trainable=True)
        first = x + 1
        x._set(5)
        second = x + 1
        first.backward("fb", retain_graph=True)
        graph = sum_feedback([x])
        x._data = 7
        assert graph.value(x) == 1
        assert graph.value(first) == 2
        x.zero_feedback()
        second.backward("fb")
        assert sum_feedback([x]).value(x) == 5

    def test_through_message_passing(self):
        """It makes no difference how the graph was made."""
        x = node(1, trainable=True)
        output = x + 1
        output.backward("fb", propagator=Passing())
        x._set(5)
        assert sum_feedback([x]).value(x) == 1

    def test_of_hidden_parameters(self):
        """What a nested graph has read counts too."""
        weight, x = node(3, trainable=True), node(2)
        outside(weight)(x).backward("fb")
        weight._set(5)
        assert sum_feedback([weight]).value(weight) == 3

    def test_of_the_output_itself(self):
        """A parameter that got feedback directly is shown as it was then."""
        x = node(1, trainable=True)
        x.backward("fb")
        x._set(5)
        assert sum_feedback([x]).value(x) == 1

    def test_of_code(self):
        """The code parameter of a trainable bundle is shown as the text that ran, also where it is an argument."""

        @bundle(trainable=True)
        def work(n):
            return n + 1

        @bundle()
        def apply(function, n):
            return function(n).data

        for output in (work(1), apply(work, 1)):
            text = work.parameter.data
            output.backward("fb")
            graph = sum_feedback([work.parameter])
            work.parameter._set(text + "\n# changed")
            assert graph.value(work.parameter) == text
            work.parameter.zero_feedback()
            work.parameter._set(text)


class TestSize:
    def test_a_chain_of_100_000(self):
        """Depth is no limit for the walk, for reading it, or for letting go of it."""
        x = y = node(0, trainable=True)
        for _ in range(100_000):
            y = y + 1
        y.backward("fb")
        graph = sum_feedback([x])
        assert len(graph) == 200_001
        assert graph.graph[-1] == (100_000, y)

    @pytest.mark.parametrize("propagator", [None, Passing()])
    def test_sharing_does_not_multiply(self, propagator):
        """`x + x`, 1,000 deep, has 2^1000 paths and 1,001 nodes."""
        x = y = node(1, trainable=True)
        for _ in range(1000):
            y = y + y
        y.backward("fb", propagator=propagator)
        assert len(sum_feedback([x])) == 1001

    def test_entries_are_kept_once_a_child(self):
        """A walk holds one entry for each edge from a parameter."""
        x = node(1, trainable=True)
        output = x + (x * x)
        walk = Walk(output, node("fb"))
        assert walk.entries[x] == [output.parents[1], output]
        assert [each.op_name for each in walk.path] == ["multiply", "add"]
        assert walk.feedback == "fb"
