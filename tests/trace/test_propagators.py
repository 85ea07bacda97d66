"""How feedback travels: the graph of the paper, sums, and propagators of one's own."""

from __future__ import annotations

import copy
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import graphviz
import pytest

from opto.trace import TraceGraph, bundle, node
from opto.trace.propagators import GraphPropagator, Propagator, SumPropagator
from opto.trace.propagators.propagators import Propagator as PublishedPropagator
from opto.trace.utils import sum_feedback


def names(graph):
    """What its nodes are called, in order."""
    return [each.py_name for _, each in graph]


class Collect(Propagator):
    """The example of the class docstring."""

    def _propagate(self, child):
        collected = [each for sent in child.feedback.values() for each in sent]
        return dict.fromkeys(child.parents, collected)


class TestPropagator:
    def test_the_published_place(self):
        """It is found where programs import it from."""
        assert PublishedPropagator is Propagator

    def test_one_method_is_enough(self):
        """A subclass with `_propagate` alone works from end to end."""
        x = node(1, trainable=True)
        output = (x + 1) * 2
        output.backward("fb", propagator=Collect())
        assert list(x.feedback.values()) == [[[["fb"]]]]

    def test_without_it_there_is_no_propagator(self):
        """The one method is required."""
        with pytest.raises(TypeError, match="abstract"):
            Propagator()

    def test_each_node_sends_once_when_all_its_children_have(self):
        """From the output down, by falling level, once."""
        order = []

        class Watch(Collect):
            def _propagate(self, child):
                order.append((child, len(child.feedback)))
                return super()._propagate(child)

        x = node(1, trainable=True)
        shared = x + 1
        left, right = shared * 2, shared * 3
        output = left + right
        output.backward("fb", propagator=Watch())
        assert [each for each, _ in order] == [output, right, left, shared]
        assert order[-1] == (shared, 2)

    def test_parents_without_parameters_get_nothing(self):
        """They are in what `_propagate` gives, and left out in what arrives."""
        x, plain = node(1, trainable=True), node(2)
        (x + plain).backward("fb", propagator=Collect())
        assert len(x.feedback) == 1
        assert plain.feedback == {}

    def test_calling_it_covers_all_parents(self):
        """`propagator(child)` gives a dict from each parent; a missing one is named."""
        x, y = node(1), node(2)
        child = x + y
        child._add_feedback(node("giver"), "fb")
        assert Collect()(child) == {x: ["fb"], y: ["fb"]}

        class Half(Propagator):
            def _propagate(self, child):
                return {child.parents[0]: 1}

        with pytest.raises(ValueError, match=rf"Half gave no feedback for \['{y.name}'\], parents of {child.name}"):
            Half()(child)

    def test_what_it_gives_is_a_dict(self):
        """Anything else is an error that shows it."""

        class Wrong(Propagator):
            def _propagate(self, child):
                return None

        with pytest.raises(TypeError, match="Wrong must give a dict of parent -> feedback for .* got None"):
            (node(1, trainable=True) + 1).backward("fb", propagator=Wrong())

    def test_register(self):
        """A function may take over for one operator; all others go the usual way."""
        propagator = Collect()
        propagator.register("multiply", lambda child: dict.fromkeys(child.parents, "mine"))
        x = node(1, trainable=True)
        output = (x + 1) * 2
        output.backward("fb", propagator=propagator)
        assert list(x.feedback.values()) == [[["mine"]]]

    def test_register_on_the_graph_propagator(self):
        """The registered function is called, though plain graphs take the walk."""
        called = []
        propagator = GraphPropagator()

        def watched(child):
            called.append(child)
            return propagator._propagate(child)

        propagator.register("add", watched)
        x = node(1, trainable=True)
        output = x + 1
        output.backward("fb", propagator=propagator)
        assert called == [output]
        assert len(sum_feedback([x])) == 3

    @pytest.mark.parametrize(("name", "function"), [("add", 3), ("add", None), (3, len)])
    def test_register_wants_a_name_and_a_function(self, name, function):
        """Anything else is an error that names the argument."""
        with pytest.raises(TypeError, match="function must be callable|op_name must be the name"):
            Collect().register(name, function)

    def test_a_constructor_of_one_s_own(self):
        """It need not call the base's."""

        class Mine(Collect):
            def __init__(self, factor):
                self.factor = factor

        first, second = Mine(2), Mine(3)
        first.register("add", lambda child: dict.fromkeys(child.parents, first.factor))
        for propagator, expected in ((first, 2), (second, ["fb"])):
            x = node(1, trainable=True)
            (x + 1).backward("fb", propagator=propagator)
            assert list(x.feedback.values()) == [[expected]]

    def test_init_feedback(self):
        """What the output starts with may be changed."""

        class Loud(Collect):
            def init_feedback(self, node, feedback):
                return f"{node.py_name}: {feedback}!"

        x = node(1, trainable=True)
        output = x + 1
        output.backward("fb", propagator=Loud())
        assert x.feedback == {output: [[f"{output.py_name}: fb!"]]}


class TestSumPropagator:
    def test_numbers_add_and_texts_concatenate(self):
        """Every parent gets the sum of what its child got."""
        x = node(1, trainable=True)
        shared = x + 1
        (shared + (shared * 2)).backward(1.5, propagator=SumPropagator())
        assert list(x.feedback.values()) == [[3.0]]
        y = node("a", trainable=True)
        (y + "b").backward("fb", propagator=SumPropagator())
        (y + "b").backward("again", propagator=SumPropagator())
        assert list(y.feedback.values()) == [["fb"], ["again"]]


class TestTraceGraph:
    def test_by_hand(self):
        """Pairs of level and node, sorted by level, and the feedback."""
        x = node(1)
        y = x + 1
        graph = TraceGraph([(1, y), (0, x)], "fb")
        assert graph.graph == [(0, x), (1, y)]
        assert list(graph) == graph.graph
        assert len(graph) == 2
        assert graph.user_feedback == "fb"
        assert repr(graph) == "<TraceGraph: 2 nodes, feedback 'fb'>"

    @pytest.mark.parametrize("graph", [[3], [(0, 1)], [(0,)], "ab", [node(1)]])
    def test_bad_input(self, graph):
        """What is no pair of level and node is shown."""
        with pytest.raises(TypeError, match="graph must hold pairs of level and node, got"):
            TraceGraph(graph)

    def test_empty(self):
        """The empty graph has no nodes and no feedback, and is false."""
        assert TraceGraph.empty().graph == []
        assert TraceGraph.empty().user_feedback is None
        assert not TraceGraph.empty()

    def test_sums_merge_by_identity(self):
        """A node in both comes once; equal nodes are different ones; levels stay in order."""
        x, y = node(1), node(1)
        a = x + 1
        b = a + y
        total = TraceGraph([(0, x), (1, a)], "fb") + TraceGraph([(0, y), (2, b), (1, a)], "fb")
        assert total.graph == [(0, x), (0, y), (1, a), (2, b)]
        assert sum([total, TraceGraph.empty()]).graph == total.graph
        assert (0 + total) is total
        assert (total + 0) is total

    @pytest.mark.parametrize("other", [1, "a", None, [1]])
    def test_sums_with_something_else(self, other):
        """Only graphs are added."""
        with pytest.raises(TypeError):
            TraceGraph.empty() + other

    def test_feedback_that_agrees(self):
        """The same feedback from several outputs is one."""
        x = node(1, trainable=True)
        for _ in range(3):
            (x + 1).backward("good")
        assert sum_feedback([x]).user_feedback == "good"

    def test_feedback_that_differs(self):
        """It is kept as pairs of the output's name and what was said, in the order of arrival."""
        x = node(1, trainable=True)
        outputs = [x + k for k in range(3)]
        for output, text in zip(outputs, ("good", "bad", "good")):
            output.backward(text)
        expected = [(output.py_name, text) for output, text in zip(outputs, ("good", "bad", "good"))]
        assert sum_feedback([x]).user_feedback == expected
        joined = sum((graph for sent in x.feedback.values() for graph in sent), TraceGraph.empty())
        assert joined.user_feedback == expected
        assert (joined + joined).user_feedback == expected
        assert (joined + sum_feedback([x])).user_feedback == expected

    def test_values_of_different_types_differ(self):
        """1 and True are equal and not the same feedback; None is one too."""
        x = node(1, trainable=True)
        first, second, third = x + 1, x + 2, x + 3
        first.backward(1)
        second.backward(True)
        third.backward(None)
        assert sum_feedback([x]).user_feedback == [(first.py_name, 1), (second.py_name, True), (third.py_name, None)]

    def test_sums_that_share_parts(self):
        """Doubling a sum 60 times does not double the work."""
        x = node(1, trainable=True)
        (x + 1).backward("fb")
        graph = sum_feedback([x])
        for _ in range(60):
            graph = graph + graph
        assert len(graph) == 3

    def test_a_long_sum(self):
        """The sum of 10,000 graphs is read and dropped without recursion."""
        x = node(1, trainable=True)
        for k in range(10_000):
            (x + k).backward("fb")
        graph = sum((graph for sent in x.feedback.values() for graph in sent), TraceGraph.empty())
        assert len(graph) == 20_001
        assert graph.user_feedback == "fb"

    @pytest.mark.parametrize("passing", [False, True])
    def test_sums_are_linear(self, passing):
        """Twice the samples cost twice the calls."""

        class Passing(GraphPropagator):
            pass

        def cost(count):
            x = node(1, trainable=True)
            for k in range(count):
                (x * 2 + k).backward(str(k), propagator=Passing() if passing else None)
            calls = 0

            def profile(frame, event, argument):
                nonlocal calls
                calls += 1

            sys.setprofile(profile)
            try:
                graph = sum((graph for sent in x.feedback.values() for graph in sent), TraceGraph.empty())
                assert len(graph.user_feedback) == count
                assert len(graph) == 1 + 4 * count
            finally:
                sys.setprofile(None)
            return calls

        small, large = cost(200), cost(400)
        assert large < 2.3 * small

    def test_pickle(self):
        """A graph travels with its nodes, feedback, and the values that were read."""
        x = node(1, trainable=True)
        (x + 1).backward("fb")
        graph = sum_feedback([x])
        x._set(5)
        back = pickle.loads(pickle.dumps(graph))
        assert names(back) == names(graph)
        assert back.user_feedback == "fb"
        (parameter,) = (each for _, each in back if each.trainable)
        assert back.value(parameter) == 1

    def test_deepcopy(self):
        """A deep copy is a graph of its own: the same shape of other nodes, with values and feedback."""
        x, y = node([1], trainable=True), node([2])
        output = (x + y) + (node([0]) + [5])
        output.backward(["fb"])
        graph = sum_feedback([x])
        x._set([9])
        twin = copy.deepcopy(graph)
        assert [level for level, _ in twin] == [level for level, _ in graph]
        assert [each.op_name for _, each in twin] == [each.op_name for _, each in graph]
        assert not {each for _, each in twin} & {each for _, each in graph}
        (parameter,) = (each for _, each in twin if each.trainable)
        assert twin.value(parameter) == [1]
        assert parameter.data == [9]
        last = twin.graph[-1][1]
        assert last.data == [1, 2, 0, 5]
        assert list(last.inputs) == ["x", "y"]
        assert last.parents[0].parents[0] is parameter
        assert last.parents[1].parents == []  # what it was computed from is not in the graph
        assert parameter.children == []  # as in the original, these nodes have passed their feedback on
        assert last.info["fun_name"] == "add"
        assert twin.user_feedback == ["fb"]
        assert twin.user_feedback is not graph.user_feedback

    def test_deepcopy_of_a_deep_graph(self):
        """Depth is no limit."""
        x = y = node(0, trainable=True)
        for _ in range(10_000):
            y = y + 1
        y.backward("fb")
        twin = copy.deepcopy(sum_feedback([x]))
        assert len(twin) == 20_001
        assert len(copy.copy(twin)) == 20_001

    def test_threads_may_read_one_graph(self):
        """Whoever comes first joins it; all see the whole."""
        for _ in range(20):
            x = node(1, trainable=True)
            for k in range(50):
                (x + k).backward("fb")
            parts = [graph for sent in x.feedback.values() for graph in sent]
            shared = sum(parts, TraceGraph.empty())
            wider = shared + TraceGraph.empty()
            with ThreadPoolExecutor(8) as pool:
                lengths = list(pool.map(lambda k: len(wider if k % 2 else shared), range(16)))
            assert set(lengths) == {101}

    def test_visualize(self):
        """A picture of the graph, with nothing rendered."""
        x = node(1, trainable=True)
        (x + 1).backward("fb")
        picture = sum_feedback([x]).visualize(print_limit=25)
        assert isinstance(picture, graphviz.Digraph)
        assert x.py_name in picture.source


class TestExpand:
    def test_a_three_step_body(self):
        """Inner leaves, inner operators and hidden parameters; the feedback of the roots is as it was."""
        weight = node(3, trainable=True)

        @bundle(traceable_code=True, allow_external_dependencies=True)
        def body(a, b):
            return (a + b) * a - weight

        x, y = node(1, trainable=True), node(2)
        output = body(x, y)
        output.backward("fb", retain_graph=True)
        before = dict(weight.feedback)
        graph = TraceGraph.expand(output)
        assert len(graph) == 6
        kinds = sorted(each.op_name for _, each in graph)
        assert kinds == ["Node", "Node", "ParameterNode", "add", "multiply", "subtract"]
        assert weight in [each for _, each in graph]
        assert not any(each is x or each is y for _, each in graph)
        assert graph.user_feedback is None
        assert weight.feedback == before

    def test_other_nodes(self):
        """What hides nothing expands to nothing."""
        assert len(TraceGraph.expand(node(1))) == 0
        assert len(TraceGraph.expand(node(1) + 1)) == 0

    def test_bad_input(self):
        """A value is no node."""
        with pytest.raises(TypeError, match="node must be a node, got 3"):
            TraceGraph.expand(3)


class TestGraphPropagator:
    def test_aggregate(self):
        """It sums all graphs in a feedback dict; for none it gives the empty graph."""
        x, y = node(1), node(2)
        propagator = GraphPropagator()
        graph = propagator.aggregate({node("a"): [TraceGraph([(0, x)], "fb")], node("b"): [TraceGraph([(0, y)], "fb")]})
        assert graph.graph == [(0, x), (0, y)]
        assert graph.user_feedback == "fb"
        assert propagator.aggregate({}).graph == []

    def test_init_feedback(self):
        """The graph of the output alone."""
        x = node(1)
        graph = GraphPropagator().init_feedback(x, "fb")
        assert graph.graph == [(0, x)]
        assert graph.user_feedback == "fb"

    def test_overridden_aggregate(self):
        """A subclass may change how feedback is put together."""
        seen = []

        class Watch(GraphPropagator):
            def aggregate(self, feedback):
                seen.append(len(feedback))
                return super().aggregate(feedback)

        x = node(1, trainable=True)
        shared = x + 1
        (shared * 2 + shared).backward("fb", propagator=Watch())
        assert seen == [1, 1, 2]
        assert len(sum_feedback([x])) == 6
