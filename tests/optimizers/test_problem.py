"""A graph with feedback becomes facts: calls, values, documentation, feedback."""

import pickle

import pytest

from opto.errors import ExecutionError
from opto.optimizers import OptoPrime
from opto.optimizers.optoprime import node_to_function_feedback
from opto.optimizers.problem import Call, LabelledFeedback, problem_names
from opto.trace import GRAPH, ExceptionNode, bundle, node
from opto.trace.propagators import TraceGraph


@bundle()
def scaled(x, by):
    """The product.

    Indented more.
    """
    return x * by


def graph_of(output, feedback, *parameters):
    """What the parameters see of the feedback on an output."""
    output.backward(feedback)
    return OptoPrime(list(parameters)).trace_graph


@pytest.fixture(autouse=True)
def fresh_names():
    """Names count from 0 in each test."""
    GRAPH.clear()


def test_facts_of_a_small_graph():
    """Calls by rising level, values by where they stand, and what each function does."""
    x = node(2, trainable=True, description="a number")
    facts = node_to_function_feedback(graph_of(scaled(x + 1, 10) - x, "too big", x))
    assert facts.graph == [
        (1, "add0 = add(x=int0, y=int1)"),
        (2, "scaled0 = scaled(x=add0, by=by0)"),
        (3, "subtract0 = subtract(x=scaled0, y=int0)"),
    ]
    assert facts.roots == {"int0": (2, "a number"), "int1": (1, None), "by0": (10, None)}
    assert facts.others == {"add0": (3, None), "scaled0": (30, None)}
    assert facts.output == {"subtract0": (28, None)}
    assert facts.user_feedback == "too big"
    assert list(facts.documentation) == ["add", "scaled", "subtract"]
    assert facts.documentation["scaled"] == "The product.\n\nIndented more."


def test_a_single_trainable_call():
    """Graph, roots, documentation and output are all there."""

    @bundle(trainable=True)
    def f(x):
        """Doubles."""
        return 2 * x

    facts = node_to_function_feedback(graph_of(f(1), "no", f.parameter))
    assert facts.graph == [(1, "eval0 = eval(x=x0, __code=__code0)")]
    assert set(facts.roots) == {"x0", "__code0"}
    assert set(facts.output) == {"eval0"}
    assert set(facts.documentation) == {"eval"}


def test_a_parameter_alone_is_root_and_output():
    """Feedback on the parameter itself shows it as both."""
    x = node(2, trainable=True)
    facts = node_to_function_feedback(graph_of(x, "bigger", x))
    assert facts.roots == facts.output == {"int0": (2, None)}
    assert facts.graph == []


def test_a_node_whose_parent_is_outside_the_graph_is_a_root():
    """A graph that was cut shows its lowest values as given."""
    x = node(2)
    y = x + 1
    z = y * 2
    pairs = [(each.level, each) for each in [*y.parents[1:], y, *z.parents, z]]
    facts = node_to_function_feedback(TraceGraph(pairs, "f"))
    assert "add0" in facts.roots
    assert facts.graph == [(2, "multiply0 = multiply(x=add0, y=int2)")]


def test_outputs_below_the_highest_level():
    """Each node that got feedback is an output, whatever its level; differing feedback is told apart."""
    x = node(2, trainable=True)
    low = x + 1
    high = (x * 2) * 3
    low.backward("bad")
    high.backward("good")
    facts = node_to_function_feedback(OptoPrime([x]).trace_graph)
    assert set(facts.output) == {"add0", "multiply1"}
    assert facts.user_feedback == [("add0", "bad"), ("multiply1", "good")]
    assert isinstance(facts.user_feedback, LabelledFeedback)


def test_agreeing_feedback_is_said_once():
    """While all outputs agree the feedback is the single value."""
    x = node(2, trainable=True)
    (x + 1).backward("bad")
    (x * 2).backward("bad")
    facts = node_to_function_feedback(OptoPrime([x]).trace_graph)
    assert facts.user_feedback == "bad"
    assert set(facts.output) == {"add0", "multiply0"}


def test_feedback_that_is_a_list_of_pairs_stays_a_value():
    """A user's list of pairs is not taken for labelled feedback."""
    x = node(2, trainable=True)
    facts = node_to_function_feedback(graph_of(x + 1, [("a", 1), ("b", 2)], x))
    assert type(facts.user_feedback) is list


def test_the_third_loop_shows_the_names_of_the_first():
    """In a problem, nodes are numbered from 0; parameters keep the name that answers refer to."""
    x = node(2, trainable=True)
    optimizer = OptoPrime([x])
    seen = []
    for _ in range(3):
        optimizer.zero_feedback()
        optimizer.backward((x + 1) * 3 + 1, "more")
        seen.append(optimizer.summarize().graph)
    assert seen[0] == seen[1] == seen[2]
    assert seen[2][0] == (1, "add0 = add(x=int0, y=int1)")


def test_no_node_takes_the_name_of_a_parameter():
    """A constant steps aside where its number is a parameter's."""
    for _ in range(3):
        node(0)
    x = node(2, trainable=True)
    assert x.py_name == "int3"
    y = x + 10
    z = y + 11 + 12 + 13
    z.backward("f")
    names = problem_names(each for _, each in OptoPrime([x]).trace_graph)
    assert len(set(names.values())) == len(names)
    assert names[id(x)] == "int3"
    assert {"int0", "int1", "int2", "int4"} <= set(names.values())


def test_the_value_that_the_forward_pass_read():
    """A problem shows what the run computed with, not what the parameter holds by now."""
    x = node(2, trainable=True)
    y = x + 1
    x._data = 50
    facts = node_to_function_feedback(graph_of(y, "f", x))
    assert facts.roots["int0"] == (2, None)


def test_an_exception_shows_the_call_that_failed():
    """The failed function stands in the code and in the documentation."""
    x = node("a", trainable=True)
    with pytest.raises(ExecutionError) as caught:
        scaled(x, "b")
    failed = caught.value.exception_node
    facts = node_to_function_feedback(graph_of(failed, failed.create_feedback(), x))
    [(_, call)] = facts.graph
    assert call == "exception_scaled0 = scaled(x=str0, by=by0)"
    assert facts.documentation["scaled"].startswith("The product.")
    assert "TypeError" in facts.output["exception_scaled0"][0]


def test_functions_that_share_a_name_keep_their_documentation():
    """Both texts are shown."""

    def make(text):
        def f(x):
            return x

        f.__doc__ = text
        return bundle()(f)

    one, two = make("First."), make("Second.")
    x = node(1, trainable=True)
    facts = node_to_function_feedback(graph_of(two(one(x)), "f", x))
    documented = "\n".join(facts.documentation.values())
    assert "First." in documented
    assert "Second." in documented


def test_constraints_are_part_of_the_description():
    """What a value must satisfy is said with what it means."""

    def even(value):
        """It must be even."""
        return value % 2 == 0

    x = node(2, trainable=True, description="a count", constraint="at most 10")
    y = node(2, trainable=True, constraint=even)
    facts = node_to_function_feedback(graph_of(x + y, "f", x, y))
    assert facts.roots["int0"] == (2, "a count\nat most 10")
    assert facts.roots["int1"] == (2, "It must be even.")


def test_calls_know_their_parts():
    """Whatever the names are made of; extra arguments keep the names that the function got them by."""

    @bundle("[100% odd] Odd.")
    def odd(x, **more):
        return x

    x = node(1, trainable=True, name="50%s x")
    facts = node_to_function_feedback(graph_of(odd(odd(x, **{"a%d": 2}), b=x), "no", x))
    first, second = (call for _, call in facts.graph)
    assert first == "100% odd0 = 100% odd(x=50%s x0, a%d=a%d0)"
    assert (first.result, first.function, first.keys) == ("100% odd0", "100% odd", ("x", "a%d"))
    assert first.arguments == (("x", "50%s x0"), ("a%d", "a%d0"))
    assert second.inputs == ("100% odd0", "50%s x0")
    assert pickle.loads(pickle.dumps(second)).arguments == second.arguments
    assert second == Call.made(second.result, second.function, second.arguments)


def test_each_exception_shows_its_own_function():
    """Though their descriptions and the names of their inputs are the same."""
    x = node(1, trainable=True)
    failed = [
        ExceptionNode("(ValueError) no", inputs={"x": x}, info={"fun_name": name, "doc": f"Does {name}."})
        for name in ("one", "two")
    ]
    facts = node_to_function_feedback(graph_of(failed[0] + failed[1], "no", x))
    assert [call.function for _, call in facts.graph] == ["one", "two", "concat"]
    assert facts.documentation["two"] == "Does two."
