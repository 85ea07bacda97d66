"""The registry: numbers per base name, switches, and the legacy look-up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from opto.trace import GRAPH, no_trace, node
from opto.trace.registry import Graph


@pytest.fixture(autouse=True)
def numbered_from_zero():
    """Number nodes from 0 in each test, with the switches as they are by default."""
    GRAPH.clear()
    yield
    GRAPH.LEGACY_GRAPH_BEHAVIOR = False
    GRAPH.ALLOW_NESTED_GRAPHS = True


def test_clear_numbers_from_zero_again():
    """After `clear` the next int is `int:0`."""
    node(1)
    assert node(1).name == "int:1"
    GRAPH.clear()
    assert node(1).name == "int:0"


def test_length_counts_what_was_numbered():
    """`len` is the number of nodes since the last `clear`, living or not."""
    x = node(1)
    for _ in range(10):
        x + 1
    assert len(GRAPH) == 1 + 20
    assert repr(GRAPH) == "<Graph: 21 nodes of 2 names>"
    GRAPH.clear()
    assert len(GRAPH) == 0


def test_trace_is_the_switch():
    """`TRACE` shows whether tracing is on, and turns it off and on here."""
    assert GRAPH.TRACE is True
    with no_trace():
        assert GRAPH.TRACE is False
    GRAPH.TRACE = False
    try:
        assert (node(1) + 1).inputs == {}
    finally:
        GRAPH.TRACE = True
    assert len((node(1) + 1).inputs) == 2


def test_trace_is_of_one_thread():
    """Turning tracing off in one thread leaves the others alone."""
    with no_trace(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: len((node(1) + 1).inputs)).result() == 2


def test_nodes_can_be_collected_by_default():
    """The registry holds no nodes, so looking one up is refused with the remedy."""
    assert GRAPH.LEGACY_GRAPH_BEHAVIOR is False
    for ask in (lambda: GRAPH.get("int:0"), lambda: GRAPH.roots):
        with pytest.raises(RuntimeError, match="LEGACY_GRAPH_BEHAVIOR = True"):
            ask()


def test_legacy_look_up():
    """In legacy mode living nodes are found by name, and the roots are listed."""
    GRAPH.LEGACY_GRAPH_BEHAVIOR = True
    x = node(1)
    y = x + 2
    assert GRAPH.get("int:0") is x
    assert GRAPH.get("add:0") is y
    assert sorted(each.name for each in GRAPH.roots) == ["int:0", "int:1"]
    with pytest.raises(KeyError, match="no living node is called 'int:7'"):
        GRAPH.get("int:7")
    name = y.name
    del y
    with pytest.raises(KeyError):
        GRAPH.get(name)


def test_nested_graphs_are_allowed_by_default():
    """The switch is on, and users may set it."""
    assert Graph().ALLOW_NESTED_GRAPHS is True
    GRAPH.ALLOW_NESTED_GRAPHS = False
    assert GRAPH.ALLOW_NESTED_GRAPHS is False


def test_names_are_unique_under_threads():
    """32 threads that make nodes of one base get distinct numbers without a gap."""
    with ThreadPoolExecutor(32) as pool:
        names = list(pool.map(lambda _: node(1, name="run").name, range(3200)))
    assert sorted(names) == sorted(f"run:{k}" for k in range(3200))
