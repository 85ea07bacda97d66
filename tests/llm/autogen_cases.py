"""Models through AutoGen; run by `test_autogen.py` in a process of their own."""

import json

import pytest

from opto.llm import LLM
from opto.testing import ModelServer

MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.fixture(autouse=True)
def _installed(no_model_configured):
    pytest.importorskip("autogen")
    no_model_configured.delenv("OAI_CONFIG_LIST", raising=False)


@pytest.fixture
def server():
    """A server that repeats the last message."""
    with ModelServer() as running:
        yield running


def test_reaches_the_configured_server(server):
    """The request goes to the server of the configuration list, with its options, each time anew."""
    configuration = [{"api_type": "openai", "model": "x", "base_url": server.url, "api_key": "sk-secret-key"}]
    model = LLM("any", backend="AutoGen", config_list=configuration, temperature=0.5)
    assert [model(MESSAGES, max_tokens=5).text for _ in range(2)] == ["hello", "hello"]
    assert len(server.requests) == 2
    assert server.requests[0].body["temperature"] == 0.5
    assert server.requests[0].body["model"] == "any"
    assert "sk-secret-key" not in repr(model)


def test_configuration_list_of_the_environment(server, no_model_configured, tmp_path):
    """The variable holds the list, or the path of a file with it."""
    text = json.dumps([{"api_type": "openai", "model": "x", "base_url": server.url, "api_key": "none"}])
    no_model_configured.setenv("OAI_CONFIG_LIST", text)
    assert LLM(backend="AutoGen")(MESSAGES).text == "hello"
    (tmp_path / "list.json").write_text(text)
    no_model_configured.setenv("OAI_CONFIG_LIST", str(tmp_path / "list.json"))
    assert LLM(backend="AutoGen").name == "x"


def test_missing_configuration(no_model_configured):
    """Without a list, or with an empty one, the error names the variable."""
    with pytest.raises(ValueError, match="OAI_CONFIG_LIST"):
        LLM(backend="AutoGen")
    no_model_configured.setenv("OAI_CONFIG_LIST", "[]")
    with pytest.raises(ValueError, match="OAI_CONFIG_LIST must hold"):
        LLM(backend="AutoGen")
