"""The base of optimizers around another one, and of those that read new values out of answers."""

import inspect
import json
import textwrap

import pytest

from opto.optimizers import Optimizer, OptoPrime
from opto.optimizers.asking import conversation
from opto.optimizers.drivers import Request
from opto.optimizers.forms import JSON_KEYS, JSONForm
from opto.optimizers.rendering import HEADINGS
from opto.optimizers.suggesting import SuggestingOptimizer
from opto.optimizers.wrapping import Wrapper, rewritten
from opto.testing import Scripted
from opto.trace import node


class Constant(Optimizer):
    """Needs no model."""

    def _propose(self):
        return dict.fromkeys(self.parameters, 7)
        yield


def example_of(documented, first, last):
    """The code between two lines of a docstring."""
    text = inspect.getdoc(documented)
    return textwrap.dedent(text[text.index(first) : text.index(last)])


def test_the_example_of_a_wrapper():
    """Every second step passes without a change."""
    names = {"Wrapper": Wrapper}
    exec(example_of(Wrapper, "    class EveryOther", "Args:"), names)
    x = node(1, trainable=True)
    optimizer = names["EveryOther"](Constant([x]))
    assert [optimizer.step() for _ in range(3)] == [{x: 7}, {}, {x: 7}]
    assert optimizer.optimizer.steps == 3


def test_the_example_of_a_suggesting_optimizer():
    """It asks, reads and applies, with repairs."""
    names = {
        "SuggestingOptimizer": SuggestingOptimizer, "JSONForm": JSONForm, "HEADINGS": HEADINGS, "JSON_KEYS": JSON_KEYS,
        "conversation": conversation,
    }  # fmt: skip
    exec(example_of(SuggestingOptimizer, "    class Polite", "Args:"), names)
    x = node("Go.", trainable=True, name="x")
    script = Scripted(["what?", json.dumps({"suggestion": {x.py_name: "Please go."}})])
    assert names["Polite"]([x], script).step() == {x: "Please go."}
    assert script.remaining == 0


def test_requests_are_changed_and_replies_name_the_original():
    """The inner proposal does not see that its requests were changed."""

    def inner():
        asked = Request([{"role": "user", "content": "a"}])
        [reply] = yield [asked]
        assert reply.request is asked
        return reply.text

    class Outer(Optimizer):
        def _propose(self):
            def louder(request):
                return Request([{"role": "user", "content": request.messages[0]["content"].upper()}])

            text = yield from rewritten(inner(), louder)
            return dict.fromkeys(self.parameters, text)

    x = node("", trainable=True)
    optimizer = Outer([x])
    optimizer.llm = lambda messages, **options: messages[0]["content"] + "!"
    assert optimizer.step() == {x: "A!"}


def test_the_model_of_the_inner_optimizer():
    """It is read and set through the wrapper."""
    x = node(1, trainable=True)
    first, second = Scripted([]), Scripted([])
    optimizer = Wrapper(OptoPrime([x], first))
    assert optimizer.llm is first
    optimizer.llm = second
    assert optimizer.optimizer.llm is second
    assert repr(optimizer).startswith("<Wrapper around <OptoPrime of 1 parameters")


def test_a_wrapper_of_no_optimizer():
    """The error says what is needed."""
    with pytest.raises(TypeError, match="optimizer must be an Optimizer"):
        Wrapper([node(1, trainable=True)])
