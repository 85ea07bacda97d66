"""Models by name, from a TOML file or the environment."""

import pytest

from opto.errors import FileFormatError
from opto.llm import LLM, Failover, RateLimited, Retrying

FILE = """
[models.judge]
model = "openai/gpt-4o-mini"
temperature = 0
max_tokens = 500
requests_per_minute = 60
fallbacks = ["cheap", "anthropic/claude-haiku-4-5"]
options = { seed = 3, stop = ["###"] }

[models.cheap]
model = "qwen2.5:7b"
api_base = "http://localhost:11434"

[models.keyed]
model = "gpt-4o"
api_key_env = "MY_OWN_KEY"
"""


@pytest.fixture(autouse=True)
def folder(no_model_configured, tmp_path):
    """A working folder with a file of profiles, and an environment without models."""
    (tmp_path / "opto.toml").write_text(FILE)
    no_model_configured.chdir(tmp_path)
    return no_model_configured


def test_a_profile_with_everything():
    """Its model, options, limits, and what follows it."""
    model = LLM("judge")
    assert isinstance(model, Failover)
    first, second, third = model.models
    assert isinstance(first, Retrying)
    assert isinstance(first.model, RateLimited)
    assert first.model.requests_per_minute == 60
    assert first.model.model.name == "openai/gpt-4o-mini"
    assert first.model.model.options == {"temperature": 0, "max_tokens": 500, "seed": 3, "stop": ["###"]}
    assert second.name == "openai/qwen2.5:7b"
    assert second.model.options == {"api_base": "http://localhost:11434/v1", "api_key": "none"}
    assert third.name == "anthropic/claude-haiku-4-5"


def test_options_of_the_call_go_first():
    """`profile=` is the same; a name that is no profile is a model."""
    assert LLM(profile="cheap", temperature=1, api_key="k").model.options["temperature"] == 1
    assert LLM("cheap").name == "openai/qwen2.5:7b"
    assert LLM(model="cheap").name == "cheap"
    assert LLM("gpt-4o").name == "gpt-4o"


def test_the_environment_goes_before_the_file(folder):
    """`OPTO_MODEL_<NAME>` names another model for the profile, and makes one by itself."""
    folder.setenv("OPTO_MODEL_CHEAP", "qwen3")
    folder.setenv("OPTO_MODEL_NEW_ONE", "gpt-x")
    assert LLM("cheap").name == "openai/qwen3"
    assert LLM("new-one").name == LLM("new.one").name == "gpt-x"


def test_keys_come_from_their_variable(folder):
    """The file names the variable; the key shows nowhere."""
    with pytest.raises(ValueError, match="variable MY_OWN_KEY: set it"):
        LLM("keyed")
    folder.setenv("MY_OWN_KEY", "sk-mine")
    model = LLM("keyed")
    assert model.model.options["api_key"] == "sk-mine"
    assert "sk-mine" not in repr(model)


def test_another_file(folder, tmp_path):
    """`OPTO_CONFIG` names it, and it must be there."""
    other = tmp_path / "other.toml"
    folder.setenv("OPTO_CONFIG", str(other))
    with pytest.raises(FileFormatError, match="does not exist"):
        LLM("judge")
    other.write_text('[models.judge]\nmodel = "other"\n')
    assert LLM("judge").name == "other"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[models.judge", "is not TOML"),
        ("models = 3", "must be a table of tables"),
        ('[models.judge]\napi_key = "sk"', "name their variable"),
        ("[models.judge]\nmdel = 3", "has no setting 'mdel'"),
        ('[models.judge]\ntemperature = "hot"', "temperature must be a number"),
        ('[models.judge]\nfallbacks = "cheap"', "fallbacks must be a list of names"),
    ],
)
def test_wrong_files(tmp_path, text, reason):
    """The error names the file, the profile and the setting."""
    (tmp_path / "opto.toml").write_text(text)
    with pytest.raises(FileFormatError, match=reason) as caught:
        LLM("judge")
    assert "opto.toml" in str(caught.value)


def test_fallbacks_in_a_circle(tmp_path):
    """They are refused with the way they go."""
    (tmp_path / "opto.toml").write_text(
        '[models.a]\nmodel = "x"\nfallbacks = ["b"]\n[models.b]\nmodel = "y"\nfallbacks = ["a"]\n'
    )
    with pytest.raises(ValueError, match="a -> b -> a"):
        LLM("a")


def test_wrong_names():
    """A profile that must exist, a model that is named twice, an address without its model."""
    with pytest.raises(ValueError, match=r"OPTO_MODEL_NOBODY, or write \[models.nobody\]"):
        LLM(profile="nobody")
    with pytest.raises(ValueError, match="named twice"):
        LLM("gpt-4o", model="gpt-5")
    with pytest.raises(ValueError, match="needs the name of its model"):
        LLM("http://localhost:8000/v1")
