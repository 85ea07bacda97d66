"""LiteLLM, driven over HTTP against a server on loopback that fails when told."""

import asyncio
import copy
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from opto.errors import ModelAccessError, ModelError, ModelResponseError, ModelTimeoutError
from opto.llm import LLM, LiteLLM, Recorded, Retrying, Usage
from opto.testing import ModelServer, ModelSuite

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "say hello"}]
KEY = "sk-very-secret-key-123"
WAYS = ["sync", "async"]


@pytest.fixture
def server():
    """A server that repeats the last message."""
    with ModelServer() as running:
        yield running


@pytest.fixture
def model(server):
    """LiteLLM with that server's address."""
    return LiteLLM("openai/any", api_base=server.url, api_key=KEY)


@pytest.fixture(autouse=True)
def run_async():
    """`asyncio.run` that gives the thread its event loop back.

    LiteLLM asks for a loop also in its sync form, and leaves open one that it has to make.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    def run(coroutine):
        try:
            return asyncio.run(coroutine)
        finally:
            asyncio.set_event_loop(loop)

    yield run
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture
def ask(run_async):
    """One request in the form asked for."""

    def request(model, way="sync", **options):
        return model(MESSAGES, **options) if way == "sync" else run_async(model.acall(MESSAGES, **options))

    return request


@pytest.mark.parametrize("way", WAYS)
def test_answer_with_its_usage(server, model, way, ask):
    """The answer, the model and the tokens arrive; the request went out as it was given."""
    response = ask(model, way, temperature=0.25, max_tokens=7)
    assert response.text == "say hello"
    assert response.usage == Usage(4, 2, 6)
    assert response.model == "any"
    (request,) = server.requests
    assert request.body["messages"] == MESSAGES
    assert (request.body["temperature"], request.body["max_tokens"]) == (0.25, 7)
    assert request.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("failure", "kind", "transient", "status"),
    [
        (400, ModelError, False, 400),
        (401, ModelAccessError, False, 401),
        (404, ModelError, False, 404),
        (429, ModelError, True, 429),
        (500, ModelError, True, 500),
        (503, ModelError, True, 503),
        ("cut", ModelError, True, None),
        ("malformed", ModelResponseError, True, None),
        ("shape", ModelResponseError, True, None),
        ("empty", ModelResponseError, True, None),
    ],
)
def test_each_failure_is_told_apart(server, model, way, failure, kind, transient, status, ask):
    """A failure has its class, its status, whether it may pass, and LiteLLM's exception as cause; it is asked once."""
    server.fail_next(failure)
    with pytest.raises(ModelError) as caught:
        ask(model, way)
    error = caught.value
    assert (type(error), error.transient, error.status) == (kind, transient, status)
    assert type(error.__cause__).__module__.startswith("litellm")
    assert "openai/any" in str(error)
    assert len(server.requests) == 1
    assert ask(model, way).text == "say hello"


@pytest.mark.parametrize("way", WAYS)
def test_time_out(server, model, way, ask):
    """A server that does not answer in time is a ModelTimeoutError that says how long it was."""
    server.fail_next("timeout")
    with pytest.raises(ModelTimeoutError, match=r"within 0\.1 s"):
        ask(model, way, timeout=0.1)
    assert len(server.requests) == 1


@pytest.mark.parametrize("way", WAYS)
def test_no_server_at_the_address(way, ask):
    """A refused connection may pass."""
    with ModelServer() as gone:
        address = gone.url
    with pytest.raises(ModelError, match="connection failed") as caught:
        ask(LiteLLM("openai/any", api_base=address, api_key=KEY), way)
    assert caught.value.transient


def test_wait_that_the_server_asks_for(server, model, ask):
    """Retry-After reaches the error."""
    server.fail_next(429, retry_after=7)
    with pytest.raises(ModelError) as caught:
        ask(model)
    assert caught.value.retry_after == 7


def test_spent_quota_does_not_pass(server, model, ask):
    """A 429 that says the money is spent is not worth another attempt."""
    server.fail_next(429, message="You exceeded your quota (insufficient_quota)")
    with pytest.raises(ModelError) as caught:
        ask(model)
    assert not caught.value.transient


@pytest.mark.parametrize("way", WAYS)
def test_key_is_in_no_message(server, model, way, ask):
    """A server that repeats the key in its error does not bring it into ours, nor into the cause's."""
    server.fail_next(401, message=f"Incorrect API key provided: {KEY}")
    with pytest.raises(ModelAccessError, match="key was refused") as caught:
        ask(model, way)
    error = caught.value
    while error is not None:
        assert KEY not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    assert KEY not in repr(model)


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("gpt-4o", "OPENAI_API_KEY"),
        ("anthropic/claude-sonnet-4-5", "ANTHROPIC_API_KEY"),
        ("gemini/x", "GEMINI_API_KEY"),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_missing_key_names_the_variable(no_model_configured, name, variable, way, ask):
    """Without a key nothing is sent, nothing is asked again, and the message says what to set."""
    with pytest.raises(ModelAccessError, match=f"set the environment variable .*{variable}") as caught:
        ask(LLM(name), way)
    assert not caught.value.transient


def test_unknown_provider_does_not_pass(no_model_configured, ask):
    """A name that LiteLLM does not know is refused."""
    with pytest.raises(ModelError, match="nonsense") as caught:
        ask(LiteLLM("nonsense"))
    assert not caught.value.transient


@pytest.mark.parametrize("way", WAYS)
def test_retrying_gets_through_every_failure(server, way, ask):
    """One request survives a failure of each kind, and the server's wait is kept."""
    waits = []

    async def asleep(seconds):
        waits.append(seconds)

    inner = LiteLLM("openai/any", api_base=server.url, api_key=KEY, timeout=0.5)
    model = Retrying(inner, attempts=8, sleep=waits.append, asleep=asleep)
    server.fail_next(429, retry_after=33)
    for failure in (500, "timeout", "cut", "malformed", "shape", "empty"):
        server.fail_next(failure)
    assert ask(model, way).text == "say hello"
    failures = [request.failure for request in server.requests]
    assert failures == ["429", "500", "timeout", "cut", "malformed", "shape", "empty", ""]
    assert waits[0] == 33


def test_threads_get_their_own_answers_from_a_failing_server():
    """Sixteen threads share one model while a third of the requests fail: each gets the answer to its question."""
    rates = {"429": 0.1, "500": 0.1, "cut": 0.05, "malformed": 0.05, "empty": 0.05}
    with ModelServer(failure_rates=rates, seed=3) as server:
        inner = LiteLLM("openai/any", api_base=server.url, api_key=KEY)
        model = Retrying(inner, attempts=20, sleep=lambda seconds: None)
        with ThreadPoolExecutor(16) as pool:
            texts = list(pool.map(lambda n: model([{"role": "user", "content": f"question {n}"}]).text, range(64)))
    assert texts == [f"question {number}" for number in range(64)]
    assert len(server.requests) > 64


def test_tasks_get_their_own_answers(run_async):
    """Forty tasks on one loop are at the server at the same time."""
    together = threading.Barrier(40, timeout=30)

    def answer(body):
        return body["messages"][-1]["content"]

    class Meeting(ModelServer):
        def _text(self, body):
            together.wait()
            return answer(body)

    async def all_at_once(model):
        questions = [[{"role": "user", "content": f"question {number}"}] for number in range(40)]
        return await asyncio.gather(*(model.acall(question) for question in questions))

    with Meeting() as server:
        model = LiteLLM("openai/any", api_base=server.url, api_key=KEY)
        responses = run_async(all_at_once(model))
    assert [response.text for response in responses] == [f"question {number}" for number in range(40)]


def test_model_of_the_environment_reaches_a_custom_server(server, no_model_configured):
    """`LLM()` with only an address set talks to it."""
    no_model_configured.setenv("TRACE_CUSTOMLLM_URL", server.url)
    no_model_configured.setenv("TRACE_CUSTOMLLM_MODEL", "qwen")
    assert LLM()(MESSAGES).text == "say hello"
    assert server.requests[0].body["model"] == "qwen"


def test_recording_of_a_real_exchange(server, model, tmp_path):
    """What came over HTTP replays equal, without the key on file."""
    path = tmp_path / "x.json"
    live = Recorded(path, model, "record")(MESSAGES, temperature=0)
    server.fail_next(500, times=100)
    assert Recorded(path)(MESSAGES, temperature=0) == live.as_replayed()
    assert KEY not in path.read_text()


def test_copies_answer(model, ask):
    """It copies and pickles with its options."""
    assert ask(copy.deepcopy(model)).text == ask(pickle.loads(pickle.dumps(model))).text == "say hello"


def test_streaming_is_refused(model, ask):
    """A model returns whole answers."""
    with pytest.raises(ValueError, match="whole answers"):
        ask(model, stream=True)


@pytest.mark.parametrize("name", [None, "", 3])
def test_needs_a_name(name):
    """A model has a name."""
    with pytest.raises(TypeError, match="model must be the name"):
        LiteLLM(name)


class TestLiteLLM(ModelSuite):
    """LiteLLM passes the contract tests."""

    secret = KEY

    @pytest.fixture(autouse=True)
    def _server(self, server):
        self.url = server.url

    def make_model(self):
        return LiteLLM("openai/any", api_base=self.url, api_key=KEY)


def test_import_is_late_quiet_offline_and_leaves_no_trace():
    """The first call imports LiteLLM without a connection, a word on the terminal, or a change of the environment."""
    program = (
        "import os, sys\n"
        "from opto.testing import LoopbackOnly, ModelServer\n"
        "from opto.llm import LiteLLM\n"
        "with LoopbackOnly() as guard, ModelServer() as server:\n"
        "    model = LiteLLM('openai/any', api_base=server.url, api_key='none')\n"
        "    assert 'litellm' not in sys.modules\n"
        "    before = dict(os.environ)\n"
        "    model([{'role': 'user', 'content': 'hello'}])\n"
        "    server.fail_next(500)\n"
        "    try:\n"
        "        model([{'role': 'user', 'content': 'hello'}])\n"
        "    except RuntimeError:\n"
        "        pass\n"
        "import litellm\n"
        "assert os.environ == before, set(os.environ.items()) ^ set(before.items())\n"
        "assert not guard.attempts, guard.attempts\n"
        "assert litellm.telemetry is False and 'gpt-4o' in litellm.model_cost\n"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LITELLM")}
    run = subprocess.run(
        [sys.executable, "-c", program], env={**environment, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_lone_surrogates_are_sent_as_replacement_characters():
    """Texts of programs may hold what no request can; everything else arrives as it is."""
    parts = [{"type": "text", "text": "\ud800 d\udcff"}]
    with ModelServer(["yes"]) as running:
        asked = LiteLLM("openai/any", api_base=running.url, api_key=KEY)
        asked([{"role": "system", "content": "a\udcff é漢😀"}, {"role": "user", "content": parts}])
    system, user = running.requests[-1].body["messages"]
    assert system["content"] == "a\ufffd é漢😀"
    assert user["content"] == [{"type": "text", "text": "\ufffd d\ufffd"}]
