"""The protocol of a model: one required method."""

import asyncio
import contextvars
import threading

import pytest

from opto.errors import ModelResponseError
from opto.llm import Model
from opto.testing import ModelSuite

ambient = contextvars.ContextVar("ambient", default="unset")


class Shouting(Model):
    """The example of the class docstring."""

    def complete(self, messages, **options):
        return messages[-1]["content"].upper()


class TestShouting(ModelSuite):
    """The example passes the contract tests."""

    def make_model(self):
        return Shouting()


def test_example_of_the_docstring():
    """A back-end is one method that returns a text."""
    response = Shouting()([{"role": "user", "content": "hello"}])
    assert response.choices[0].message.content == "HELLO"
    assert response.model == "Shouting"


def test_class_without_the_method_cannot_be_made():
    """The required method is required."""
    with pytest.raises(TypeError, match="complete"):
        Model()


def test_async_form_runs_in_a_thread_with_the_callers_context():
    """The default `acomplete` leaves the loop free and sees the context variables of the caller."""

    class Watching(Model):
        def complete(self, messages, **options):
            return f"{ambient.get()} {threading.current_thread() is threading.main_thread()}"

    async def ask():
        ambient.set("seen")
        return await Watching().acall([{"role": "user", "content": ""}])

    assert asyncio.run(ask()).text == "seen False"


def test_answer_of_another_shape_is_an_error():
    """A back-end that returns nonsense is a ModelResponseError."""

    class Broken(Model):
        def complete(self, messages, **options):
            return {"nonsense": True}

    with pytest.raises(ModelResponseError):
        Broken()([{"role": "user", "content": ""}])
    with pytest.raises(ModelResponseError):
        asyncio.run(Broken().acall([{"role": "user", "content": ""}]))


@pytest.mark.parametrize(
    ("messages", "error"),
    [("hello", TypeError), ({"role": "user"}, TypeError), ([{"content": "x"}], TypeError), (["x"], TypeError)],
)
def test_messages_must_be_mappings_with_a_role(messages, error):
    """What is no conversation is refused with what would be right."""
    with pytest.raises(error, match="messages"):
        Shouting()(messages)


def test_messages_must_not_be_empty():
    """A conversation has at least one message."""
    with pytest.raises(ValueError, match="at least one"):
        Shouting()([])


def test_reserves_nothing_by_default():
    """A model that answers by itself needs no place among equal requests."""
    assert Shouting().reserve([{"role": "user", "content": "x"}]) == {}
