"""The contract tests find the faults of a model."""

import threading

import pytest

from opto.llm import Model
from opto.testing import ModelSuite


class Good(Model):
    """A model as it should be."""

    def complete(self, messages, **options):
        return "Paris"


class TellsItsKey(Good):
    """Shows its key."""

    def __repr__(self):
        return "TellsItsKey('sk-secret')"


class ChangesMessages(Good):
    """Changes what it is given."""

    def complete(self, messages, **options):
        messages[0]["content"] = "changed"
        return "Paris"


class ChangesOptions(Good):
    """Changes an option."""

    def complete(self, messages, stop=None, **options):
        if stop:
            stop.clear()
        return "Paris"


class TakesNoOptions(Good):
    """Refuses options."""

    def complete(self, messages):
        return "Paris"


class OneThread(Good):
    """Fails in any thread but the one that made it."""

    def __init__(self):
        self.thread = threading.get_ident()

    def complete(self, messages, **options):
        if threading.get_ident() != self.thread:
            raise RuntimeError("wrong thread")
        return "Paris"


class HoldsALock(Good):
    """Neither copies nor pickles."""

    def __init__(self):
        self.lock = threading.Lock()


class TakesAnything(Good):
    """Does not look at the messages."""

    def __call__(self, messages, **options):
        return super().__call__([{"role": "user", "content": "x"}], **options)


def failing(model_class):
    """The names of the contract tests that a model fails."""

    class Suite(ModelSuite):
        secret = "sk-secret"

        def make_model(self):
            return model_class()

    failed = []
    for name in [name for name in dir(Suite) if name.startswith("test_")]:
        arguments = ["a text"] if name == "test_refuses_what_is_no_conversation" else []
        try:
            getattr(Suite(), name)(*arguments)
        except (Exception, pytest.fail.Exception):
            failed.append(name.removeprefix("test_"))
    return failed


@pytest.mark.parametrize(
    ("model_class", "expected"),
    [
        (Good, []),
        (TellsItsKey, ["has_a_name_and_keeps_its_secret"]),
        (ChangesMessages, ["leaves_the_messages_as_they_are"]),
        (ChangesOptions, ["leaves_the_messages_as_they_are"]),
        (TakesNoOptions, ["leaves_the_messages_as_they_are", "takes_messages_by_name_and_options"]),
        (OneThread, ["answers_several_threads", "answers_without_blocking_the_loop"]),
        (HoldsALock, ["survives_a_copy", "survives_pickling"]),
        (TakesAnything, ["refuses_what_is_no_conversation"]),
    ],
)
def test_each_fault_is_found(model_class, expected):
    """A sound model passes all tests; each fault fails the tests that are about it."""
    assert failing(model_class) == expected


def test_subclass_must_make_a_model():
    """The one method to write is named."""
    with pytest.raises(NotImplementedError, match="make_model"):
        ModelSuite().make_model()
