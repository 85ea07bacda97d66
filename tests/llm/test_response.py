"""The answer of a model as plain data."""

import json
import pickle
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.errors import ModelResponseError
from opto.llm import Choice, Message, Response, Usage

OPENAI = {
    "id": "chatcmpl-1",
    "model": "gpt-x",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "hello", "tool_calls": [{"id": "a", "type": "function"}]},
            "finish_reason": "length",
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}


def test_text_becomes_a_response():
    """A text is the content of the first choice, and the given name is the model."""
    response = Response.of("hello", model="me")
    assert response.choices[0].message.content == response.text == "hello"
    assert (response.model, response.usage, response.replayed) == ("me", None, False)


def test_mapping_and_object_are_read_alike():
    """OpenAI's JSON and an object with the same attributes give equal responses."""

    def as_object(data):
        if isinstance(data, dict) and "id" in data and "type" in data:
            return data
        if isinstance(data, dict):
            return SimpleNamespace(**{name: as_object(value) for name, value in data.items()})
        return [as_object(item) for item in data] if isinstance(data, list) else data

    response = Response.of(OPENAI)
    assert response == Response.of(as_object(OPENAI))
    assert response.choices[0].finish_reason == "length"
    assert response.choices[0].message.tool_calls == ({"id": "a", "type": "function"},)
    assert response.usage == Usage(3, 1, 4)


def test_dict_form_is_json_and_reads_back():
    """`to_dict` is JSON data that `Response.of` turns into an equal response."""
    response = Response.of(OPENAI)
    assert Response.of(json.loads(json.dumps(response.to_dict()))) == response


@given(
    st.text(), st.text(), st.none() | st.builds(Usage, st.integers(0), st.integers(0), st.integers(1)), st.booleans()
)
def test_every_response_reads_back(text, model, usage, replayed):
    """Nothing is lost in the dict form, nor in a pickle."""
    response = Response((Choice(Message(text)),), model=model, usage=usage, replayed=replayed)
    assert Response.of(response.to_dict()) == response
    assert pickle.loads(pickle.dumps(response)) == response


def test_parts_of_a_content_are_joined():
    """A content that is a list of parts is read as their text."""
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "b"}]
    assert Response.of({"choices": [{"message": {"content": parts}}]}).text == "ab"


def test_answer_that_only_calls_tools_has_no_text():
    """A content of None is kept, and `text` is empty."""
    response = Response.of({"choices": [{"message": {"content": None, "tool_calls": [{"id": "a"}]}}]})
    assert response.choices[0].message.content is None
    assert response.text == ""


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (None, "no list `choices`"),
        (42, "no list `choices`"),
        ({}, "no list `choices`"),
        ({"choices": "text"}, "no list `choices`"),
        ({"choices": []}, "are empty"),
        ({"choices": [{}]}, "no `message`"),
        ({"choices": [{"message": {}}]}, "no `content`"),
        ({"choices": [{"message": {"content": 3}}]}, "of type int"),
    ],
)
def test_other_shapes_are_refused(answer, what):
    """An answer of another shape is an error that says what is missing and shows the answer."""
    with pytest.raises(ModelResponseError, match=what):
        Response.of(answer)


def test_long_nonsense_is_cut_in_the_message():
    """The error stays short whatever the answer is."""
    with pytest.raises(ModelResponseError) as caught:
        Response.of({"data": "x" * 10_000})
    assert len(str(caught.value)) < 500
