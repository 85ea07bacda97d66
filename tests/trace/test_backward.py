"""Sending feedback back: what is delivered and when, what is done afterwards, and what is wrong."""

from __future__ import annotations

import gc
import weakref

import graphviz
import pytest

from opto.errors import BackwardError, OptoWarning, UnreachedFeedbackWarning
from opto.trace import ExecutionError, Node, bundle, no_trace, node
from opto.trace.nodes import feedback_lock
from opto.trace.propagators import GraphPropagator, Propagator, TraceGraph
from opto.trace.utils import sum_feedback


class Passing(GraphPropagator):
    """Takes the way from node to node."""


class TestFeedback:
    @pytest.mark.parametrize(
        "feedback", ["good", "", 0.5, None, {"score": 1}, ["a"], ValueError("wrong"), object(), b"x", True]
    )
    @pytest.mark.parametrize("propagator", [None, Passing()])
    def test_any_type(self, feedback, propagator):
        """Any object is feedback, and arrives as it is."""
        x = node(1, trainable=True)
        (x + 1).backward(feedback, propagator=propagator)
        ((graph,),) = x.feedback.values()
        assert graph.user_feedback is feedback

    @pytest.mark.parametrize("propagator", [None, Passing()])
    def test_arrays(self, propagator):
        """Arrays too, also where several outputs get some: equal ones agree, others are told apart."""
        import numpy as np

        x = node(1, trainable=True)
        for _ in range(2):
            (x + 1).backward(np.array([1, 2]), propagator=propagator)
        assert sum_feedback([x]).user_feedback.tolist() == [1, 2]
        (x + 1).backward(np.array([1, 2, 3]), propagator=propagator)
        assert [each.tolist() for _, each in sum_feedback([x]).user_feedback] == [[1, 2], [1, 2], [1, 2, 3]]

    def test_the_default_is_an_empty_text(self):
        """`backward()` alone sends one."""
        x = node(1, trainable=True)
        (x + 1).backward()
        assert sum_feedback([x]).user_feedback == ""

    def test_a_node_as_feedback_gives_its_value(self):
        """A judge may be traced too: its verdict's value is what counts."""
        x = node(1, trainable=True)
        (x + 1).backward(node("good"))
        assert sum_feedback([x]).user_feedback == "good"

    def test_an_exception_node(self):
        """An error is an output like any other."""
        x = node(0, trainable=True)
        with pytest.raises(ExecutionError) as caught:
            1 / x
        failed = caught.value.exception_node
        failed.backward(failed.create_feedback())
        graph = sum_feedback([x])
        assert graph.user_feedback == "(ZeroDivisionError) division by zero"
        assert graph.graph[-1][1] is failed

    def test_one_entry_a_child(self):
        """After two separate outputs a parameter has two entries."""
        x = node(1, trainable=True)
        first, second = x + 1, x * 2
        first.backward("a")
        second.backward("b")
        assert len(x.feedback) == 2
        assert list(x.feedback) == [first, second]
        assert sum_feedback([x]).user_feedback == [(first.py_name, "a"), (second.py_name, "b")]

    def test_only_parameters_keep_feedback(self):
        """What computed nodes and plain values got is cleared once it is passed on."""
        for propagator in (None, Passing()):
            x = node(1, trainable=True)
            y = x + 1
            z = y * 2
            z.backward("fb", propagator=propagator)
            assert y.feedback == z.feedback == z.parents[1].feedback == {}
            assert len(x.feedback) == 1

    def test_zero_feedback(self):
        """Afterwards there is none."""
        x = node(1, trainable=True)
        (x + 1).backward("fb")
        x.zero_feedback()
        assert x.feedback == {}
        assert len(sum_feedback([x])) == 0

    def test_a_reader_is_not_disturbed(self):
        """A dict that was read stays as it is when more feedback arrives; what is put into it is kept."""
        x = node(1, trainable=True)
        (x + 1).backward("a")
        before = x.feedback
        assert x.feedback is before
        own = node("mine")
        before[own] = [TraceGraph.empty()]
        for _ in before:
            (x + 1).backward("b")
        assert len(before) == 2
        assert len(x.feedback) == 4
        assert own in x.feedback

    def test_adding_feedback_by_hand(self):
        """`_add_feedback` is what a propagator of one's own may call."""
        x, child = node(1, trainable=True), node(2)
        x._add_feedback(child, "a")
        x._add_feedback(child, "b")
        assert x.feedback == {child: ["a", "b"]}


class TestDone:
    def test_a_second_backward_is_refused(self):
        """It is an AttributeError that says "has been backwarded", and nothing is sent."""
        x = node(1, trainable=True)
        y = x + 1
        y.backward("a")
        with pytest.raises(AttributeError, match="has been backwarded") as caught:
            y.backward("b")
        assert isinstance(caught.value, BackwardError)
        assert "retain_graph=True" in str(caught.value)
        assert len(x.feedback) == 1
        assert sum_feedback([x]).user_feedback == "a"

    @pytest.mark.parametrize("propagator", [None, Passing()])
    def test_a_shared_part(self, propagator):
        """Two outputs of one computation need a retained graph; without one, nothing of the second is sent."""
        x, other = node(1, trainable=True), node(2, trainable=True)
        shared = x + 1
        first, second = shared * 2, shared * other
        first.backward("a", propagator=propagator)
        with pytest.raises(
            BackwardError, match=f"{shared.name} has been backwarded before, on the way from {second.name}"
        ):
            second.backward("b", propagator=propagator)
        assert other.feedback == {}
        assert len(x.feedback) == 1

    @pytest.mark.parametrize("propagator", [None, Passing()])
    def test_retained_graphs_accumulate(self, propagator):
        """With `retain_graph=True` it may be repeated, and feedback adds up."""
        x = node(1, trainable=True)
        y = x + 1
        for text in ("a", "b"):
            y.backward(text, retain_graph=True, propagator=propagator)
        assert len(x.feedback) == 1
        assert len(x.feedback[y]) == 2
        assert sum_feedback([x]).user_feedback == [(y.py_name, "a"), (y.py_name, "b")]
        y.backward("c", propagator=propagator)
        with pytest.raises(BackwardError):
            y.backward("d", propagator=propagator)

    def test_independent_rollouts(self):
        """Separate computations of shared parameters do not disturb each other."""
        x = node(1, trainable=True)
        outputs = [x + k for k in range(50)]
        for output in outputs:
            output.backward("fb")
        assert len(x.feedback) == 50

    def test_a_parameter_may_get_feedback_again(self):
        """Nothing is done with after a parameter itself got feedback."""
        x = node(1, trainable=True)
        x.backward("a")
        x.backward("b")
        (x + 1).backward("c")
        assert len(x.feedback) == 3

    def test_done_nodes_are_detached(self):
        """They are off their parents' children and have none, but keep their parents."""
        x = node(1, trainable=True)
        first, second = x + 1, x * 2
        last = first + 3
        assert len(x.children) == 2
        last.backward("fb")
        assert x.children == [second]
        assert first.children == []
        assert first.parents[0] is x
        second.backward("fb")
        assert x.children == []

    def test_a_retained_graph_stays_attached(self):
        """As long as it is retained, children stay."""
        x = node(1, trainable=True)
        y = x + 1
        y.backward("fb", retain_graph=True)
        assert x.children == [y]

    def test_parts_without_parameters_stay_usable(self):
        """What no parameter leads to is not walked, so it may be shared."""
        plain = node(1) + 2
        x = node(1, trainable=True)
        for _ in range(3):
            (x + plain).backward("fb")
        assert len(x.feedback) == 3


class TestUnreached:
    def warned(self, output):
        with pytest.warns(UnreachedFeedbackWarning) as caught:
            output.backward("fb")
        (warning,) = caught
        assert warning.filename == __file__
        assert issubclass(warning.category, OptoWarning)
        text = str(warning.message)
        assert text.startswith(f"The feedback on {output.name} reaches no trainable parameter: ")
        assert "node(value, trainable=True)" in text
        return text

    def test_a_plain_value(self):
        """A value that was computed from nothing."""
        assert "not computed from any other" in self.warned(node(1))

    def test_no_parameter_above(self):
        """The roots are named; of many, the first."""
        x, y = node(1), node(2)
        assert f"computed from {x.name}, {y.name}, of which none is trainable" in self.warned(x + y)
        total = node(0)
        for k in range(10):
            total = total + k
        assert "and 6 more" in self.warned(total)

    def test_a_path_that_was_cut(self):
        """Where tracing was off, or a node was detached, the place is named."""
        x = node(1, trainable=True)
        with no_trace():
            hidden = x + 1
        assert f"the path ends at {hidden.name}, computed by no_trace()" in self.warned(hidden + 1)
        detached = (x + 1).detach()
        assert f"the path ends at {detached.name}" in self.warned(detached * 2)
        assert f"the path ends at {hidden.name}" in self.warned(hidden)

    def test_a_call_without_arguments(self):
        """A node with empty inputs may get feedback all the same."""

        @bundle()
        def constant():
            return 1

        self.warned(constant())

    def test_a_second_time_it_is_an_error(self):
        """It was walked, so it is done."""
        y = node(1) + 1
        self.warned(y)
        with pytest.raises(BackwardError):
            y.backward("fb")

    def test_reached_feedback_does_not_warn(self):
        """Warnings are errors here, so this would fail."""
        (node(1, trainable=True) + 1).backward("fb")


class TestBadInput:
    @pytest.mark.parametrize("propagator", [3, "graph", GraphPropagator])
    def test_a_propagator_is_a_propagator(self, propagator):
        """Anything else is an error that shows it."""
        with pytest.raises(TypeError, match="propagator must be a Propagator or None, got"):
            (node(1, trainable=True) + 1).backward("fb", propagator=propagator)

    @pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt()])
    def test_a_propagator_that_raises_leaves_no_trace(self, error):
        """All feedback is as before, and the graph may be walked again."""

        class Failing(Propagator):
            left = 2

            def _propagate(self, child):
                self.left -= 1
                if not self.left:
                    raise error
                return dict.fromkeys(child.parents, "sent")

        x, y = node(1, trainable=True), node(2, trainable=True)
        (x + 5).backward("before")
        before = x.feedback
        middle = x + y
        output = middle * y
        with pytest.raises(type(error)):
            output.backward("fb", propagator=Failing())
        assert x.feedback == before
        assert y.feedback == middle.feedback == output.feedback == {}
        output.backward("fb")
        assert len(y.feedback) == 2


class TestPicture:
    def test_visualize(self):
        """A picture is returned if it is asked for, else None."""
        x = node(1, trainable=True)
        y = x + 1
        assert y.backward("fb", retain_graph=True) is None
        picture = y.backward("fb", visualize=True, print_limit=25, reverse_plot=True, simple_visualization=False)
        assert isinstance(picture, graphviz.Digraph)
        assert x.py_name in picture.source

    def test_visualize_without_parameters(self):
        """Where nothing is reached, the whole graph is drawn."""
        y = node(1) + 1
        with pytest.warns(UnreachedFeedbackWarning):
            picture = y.backward("fb", visualize=True)
        assert y.py_name in picture.source


class Held(list):
    """A value whose life can be watched."""


class TestMemory:
    @pytest.fixture(autouse=True)
    def without_collector(self):
        """Reference counting alone must do."""
        gc.collect()
        gc.disable()
        yield
        gc.enable()

    @staticmethod
    def living():
        return sum(isinstance(each, Node) for each in gc.get_objects())

    def test_a_dropped_forward_pass_is_freed(self):
        """Without backward, all of it goes with its output."""
        x = node(1, trainable=True)
        gone = []
        y = x
        for _ in range(10):
            y = y + 1
            gone.append(weakref.ref(y))
        del y
        assert all(each() is None for each in gone)

    def test_a_dropped_bundle_call_is_freed(self):
        """Calls of bundles too, with what they held."""

        @bundle()
        def work(a, b):
            return Held([a, b])

        output = work(node(1, trainable=True), 2)
        held = weakref.ref(output.data)
        del output
        assert held() is None

    def test_feedback_is_freed(self):
        """After `zero_feedback` nothing of the graph is left, whether or not the feedback was read."""
        x = node(1, trainable=True)
        for read in (False, True):
            value = Held([1])
            held = weakref.ref(value)
            output = node(value)[0] + x
            del value
            output.backward("fb")
            del output
            if read:
                assert len(sum_feedback([x])) == 3
                assert len(x.feedback) == 1
            assert held() is not None
            x.zero_feedback()
            assert held() is None

    def test_training_loops_do_not_grow(self):
        """10,000 steps leave as many nodes behind as 10."""
        x = node(1, trainable=True)

        def steps(count):
            for _ in range(count):
                y = x
                for _ in range(3):
                    y = y + 1
                y.backward("fb")
                sum_feedback([x]).graph  # noqa: B018 - read, as an optimizer would
                x.zero_feedback()
                x._set(x.data + 1)
            return self.living()

        few = steps(10)
        assert steps(10_000) <= few
        assert len(x._children) <= 17

    def test_separate_graphs_do_not_accumulate(self):
        """200 graphs that hold something large, each with its backward, hold one at a time."""
        x = node(1, trainable=True)
        held = []
        for _ in range(200):
            large = Held(range(10))
            held.append(weakref.ref(large))
            output = x + node(large)[0]
            output.backward("fb")
            x.zero_feedback()
            del output, large
        assert not any(each() for each in held)


def test_the_lock_is_shared():
    """Whoever holds it sees the feedback of several parameters as one; the owner may go on working."""
    x = node(1, trainable=True)
    with feedback_lock:
        (x + 1).backward("fb")
        assert len(x.feedback) == 1
        x.zero_feedback()
