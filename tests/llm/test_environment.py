"""The model that the environment configures."""

import copy
import os
import pickle
import subprocess
import sys

import pytest

from opto.errors import MissingExtraError
from opto.llm import LLM, LiteLLM, Retrying, configured


@pytest.fixture(autouse=True)
def environment(no_model_configured):
    """Each test starts from an environment without a model."""
    return no_model_configured


def test_default_is_a_retrying_litellm_model():
    """Without any setting the model is gpt-4o through LiteLLM; it copies and pickles."""
    model = LLM()
    assert isinstance(model, Retrying)
    assert isinstance(model.model, LiteLLM)
    assert model.name == "gpt-4o"
    assert copy.deepcopy(model).name == pickle.loads(pickle.dumps(model)).name == "gpt-4o"


def test_names_in_order_of_precedence(environment):
    """The argument goes before OPTO_MODEL, before TRACE_LITELLM_MODEL, before DEFAULT_LITELLM_MODEL."""
    environment.setenv("DEFAULT_LITELLM_MODEL", "default")
    assert LLM().name == "default"
    environment.setenv("TRACE_LITELLM_MODEL", "trace")
    assert LLM().name == "trace"
    environment.setenv("OPTO_MODEL", "ours")
    assert LLM().name == "ours"
    assert LLM("mine", temperature=0).model.options == {"temperature": 0}
    assert LLM("mine").name == "mine"


def test_profile_is_a_variable(environment):
    """A profile names a model in a variable of its own."""
    environment.setenv("OPTO_MODEL_CHEAP_JUDGE", "small")
    assert LLM(profile="cheap-judge").name == "small"
    with pytest.raises(ValueError, match="set the environment variable OPTO_MODEL_OTHER"):
        LLM(profile="other")


def test_custom_server(environment):
    """CustomLLM is any server that speaks the OpenAI protocol."""
    environment.setenv("TRACE_CUSTOMLLM_URL", "http://127.0.0.1:9/v1")
    environment.setenv("TRACE_CUSTOMLLM_MODEL", "qwen")
    model = LLM(backend="CustomLLM").model
    assert model.name == "openai/qwen"
    assert model.options == {"api_base": "http://127.0.0.1:9/v1", "api_key": "none"}
    environment.setenv("TRACE_CUSTOMLLM_API_KEY", "secret-key")
    assert LLM(backend="CustomLLM").model.options["api_key"] == "secret-key"
    assert LLM("other", backend="CustomLLM", api_key="given").model.options["api_key"] == "given"
    assert "secret-key" not in repr(LLM(backend="CustomLLM"))


def test_custom_server_is_chosen_when_nothing_else_is_named(environment):
    """An address alone is enough; a named model goes before it."""
    environment.setenv("TRACE_CUSTOMLLM_URL", "http://127.0.0.1:9/v1")
    assert LLM().name == "openai/gpt-4o"
    assert LLM("gpt-x").name == "gpt-x"
    environment.setenv("TRACE_DEFAULT_LLM_BACKEND", "LiteLLM")
    assert LLM().name == "gpt-4o"


def test_custom_server_without_an_address():
    """The error names the variable."""
    with pytest.raises(ValueError, match="TRACE_CUSTOMLLM_URL"):
        LLM(backend="CustomLLM")


def test_unknown_backend(environment):
    """A back-end that does not exist is refused, and where the name came from is said."""
    with pytest.raises(ValueError, match="backend must be one of LiteLLM, AutoGen, CustomLLM, got 'Other'"):
        LLM(backend="Other")
    environment.setenv("TRACE_DEFAULT_LLM_BACKEND", "Another")
    with pytest.raises(ValueError, match="TRACE_DEFAULT_LLM_BACKEND must be one of"):
        LLM()


def test_autogen_that_is_not_installed(monkeypatch):
    """The error names the extra."""
    monkeypatch.setitem(sys.modules, "autogen", None)
    with pytest.raises(MissingExtraError, match=r"opto-trace\[autogen\]"):
        LLM(backend="AutoGen")


def test_configured_tells_what_somebody_chose(environment):
    """Defaults do not count as configured."""
    assert configured() is None
    environment.setenv("DEFAULT_LITELLM_MODEL", "default")
    assert configured() is None
    environment.setenv("TRACE_CUSTOMLLM_URL", "http://127.0.0.1:9/v1")
    assert configured() == "gpt-4o at http://127.0.0.1:9/v1"
    environment.setenv("TRACE_LITELLM_MODEL", "trace")
    assert configured() == "trace"
    environment.setenv("OPTO_MODEL", "ours")
    assert configured() == "ours"
    environment.setenv("TRACE_DEFAULT_LLM_BACKEND", "CustomLLM")
    assert configured() == "gpt-4o at http://127.0.0.1:9/v1"
    environment.delenv("TRACE_CUSTOMLLM_URL")
    assert configured() is None


def test_making_a_model_imports_nothing_heavy():
    """Neither making a model nor asking what is configured imports LiteLLM, asyncio or numpy."""
    program = (
        "import sys\n"
        "from opto.llm import LLM, Recorded, Manual, configured\n"
        "LLM(), configured()\n"
        "print(sorted({'litellm', 'openai', 'asyncio', 'numpy', 'pydantic', 'tenacity'} & sys.modules.keys()))"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    run = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert run.stdout.strip() == "[]", run.stderr
