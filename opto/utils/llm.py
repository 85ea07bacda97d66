"""Language models under the names of the Trace interface; the parts themselves are in `opto.llm`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from opto.llm import LLM, FromCallable, Model
from opto.llm import Rebuilt as AbstractModel
from opto.llm.profiles import profile_names, register_profile

__all__ = ["LLM", "AbstractModel", "AutoGenLLM", "CustomLLM", "DummyLLM", "LLMFactory", "LiteLLM"]


class DummyLLM(FromCallable):
    """A model whose answers come from a callable, see `opto.llm.FromCallable`; `reset_freq` has nothing to reset."""

    def __init__(self, callable: Callable[..., Any], reset_freq: float | None = None) -> None:  # noqa: A002 (contract)
        super().__init__(callable)


def LiteLLM(model: str | None = None, reset_freq: float | None = None, **options: Any) -> AbstractModel:  # noqa: N802
    """The model that LiteLLM reaches under this name, see `opto.llm.LLM`."""
    return AbstractModel(partial(LLM, model, backend="LiteLLM", **options), reset_freq)


def AutoGenLLM(model: str | None = None, reset_freq: float | None = None, **options: Any) -> AbstractModel:  # noqa: N802
    """The model that AutoGen is configured with, see `opto.llm.LLM`."""
    return AbstractModel(partial(LLM, model, backend="AutoGen", **options), reset_freq)


def CustomLLM(model: str | None = None, reset_freq: float | None = None, **options: Any) -> AbstractModel:  # noqa: N802
    """The model of the server in `TRACE_CUSTOMLLM_URL`, see `opto.llm.LLM`."""
    return AbstractModel(partial(LLM, model, backend="CustomLLM", **options), reset_freq)


class LLMFactory:
    """Makes models by profile, see `opto.llm.LLM` and `opto.llm.profiles`."""

    @staticmethod
    def get_llm(profile: str | None = None) -> Model:
        """The model of a profile, or the default one."""
        return LLM(profile=profile)

    @staticmethod
    def register_profile(profile: str, backend: str = "LiteLLM", **params: Any) -> None:
        """Make a profile for this process, see `opto.llm.profiles.register_profile`."""
        register_profile(profile, backend=backend, **params)

    @staticmethod
    def list_profiles() -> list[str]:
        """The names of the profiles, see `opto.llm.profiles.profile_names`."""
        return profile_names()
