"""The model that a name, an address, a profile or the environment stands for.

| variable | meaning |
|---|---|
| `OPTO_MODEL` | the model to use, by its LiteLLM name: `gpt-4o`, `anthropic/claude-sonnet-4-5`, `ollama/llama3` |
| `OPTO_MODEL_<PROFILE>` | the same for `LLM("<profile>")` |
| `OPTO_CONFIG` | the file of profiles, see `opto.llm.profiles`; by default `opto.toml` in the working folder |
| `TRACE_LITELLM_MODEL`, `DEFAULT_LITELLM_MODEL` | older names; `OPTO_MODEL` goes before them |
| `TRACE_DEFAULT_LLM_BACKEND` | `LiteLLM` (the default), `CustomLLM` or `AutoGen` |
| `TRACE_CUSTOMLLM_URL`, `_MODEL`, `_API_KEY` | a server that speaks the OpenAI protocol, for the back-end CustomLLM |

Keys are read by LiteLLM from the variables of each provider, such as `OPENAI_API_KEY`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opto.llm.model import Model
from opto.llm.profiles import Profile, find_profile, variable_of
from opto.llm.retrying import Retrying
from opto.llm.through_litellm import LiteLLM

if TYPE_CHECKING:
    from opto.llm.budget import Budget

__all__ = ["LLM", "configured"]

_BACKENDS = ("LiteLLM", "AutoGen", "CustomLLM")
_FALLBACK = "gpt-4o"
_WITH_ADDRESS = frozenset(
    {
        "anthropic",
        "azure",
        "azure_ai",
        "bedrock",
        "custom_openai",
        "databricks",
        "deepseek",
        "gemini",
        "groq",
        "hosted_vllm",
        "huggingface",
        "litellm_proxy",
        "llamafile",
        "lm_studio",
        "mistral",
        "nvidia_nim",
        "ollama",
        "ollama_chat",
        "openai",
        "openai_like",
        "openrouter",
        "replicate",
        "sagemaker",
        "text-completion-openai",
        "together_ai",
        "triton",
        "vertex_ai",
        "vllm",
        "watsonx",
        "xai",
        "xinference",
    }
)
"""First parts of LiteLLM's names that say which protocol a server at a given address speaks."""


def LLM(  # noqa: N802 (the name is part of the contract: it stands for the class of model that it makes)
    name: str | None = None,
    /,
    *,
    model: str | None = None,
    profile: str | None = None,
    backend: str | None = None,
    budget: Budget | None = None,
    **options: Any,
) -> Model:
    """The model that a name stands for; it asks again after passing failures.

        LLM("gpt-4o")                                          # by LiteLLM's name
        LLM("judge")                                           # a profile, see `opto.llm.profiles`
        LLM("http://localhost:11434/v1", model="llama3")       # any server that speaks the OpenAI protocol
        LLM()                                                  # what the environment configures

    It needs no key and no network until it is called, and pickles.

    Args:
        name: a profile, else a model, or an address that begins with http:// or https://.
        model: the name of the model; by default from `OPTO_MODEL`, `TRACE_LITELLM_MODEL` or `DEFAULT_LITELLM_MODEL`,
            else "gpt-4o". A profile of this name is not looked for.
        profile: the name of a profile, which must exist.
        backend: "LiteLLM", "CustomLLM" or "AutoGen"; by default from `TRACE_DEFAULT_LLM_BACKEND`, else CustomLLM if
            `TRACE_CUSTOMLLM_URL` is set and no model is named, else LiteLLM.
        budget: pays for all calls of the model.
        **options: go with every request: `temperature`, `max_tokens`, `api_base`, `api_key`, `timeout`... With an
            `api_base`, a model whose name does not begin with a provider is one of an OpenAI-compatible server there,
            and no key is sent unless `api_key` gives one.

    Raises:
        ValueError: there is no such back-end or profile, or an address lacks its model.
        FileFormatError: the file of profiles cannot be read.
        MissingExtraError: AutoGen is not installed.
    """
    made = _named(name, model, profile, backend, options)
    if budget is None:
        return made
    from opto.llm.budgeted import Budgeted

    return Budgeted(made, budget)


def configured() -> str | None:
    """The model that somebody has configured in the environment, None when nobody has.

    It says what `LLM()` will use: the name in `OPTO_MODEL` or `TRACE_LITELLM_MODEL`, or the model and address of a
    custom server. It neither imports LiteLLM nor connects to anything.
    """
    if _backend(None) == "CustomLLM":
        url = os.environ.get("TRACE_CUSTOMLLM_URL")
        return f"{_custom_name(None)} at {url}" if url else None
    return _named_model()


def _named(
    name: str | None, model: str | None, profile: str | None, backend: str | None, options: dict[str, Any]
) -> Model:
    if name is not None and name.startswith(("http://", "https://")):
        if model is None:
            raise ValueError(f"an address needs the name of its model: LLM({name!r}, model=...)")
        return _plain_model(model, backend, {"api_base": _completed(name), **options})
    if name is not None and model is not None:
        raise ValueError(f"the model is named twice: {name!r} and model={model!r}")
    if model is None and profile is not None and name is None:
        if (found := find_profile(profile)) is None:
            raise ValueError(
                f"the profile {profile!r} is not configured: set the environment variable {variable_of(profile)}, "
                f"or write [models.{profile}] into opto.toml"
            )
        return _of_profile(found, backend, options, ())
    if name is not None and (found := find_profile(name)) is not None:
        return _of_profile(found, backend, options, ())
    return _plain_model(name or model, backend, options)


def _of_profile(profile: Profile, backend: str | None, options: dict[str, Any], above: tuple[str, ...]) -> Model:
    """The model of a profile, with its limits and those that follow it."""
    if profile.name in above:
        raise ValueError(f"the fallbacks go in a circle: {' -> '.join((*above, profile.name))}")
    given: dict[str, Any] = dict(profile.options)
    if profile.api_base is not None:
        given["api_base"] = _completed(profile.api_base)
    if (key := profile.key()) is not None:
        given["api_key"] = key
    first = _plain_model(profile.model, backend or profile.backend, {**given, **options})
    if profile.requests_per_minute or profile.tokens_per_minute:
        first = _rate_limited(first, profile)
    if not profile.fallbacks:
        return first
    from opto.llm.failover import Failover

    return Failover(first, *(_fallback(each, (*above, profile.name)) for each in profile.fallbacks))


def _fallback(name: str, above: tuple[str, ...]) -> Model:
    found = find_profile(name)
    return LLM(model=name) if found is None else _of_profile(found, None, {}, above)


def _rate_limited(model: Model, profile: Profile) -> Model:
    """The limits go inside the retrying, as each attempt is a request."""
    from opto.llm.rate_limited import RateLimited

    inner = model.model if isinstance(model, Retrying) else model
    requests, tokens = profile.requests_per_minute, profile.tokens_per_minute
    return Retrying(RateLimited(inner, requests_per_minute=requests, tokens_per_minute=tokens))


def _plain_model(model: str | None, backend: str | None, options: dict[str, Any]) -> Model:
    chosen = backend or _backend(model)
    if chosen == "CustomLLM":
        return Retrying(_custom(model, options))
    if chosen == "AutoGen":
        from opto.llm.autogen import AutoGen

        return Retrying(AutoGen(model, **options))
    if chosen != "LiteLLM":
        source = "backend" if backend else "TRACE_DEFAULT_LLM_BACKEND"
        raise ValueError(f"{source} must be one of {', '.join(_BACKENDS)}, got {chosen!r}")
    named = model or _named_model() or os.environ.get("DEFAULT_LITELLM_MODEL") or _FALLBACK
    if options.get("api_base") and named.partition("/")[0] not in _WITH_ADDRESS:
        return Retrying(LiteLLM(f"openai/{named}", **{"api_key": "none", **options}))
    return Retrying(LiteLLM(named, **options))


def _completed(address: str) -> str:
    """The address with the path that such servers have by convention, where it has none."""
    return f"{address.rstrip('/')}/v1" if urlsplit(address).path.strip("/") == "" else address


def _named_model() -> str | None:
    return os.environ.get("OPTO_MODEL") or os.environ.get("TRACE_LITELLM_MODEL") or None


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
