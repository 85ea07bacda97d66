"""Optimizers that people have written as subclasses keep working."""

import asyncio
import json
import threading

import pytest

from opto.errors import SuggestionWarning
from opto.optimizers import Optimizer, OptoPrime, OptoPrimeV2
from opto.optimizers.asking import conversation, is_replaced, user_text
from opto.testing import Scripted
from opto.trace import GRAPH, node


@pytest.fixture(autouse=True)
def fresh_names():
    """Names count from 0 in each test."""
    GRAPH.clear()


def suggesting(**values):
    """An answer with these new values."""
    return json.dumps({"reasoning": "r", "answer": "", "suggestion": values})


def ready(cls, *args, **options):
    """An optimizer of `int0` whose output `int0 + 1` has feedback."""
    x = node(1, trainable=True)
    optimizer = cls([x], *args, **options)
    optimizer.backward(x + 1, "more")
    return x, optimizer


class OwnStep(Optimizer):
    """Overrides `_step`, as published optimizers do."""

    def _step(self, *args, **kwargs):
        self.called = (args, kwargs, threading.current_thread())
        return dict.fromkeys(self.parameters, "any value")


class OwnStepOfOptoPrime(OptoPrime):
    """Calls the published helpers one by one."""

    def _step(self, verbose=False, mask=None, *args, **kwargs):
        summary = self.summarize()
        system_prompt, user_prompt = self.construct_prompt(summary, mask=mask)
        response = self.call_llm(system_prompt=system_prompt, user_prompt=user_prompt, verbose=verbose, max_tokens=50)
        return self.construct_update_dict(self.extract_llm_suggestion(response))


class OwnCall(OptoPrime):
    """Answers requests itself."""

    answers = ()

    def call_llm(self, system_prompt, user_prompt, verbose=False, max_tokens=4096):
        self.seen = [*getattr(self, "seen", []), (system_prompt, user_prompt, max_tokens, threading.current_thread())]
        answer = self.answers[len(self.seen) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


class TestOwnStep:
    """A subclass that overrides `_step`."""

    def test_step_and_propose_call_it(self):
        """With the arguments of the step, in the caller's thread."""
        x, optimizer = ready(OwnStep)
        assert optimizer.propose(1, extra=2) == {x: "any value"}
        assert optimizer.called[:2] == ((1,), {"extra": 2})
        assert x.data == 1
        assert optimizer.step() == {x: "any value"}
        assert x.data == "any value"
        assert optimizer.called[2] is threading.current_thread()

    def test_astep_calls_it_in_a_thread(self):
        """So the event loop goes on."""
        x, optimizer = ready(OwnStep)
        assert asyncio.run(optimizer.astep()) == {x: "any value"}
        assert optimizer.called[2] is not threading.current_thread()

    def test_the_published_helpers(self):
        """Each can be called by hand, and what it gives is checked before it is applied."""
        x, optimizer = ready(OwnStepOfOptoPrime, Scripted([suggesting(int0="5")]))
        assert optimizer.step() == {x: 5}
        messages, options = optimizer.llm.requests[0]
        assert options["max_tokens"] == 50
        assert messages[1]["content"].endswith("Your response:")
        GRAPH.clear()
        x, optimizer = ready(OwnStepOfOptoPrime, Scripted([suggesting(int0="many")]))
        with pytest.warns(SuggestionWarning, match="must be of type int"):
            assert optimizer.step() == {}
        assert x.data == 1

    def test_a_step_that_calls_the_one_it_overrides(self):
        """`super()._step()` drives the proposal."""

        class Counted(OptoPrime):
            count = 0

            def _step(self, *args, **kwargs):
                self.count += 1
                return super()._step(*args, **kwargs)

        x, optimizer = ready(Counted, Scripted([suggesting(int0=5), suggesting(int0=6)]))
        assert optimizer.step() == {x: 5}
        optimizer.zero_feedback()
        optimizer.backward(x + 1, "more")
        assert asyncio.run(optimizer.astep()) == {x: 6}
        assert optimizer.count == 2


class TestOwnCall:
    """A subclass that overrides `call_llm`."""

    def test_it_answers_in_the_place_of_the_model(self, no_model_configured):
        """No model is made or asked."""
        x, optimizer = ready(OwnCall, max_tokens=33)
        optimizer.answers = [suggesting(int0=5)]
        assert optimizer.step() == {x: 5}
        [(system, user, max_tokens, thread)] = optimizer.seen
        assert "#Feedback" in system
        assert "#Feedback\nmore" in user
        assert max_tokens == 33
        assert thread is threading.current_thread()
        assert optimizer.llm is None

    def test_astep_calls_it_in_a_thread(self):
        """So the event loop goes on."""
        x, optimizer = ready(OwnCall)
        optimizer.answers = [suggesting(int0=5)]
        assert asyncio.run(optimizer.astep()) == {x: 5}
        assert optimizer.seen[0][3] is not threading.current_thread()

    def test_a_second_chance_reaches_it_as_one_text(self):
        """Its own answer and the reason are in the user prompt."""
        x, optimizer = ready(OwnCall)
        optimizer.answers = ["Dummy response", suggesting(int0=5)]
        assert optimizer.step() == {x: 5}
        assert "Dummy response" in optimizer.seen[1][1]
        assert "could not be used" in optimizer.seen[1][1]

    def test_its_errors_are_raised(self):
        """It is not called again without a response format that it never saw."""
        x, optimizer = ready(OwnCall)
        optimizer.answers = [ConnectionError("dead")]
        with pytest.raises(ConnectionError):
            optimizer.step()
        assert len(optimizer.seen) == 1
        assert x.data == 1

    def test_one_that_calls_the_model_after_all(self):
        """`super().call_llm` asks the model."""

        class Louder(OptoPrime):
            def call_llm(self, system_prompt, user_prompt, **options):
                return super().call_llm(system_prompt.upper(), user_prompt, **options)

        x, optimizer = ready(Louder, Scripted([suggesting(int0=5)]))
        assert optimizer.step() == {x: 5}
        assert "YOU IMPROVE" in optimizer.llm.requests[0][0][0]["content"]

    def test_replaced_on_the_object(self):
        """A function put in its place on one object answers too."""
        x, optimizer = ready(OptoPrimeV2)
        optimizer.call_llm = lambda **options: "<variable><name>int0</name><value>5</value></variable>"
        assert optimizer.step() == {x: 5}


class TestOwnHelpers:
    """Subclasses that override the steps on the way."""

    def test_construct_prompt(self):
        """What it gives is what is sent."""

        class Own(OptoPrime):
            def construct_prompt(self, summary, mask=None, *args, **kwargs):
                system, user = super().construct_prompt(summary, mask, *args, **kwargs)
                return "be brief", user + "\nPlease."

        x, optimizer = ready(Own, Scripted([suggesting(int0=5)]))
        assert optimizer.step() == {x: 5}
        assert optimizer.log[0]["system_prompt"] == "be brief"
        assert optimizer.log[0]["user_prompt"].endswith("Please.")

    def test_extract_llm_suggestion(self):
        """It may read a form that opto does not know."""

        class Own(OptoPrime):
            def extract_llm_suggestion(self, response):
                return dict([response.split("=")])

        x, optimizer = ready(Own, Scripted(["int0=5"]))
        assert optimizer.step() == {x: 5}

    def test_construct_update_dict(self):
        """What it gives is still checked."""

        class Own(OptoPrime):
            def construct_update_dict(self, suggestion):
                return {self.parameters[0]: suggestion["int0"] * 2}

        x, optimizer = ready(Own, Scripted([suggesting(int0=5)]))
        assert optimizer.step() == {x: 10}

    def test_project_in_place(self):
        """An older `project` changes the dict it gets, and returns nothing."""

        class Own(OwnStep):
            def project(self, update_dict):
                for parameter in update_dict:
                    update_dict[parameter] = 9

        x, optimizer = ready(Own)
        assert optimizer.step() == {x: 9}


def test_conversation_as_one_text():
    """What follows the system message, joined."""
    messages = [*conversation("s", "u"), {"role": "assistant", "content": "a"}]
    assert user_text(messages) == "u\n\na"


def test_is_replaced():
    """Methods of this package are not replaced; those of a subclass or an object are."""
    optimizer = ready(OptoPrimeV2)[1]
    assert not is_replaced(optimizer, "extract_llm_suggestion")
    assert is_replaced(ready(OwnCall)[1], "call_llm")
