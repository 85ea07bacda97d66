"""Functions of the user's that a step calls: one at a time, beside the event loop, with the context of the step."""

import asyncio
import contextvars
import json
import threading

import pytest

from opto.llm.tokens import count_tokens
from opto.optimizers import OPRO, FewShot, LineSearch, OptoPrime, OptoPrimeMulti, OptoPrimeMultiV2
from opto.optimizers.drivers import Request, arun, called, run, together
from opto.trace import GRAPH, node

WHO = contextvars.ContextVar("who", default="nobody")


@pytest.fixture(autouse=True)
def fresh_names():
    """Names count from 0 in each test."""
    GRAPH.clear()


def model(messages, temperature=0.5, **options):
    """Suggests a number, in the form that is asked for."""
    value = round(10 * temperature)
    if '"suggestion"' in messages[0]["content"]:
        return json.dumps({"suggestion": {"x0": value}})
    return f"<variable><name>x0</name><value>{value}</value></variable>"


def number():
    """A number with feedback."""
    x = node(1, trainable=True, name="x")
    return x, x + 1


def line_search(function):
    """A check."""
    x, output = number()
    return x, output, LineSearch(OptoPrime([x], model), lambda values: function(values[x]))


def opro(function):
    """A score of proposals."""
    x, output = number()
    return x, output, OPRO([x], model, score=lambda values: function(values[x]))


def multi(function):
    """A score of candidates."""
    x, output = number()
    return x, output, OptoPrimeMulti([x], model, score=lambda values: function(values[x]))


def tagged(function):
    """The same in tags."""
    x, output = number()
    return x, output, OptoPrimeMultiV2([x], model, score=lambda values: function(values[x]))


class Watched:
    """A function that goes on only once the event loop has turned, and says where it ran."""

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.seen, self.threads = [], set()

    def __call__(self, value):
        turned = threading.Event()
        self.loop.call_soon_threadsafe(turned.set)
        assert turned.wait(20), "the event loop stands still"
        self.threads.add(threading.get_ident())
        self.seen.append(WHO.get())
        return value

    async def coroutine(self, value):
        assert asyncio.get_running_loop() is self.loop
        await asyncio.sleep(0)
        self.seen.append(WHO.get())
        return value


@pytest.mark.parametrize("make", [line_search, opro, multi, tagged])
async def test_a_function_does_not_block_the_event_loop(make):
    """It runs in a thread, and sees the context of the step."""
    watched = Watched()
    x, output, optimizer = make(watched)
    WHO.set("me")
    optimizer.backward(output, "more")
    await optimizer.astep()
    assert x.data == (10 if make in (multi, tagged) else 5)
    assert set(watched.seen) == {"me"}
    assert threading.get_ident() not in watched.threads


@pytest.mark.parametrize("make", [line_search, opro, multi, tagged])
async def test_a_coroutine_function_is_awaited(make):
    """On the loop of the step, in its context."""
    watched = Watched()
    x, output, optimizer = make(watched.coroutine)
    WHO.set("me")
    optimizer.backward(output, "more")
    await optimizer.astep()
    assert x.data == (10 if make in (multi, tagged) else 5)
    assert set(watched.seen) == {"me"}


@pytest.mark.parametrize("make", [line_search, opro, multi, tagged])
def test_a_coroutine_function_without_a_loop(make):
    """`step` gives it a loop of its own."""

    async def function(value):
        await asyncio.sleep(0)
        return value

    x, output, optimizer = make(function)
    optimizer.backward(output, "more")
    optimizer.step()
    assert x.data == (10 if make in (multi, tagged) else 5)


async def test_step_on_an_event_loop():
    """A coroutine function cannot be waited for there; the error says what to call, and nothing changes."""
    watched = Watched()
    x, output, optimizer = multi(watched.coroutine)
    optimizer.backward(output, "more")
    with pytest.raises(TypeError, match=r"await optimizer.astep\(\)"):
        optimizer.step()
    assert x.data == 1


@pytest.mark.parametrize("kind", ["function", "coroutine"])
async def test_a_selector(kind):
    """It is called like a score."""
    watched = Watched()
    x, output = number()

    def select(candidates):
        watched(0)
        return max(candidates, key=lambda each: each[x])

    async def aselect(candidates):
        return max(candidates, key=lambda each: each[x])

    optimizer = OptoPrimeMulti([x], model, selector=select if kind == "function" else aselect)
    optimizer.backward(output, "more")
    assert await optimizer.astep() == {x: 10}


async def test_errors_and_cancelling():
    """An error is the function's own; a cancelled step changes nothing."""
    x, output, optimizer = multi(lambda value: 1 / 0)
    optimizer.backward(output, "more")
    with pytest.raises(ZeroDivisionError):
        await optimizer.astep()
    GRAPH.clear()
    begun = asyncio.Event()

    async def endless(value):
        begun.set()
        await asyncio.Event().wait()

    x, output, optimizer = line_search(endless)
    optimizer.backward(output, "more")
    task = asyncio.ensure_future(optimizer.astep())
    await asyncio.wait_for(begun.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert x.data == 1


def proposals(function):
    """Three that call a function and one that asks."""

    def asking():
        [reply] = yield [Request([{"role": "user", "content": "hello"}])]
        return reply.text

    return [*(called(function, number) for number in range(3)), asking()]


class OneAtATime:
    """A function that may not run twice at once."""

    def __init__(self):
        self.running, self.most = 0, 0

    def __call__(self, value):
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(1000):
            threading.get_ident()
        self.running -= 1
        return value * 10


async def test_functions_run_one_at_a_time():
    """Also where several proposals call some at the same time as others ask a model; results keep their places."""
    from opto.llm import as_model

    answering = as_model(lambda messages, **options: "hi")
    for kind in ("sync", "async"):
        function = OneAtATime()
        proposal = together(proposals(function))
        if kind == "sync":
            found = await asyncio.to_thread(run, proposal, lambda: answering, {})
        else:
            found = await arun(proposal, lambda: answering, {})
        assert found == [0, 10, 20, "hi"]
        assert function.most == 1


@pytest.mark.parametrize("kind", ["function", "coroutine"])
async def test_a_search_on_the_event_loop(kind):
    """`asearch` finds what `search` finds; a score that is a function runs in a thread."""
    labelled = [(number, number % 4) for number in range(40)]
    found = []
    for how in ("search", "asearch"):
        demos = node([], trainable=True, name="demos")
        watched = Watched()

        def score(values, examples):
            if how == "asearch":
                watched(0)
            return [0.1 + 0.2 * len({label for _, label in values[demos]})] * len(examples)

        async def ascore(values, examples):
            await asyncio.sleep(0)
            return score(values, examples)

        optimizer = FewShot([demos], labelled, score=score if kind == "function" else ascore, size=4, seed=0)
        if how == "asearch":
            found.append((await optimizer.asearch(), optimizer.spent))
            assert threading.get_ident() not in watched.threads
        else:
            found.append((await asyncio.to_thread(optimizer.search), optimizer.spent))
    (first, spent), (second, spent_too) = found
    assert [*first.values()] == [*second.values()]
    assert spent == spent_too
    with pytest.raises(ValueError, match="search needs score="):
        await FewShot([node([], trainable=True)], labelled).asearch()


@pytest.mark.parametrize("most", [2800, 3500, 100_000])
def test_failures_that_a_line_search_tells_keep_the_limit(most):
    """As many of the last ones as fit in the prompt are told."""
    requests = []
    x = node("good", trainable=True, name="x")

    def writing(messages, **options):
        requests.append(messages)
        return json.dumps({"suggestion": {"x0": f"{len(requests)} " + "bad " * 100}})

    optimizer = LineSearch(OptoPrime([x], writing, max_prompt_tokens=most), lambda values: values[x] == "good")
    for _ in range(5):
        optimizer.zero_feedback()
        optimizer.backward(x + "!", "Better?")
        assert optimizer.step() == {}
    assert all(count_tokens(messages) <= most for messages in requests)
    told = requests[-1][1]["content"].count("-> the check gives")
    assert told == 4 if most == 100_000 else told < 4
