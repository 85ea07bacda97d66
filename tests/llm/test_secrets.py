"""Keys through the real path: a loopback server, LiteLLM, and everything that is written, logged, raised or shown."""

from __future__ import annotations

import asyncio
import copy
import io
import json
import logging
import os
import pickle
import re
import subprocess
import sys
import traceback
import warnings

import pytest

import opto
import opto.runs
from opto.errors import ModelAccessError, ModelError, SecretWarning
from opto.llm import Cached, Failover, LiteLLM, Manual, Recorded, Retrying
from opto.optimizers import OptoPrime
from opto.secrets import REDACTED
from opto.testing import ModelServer
from opto.trace import ExecutionError, bundle, model, node

OPTION = "planted-Option-Key-7h3x"
VARIABLE = "planted-Variable-Key-9w2k"
SHAPED = "sk-proj-" + "a1B2c3D4e5F6" * 4
SECRETS = (OPTION, VARIABLE, SHAPED)
MESSAGES = [{"role": "user", "content": f"my keys are {OPTION}, {VARIABLE} and {SHAPED}; be brief"}]


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    """A key in the environment, and an event loop, which LiteLLM asks for in its sync form too."""
    monkeypatch.setenv("OPENAI_API_KEY", VARIABLE)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture
def logged():
    """Everything that is logged at level DEBUG, as text."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in ("LiteLLM", "openai", "httpx", "httpcore", "opto"))]
    levels = [logger.level for logger in loggers]
    root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def models(server, folder):
    """Every kind of model of opto around LiteLLM."""
    inner = LiteLLM(
        "openai/any",
        api_base=server.url,
        api_key=OPTION,
        extra_headers={"X-Auth-Token": "planted-header-3k9", "X-Trace": "plain-header"},
    )
    return [
        inner,
        Retrying(inner, attempts=2, first_wait=0.001, longest_wait=0.01),
        Cached(inner, folder / "cache"),
        Recorded(folder / "exchanges" / "file.json", inner, mode="auto"),
        Failover(inner, inner),
    ]


def leaks(text):
    """Which of the planted secrets a text or bytes hold."""
    whole = text if isinstance(text, bytes) else str(text).encode("utf-8", "surrogatepass")
    return [each for each in (*SECRETS, "planted-header-3k9") if each.encode() in whole]


def leaking_files(folder):
    """The files below a folder that hold a planted secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [(str(path), leaks(path.read_bytes())) for path in files if leaks(path.read_bytes())]


def test_nothing_that_is_written_holds_a_key(tmp_path, logged, monkeypatch):
    """Records, recordings, caches, requests by hand, saved modules and optimizers, pictures, programs, and the log."""

    @model
    class Agent:
        def __init__(self):
            self.prompt = node(f"Answer. The key is {VARIABLE}.", trainable=True, name="prompt")
            self.key = OPTION
            self.settings = {"deep": [VARIABLE], "plain": "kept"}

        @bundle()
        def join(self, prompt, question):
            return f"{prompt} {question} {OPTION}"

        def __call__(self, question):
            return self.join(self.prompt, question)

    def answer(body):
        name = re.search(r"(prompt\d+)=", body["messages"][-1]["content"])
        suggestion = {name[1]: f"new, with {OPTION}"} if name else {}
        return json.dumps({"reasoning": f"use {SHAPED}", "suggestion": suggestion})

    with ModelServer(answer) as server:
        for each in models(server, tmp_path):
            with opto.record(tmp_path / "runs" / type(each).__name__):
                agent = Agent()
                optimizer = OptoPrime(agent.parameters(), each, memory_size=2)
                output = agent(f"which key? {SHAPED}")
                optimizer.backward(output, f"{VARIABLE} is wrong, use {SHAPED}")
                optimizer.step()
                each(MESSAGES)
    assert OPTION in server.requests[0].headers["authorization"]
    with pytest.warns(SecretWarning):
        agent.save(tmp_path / "agent.json")
    with pytest.warns(SecretWarning):
        optimizer.save(tmp_path / "optimizer.json")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretWarning)
        agent.export(tmp_path / "agent.py")
    from opto.trace.rendering import save_picture

    save_picture(agent("and then?").backward(visualize=True), tmp_path / "graph.gv")
    by_hand = Manual(tmp_path / "inbox", timeout=0, sleep=lambda seconds: None)
    with pytest.raises(ModelError):
        by_hand(MESSAGES)
    saved = (tmp_path / "optimizer.json").read_text()  # values come back whole, but for what is known to be a key
    assert leaks(saved) == [SHAPED]
    (tmp_path / "optimizer.json").write_text(saved.replace(SHAPED, ""))
    assert not leaking_files(tmp_path)
    assert REDACTED in (tmp_path / "agent.json").read_text()
    assert not leaks(logged.getvalue())
    assert len(logged.getvalue()) > 1000


def test_a_replay_of_a_run_with_keys_is_exact(tmp_path):
    """Struck out on both sides, requests and events agree."""

    def program(llm):
        prompt = node(f"the key {VARIABLE}", trainable=True, name="replayed")
        optimizer = OptoPrime([prompt], llm)
        optimizer.backward(prompt + SHAPED, f"leave {OPTION} out")
        optimizer.step()
        return prompt.data

    with ModelServer(lambda body: '{"suggestion": {"replayed0": "a better one"}}') as server:
        with opto.record(tmp_path / "run"):
            first = program(LiteLLM("openai/any", api_base=server.url, api_key=OPTION))
    assert (
        opto.replay(tmp_path / "run", lambda: program(LiteLLM("openai/any", api_key=OPTION))) == first == "a better one"
    )


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
def test_an_error_that_echoes_the_key_does_not_show_it(tmp_path, logged, status, way):
    """Neither the message, nor the repr, nor the traceback with all causes, nor a pickle of the error."""
    echo = f"Incorrect API key provided: {OPTION}. Authorization: Bearer {VARIABLE} {SHAPED}"
    with ModelServer() as server:
        for each in models(server, tmp_path):
            server.fail_next(status, times=20, message=echo)
            with pytest.raises(ModelError) as caught:
                each(MESSAGES) if way == "sync" else asyncio.run(each.acall(MESSAGES))
            error = caught.value
            server._planned.clear()
            told = [str(error), repr(error), "".join(traceback.format_exception(error))]
            link = error
            while link is not None:
                told += [str(link), repr(link), repr(link.args), repr(vars(link))]
                link = link.__cause__ or link.__context__
            assert not any(leaks(text) for text in told), told
            assert not leaks(pickle.dumps(error))
    assert not leaks(logged.getvalue())


def test_an_error_in_traced_code_does_not_show_a_key():
    """The exception of a bundled function, which goes into prompts, has keys struck out."""

    @bundle()
    def call(question):
        raise RuntimeError(f"401: wrong key {VARIABLE}, try {SHAPED}")

    with pytest.raises(ExecutionError) as caught:
        call("q")
    info = caught.value.exception_node.info
    assert not leaks([str(caught.value), repr(caught.value), caught.value.exception_node.data, info["error_comment"]])
    assert REDACTED in str(caught.value)


def test_models_show_and_pickle_no_keys(tmp_path):
    """A repr has no key; a pickle has none either, and a copy in this process answers all the same."""
    with ModelServer() as server:
        for each in models(server, tmp_path):
            assert not leaks(repr(each))
            assert not leaks(pickle.dumps(each))
            for twin in (pickle.loads(pickle.dumps(each)), copy.deepcopy(each), copy.copy(each)):
                assert twin([{"role": "user", "content": "hello"}]).text == "hello"
                assert server.requests[-1].headers["authorization"] == f"Bearer {OPTION}"
                assert server.requests[-1].headers["x-auth-token"] == "planted-header-3k9"


CHILD = """
import pickle, sys
model = pickle.loads(bytes.fromhex(sys.argv[1]))
print(repr(model))
print(model([{"role": "user", "content": "hello"}]).text)
"""


@pytest.mark.parametrize("known", [True, False])
def test_another_process_takes_the_key_from_its_environment(known):
    """A key that is in a variable is found there; one that is not is missed, with the remedy."""
    with ModelServer() as server:
        sent = LiteLLM("openai/any", api_base=server.url, api_key=VARIABLE if known else OPTION)
        done = subprocess.run(
            [sys.executable, "-c", CHILD, pickle.dumps(sent).hex()],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
        )
        assert not leaks(done.stdout + done.stderr)
        if known:
            assert done.stdout.splitlines()[-1] == "hello"
            assert server.requests[-1].headers["authorization"] == f"Bearer {VARIABLE}"
        else:
            assert "stayed behind when this model was pickled" in done.stderr
            assert ModelAccessError.__name__ in done.stderr
            assert not server.requests
