"""Calls of bundled functions: coroutines, code of another kind, surroundings, threads and tasks."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from opto.trace import (
    GRAPH,
    ExecutionError,
    MessageNode,
    Module,
    TraceMissingInputsError,
    bundle,
    name_scope,
    no_trace,
    node,
)
from opto.trace.context import AMBIENT
from opto.trace.nodes import USED_NODES


@bundle()
async def slow_double(x):
    """Doubles, giving way to others on the way."""
    await asyncio.sleep(0)
    return 2 * x


@pytest.fixture(autouse=True)
def surroundings_are_restored():
    """Whatever a test does, the context variables are afterwards as they were."""
    yield
    assert AMBIENT.get() is None
    assert list(USED_NODES.get()) == []


# ---- coroutine functions


class TestAsync:
    async def test_a_call_is_awaited(self):
        """A bundled coroutine function gives an awaitable of exactly a MessageNode."""
        x = node(2)
        output = await slow_double(x)
        assert type(output) is MessageNode
        assert output.data == 4
        assert output.parents[0] is x

    async def test_gather(self):
        """Several calls run at once, each with its own inputs and used nodes."""
        inputs = [node(k) for k in range(20)]
        outputs = await asyncio.gather(*(slow_double(each) for each in inputs))
        assert [each.data for each in outputs] == [2 * k for k in range(20)]
        assert all(output.parents == [x] and output.parents[0] is x for output, x in zip(outputs, inputs))

    async def test_used_nodes_do_not_leak_between_tasks(self):
        """What one body reads is not held against another that runs meanwhile."""
        outside = node(1)

        @bundle(allow_external_dependencies=True)
        async def reads(x):
            await asyncio.sleep(0)
            value = outside.data
            await asyncio.sleep(0)
            return value + x

        outputs = await asyncio.gather(*(each for k in range(10) for each in (reads(k), slow_double(k))))
        for output in outputs[0::2]:
            assert output.info["external_dependencies"] == [outside]
        for output in outputs[1::2]:
            assert output.info["external_dependencies"] == []

    async def test_missing_inputs(self):
        """Reading a node that is no input is an error here too."""
        outside = node(1)

        @bundle()
        async def reads(x):
            await asyncio.sleep(0)
            return outside.data + x

        with pytest.raises(TraceMissingInputsError):
            await reads(1)

    async def test_errors(self):
        """A failure raises at the await; the exception node's parent is the argument."""

        @bundle()
        async def fails(x):
            await asyncio.sleep(0)
            raise ValueError("no")

        x = node(1)
        call = fails(x)
        with pytest.raises(ExecutionError) as caught:
            await call
        assert caught.value.exception_node.parents[0] is x
        assert len(caught.value.exception_node.parents) == 1
        assert "raise ValueError" in caught.value.exception_node.info["error_comment"]

    async def test_gather_with_failures(self):
        """One failing call leaves the others alone."""

        @bundle()
        async def inverse(x):
            await asyncio.sleep(0)
            return 1 / x

        results = await asyncio.gather(*(inverse(k) for k in range(3)), return_exceptions=True)
        assert isinstance(results[0], ExecutionError)
        assert [each.data for each in results[1:]] == [1.0, 0.5]

    async def test_methods(self):
        """A coroutine method takes the object first."""

        class Agent:
            bonus = 3

            @bundle(trainable=True)
            async def act(self, x):
                await asyncio.sleep(0)
                return x + self.bonus

        agent = Agent()
        output = await agent.act(1)
        assert output.data == 4
        assert len(output.parents) == 3

    async def test_trainable(self):
        """The code of a coroutine function can be rewritten, also into a plain function."""

        @bundle(trainable=True)
        async def f(x):
            return x

        f.parameter._data = "async def f(x):\n    return x + 1"
        assert (await f(1)).data == 2
        f.parameter._data = "def f(x):\n    return x + 2"
        assert (await f(1)).data == 3
        f.parameter._data = "async def f(x):\n    return x / 0"
        with pytest.raises(ExecutionError) as caught:
            await f(1)
        assert f.parameter in caught.value.exception_node.parents
        f.parameter._data = "async def f(x:"
        with pytest.raises(ExecutionError):
            await f(1)

    async def test_cancellation(self):
        """A cancelled body ends with CancelledError, and the task's surroundings are as before."""
        started = asyncio.Event()
        cleaned = []

        @bundle()
        async def waits(x):
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                cleaned.append(x)

        async def caller():
            before = AMBIENT.get(), USED_NODES.get()
            try:
                await waits(1)
            except asyncio.CancelledError:
                assert (AMBIENT.get(), USED_NODES.get()) == before
                raise

        task = asyncio.ensure_future(caller())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert cleaned == [1]

    async def test_closed_elsewhere(self):
        """A body that is left waiting and closed in another context raises nothing."""

        @bundle()
        async def waits(x):
            await asyncio.sleep(0)
            return x

        call = waits(1)
        contextvars.copy_context().run(call.send, None)
        contextvars.copy_context().run(call.close)

    async def test_nested_coroutines(self):
        """A bundled coroutine that awaits another has its own inputs as parents."""

        @bundle()
        async def outer(x):
            first, second = await asyncio.gather(slow_double(x), slow_double(x + 1))
            return first.data + second.data

        output = await outer(node(1))
        assert output.data == 6
        assert len(output.parents) == 1

    async def test_the_body_may_start_tasks_that_outlive_it(self):
        """A task that a body starts, and that goes on after it, disturbs nobody."""
        tasks = []

        @bundle()
        async def starts(x):
            async def later():
                await asyncio.sleep(0)
                return await slow_double(5)

            tasks.append(asyncio.ensure_future(later()))
            return x

        assert (await starts(1)).data == 1
        assert (await tasks[0]).data == 10

    async def test_is_told_as_a_coroutine_function(self):
        """The call gives a coroutine."""
        call = slow_double(1)
        assert inspect.iscoroutine(call)
        await call

    async def test_partial_of_a_coroutine_function(self):
        """A functools.partial of a coroutine function is awaited too."""

        async def add(x, y):
            await asyncio.sleep(0)
            return x + y

        assert (await bundle("[add_one] Adds one.")(functools.partial(add, 1))(2)).data == 3

    async def test_two_hundred_tasks(self):
        """200 concurrent tasks that each trace their own graph, 100 times: no wrong edge, no name twice."""

        @bundle()
        async def step(x, k):
            await asyncio.sleep(0)
            return x + k

        async def chain(k):
            start = node(k)
            one = await step(start, 1)
            two = await step(one, 1)
            assert one.parents[0] is start
            assert two.parents[0] is one
            return two

        for _ in range(100):
            outputs = await asyncio.gather(*(chain(k) for k in range(200)))
            assert [each.data for each in outputs] == [k + 2 for k in range(200)]
            assert len({each.name for each in outputs}) == 200


# ---- code of another kind


class TestKindChanges:
    @pytest.mark.parametrize("code", ["async def f(n):\n    return n", "def f(n):\n    yield n"])
    def test_a_plain_function_stays_one(self, code):
        """Its callers neither wait nor iterate, so such code is an ExecutionError that says what it must be."""

        @bundle(trainable=True)
        def f(n):
            return n

        f.parameter._data = code
        with pytest.raises(ExecutionError, match="plain function") as caught:
            f(3)
        assert caught.value.exception_node.parents == [f.parameter]
        assert "def f(n): <---" in caught.value.exception_node.info["error_comment"]

    async def test_a_decorator_around_a_coroutine_function(self):
        """A plain wrapper that returns the coroutine makes the call awaitable all the same."""

        def forwarding(function):
            def wrapper(x):
                return function(x)

            return wrapper

        @bundle()
        @forwarding
        async def double(x):
            await asyncio.sleep(0)
            return 2 * x

        output = await double(node(2))
        assert type(output) is MessageNode
        assert output.data == 4
        with pytest.raises(ExecutionError):
            await double(None)


# ---- ambient state


class TestSurroundings:
    def test_no_trace_inside_a_body(self):
        """no_trace in a body ends with the block."""

        @bundle()
        def f(x):
            with no_trace():
                (node(1) + 1).data  # noqa: B018
            return x

        assert f(1).parents

    def test_scopes_reach_bodies(self):
        """A name scope around a call names its nodes, and those made in its body."""
        GRAPH.clear()
        inner = []

        @bundle("[act] Acts.")
        def f(x):
            inner.append(node(1))
            return x

        with name_scope("agent"):
            output = f(1)
        assert output.name == "agent/act:0"
        assert inner[0].name == "agent/int:0"

    def test_a_body_under_no_trace(self):
        """A body called under no_trace may read any node."""
        outside = node(1)

        @bundle()
        def f(x):
            return outside.data + x

        with no_trace():
            assert f(1).data == 2


# ---- threads


def traced_graph(k):
    """A little graph of its own: checks each edge, and returns the names."""

    @bundle()
    def mix(a, b):
        return a * 10 + b

    start, other = node(k), node(1, trainable=True)
    total = start + other
    mixed = mix(total, other)
    final = mixed - start
    assert final.data == (k + 1) * 10 + 1 - k
    assert final.parents[0] is mixed
    assert final.parents[1] is start
    assert mixed.parents[0] is total
    assert mixed.parents[1] is other
    assert total.parents[0] is start
    assert total.parents[1] is other
    final.backward(f"feedback {k}")
    assert [each.user_feedback for every in other.feedback.values() for each in every] == [f"feedback {k}"] * 2
    return [each.name for each in (start, other, total, mixed, final)]


def test_thirty_two_threads():
    """32 threads that each trace their own graph, 100 times: no wrong edge, no name twice."""
    GRAPH.clear()
    barrier = threading.Barrier(32)

    def work(k):
        barrier.wait()
        return [name for _ in range(100) for name in traced_graph(k)]

    with ThreadPoolExecutor(32) as pool:
        names = [name for names in pool.map(work, range(32)) for name in names]
    assert len(names) == len(set(names)) == 32 * 100 * 5


def test_threads_share_a_trainable_bundle():
    """One object's trainable method called from many threads: one bundle, one self node, right results."""

    class Agent:
        @bundle(trainable=True)
        def act(self, x):
            return x + 1

    agent = Agent()
    barrier = threading.Barrier(16)

    def work(k):
        barrier.wait()
        return agent.act(k)

    with ThreadPoolExecutor(16) as pool:
        outputs = list(pool.map(work, range(16)))
    assert [each.data for each in outputs] == [k + 1 for k in range(16)]
    assert len({id(each.parents[0]) for each in outputs}) == 1
    assert len({id(each.inputs["__code"]) for each in outputs}) == 1


def test_threads_share_a_module_that_is_stepped():
    """32 threads run one module while another rewrites its parameters: each graph shows what its own forward read."""

    class Program(Module):
        def __init__(self):
            self.k = node(0, trainable=True)

        @bundle(trainable=True)
        def act(self, x):
            return x * 10

        def forward(self, x):
            return self.act(self.k + x)

    program = Program()
    stop = threading.Event()
    parameters = program.parameters()

    def step():
        count = 0
        while not stop.is_set():
            count += 1
            program.zero_feedback()
            program.k._data = count % 7
            program.act.parameter._data = f"def act(self, x):\n    return x * {count % 7 + 10}"

    def work(k):
        for _ in range(30):
            output = program(1)
            total = output.inputs["x"]
            factor = int(output._read[2].rsplit("*", 1)[1])
            assert total.data == total._read[0] + 1
            assert output.data == total.data * factor
            output.backward(k)
        return True

    writer = threading.Thread(target=step)
    writer.start()
    try:
        with ThreadPoolExecutor(32) as pool:
            assert all(pool.map(work, range(32)))
    finally:
        stop.set()
        writer.join()
    assert [id(each) for each in program.parameters()] == [id(each) for each in parameters]


def test_each_graph_shows_the_code_that_ran():
    """While another thread rewrites the code, each call's graph holds the text that it ran."""

    @bundle(trainable=True)
    def f():
        return 0

    texts = [f"def f():\n    return {k}" for k in range(10)]
    f.parameter._data = texts[0]
    stop = threading.Event()

    def rewrite():
        k = 0
        while not stop.is_set():
            k = (k + 1) % 10
            f.parameter._data = texts[k]

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        for _ in range(300):
            output = f()
            assert output._read[0] == texts[output.data]
    finally:
        stop.set()
        writer.join()
