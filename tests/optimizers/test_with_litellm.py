"""Real steps: OptoPrime through LiteLLM against a model server on loopback."""

import json
import re

import pytest

from opto.errors import ModelError, SuggestionWarning
from opto.llm import LiteLLM, Recorded
from opto.optimizers import OptoPrime, OptoPrimeV2
from opto.runs import EventLog, listening
from opto.testing import ModelServer
from opto.trace import GRAPH, bundle, node


@pytest.fixture(autouse=True)
def fresh_names():
    """Names count from 0 in each test."""
    GRAPH.clear()


def higher_or_lower(body):
    """Reads the value and the feedback out of the request, and moves by one."""
    user = body["messages"][1]["content"]
    value = int(re.search(r"\(int\) int0=(-?\d+)", user).group(1))
    step = 1 if user.split("#Feedback")[-1].strip().startswith("larger") else -1
    return json.dumps({"reasoning": "one step", "answer": "", "suggestion": {"int0": value + step}})


def model(server, **options):
    """LiteLLM with the server's address."""
    return LiteLLM("openai/any", api_base=server.url, api_key="none", **options)


def improve(optimizer, x, goal, steps):
    """The loop of training: forward, backward, step."""
    for _ in range(steps):
        y = x * 2
        if y.data == goal:
            return
        optimizer.zero_feedback()
        optimizer.backward(y, "larger" if y.data < goal else "smaller")
        optimizer.step()


def test_a_number_is_found():
    """Forward, backward, step, until the feedback is content."""
    x = node(1, trainable=True)
    with ModelServer(higher_or_lower) as server:
        improve(OptoPrime([x], model(server)), x, goal=10, steps=10)
        assert x.data == 5
        assert len(server.requests) == 4
        assert server.requests[0].body["response_format"] == {"type": "json_object"}


async def test_astep_through_litellm():
    """The native asynchronous way."""
    x = node(1, trainable=True)
    with ModelServer(higher_or_lower) as server:
        optimizer = OptoPrime([x], model(server))
        optimizer.backward(x * 2, "larger")
        assert await optimizer.astep() == {x: 2}


def test_code_in_tags():
    """The second form carries code as it is."""

    @bundle(trainable=True)
    def greet(name):
        """A greeting."""
        return name

    code = "def greet(name):\n    return f'<b>Hello \"{name}\"</b>'"
    answer = f"<reasoning>a < b</reasoning><variable><name>__code0</name><value>\n{code}\n</value></variable>"
    with ModelServer([answer]) as server:
        optimizer = OptoPrimeV2(greet.parameters(), model(server), format_code=False)
        optimizer.backward(greet("Ann"), "say hello in bold")
        optimizer.step()
    assert greet.parameter.data == code
    assert greet("Ann").data == '<b>Hello "Ann"</b>'


@pytest.mark.parametrize("failure", ["500", "429", "cut", "malformed", "shape", "empty"])
def test_a_failing_server(failure):
    """Whatever goes wrong is raised as a ModelError, is on record, and changes nothing."""
    x = node(1, trainable=True)
    log = EventLog()
    with ModelServer(higher_or_lower) as server:
        server.fail_next(int(failure) if failure.isdigit() else failure, times=20)
        optimizer = OptoPrime([x], model(server, num_retries=0, max_retries=0))
        optimizer.backward(x * 2, "larger")
        with listening(log), pytest.raises(ModelError):
            optimizer.step()
    assert x.data == 1
    assert log.of("attempt")[0].data["outcome"] == "failed"


def test_steps_against_a_server_that_often_fails():
    """Over many steps with failures of all kinds, a value is either kept or set, and nothing else escapes."""
    x = node(1, trainable=True)
    rates = {"429": 0.15, "500": 0.15, "cut": 0.1, "malformed": 0.1}
    with ModelServer(higher_or_lower, failure_rates=rates, seed=3) as server:
        optimizer = OptoPrime([x], model(server, num_retries=0, max_retries=0))
        failures = 0
        for _ in range(25):
            before = x.data
            optimizer.zero_feedback()
            optimizer.backward(x * 2, "larger")
            try:
                optimizer.step()
                assert x.data == before + 1
            except ModelError:
                failures += 1
                assert x.data == before
    assert 0 < failures < 25


def test_a_run_is_replayed_exactly(tmp_path):
    """The same program with the recording takes the same steps without a model, and a changed one fails loudly."""
    path = tmp_path / "exchanges.json"
    values = []
    with ModelServer(higher_or_lower) as server:
        x = node(1, trainable=True)
        improve(OptoPrime([x], Recorded(path, model(server), mode="record")), x, goal=8, steps=9)
        values.append(x.data)
    for _ in range(2):
        GRAPH.clear()
        x = node(1, trainable=True)
        improve(OptoPrime([x], Recorded(path)), x, goal=8, steps=9)
        values.append(x.data)
    assert values == [4, 4, 4]
    GRAPH.clear()
    x = node(1, trainable=True)
    with pytest.raises(ModelError):
        improve(OptoPrime([x], Recorded(path), objective="Another one."), x, goal=8, steps=9)
    assert x.data == 1


def test_nonsense_over_http():
    """An answer that is no suggestion is asked about again, then left."""
    x = node(1, trainable=True)
    with ModelServer(lambda body: "I would rather not.") as server:
        optimizer = OptoPrime([x], model(server))
        optimizer.backward(x * 2, "larger")
        with pytest.warns(SuggestionWarning):
            assert optimizer.step() == {}
        assert len(server.requests) == 2
