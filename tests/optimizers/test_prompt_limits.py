"""Whole prompts within their tokens: instructions, past attempts, the problem, and repairs."""

import json

import pytest

from opto.errors import PromptTooLongError, SuggestionWarning
from opto.llm import LiteLLM, Model
from opto.llm.tokens import count_tokens
from opto.optimizers import OptoPrime, OptoPrimeV2
from opto.trace import GRAPH, node


@pytest.fixture(autouse=True)
def fresh_names():
    """Names count from 0 in each test."""
    GRAPH.clear()


class Keeping(Model):
    """Keeps the messages, and gives the answers it was given, the last one again and again."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []

    def complete(self, messages, **options):
        self.requests.append(messages)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def answer(**values):
    """A good answer."""
    return json.dumps({"reasoning": "", "answer": "", "suggestion": values})


def run(optimizer, x, length=300):
    """A step on a long chain."""
    y = x * 1.0
    for _ in range(length):
        y = y + x
    optimizer.zero_feedback()
    optimizer.backward(y, "too small")
    return optimizer.step()


@pytest.mark.parametrize("optimizer_class", [OptoPrime, OptoPrimeV2])
@pytest.mark.parametrize("most", [5000, 9000, 200_000])
def test_a_prompt_keeps_its_limit(optimizer_class, most):
    """Everything counted: both messages with their marks, and what a repair adds to them."""
    x = node(2.0, trainable=True, name="x")
    model = Keeping("nonsense " * 300, "more nonsense " * 300)
    optimizer = optimizer_class([x], model, max_prompt_tokens=most, memory_size=5, include_example=True)
    for _ in range(4):
        with pytest.warns(SuggestionWarning):
            run(optimizer, x)
    assert len(model.requests) == 8
    assert all(count_tokens(messages) <= most for messages in model.requests)
    assert ("for k in range(" in model.requests[0][1]["content"]) == (most < 200_000)


def test_the_past_gives_way_first():
    """The oldest attempts go before anything of the present problem does, and that is said."""
    x = node("a" * 1200, trainable=True, name="x")
    model = Keeping(answer())
    optimizer = OptoPrime([x], model, max_prompt_tokens=6500, memory_size=9, retries=0)
    for n in range(9):
        y = x + "b"
        optimizer.zero_feedback()
        optimizer.backward(y, f"feedback {n}")
        optimizer.step()
    last = model.requests[-1][1]["content"]
    past, _, present = last.partition("The present problem:")
    assert "a" * 1200 in present
    assert "feedback 7" in past
    assert "feedback 1" not in past
    assert "earlier attempts left out" in past


def test_too_little_is_an_error_that_helps():
    """It tells how many tokens would do, and they do; the parameters and the memory are as before."""
    x = node(2.0, trainable=True, name="x")
    optimizer = OptoPrime([x], Keeping(answer(x0=3.0)), max_prompt_tokens=100, memory_size=3)
    with pytest.raises(PromptTooLongError, match="max_prompt_tokens") as caught:
        run(optimizer, x)
    assert x.data == 2.0
    assert len(optimizer.memory) == 0
    optimizer.max_prompt_tokens = int(caught.value.needed * 10 / 9) + 1
    run(optimizer, x)
    assert x.data == 3.0


@pytest.mark.parametrize("wrong", [0, -1])
def test_a_limit_is_positive(wrong):
    """A limit of nothing is a mistake."""
    with pytest.raises(ValueError, match="max_prompt_tokens"):
        OptoPrime([node(1, trainable=True)], max_prompt_tokens=wrong)
    with pytest.raises(TypeError, match="max_prompt_tokens"):
        OptoPrime([node(1, trainable=True)], max_prompt_tokens="many")


def test_the_window_of_a_known_model_is_the_default():
    """A long problem is made to fit the window that LiteLLM knows, less the answer."""
    x = node(2.0, trainable=True, name="x")
    optimizer = OptoPrime([x], LiteLLM("gpt-4"))
    y = x * 1.0
    for _ in range(2000):
        y = y + x
    optimizer.backward(y, "too small")
    system, user = optimizer.construct_prompt(optimizer.summarize())
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    assert 2000 < count_tokens(messages, "gpt-4") <= 8192 - 4096


def test_other_models_have_no_limit():
    """A model that LiteLLM does not know reads the whole problem."""
    x = node(2.0, trainable=True, name="x")
    model = Keeping(answer())
    run(OptoPrime([x], model), x)
    assert "add299 = add(" in model.requests[0][1]["content"]
