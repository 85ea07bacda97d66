"""Names of nodes that were made side by side."""

from __future__ import annotations

from opto.trace import GRAPH, bundle, name_scope, node
from opto.trainer.rolling_out.naming import numbered, provisional


def test_nodes_are_named_when_they_are_consumed():
    """In the order in which outputs are named, not in that in which they were made; parameters keep their names."""
    GRAPH.clear()
    parameter = node(1, trainable=True, name="parameter")
    with provisional():
        first, second = parameter + 1, parameter + 2
    numbered(second)
    numbered(first)
    assert [second.name, first.name, parameter.name] == ["add:0", "add:1", "parameter:0"]
    assert [each.name for each in second.parents] == ["parameter:0", "int:0"]
    assert (parameter + 3).name == "add:2"


def test_the_scope_of_the_caller_is_kept():
    """As if the output had been computed here."""
    GRAPH.clear()
    with name_scope("outer"):
        with provisional():
            output = node(1) + 1
        numbered(output)
    assert output.name == "outer/add:0"


def test_graphs_inside_calls_are_named_too():
    """Those of `traceable_code` bundles; a scope that the program opened itself stays."""
    GRAPH.clear()

    @bundle(traceable_code=True)
    def twice(x):
        """Twice."""
        with name_scope("inside"):
            y = x + 0
        return y + x

    with provisional():
        output = twice(node(2))
    numbered(output)
    inner = output.info["output"]
    assert output.name.endswith(".twice:0")
    assert not output.name.startswith("__")
    assert inner.name == "add:0"
    assert inner.parents[0].name == "inside/add:0"


def test_scopes_of_programs_do_not_depend_on_who_was_faster():
    """Nodes in them are numbered in the order of consumption, too, and have the names of a program that runs alone."""

    def program(x):
        with name_scope("one"), name_scope("two"):
            return node(x) + 1

    GRAPH.clear()
    alone = [program(1).name, program(2).name]
    GRAPH.clear()
    with provisional():
        first = program(1)
        with provisional():  # a program that has rollouts of its own
            second = program(2)
        numbered(second)
    for each in (first, second):
        numbered(each)
    assert [first.name, second.name] == alone == ["two/add:0", "two/add:1"]


def test_other_outputs_are_left_alone():
    """A plain value has no name."""
    numbered(3)
    numbered(None)


def test_nodes_in_an_output_are_named():
    """In the order in which they stand in it."""
    GRAPH.clear()
    with provisional():
        first, second = node(1) + 1, node(2) + 2
    numbered((second, [first]))
    assert [second.name, first.name] == ["add:0", "add:1"]
