"""What surrounds a call: tracing on and off, name scopes; restored on exit, and of one thread or task alone."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

import opto.trace
from opto.trace import GRAPH, MessageNode, name_scope, no_trace, node, stop_tracing
from opto.trace.context import AMBIENT, current, tracing
from opto.trace.nodes import NAME_SCOPES


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    """Fail a test that leaves surroundings behind."""
    GRAPH.clear()
    yield
    assert AMBIENT.get() is None
    assert list(NAME_SCOPES) == []


class TestNoTrace:
    def test_results_have_no_inputs(self):
        """Inside, the value is right and nothing is remembered."""
        x = node(1, trainable=True)
        with no_trace():
            y = x + 2
        assert type(y) is MessageNode
        assert y.inputs == {}
        assert y == 3
        assert x.children == []
        assert (x + 2).inputs.keys() == {"x", "y"}

    def test_the_published_name(self):
        """`stop_tracing` is the same thing."""
        assert stop_tracing is no_trace
        assert opto.trace.stop_tracing is no_trace

    def test_messages_by_hand_are_not_recorded_either(self):
        """A `MessageNode` made inside has no inputs."""
        with no_trace():
            assert MessageNode(1, inputs=[node(1)], description="[mine]").inputs == {}

    def test_nested(self):
        """An inner block does not turn tracing on again for the outer one."""
        with no_trace():
            with no_trace():
                assert not tracing()
            assert not tracing()
        assert tracing()

    def test_re_entrant(self):
        """One object may be entered inside itself, and again later."""
        quiet = no_trace()
        with quiet:
            with quiet:
                assert not tracing()
            assert not tracing()
        assert tracing()
        with quiet:
            assert not tracing()
        assert tracing()

    def test_restored_on_exceptions(self):
        """An exception restores what was before, at each depth."""
        with no_trace():
            with pytest.raises(KeyError), no_trace():
                raise KeyError
            assert not tracing()
        with pytest.raises(KeyError), no_trace():
            raise KeyError
        assert tracing()

    def test_tracing_may_be_turned_on_inside(self):
        """What a block sets is undone at its end."""
        with no_trace():
            GRAPH.TRACE = True
            assert len((node(1) + 1).inputs) == 2
        assert tracing()
        with no_trace():
            GRAPH.TRACE = True
            with no_trace():
                assert not tracing()
            assert tracing()

    def test_as_a_decorator(self):
        """Each call of a decorated function runs without tracing, recursion included."""

        @no_trace()
        def deep(n):
            assert not tracing()
            return node(1) + 1 if n == 0 else deep(n - 1)

        assert deep(3).inputs == {}
        assert tracing()

    def test_as_a_decorator_of_coroutine_functions(self):
        """The whole coroutine runs without tracing, and its neighbours with it."""

        @no_trace()
        async def quiet():
            await asyncio.sleep(0)
            return tracing()

        async def loud():
            await asyncio.sleep(0)
            return tracing()

        async def both():
            return await asyncio.gather(quiet(), loud(), quiet())

        assert asyncio.run(both()) == [False, True, False]

    def test_threads_do_not_share_it(self):
        """A decorated function in one thread leaves another thread traced."""

        @no_trace()
        def quiet(_):
            return tracing()

        with ThreadPoolExecutor(8) as pool:
            assert not any(pool.map(quiet, range(100)))
            assert all(pool.map(lambda _: tracing(), range(100)))


class TestNameScopes:
    def test_prefix(self):
        """The innermost scope prefixes the names of values and results."""
        with name_scope("agent"):
            x = node(1)
            y = x + 1
            with name_scope("inner"):
                z = x + 1
        assert [x.name, y.name, z.name] == ["agent/int:0", "agent/add:0", "inner/add:0"]
        assert y.inputs["y"].name == "agent/int:1"
        assert node(1).name == "int:0"

    def test_the_published_stack(self):
        """`NAME_SCOPES` is a stack as lists are."""
        NAME_SCOPES.append("a")
        NAME_SCOPES.append("b")
        assert list(NAME_SCOPES) == ["a", "b"]
        assert repr(NAME_SCOPES) == "['a', 'b']"
        assert NAME_SCOPES[-1] == "b"
        assert NAME_SCOPES[:1] == ["a"]
        assert node(1).name == "b/int:0"
        NAME_SCOPES[1] = "c"
        assert node(1).name == "c/int:0"
        assert NAME_SCOPES.pop() == "c"
        assert node(1).name == "a/int:0"
        del NAME_SCOPES[0]
        assert len(NAME_SCOPES) == 0
        assert node(1).name == "int:0"

    def test_with_no_trace(self):
        """Both hold together, in either order."""
        with no_trace(), name_scope("a"):
            y = node(1) + 1
        assert y.name == "a/add:0"
        assert y.inputs == {}
        with name_scope("a"), no_trace():
            assert (node(1) + 1).inputs == {}

    def test_as_a_decorator_takes_the_scopes_of_the_call(self):
        """A decorated function adds its scope to those around the call, not around the definition."""
        with name_scope("outer"):

            @name_scope("inner")
            def scopes():
                return current().scopes

        assert scopes() == ("inner",)
        with name_scope("a"):
            assert scopes() == ("a", "inner")

    def test_a_lasting_scope_stands_before_those_inside_it(self):
        """Others give way to the innermost one."""
        with name_scope("kept", lasting=True):
            with name_scope("a"), name_scope("b"):
                assert node(1, name="x").name == "kept//b/x:0"
            assert node(1, name="x").name == "kept/x:0"
        with name_scope("a"), name_scope("b"):
            assert node(1, name="x").name == "b/x:0"

    @pytest.mark.parametrize("name", [3, None])
    def test_a_scope_is_a_text(self, name):
        """Another type is an error that shows it."""
        with pytest.raises(TypeError, match="a name scope must be a str, got"):
            name_scope(name)
        with pytest.raises(TypeError, match="a name scope must be a str, got"):
            NAME_SCOPES.append(name)

    @pytest.mark.parametrize("name", ["", "a:b"])
    def test_a_scope_has_no_colon(self, name):
        """It would end up in a name, which must not have one."""
        with pytest.raises(ValueError, match="without a colon"):
            name_scope(name)

    def test_restored_on_exceptions(self):
        """An exception ends the scope."""
        with pytest.raises(KeyError), name_scope("a"):
            raise KeyError

    def test_tasks_do_not_share_scopes(self):
        """200 concurrent tasks, each in a scope of its own."""

        async def run(k):
            with name_scope(f"task{k}"):
                await asyncio.sleep(0)
                y = node(1) + 1
                await asyncio.sleep(0)
                return y.name == f"task{k}/add:0" and (node(1) + 1).name == f"task{k}/add:1"

        async def all_of_them():
            return await asyncio.gather(*(run(k) for k in range(200)))

        assert all(asyncio.run(all_of_them()))
