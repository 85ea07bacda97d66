"""Models through AutoGen's client wrapper, for programs that have their models configured there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from opto.errors import MissingExtraError
from opto.llm.model import Messages, Model
from opto.llm.withheld import present, restored, withheld
from opto.secrets import remember_secrets

__all__ = ["AutoGen"]

_VARIABLE = "OAI_CONFIG_LIST"


class AutoGen(Model):
    """A model that `autogen.OpenAIWrapper` reaches, with a configuration list of AutoGen.

    Args:
        model: its name; by default the ones in the configuration list.
        config_list: as AutoGen takes it; by default what the variable `OAI_CONFIG_LIST` holds, as JSON or as the path
            of a JSON file.
        **options: go with every request.

    Raises:
        MissingExtraError: AutoGen is not installed.
        ValueError: there is no configuration list.
    """

    def __init__(
        self, model: str | None = None, *, config_list: list[dict[str, Any]] | None = None, **options: Any
    ) -> None:
        _load()
        self.model, self.options = model, options
        configurations = _read_variable() if config_list is None else config_list
        self._config_list = [{**each, "model": model} if model else each for each in configurations]
        self._remember()

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.model or str(self._config_list[0].get("model", "autogen"))

    def effective_options(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """The options of the call, with this model's own."""
        return {**self.options, **options}

    def complete(self, messages: Messages, **options: Any) -> Any:
        """The answer of the first configuration that gives one."""
        for each in self._config_list:
            present(each)
        client = _load().OpenAIWrapper(config_list=self._config_list)
        # Without this AutoGen answers a repeated request from a cache of its own.
        choices = {"cache_seed": None, **self.effective_options(options)}
        return client.create(messages=[dict(message) for message in messages], **choices)

    def __repr__(self) -> str:
        return f"AutoGen({self.name!r})"

    def _remember(self) -> None:
        for options in (self.options, *self._config_list):
            remember_secrets(options)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "options": withheld(self.options), "_config_list": withheld(self._config_list)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        found = {name: restored(state[name]) for name in ("options", "_config_list")}
        self.__dict__.update(state, **found)
        self._remember()


def _load() -> Any:
    try:
        return import_module("autogen")
    except ImportError as error:
        raise MissingExtraError("autogen", "autogen", "the back-end AutoGen") from error


def _read_variable() -> list[dict[str, Any]]:
    value = os.environ.get(_VARIABLE, "").strip()
    if not value:
        raise ValueError(f"the back-end AutoGen needs a configuration list: set {_VARIABLE}, or pass config_list=...")
    text = value if value.startswith("[") else Path(value).read_text(encoding="utf-8")
    try:
        configurations = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{_VARIABLE} must hold a JSON list, or the path of a file with one: {error}") from None
    if not isinstance(configurations, list) or not configurations:
        raise ValueError(f"{_VARIABLE} must hold a JSON list with at least one mapping")
    return configurations
