"""What a run may cost, said before it begins."""

import pytest

from opto.llm import Budget, Retrying, forecast
from opto.llm.through_litellm import LiteLLM
from opto.optimizers import OptoPrime
from opto.testing import Scripted
from opto.trace import node

MESSAGES = [{"role": "user", "content": "say hello"}]


def test_requests():
    """Tokens and money at most, for conversations and for pairs with options."""
    said = forecast([MESSAGES, (MESSAGES, {"max_tokens": 50})], model="gpt-4o", max_tokens=100, steps=10)
    assert said.calls == 20
    assert said.completion_tokens == 1500
    assert said.usd == pytest.approx(said.prompt_tokens * 2.5e-6 + 1500 * 10e-6)
    assert said.tokens == said.prompt_tokens + 1500
    assert str(said).startswith(f"at most ${said.usd:.4f}: 20 calls (20 of gpt-4o), ")


def test_options_of_a_model_and_repeats():
    """A model's own `max_tokens` counts; each request may be sent several times."""
    model = Retrying(LiteLLM("gpt-4o", max_tokens=100))
    assert forecast([MESSAGES], model=model, attempts=3).completion_tokens == 300


def test_what_is_missing():
    """Without a price or `max_tokens` it says what to set."""
    said = forecast([MESSAGES], model="nobody/nothing")
    assert (said.usd, said.completion_tokens, said.tokens) == (None, None, None)
    assert "max_tokens" in said.missing[0]
    assert "an unknown sum" in str(said)
    said = forecast([MESSAGES], model="nobody/nothing", max_tokens=5)
    assert "price of 'nobody/nothing' is not known" in said.missing[0]
    assert forecast([MESSAGES], model="nobody/nothing", max_tokens=5, prices={"nobody/nothing": (1, 1)}).usd > 0


def test_an_optimizer():
    """The requests of its next step, without sending one; a budget of as much lets the step through."""
    parameter = node(1.0, trainable=True)
    answer = '{"reasoning": "", "answer": "", "suggestion": {"NAME": 2.0}}'
    llm = Scripted([answer.replace("NAME", parameter.py_name)])
    optimizer = OptoPrime([parameter], llm, max_tokens=200)
    optimizer.zero_feedback()
    optimizer.backward(parameter * 2, "too small")
    prices = {"Scripted": (1, 2)}
    said = forecast(optimizer, steps=5, prices=prices)
    assert (said.calls, said.completion_tokens) == (5, 1000)
    assert not llm.requests
    assert optimizer.steps == 0
    with Budget(usd=said.usd / 5, prices=prices):
        optimizer.step()
    assert parameter.data == 2.0


@pytest.mark.parametrize("wrong", ["text", {"role": "user", "content": "x"}, 3, ["text"], MESSAGES])
def test_what_is_no_list_of_requests(wrong):
    """It is refused, and a conversation alone gets a hint."""
    with pytest.raises(TypeError, match="must be"):
        forecast(wrong, model="gpt-4o")


def test_wrong_arguments():
    """They are refused by name."""
    with pytest.raises(ValueError, match="steps"):
        forecast([MESSAGES], model="gpt-4o", steps=0)
    with pytest.raises(ValueError, match="no request"):
        forecast([], model="gpt-4o")
