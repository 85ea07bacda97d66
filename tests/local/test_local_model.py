"""A real model on this machine: what reaches it through LiteLLM, by schema, by grammar, and under a budget."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from opto.errors import BudgetExceededError, ModelError
from opto.llm import Budget
from opto.llm.local import LocalModel, installed

pytestmark = [
    # `make test-local` sets the variable: there a model that is missing is a failure.
    pytest.mark.skipif(
        not installed() and "OPTO_TEST_LOCAL" not in os.environ, reason="needs the extra local: make test-local"
    ),
    # Said by libraries below LiteLLM; what is tested here is the model.
    pytest.mark.filterwarnings("default"),
]

_HELLO = [{"role": "user", "content": "Say hello."}]


@pytest.fixture(scope="module")
def local() -> Iterator[LocalModel]:
    """One model, started once."""
    with LocalModel(context=1024) as model:
        yield model


def test_chat_through_litellm(local: LocalModel) -> None:
    """A conversation is answered through the address, the same each time at temperature 0, with its usage."""
    model = local.model(max_tokens=8, temperature=0)
    first, second = model(_HELLO), model(_HELLO)
    assert local.address.startswith("http://127.0.0.1:")
    assert first.choices[0].message.content
    assert first.choices[0].message.content == second.choices[0].message.content
    assert 0 < first.usage.completion_tokens <= 8


def test_structured_output(local: LocalModel) -> None:
    """An answer keeps to a JSON schema."""
    schema = {
        "type": "object",
        "properties": {"color": {"enum": ["red", "green"]}, "count": {"type": "integer", "minimum": 0, "maximum": 9}},
        "required": ["color", "count"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    response = local.model(max_tokens=60, temperature=0)(_HELLO, response_format=form)
    answer = json.loads(response.choices[0].message.content)
    assert answer["color"] in ("red", "green")
    assert answer["count"] in range(10)


def test_budget(local: LocalModel) -> None:
    """A budget of tokens counts what the server says, and stops the request that could pass it."""
    model = local.model(max_tokens=8, temperature=0)
    with Budget(tokens=200) as budget:
        first = model(_HELLO)
        assert budget.spent.tokens == first.usage.total_tokens
        with pytest.raises(BudgetExceededError):
            _ = [model(_HELLO) for _ in range(100)]
    assert budget.spent.tokens <= 200


def test_labels(local: LocalModel) -> None:
    """A completion by labels is one of them, whatever the prompt, also with quotes and other scripts."""
    labels = [' "yes"', " né", " a\\b"]
    assert {local.complete(text, labels=labels) for text in ("Yes or no:", "The sky", "1")} <= set(labels)


def test_too_long(local: LocalModel) -> None:
    """A prompt longer than the context is an error of the model."""
    with pytest.raises(ModelError, match="context"):
        local.complete("word " * 2000)
