"""The model that the environment configures.

| variable | meaning |
|---|---|
| `OPTO_MODEL` | the model to use, by its LiteLLM name: `gpt-4o`, `anthropic/claude-sonnet-4-5`, `ollama/llama3` |
| `OPTO_MODEL_<PROFILE>` | the same for `LLM(profile="<profile>")` |
| `TRACE_LITELLM_MODEL`, `DEFAULT_LITELLM_MODEL` | older names; `OPTO_MODEL` goes before them |
| `TRACE_DEFAULT_LLM_BACKEND` | `LiteLLM` (the default), `CustomLLM` or `AutoGen` |
| `TRACE_CUSTOMLLM_URL`, `_MODEL`, `_API_KEY` | a server that speaks the OpenAI protocol, for the back-end CustomLLM |

Keys are read by LiteLLM from the variables of each provider, such as `OPENAI_API_KEY`.
"""

from __future__ import annotations

import os
from typing import Any

from opto.llm.model import Model
from opto.llm.retrying import Retrying
from opto.llm.through_litellm import LiteLLM

__all__ = ["LLM", "configured"]

_BACKENDS = ("LiteLLM", "AutoGen", "CustomLLM")
_FALLBACK = "gpt-4o"


def LLM(  # noqa: N802 (the name is part of the contract: it stands for the class of model that it makes)
    model: str | None = None, *, profile: str | None = None, backend: str | None = None, **options: Any
) -> Model:
    """The model of that name, or the one that the environment configures; it asks again after passing failures.

    It needs no key and no network until it is called, and pickles.

    Args:
        model: its name; by default from `OPTO_MODEL`, `TRACE_LITELLM_MODEL` or `DEFAULT_LITELLM_MODEL`, else "gpt-4o".
        profile: take the name from the variable `OPTO_MODEL_<PROFILE>` instead.
        backend: "LiteLLM", "CustomLLM" or "AutoGen"; by default from `TRACE_DEFAULT_LLM_BACKEND`, else CustomLLM if
            `TRACE_CUSTOMLLM_URL` is set and no model is named, else LiteLLM.
        **options: go with every request: `temperature`, `api_base`, `api_key`, `timeout`...

    Raises:
        ValueError: there is no such back-end, the profile is not configured, or CustomLLM has no address.
        MissingExtraError: AutoGen is not installed.
    """
    if profile is not None and model is None:
        model = _profile_model(profile)
    chosen = backend or _backend(model)
    if chosen == "CustomLLM":
        return Retrying(_custom(model, options))
    if chosen == "AutoGen":
        from opto.llm.autogen import AutoGen

        return Retrying(AutoGen(model, **options))
    if chosen != "LiteLLM":
        source = "backend" if backend else "TRACE_DEFAULT_LLM_BACKEND"
        raise ValueError(f"{source} must be one of {', '.join(_BACKENDS)}, got {chosen!r}")
    return Retrying(LiteLLM(model or _named_model() or os.environ.get("DEFAULT_LITELLM_MODEL") or _FALLBACK, **options))


def configured() -> str | None:
    """The model that somebody has configured in the environment, None when nobody has.

    It says what `LLM()` will use: the name in `OPTO_MODEL` or `TRACE_LITELLM_MODEL`, or the model and address of a
    custom server. It neither imports LiteLLM nor connects to anything.
    """
    if _backend(None) == "CustomLLM":
        url = os.environ.get("TRACE_CUSTOMLLM_URL")
        return f"{_custom_name(None)} at {url}" if url else None
    return _named_model()


def _named_model() -> str | None:
    return os.environ.get("OPTO_MODEL") or os.environ.get("TRACE_LITELLM_MODEL") or None


def _profile_model(profile: str) -> str:
    variable = f"OPTO_MODEL_{profile.upper().replace('-', '_')}"
    if not (name := os.environ.get(variable)):
        raise ValueError(f"the profile {profile!r} is not configured: set the environment variable {variable}")
    return name


def _backend(model: str | None) -> str:
    if chosen := os.environ.get("TRACE_DEFAULT_LLM_BACKEND"):
        return chosen
    custom = os.environ.get("TRACE_CUSTOMLLM_URL") and not (model or _named_model())
    return "CustomLLM" if custom else "LiteLLM"


def _custom_name(model: str | None) -> str:
    return model or os.environ.get("TRACE_CUSTOMLLM_MODEL") or _FALLBACK


def _custom(model: str | None, options: dict[str, Any]) -> LiteLLM:
    url = options.get("api_base") or os.environ.get("TRACE_CUSTOMLLM_URL")
    if not url:
        raise ValueError("the back-end CustomLLM needs an address: set TRACE_CUSTOMLLM_URL, or pass api_base=...")
    # A local server asks for no key, but the client insists on one.
    key = os.environ.get("TRACE_CUSTOMLLM_API_KEY") or "none"
    return LiteLLM(f"openai/{_custom_name(model)}", **{"api_key": key, **options, "api_base": url})
