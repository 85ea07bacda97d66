"""Models of every provider, through LiteLLM, which is imported when a model is first called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opto.llm.litellm_errors import translated
from opto.llm.loading import load_litellm
from opto.llm.model import Messages, Model
from opto.llm.withheld import present, restored, shown, withheld
from opto.secrets import remember_secrets

__all__ = ["LiteLLM"]

_DEFAULTS = {"num_retries": 0, "max_retries": 0, "timeout": 600.0}
"""Trying again is `Retrying`'s part: two layers of it multiply."""


class LiteLLM(Model):
    """A model that LiteLLM reaches: any provider, or any server that speaks the OpenAI protocol.

        LiteLLM("gpt-4o")
        LiteLLM("anthropic/claude-sonnet-4-5", temperature=0)
        LiteLLM("openai/qwen", api_base="http://127.0.0.1:8000/v1", api_key="none")

    Making one needs no key, no network and no LiteLLM; that is imported at the first call, with the price list it
    brings along and without telemetry. A failed request is not sent again: wrap it in `Retrying`.

    It pickles without keys that were given as options. A process that unpickles it takes them from the environment
    variable that held the same key; this process and those forked from it have them at hand.

    Args:
        model: the name that LiteLLM knows the model by.
        **options: go with every request: `api_base`, `api_key`, `timeout` (seconds, 600 by default), `temperature`...
            Options of a call take their place.
    """

    takes_timeout = True

    def __init__(self, model: str, **options: Any) -> None:
        if not isinstance(model, str) or not model:
            raise TypeError(f"model must be the name of a model, such as 'gpt-4o', got {model!r}")
        self.model, self.options = model, options
        remember_secrets(options)

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.model

    def effective_options(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """The options of the call, with this model's own and the time-out that holds by default."""
        return {**_DEFAULTS, **self.options, **options}

    def complete(self, messages: Messages, **options: Any) -> Any:
        """The answer as LiteLLM gives it.

        Raises:
            ModelError: it failed, as one of this family; `transient` tells whether to try again, and the exception of
                LiteLLM is the cause.
        """
        call = self._arguments(messages, options)
        litellm = load_litellm()
        try:
            return litellm.completion(**call)
        except Exception as error:
            raise translated(error, litellm, call) from error

    async def acomplete(self, messages: Messages, **options: Any) -> Any:
        """`complete` without blocking the event loop."""
        import asyncio

        call = self._arguments(messages, options)
        litellm = await asyncio.to_thread(load_litellm)
        try:
            return await litellm.acompletion(**call)
        except Exception as error:
            raise translated(error, litellm, call) from error

    def _arguments(self, messages: Messages, options: Mapping[str, Any]) -> dict[str, Any]:
        call = {"model": self.model, **self.effective_options(options)}
        present(call)
        remember_secrets(options)
        if call.pop("stream", False):
            raise ValueError("stream=True is not possible here: a model returns whole answers")
        return {**call, "messages": [_sendable(dict(message)) for message in messages]}

    def __repr__(self) -> str:
        options = [f"{name}={value!r}" for name, value in shown(self.options).items()]
        return f"LiteLLM({', '.join([repr(self.model), *options])})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "options": withheld(self.options)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, options=restored(state["options"]))
        remember_secrets(self.options)


def _sendable(value: Any) -> Any:
    """The same without lone surrogates, which no request can hold: the sign for what is no character instead."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {name: _sendable(each) for name, each in value.items()}
    return [_sendable(each) for each in value] if isinstance(value, list) else value
