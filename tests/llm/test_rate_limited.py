"""Keeping to the requests and tokens a minute that a provider allows."""

import asyncio
import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.llm import Model, RateLimited, Response, Usage
from opto.testing import ModelSuite, Scripted

MESSAGES = [{"role": "user", "content": "hello"}]


class Clock:
    """A clock that sleeping moves on."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Noting(Model):
    """Notes when it was asked."""

    def __init__(self, clock, tokens=None):
        self.clock, self.tokens, self.times = clock, tokens, []

    def complete(self, messages, **options):
        self.times.append(self.clock())
        return Response.from_text("hi", usage=self.tokens and Usage(0, self.tokens, self.tokens))


def limited(tokens=None, **limits):
    """A model with limits and a clock of its own, the model inside, and the clock."""
    clock = Clock()
    inner = Noting(clock, tokens)
    return RateLimited(inner, clock=clock, sleep=clock.sleep, **limits), inner, clock


class TestAsAModel(ModelSuite):
    """It is a model like others."""

    def make_model(self):
        return RateLimited(Scripted(["hello"] * 20), requests_per_minute=1000)


def test_requests_of_any_minute():
    """The first ones go at once, the next when the oldest is a minute ago."""
    model, inner, clock = limited(requests_per_minute=3)
    for _ in range(3):
        model(MESSAGES)
        clock.now += 10
    for _ in range(4):
        model(MESSAGES)
    assert [time - 1000 for time in inner.times] == [0, 10, 20, 60, 70, 80, 120]


def test_tokens_of_any_minute():
    """A request counts with its worst case until its answer says what it took."""
    model, inner, _ = limited(tokens=100, tokens_per_minute=1000)
    for _ in range(3):
        model(MESSAGES, max_tokens=700)
    assert [time - 1000 for time in inner.times] == [0, 0, 0]
    model, inner, _ = limited(tokens_per_minute=1000)  # it never says
    for _ in range(3):
        model(MESSAGES, max_tokens=700)
    assert [time - 1000 for time in inner.times] == [0, 60, 120]


def test_a_request_that_never_fits():
    """It is refused instead of waiting for ever."""
    model, inner, _ = limited(tokens_per_minute=100)
    with pytest.raises(ValueError, match="lower its max_tokens"):
        model(MESSAGES, max_tokens=200)
    assert not inner.times


@given(
    st.lists(st.tuples(st.floats(0, 40), st.integers(1, 400)), min_size=1, max_size=30),
    st.integers(1, 5),
    st.integers(500, 1000),
)
def test_no_minute_has_more_than_allowed(arrivals, requests, tokens):
    """Whenever requests arrive, no window of a minute holds too many of them, or too many tokens."""
    model, _, clock = limited(requests_per_minute=requests, tokens_per_minute=tokens)
    sent = []
    for pause, size in arrivals:
        clock.now += pause
        turn = model._take_turn(size)
        assert turn.time >= clock.now
        sent.append((turn.time, size))
    for end, _ in sent:
        window = [size for time, size in sent if end - 60 + 1e-6 < time <= end]  # floats
        assert len(window) <= requests
        assert sum(window) <= tokens


def test_threads_share_the_limit():
    """Sixteen threads together send what one may, each in a turn of its own."""
    lock, now = threading.Lock(), [1000.0]

    def sleep(seconds):
        with lock:
            now[0] += seconds

    model = RateLimited(Scripted(["hi"] * 16), requests_per_minute=4, clock=lambda: now[0], sleep=sleep)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: model(MESSAGES), range(16)))
    turns = sorted(turn.time for turn in model._turns)
    assert all(later - earlier >= 60 for earlier, later in zip(turns, turns[4:]))


async def test_tasks_wait_without_blocking_the_loop():
    """While tasks wait for their turn the loop goes on."""
    clock, gate, others = Clock(), asyncio.Event(), []

    async def asleep(seconds):
        others.append("waiting")
        await gate.wait()
        clock.now = max(clock.now, 1000.0 + seconds)

    model = RateLimited(Noting(clock), requests_per_minute=2, clock=clock, asleep=asleep)
    tasks = [asyncio.create_task(model.acall(MESSAGES)) for _ in range(3)]
    while not others:
        await asyncio.sleep(0)
    assert sum(task.done() for task in tasks) <= 2
    gate.set()
    assert [response.text for response in await asyncio.gather(*tasks)] == ["hi"] * 3


def test_copies_share_the_limit():
    """A deep copy is the same one; a pickled one has a limit of its own."""
    model = RateLimited(Scripted(["hi"] * 3), requests_per_minute=2)
    assert copy.deepcopy(model) is model
    assert pickle.loads(pickle.dumps(model))(MESSAGES).text == "hi"


@pytest.mark.parametrize("limits", [{}, {"requests_per_minute": 0}, {"tokens_per_minute": 1.5}])
def test_wrong_limits(limits):
    """They are refused by name."""
    with pytest.raises(ValueError, match=next(iter(limits), "needs a limit")):
        RateLimited(Scripted([]), **limits)
