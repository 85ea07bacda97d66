"""The primitive that makes nodes: names, levels, children, and failures."""

from __future__ import annotations

import gc
import weakref

import pytest

from opto.errors import CodeError, ExecutionError
from opto.trace import GRAPH, ExceptionNode, MessageNode, Node, name_scope, no_trace, node
from opto.trace.recording import fail, record, root


class Doubling:
    """An operation of our own."""

    name = "double"

    def description_of(self, made):
        return "[double] Doubles."

    def info_of(self, made):
        return {"fun_name": "double", "input": made.parents[0].data if made.parents else None}


DOUBLING = Doubling()


def double(x):
    """The record of doubling a node."""
    return record(DOUBLING, "double", 2 * x._data, (x,), ("x",), (x._data,))


def test_a_record_knows_its_operation():
    """Description and info come from the operation, when they are read; info is made once."""
    output = double(node(3))
    assert output.data == 6
    assert output.description == "Doubles."
    assert output.op_name == "double"
    assert output.info == {"fun_name": "double", "input": 3}
    assert output.info is output.info


def test_levels_and_children():
    """A record stands one level above its highest input, among the children of each."""
    x = node(1)
    one = double(x)
    two = record(DOUBLING, "sum", 3, (x, one, x), ("a", "b", "c"), (1, 2, 1))
    assert (x.level, one.level, two.level) == (0, 1, 2)
    assert [id(each) for each in x.children] == [id(one), id(two)]
    assert two.parents == [x, one]
    assert list(two.inputs) == ["a", "b", "c"]


def test_without_tracing():
    """Under no_trace a record has no inputs."""
    with no_trace():
        output = double(node(1))
    assert output.parents == []
    assert output.inputs == {}
    assert output.level == 0


def test_roots_and_scopes():
    """Roots and records take the scope's prefix and their own numbers."""
    GRAPH.clear()
    with name_scope("a"):
        assert root(1, "x").name == "a/x:0"
        assert double(root(1, "x")).name == "a/double:0"
    assert root(1, "x").name == "x:0"
    assert type(root(1, "x")) is Node


def test_what_is_dropped_is_freed_at_once():
    """Children are weak: a dropped result goes without the garbage collector."""
    gc.disable()
    try:
        x = node(1)
        output = double(double(x))
        watch = weakref.ref(output)
        del output
        assert watch() is None
        assert x.children == []
    finally:
        gc.enable()


def test_values_read_are_kept_for_parameters_only():
    """The values read are remembered where an input is trainable, so that graphs show what ran."""
    assert double(node(1))._read is None
    assert double(node(1, trainable=True))._read == (1,)


def test_fail():
    """A failure is an exception node on the inputs, with the traceback in its info, wrapped to be raised."""
    x = node(1)
    try:
        1 / 0
    except ZeroDivisionError as caught:
        error = fail(DOUBLING, "double", caught, (x,), ("x",), (1,))
    failed = error.exception_node
    assert isinstance(error, ExecutionError)
    assert isinstance(failed, ExceptionNode)
    assert failed.data == "(ZeroDivisionError) division by zero"
    assert failed.parents[0] is x
    assert failed.name.startswith("exception_double:")
    assert "ZeroDivisionError" in failed.info["traceback"]
    assert failed.description == "The operator double raises an exception."
    assert isinstance(failed, MessageNode)
    assert failed.create_feedback() == failed.data


def test_fail_shows_the_cause_of_a_code_error():
    """A CodeError is only the messenger: the node's data is what the code did wrong."""
    try:
        try:
            compile("def f(:", "text", "exec")
        except SyntaxError as cause:
            raise CodeError("does not compile") from cause
    except CodeError as caught:
        error = fail(DOUBLING, "__code0", caught, (), (), ())
    assert "SyntaxError" in error.exception_node.data
    assert "exception___code0:" in error.exception_node.name


@pytest.mark.parametrize("style", ["other", None])
def test_create_feedback_knows_two_styles(style):
    """Another style is a ValueError that names both."""
    error = fail(DOUBLING, "double", ValueError("v"), (), (), ())
    with pytest.raises(ValueError, match="'simple' or 'full'"):
        error.exception_node.create_feedback(style)
