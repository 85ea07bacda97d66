"""The part of a request that decides its answer."""

import json
import random

import pytest
from pydantic import BaseModel

from opto.llm.request import canonical_text, request_data
from opto.secrets import is_secret_name

MESSAGES = [{"role": "user", "content": "hello"}]


def test_keys_headers_and_transport_are_left_out():
    """What is secret, or says only how a request travels, is no part of it, at any depth of an option."""
    options = {
        "temperature": 0.5,
        "api_key": "sk-1",
        "api_base": "http://x",
        "timeout": 3,
        "extra_headers": {"a": "b"},
        "aws_secret_access_key": "s",
        "vertex_credentials": "c",
        "extra_body": {"top_k": 3, "api_key": "sk-2", "deep": [{"Authorization": "Bearer x"}]},
        "max_tokens": 10,
    }
    assert request_data(MESSAGES, options) == {
        "messages": MESSAGES,
        "options": {"extra_body": {"deep": [{}], "top_k": 3}, "max_tokens": 10, "temperature": 0.5},
    }


def test_schemas_keep_their_names():
    """A property that the user called `secret` stays in a schema."""
    tools = [{"type": "function", "function": {"parameters": {"properties": {"secret": {}, "api_key": {}}}}}]
    assert request_data(MESSAGES, {"tools": tools})["options"]["tools"] == tools


def test_pydantic_model_is_its_schema():
    """A class given as the format of the response counts by its JSON schema."""

    class Answer(BaseModel):
        number: int

    data = request_data(MESSAGES, {"response_format": Answer})
    assert data["options"]["response_format"]["json_schema"]["properties"]["number"]["type"] == "integer"
    json.dumps(data)


def test_what_is_no_json_is_refused_by_name():
    """An option without a JSON form is named."""
    with pytest.raises(TypeError, match=r"extra\['rng'\] is of type Random"):
        request_data(MESSAGES, {"extra": {"rng": random.Random(0)}})


def test_canonical_text_does_not_depend_on_order():
    """Equal data gives equal text."""
    assert canonical_text({"a": 1, "b": [1, 2]}) == canonical_text({"b": [1, 2], "a": 1})


@pytest.mark.parametrize("name", ["api_key", "OPENAI_API_KEY", "Authorization", "aws_session_token", "x_password"])
def test_secrets_are_known_by_name(name):
    """Names of keys in use."""
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["max_tokens", "top_p", "keyword", "logit_bias", "tokenizer", "monkey"])
def test_plain_options_are_no_secrets(name):
    """Names that only look like one."""
    assert not is_secret_name(name)
