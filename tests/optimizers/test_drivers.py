"""Requests of a proposal go out together, in threads or on the event loop, and every exchange is an event."""

import asyncio
import contextvars
import threading

import pytest

from opto.errors import ModelResponseError
from opto.llm import FromCallable, Model, Response
from opto.optimizers.drivers import Request, arun, run
from opto.runs import EventLog, listening
from opto.testing import Scripted

ABOUT = {"optimizer": "Test", "step": 1}
ambient = contextvars.ContextVar("ambient", default="unset")


def asking(*texts):
    """A request for each text."""
    return [Request([{"role": "user", "content": text}], {"max_tokens": 5}) for text in texts]


def proposal(*rounds):
    """Sends the rounds one after the other, and returns all texts."""
    texts = []
    for each in rounds:
        replies = yield asking(*each)
        texts.extend(reply.text for reply in replies)
    return texts


def drive_sync(generator, model):
    """Drive on this thread."""
    return run(generator, lambda: model, ABOUT)


def drive_async(generator, model):
    """Drive on an event loop."""
    return asyncio.run(arun(generator, lambda: model, ABOUT))


both = pytest.mark.parametrize("drive", [drive_sync, drive_async])


class Meeting(Model):
    """Answers only once as many requests are under way as were announced."""

    def __init__(self, parties):
        self.barrier = threading.Barrier(parties, timeout=10)
        self.ambient = []

    def complete(self, messages, **options):
        self.ambient.append(ambient.get())
        self.barrier.wait()
        return messages[0]["content"].upper()


@both
def test_replies_come_in_the_order_of_the_requests(drive):
    """All requests of a list are under way at once; the replies keep the list's order."""
    assert drive(proposal(["a", "b", "c"], ["d", "e", "f"]), Meeting(3)) == list("ABCDEF")


@both
def test_context_variables_reach_the_model(drive):
    """A model sees the context of whoever steps."""
    token = ambient.set("here")
    try:
        model = Meeting(2)
        drive(proposal(["a", "b"]), model)
    finally:
        ambient.reset(token)
    assert model.ambient == ["here", "here"]


@both
def test_a_proposal_without_requests_needs_no_model(drive):
    """Nothing is asked for, so no model is made."""

    def silent():
        return 42
        yield

    def no_model():
        raise AssertionError("no model is needed")

    if drive is drive_sync:
        assert run(silent(), no_model, ABOUT) == 42
    else:
        assert asyncio.run(arun(silent(), no_model, ABOUT)) == 42


@both
def test_an_empty_list_gets_an_empty_list(drive):
    """A list without requests is answered at once."""
    assert drive(proposal([]), Scripted([])) == []


@both
def test_events_hold_plain_data_in_order(drive):
    """Each request and each response, and the error of a failed one, is told as plain data."""

    def tolerant():
        replies = yield asking("a", "b")
        return [reply.error is None for reply in replies]

    def answer(messages, **options):
        if messages[0]["content"] == "b":
            raise ConnectionError("line is dead")
        return "A"

    log = EventLog()
    with listening(log):
        assert drive(tolerant(), FromCallable(answer)) == [True, False]
    assert [event.kind for event in log.events] == ["request", "request", "response", "response"]
    requests, responses = log.of("request"), log.of("response")
    assert [event.data["messages"][0]["content"] for event in requests] == ["a", "b"]
    assert requests[0].data["options"] == {"max_tokens": 5}
    assert responses[0].data["response"]["choices"][0]["message"]["content"] == "A"
    assert responses[1].data["error"] == "ConnectionError: line is dead"
    assert all(event.data["optimizer"] == "Test" and event.data["step"] == 1 for event in log.events)


@both
def test_the_driver_reserves_places_in_the_order_of_the_list(drive):
    """Equal requests are numbered before any is sent, so arrival does not matter."""

    class Numbered(Meeting):
        def __init__(self):
            super().__init__(3)
            self.reserved = 0

        def reserve(self, messages, **options):
            self.reserved += 1
            return {"occurrence": self.reserved}

        def complete(self, messages, **options):
            super().complete(messages, **options)
            return str(options["occurrence"])

    assert drive(proposal(["same", "same", "same"]), Numbered()) == ["1", "2", "3"]


@both
def test_an_error_that_nobody_handles_is_raised_and_closes_the_proposal(drive):
    """The model's own error comes out, after the proposal could clean up."""
    closed = []

    def careful():
        try:
            [reply] = yield asking("a")
            return reply.text
        finally:
            closed.append(True)

    with pytest.raises(ConnectionError, match="dead"):
        drive(careful(), Scripted([ConnectionError("dead")]))
    assert closed == [True]


@both
def test_an_answer_without_text_is_an_error(drive):
    """A response that only calls tools, or is empty, has no text to use."""
    answer = {"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": [{"id": 1}]}}]}
    with pytest.raises(ModelResponseError, match="without any text"):
        drive(proposal(["a"]), Scripted([answer]))


@both
def test_a_request_may_name_its_own_model(drive):
    """One proposal can ask several models."""

    def two():
        replies = yield [
            Request([{"role": "user", "content": "x"}], model=lambda messages, **options: "other"),
            Request([{"role": "user", "content": "x"}]),
        ]
        return [reply.text for reply in replies]

    assert drive(two(), Scripted(["own"])) == ["other", "own"]


def test_a_keyboard_interrupt_passes():
    """Ctrl-C while a model is thinking is no reply."""

    def interrupted(messages, **options):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive_sync(proposal(["a"]), FromCallable(interrupted))


async def test_cancelling_closes_the_proposal():
    """A cancelled task cancels its requests, and the proposal hears of it."""
    started, closed = asyncio.Event(), []

    async def never(messages, **options):
        started.set()
        await asyncio.Event().wait()

    def careful():
        try:
            yield asking("a", "b")
        finally:
            closed.append(True)

    task = asyncio.create_task(arun(careful(), lambda: FromCallable(never), ABOUT))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == [True]


def test_was_cut():
    """An answer that reached its longest length says so."""

    def asks():
        [reply] = yield asking("a")
        return reply.was_cut

    cut = {"choices": [{"message": {"content": "half"}, "finish_reason": "length"}]}
    assert drive_sync(asks(), Scripted([cut])) is True
    assert drive_sync(asks(), Scripted([Response.from_text("whole")])) is False
