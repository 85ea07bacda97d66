"""Asking again when a failure may pass by itself."""

import asyncio
import copy
import pickle
from email.utils import formatdate
from types import SimpleNamespace

import pytest

from opto.errors import ModelError, ModelResponseError, ModelTimeoutError, ReplayError
from opto.llm import FromCallable, Recorded, Retrying
from opto.llm.retry_rules import is_transient, retry_after
from opto.testing import ModelSuite, Scripted

MESSAGES = [{"role": "user", "content": "hello"}]
BUSY = ModelError("busy", transient=True, status=429)


def echo(messages, **options):
    """A model that repeats the question."""
    return messages[-1]["content"]


class Clock:
    """Counts the seconds slept instead of sleeping."""

    def __init__(self):
        self.waits = []

    def __call__(self, seconds):
        self.waits.append(seconds)

    async def later(self, seconds):
        self.waits.append(seconds)


def retrying(answers, **options):
    """A retrying model over scripted answers, and its clock."""
    clock = Clock()
    return Retrying(Scripted(answers), sleep=clock, asleep=clock.later, seed=0, **options), clock


@pytest.mark.parametrize("way", ["sync", "async"])
def test_asks_until_it_succeeds(way):
    """Failures that pass are not seen by the caller, in both forms."""
    model, clock = retrying([BUSY, ModelTimeoutError("late"), ModelResponseError("half"), {"choices": []}, "done"])
    response = model(MESSAGES) if way == "sync" else asyncio.run(model.acall(MESSAGES))
    assert response.text == "done"
    assert len(clock.waits) == 4


def test_waits_grow_and_differ_by_chance():
    """Each wait is between a half and the whole of twice the one before, up to the longest."""
    model, clock = retrying([BUSY] * 7 + ["done"], attempts=8, first_wait=1, longest_wait=10)
    model(MESSAGES)
    for wait, longest in zip(clock.waits, [1, 2, 4, 8, 10, 10, 10], strict=True):
        assert longest / 2 <= wait <= longest
    assert len({wait / longest for wait, longest in zip(clock.waits, [1, 2, 4, 8, 10, 10, 10], strict=True)}) == 7


def test_waits_repeat_with_the_seed():
    """The random share comes from a seeded generator."""
    runs = []
    for _ in range(2):
        model, clock = retrying([BUSY] * 3 + ["done"])
        model(MESSAGES)
        runs.append(clock.waits)
    assert runs[0] == runs[1]


def test_last_error_is_raised_as_it_is():
    """After the last attempt the caller gets the model's own error."""
    last = ModelTimeoutError("third")
    model, clock = retrying([BUSY, BUSY, last, "never"], attempts=3)
    with pytest.raises(ModelTimeoutError) as caught:
        model(MESSAGES)
    assert caught.value is last
    assert len(clock.waits) == 2


@pytest.mark.parametrize(
    "error",
    [
        ModelError("refused", status=400),
        ModelError("no key", status=401),
        ReplayError("not on file"),
        ValueError("a bug"),
        TypeError("a bug"),
    ],
)
def test_what_does_not_pass_is_raised_at_once(error):
    """A refused request, a wrong key and a bug of the program are asked once."""
    model, clock = retrying([error, "never"])
    with pytest.raises(type(error)):
        model(MESSAGES)
    assert clock.waits == []
    assert model.model.remaining == 1


def test_wait_asked_for_is_kept():
    """Retry-After is the least wait."""
    model, clock = retrying([ModelError("busy", transient=True, retry_after=7), "done"])
    model(MESSAGES)
    assert clock.waits == [7]


def test_wait_too_long_is_not_waited_for():
    """A provider that asks for more than the longest wait ends the matter."""
    model, clock = retrying([ModelError("busy", transient=True, retry_after=3600), "never"])
    with pytest.raises(ModelError, match="busy"):
        model(MESSAGES)
    assert clock.waits == []


def test_errors_of_other_clients_are_understood():
    """A callable may raise the exceptions of its own client."""

    class StatusError(Exception):
        def __init__(self, status, headers=None):
            super().__init__(f"status {status}")
            self.status_code = status
            self.response = SimpleNamespace(headers=headers or {})

    model, clock = retrying([StatusError(503), ConnectionResetError(), StatusError(429, {"retry-after": "9"}), "done"])
    assert model(MESSAGES).text == "done"
    assert clock.waits[2] == 9
    assert not is_transient(StatusError(404))


def test_retry_after_is_read_in_both_forms():
    """Seconds and a date; nonsense counts as nothing."""
    assert retry_after({"retry-after": "1.5"}) == 1.5
    assert retry_after({"Retry-After": formatdate(1000, usegmt=True)}, now=lambda: 990) == 10
    assert retry_after({"retry-after": formatdate(1000)}, now=lambda: 2000) == 0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None
    assert retry_after(None) is None


@pytest.mark.parametrize("options", [{"attempts": 0}, {"attempts": 1.5}, {"first_wait": -1}, {"first_wait": 100}])
def test_wrong_options_are_refused(options):
    """Options out of range are named."""
    with pytest.raises(ValueError, match="attempts|first_wait"):
        Retrying(echo, **options)


def test_wrappers_compose(tmp_path):
    """Either order of recording and retrying works; a reserved place goes through to the recording."""
    path = tmp_path / "x.json"
    recorded = Recorded(path, Scripted([BUSY, "one", "two"]), "record")
    model = Retrying(recorded, sleep=Clock())
    places = [model.reserve(MESSAGES) for _ in range(2)]
    assert [model(MESSAGES, **place).text for place in places] == ["one", "two"]
    outer, _ = retrying([BUSY, "three"])
    assert Recorded(tmp_path / "y.json", outer, "record")(MESSAGES).text == "three"
    assert [Recorded(path)(MESSAGES).text, Recorded(tmp_path / "y.json")(MESSAGES).text] == ["one", "three"]


def test_tells_of_each_failure_on_the_logger(caplog):
    """What was overcome is logged."""
    model, _ = retrying([BUSY, "done"])
    with caplog.at_level("INFO", logger="opto.llm"):
        model(MESSAGES)
    assert "attempt 1 of 6 failed" in caplog.text


def test_cancellation_is_no_failure():
    """A cancelled request is not asked again."""
    model, clock = retrying([asyncio.CancelledError(), "never"])
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(model.acall(MESSAGES))
    assert clock.waits == []


def test_copies_answer():
    """It deep-copies and pickles with its model."""
    model = Retrying(FromCallable(echo), attempts=2)
    assert copy.deepcopy(model)(MESSAGES).text == pickle.loads(pickle.dumps(model))(MESSAGES).text == "hello"


class TestRetrying(ModelSuite):
    """A retrying model passes the contract tests."""

    def make_model(self):
        return Retrying(echo)
