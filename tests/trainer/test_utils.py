"""Helpers that existing programs import."""

from __future__ import annotations

import copy
import threading

import pytest

from opto.trace import Module, bundle, node
from opto.trace.context import USED_NODES
from opto.trainer.guide import as_guide
from opto.trainer.utils import async_run, batch_run, batchify, deepcopy_module, is_node_copy
from tests.trainer.programs import exact, shouter


def test_results_come_in_order():
    """Also where later ones are ready earlier."""
    ready = threading.Event()

    def first():
        ready.wait()
        return 1

    def second(value, more=0):
        ready.set()
        return value + more

    assert async_run([first, second], [(), (2,)], [{}, {"more": 3}], description="A test") == [1, 5]


def test_six_run_at_once():
    """Unless told otherwise, on any machine."""
    barrier = threading.Barrier(6)
    assert len(async_run([lambda: barrier.wait(timeout=30)] * 6)) == 6


def test_one_after_the_other():
    """With one worker the calls are made in the thread of the caller, if that is allowed."""
    here = threading.current_thread()
    assert async_run([threading.current_thread] * 2, max_workers=1) == [here, here]
    assert async_run([threading.current_thread], max_workers=1, allow_sequential_run=False) != [here]


async def test_inside_a_running_loop():
    """The caller may be a coroutine; coroutine functions are awaited."""

    async def triple(x):
        return 3 * x

    assert async_run([triple, triple], [(1,), (2,)]) == [3, 6]
    assert async_run([triple], [(1,)], max_workers=1) == [3]


def test_used_nodes_are_tracked_by_thread():
    """What one call reads is not taken for what another one reads."""
    ready = threading.Barrier(2)
    value = node(1)

    @bundle()
    def reads(x):
        ready.wait(timeout=30)
        used = [set(each) for each in USED_NODES.get()]
        ready.wait(timeout=30)
        return used

    results = [each.data for each in async_run([reads, reads], [(value,), (node(2),)])]
    assert [len(each) for each in results] == [1, 1]
    assert len(USED_NODES.get()) == 0


def test_the_first_error_is_raised():
    """In the order of the functions."""
    with pytest.raises(ZeroDivisionError):
        async_run([lambda: 1, lambda: 1 / 0, lambda: {}["key"]])
    assert async_run([]) == []


def test_lists_of_other_lengths():
    """The error gives the lengths."""
    with pytest.raises(ValueError, match="same length, got 2, 1 and 2"):
        async_run([len, len], [("a",)])
    with pytest.raises(ValueError, match="max_workers must be an integer >= 1, or None, got 0"):
        async_run([len], [("a",)], max_workers=0)


def test_batches():
    """Arguments with a length are batches; others are repeated."""

    @batch_run(max_workers=3)
    def add(x, y, scale=1):
        """Add."""
        return (x + y) * scale

    assert add([1, 2, 3], 10) == [11, 12, 13]
    assert add([1, 2], [3, 4], scale=[1, 2]) == [4, 12]
    assert add(1, 2) == [3]
    assert add([], []) == []
    assert add.__doc__ == "Add."


def test_batches_of_other_lengths():
    """They are refused."""
    with pytest.raises(ValueError, match=r"All arguments and keyword arguments must have the same length\."):
        batch_run()(lambda x, y: x)([1, 2], [1])


def test_modules_and_guides_are_copied_for_each_item():
    """Their state does not go on; parameters are shared."""
    seen = []

    @batch_run(max_workers=1)
    def run(agent, guide, x):
        seen.append((agent, guide))
        return agent(x)

    agent, guide = shouter(), as_guide(exact)
    outputs = run(agent, guide, ["a", "b"])
    assert [output.data for output in outputs] == ["A!", "B!"]
    assert agent.calls == []
    assert [each.calls for each, _ in seen] == [["a"], ["b"]]
    assert all(each is not guide for _, each in seen)
    assert all(agent.mark in output.parents for output in outputs)


def test_batchify():
    """One traced text with a line for each item."""
    parameter = node("x", trainable=True)
    batched = batchify(parameter, node(2))
    assert batched.data == "ID [0]: x\nID [1]: 2\n"
    batched.backward("Fine.")
    assert parameter.feedback


def test_copies_are_known_by_their_names():
    """Copies of copies too."""
    original, other = node(1, trainable=True), node(1, trainable=True)
    twin = copy.deepcopy(original)
    assert is_node_copy(original, twin)
    assert is_node_copy(twin, copy.deepcopy(twin))
    assert is_node_copy(original, original)
    assert not is_node_copy(original, other)


def test_a_deep_copy_of_a_module_keeps_the_names():
    """The parameters are its own, the names those of the original."""

    class Agent(Module):
        def __init__(self):
            self.prompt = node("Hello", trainable=True, name="prompt")
            self.more = [node(1, trainable=True), {"k": node(2, trainable=True)}]

        @bundle(trainable=True)
        def answer(self, x):
            """Answer."""
            return x

    agent = Agent()
    twin = deepcopy_module(agent)
    names = {path: parameter.name for path, parameter in agent.named_parameters()}
    assert {path: parameter.name for path, parameter in twin.named_parameters()} == names
    twin.prompt._set("Bye")
    assert agent.prompt.data == "Hello"
    assert not {id(each) for each in agent.parameters()} & {id(each) for each in twin.parameters()}
