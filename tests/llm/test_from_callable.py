"""A plain callable as a model."""

import asyncio
import pickle
from types import SimpleNamespace

import pytest

from opto.errors import ModelResponseError
from opto.llm import FromCallable, Response, as_model
from opto.testing import ModelSuite

MESSAGES = [{"role": "user", "content": "hello"}]


def echo(messages, **options):
    """Answers with the last message."""
    return messages[-1]["content"]


async def echo_later(messages, **options):
    """The same as a coroutine function."""
    await asyncio.sleep(0)
    return messages[-1]["content"]


class AsyncCallable:
    """An object whose call is a coroutine function."""

    async def __call__(self, messages, **options):
        return "from an object"


def test_text_is_wrapped():
    """A callable that returns a text is a model."""
    assert FromCallable(echo)(messages=MESSAGES).choices[0].message.content == "hello"


def test_arguments_arrive_as_given():
    """The callable gets exactly the arguments of the call, whatever they are."""
    seen = []
    model = FromCallable(lambda *args, **options: seen.append((args, options)) or "ok")
    model("prompt", 7, temperature=1)
    model(messages=MESSAGES)
    assert seen == [(("prompt", 7), {"temperature": 1}), ((), {"messages": MESSAGES})]


def test_object_in_the_shape_of_a_completion_is_taken():
    """An OpenAI-shaped object gives its text."""
    answer = SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content="hi"))])
    assert FromCallable(lambda *args, **options: answer)(messages=MESSAGES).text == "hi"


def test_anything_else_is_refused():
    """A callable that returns neither is a ModelResponseError."""
    with pytest.raises(ModelResponseError, match="int 7"):
        FromCallable(lambda *args, **options: 7)(messages=MESSAGES)


def test_coroutine_function_is_awaited():
    """`acall` awaits a coroutine function, and an object whose call is one."""
    assert asyncio.run(FromCallable(echo_later).acall(messages=MESSAGES)).text == "hello"
    assert asyncio.run(FromCallable(AsyncCallable()).acall(messages=MESSAGES)).text == "from an object"


def test_coroutine_function_cannot_be_called_without_waiting():
    """A plain call of a coroutine function says what to do."""
    with pytest.raises(TypeError, match="acall"):
        FromCallable(echo_later)(messages=MESSAGES)


def test_pickles_with_its_callable():
    """A module-level function travels."""
    assert pickle.loads(pickle.dumps(FromCallable(echo)))(messages=MESSAGES).text == "hello"


def test_needs_a_callable():
    """Something that cannot be called is refused at once."""
    with pytest.raises(TypeError, match="function must be callable"):
        FromCallable("gpt-4o")


class TestFromCallable(ModelSuite):
    """A callable made a model passes the contract tests."""

    def make_model(self):
        return as_model(echo)

    test_refuses_what_is_no_conversation = None  # it passes on whatever it is given


def test_as_model_keeps_a_model_and_wraps_a_callable():
    """`as_model` is the identity on models."""
    model = FromCallable(echo)
    assert as_model(model) is model
    assert isinstance(as_model(echo)(messages=MESSAGES), Response)


@pytest.mark.parametrize("wrong", [None, "gpt-4o", 3, FromCallable])
def test_as_model_refuses_the_rest(wrong):
    """What is no model is a TypeError, and a name gets a hint."""
    with pytest.raises(TypeError, match=r"LLM\('gpt-4o'\)" if wrong == "gpt-4o" else "a model must be"):
        as_model(wrong)
