"""Calls of bundled generator functions, plain and async."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref

import pytest

from opto.trace import (
    ExecutionError,
    MessageNode,
    bundle,
    node,
)
from opto.trace.context import AMBIENT
from opto.trace.nodes import USED_NODES


@pytest.fixture(autouse=True)
def surroundings_are_restored():
    """Whatever a test does, the context variables are afterwards as they were."""
    yield
    assert AMBIENT.get() is None
    assert list(USED_NODES.get()) == []


# ---- generator functions


class TestGenerators:
    def test_items_are_nodes(self):
        """Each item is a MessageNode with the call's inputs as parents."""

        @bundle()
        def count(n):
            yield from range(n)

        n = node(3)
        items = list(count(n))
        assert [each.data for each in items] == [0, 1, 2]
        assert all(type(each) is MessageNode and each.parents[0] is n for each in items)

    def test_the_body_runs_as_items_are_asked_for(self):
        """Nothing runs before the first next, and the caller's reads between items are not the body's."""
        ran = []
        outside = node(1)

        @bundle()
        def count(n):
            for k in range(n):
                ran.append(k)
                yield k

        iterator = count(2)
        assert ran == []
        assert next(iterator).data == 0
        assert ran == [0]
        assert outside.data == 1
        assert next(iterator).data == 1
        assert next(iterator, None) is None

    def test_an_exception_midway(self):
        """It raises ExecutionError at that next; the items before are good."""

        @bundle()
        def fails(x):
            yield x
            raise ValueError("no more")

        x = node(1)
        iterator = fails(x)
        assert next(iterator).data == 1
        with pytest.raises(ExecutionError) as caught:
            next(iterator)
        assert caught.value.exception_node.parents[0] is x
        assert 'raise ValueError("no more") <---' in caught.value.exception_node.info["error_comment"]

    def test_closing_closes_the_body(self):
        """Closing the iterator runs the body's finally."""
        closed = []

        @bundle()
        def count(n):
            try:
                yield from range(n)
            finally:
                closed.append(n)

        iterator = count(3)
        next(iterator)
        iterator.close()
        assert closed == [3]
        unstarted = count(5)
        unstarted.close()
        assert closed == [3]

    def test_send(self):
        """A sent value reaches the body."""

        @bundle()
        def echo(x):
            got = yield x
            while got is not None:
                got = yield got * 2

        iterator = echo(1)
        assert next(iterator).data == 1
        assert iterator.send(4).data == 8
        with pytest.raises(StopIteration):
            next(iterator)

    def test_throw(self):
        """An exception thrown into the iterator reaches the body, which may go on."""

        @bundle()
        def patient(x):
            try:
                yield x
            except KeyError:
                yield "caught"

        iterator = patient(1)
        next(iterator)
        assert iterator.throw(KeyError("k")).data == "caught"

    def test_interleaved_generators(self):
        """Two generators advanced in turn do not mix their surroundings."""

        @bundle()
        def count(n):
            for k in range(3):
                yield n + k

        one, two = count(0), count(10)
        assert [(a.data, b.data) for a, b in zip(one, two)] == [(0, 10), (1, 11), (2, 12)]

    def test_methods_and_trainable(self):
        """Generator methods work, also trainable ones, whose code may change its kind to a plain function."""

        class Agent:
            @bundle(trainable=True)
            def plan(self, n):
                yield from range(n)

        agent = Agent()
        items = list(agent.plan(2))
        assert [each.data for each in items] == [0, 1]
        assert len(items[0].parents) == 3
        agent.plan.parameter._data = "def plan(self, n):\n    return [n, n + 1]"
        assert [each.data for each in agent.plan(2)] == [2, 3]
        agent.plan.parameter._data = "def plan(self, n):\n    return 5"
        with pytest.raises(ExecutionError, match="TypeError"):
            list(agent.plan(2))

    def test_a_generator_in_a_generator(self):
        """A bundled generator may be walked in another's body."""

        @bundle()
        def inner(n):
            yield from range(n)

        @bundle()
        def outer(n):
            for each in inner(n):
                yield each.data + 1

        assert [each.data for each in outer(2)] == [1, 2]

    def test_a_dropped_iterator_is_freed(self):
        """An iterator that is dropped midway closes its body and frees its inputs."""
        closed = []

        @bundle()
        def count(n):
            try:
                yield 1
                yield 2
            finally:
                closed.append(True)

        iterator = count(3)
        first = next(iterator)
        watch = weakref.ref(first)
        del iterator, first
        gc.collect()
        assert closed == [True]
        assert watch() is None


class TestAsyncGenerators:
    async def test_items_are_nodes(self):
        """Each item is a MessageNode with the call's inputs as parents."""

        @bundle()
        async def count(n):
            for k in range(n):
                await asyncio.sleep(0)
                yield k

        n = node(3)
        items = [each async for each in count(n)]
        assert [each.data for each in items] == [0, 1, 2]
        assert items[0].parents[0] is n

    async def test_an_exception_midway(self):
        """It raises ExecutionError at that step."""

        @bundle()
        async def fails(x):
            yield x
            raise ValueError("no more")

        iterator = fails(1)
        assert (await iterator.__anext__()).data == 1
        with pytest.raises(ExecutionError, match="no more"):
            await iterator.__anext__()

    async def test_closing_early(self):
        """Leaving the loop and closing runs the body's finally."""
        closed = []

        @bundle()
        async def count(n):
            try:
                for k in range(n):
                    yield k
            finally:
                await asyncio.sleep(0)
                closed.append(n)

        async with contextlib.aclosing(count(5)) as iterator:
            async for each in iterator:
                if each.data == 1:
                    break
        assert closed == [5]

    async def test_concurrently(self):
        """Several async generators advance in turn without mixing."""

        @bundle()
        async def count(n):
            for k in range(3):
                await asyncio.sleep(0)
                yield n + k

        async def collect(n):
            return [each.data async for each in count(n)]

        results = await asyncio.gather(*(collect(10 * k) for k in range(5)))
        assert results == [[10 * k, 10 * k + 1, 10 * k + 2] for k in range(5)]

    async def test_trainable(self):
        """A model's code that is no async generator function is an error that says what it must be."""

        @bundle(trainable=True)
        async def count(n):
            yield n

        assert [each.data async for each in count(1)] == [1]
        count.parameter._data = "def count(n):\n    return n"
        with pytest.raises(ExecutionError, match="async generator"):
            [each async for each in count(1)]

    async def test_asend_and_athrow(self):
        """Sent values and thrown exceptions reach the body."""

        @bundle()
        async def echo(x):
            try:
                got = yield x
                yield got
            except KeyError:
                yield "caught"

        iterator = echo(1)
        await iterator.__anext__()
        assert (await iterator.asend(5)).data == 5
        await iterator.aclose()
        iterator = echo(1)
        await iterator.__anext__()
        assert (await iterator.athrow(KeyError())).data == "caught"
        await iterator.aclose()
