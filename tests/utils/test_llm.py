"""The names of models in the Trace interface."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from opto.llm import FromCallable
from opto.utils.llm import LLM, AbstractModel, AutoGenLLM, CustomLLM, DummyLLM, LiteLLM, LLMFactory

MESSAGES = [{"role": "user", "content": "hello"}]


def echo(messages, **options):
    """Answers with the last message."""
    return messages[-1]["content"]


def make_echo():
    """A factory of such a model."""
    return FromCallable(echo)


def test_dummy_llm_answers_with_its_callable():
    """The text of the callable in OpenAI's shape; it pickles, copies, and threads share it."""
    model = DummyLLM(echo, reset_freq=10)
    assert model(messages=MESSAGES, max_tokens=3).choices[0].message.content == "hello"
    assert pickle.loads(pickle.dumps(model))(messages=MESSAGES).text == "hello"
    assert copy.deepcopy(model)(messages=MESSAGES).text == "hello"
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: model(messages=MESSAGES).text, range(50))) == {"hello"}


def test_abstract_model_rebuilds_the_inner_one():
    """It is made by a factory, and made anew in a copy."""
    model = AbstractModel(make_echo, reset_freq=60)
    assert model(messages=MESSAGES).choices[0].message.content == "hello"
    assert pickle.loads(pickle.dumps(model))(messages=MESSAGES).text == "hello"


def test_abstract_model_can_be_subclassed():
    """The base of older back-ends."""

    class Mine(AbstractModel):
        def __init__(self):
            super().__init__(make_echo)

    assert Mine()(messages=MESSAGES).text == "hello"


def test_llm_needs_neither_key_nor_network(no_model_configured):
    """It is made, copied and pickled without either."""
    for make in (LLM, LiteLLM, LLMFactory.get_llm, lambda: LiteLLM("gpt-x", reset_freq=5)):
        pickle.loads(pickle.dumps(copy.deepcopy(make())))


def test_profiles_come_from_the_environment(no_model_configured):
    """A profile is a variable."""
    no_model_configured.setenv("OPTO_MODEL_JUDGE", "small")
    assert LLMFactory.get_llm("judge").name == "small"


def test_custom_llm_has_its_server(no_model_configured):
    """It takes the server of the environment."""
    no_model_configured.setenv("TRACE_CUSTOMLLM_URL", "http://127.0.0.1:9/v1")
    model = CustomLLM("any").model.model
    assert (model.name, model.options["api_base"]) == ("openai/any", "http://127.0.0.1:9/v1")


def test_autogen_llm_says_what_is_missing(no_model_configured):
    """Without AutoGen the first call names the extra."""
    no_model_configured.setitem(__import__("sys").modules, "autogen", None)
    with pytest.raises(ImportError, match=r"opto-trace\[autogen\]"):
        AutoGenLLM()(messages=MESSAGES)


def test_profiles_can_be_registered(no_model_configured, tmp_path):
    """A program makes profiles of its own, which go before those of a file."""
    no_model_configured.chdir(tmp_path)
    LLMFactory.register_profile("registered-here", model="small", temperature=0.5, custom=3)
    model = LLMFactory.get_llm("registered-here")
    assert model.name == "small"
    assert model.model.options == {"temperature": 0.5, "custom": 3}
    assert "registered-here" in LLMFactory.list_profiles()
    with pytest.raises(ValueError, match="fallbacks must be a list"):
        LLMFactory.register_profile("other", fallbacks="one")
