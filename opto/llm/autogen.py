"""Models through AutoGen's client wrapper, for programs that have their models configured there."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from opto.errors import MissingExtraError
from opto.llm.model import Messages, Model

__all__ = ["AutoGen"]


class AutoGen(Model):
    """A model that `autogen.OpenAIWrapper` reaches, with the configuration list of AutoGen.

    Args:
        model: its name; by default the ones in the configuration list.
        config_list: as AutoGen takes it; by default what it finds under the name `OAI_CONFIG_LIST`, a file or an
            environment variable.
        **options: go with every request.

    Raises:
        MissingExtraError: AutoGen is not installed.
    """

    def __init__(
        self, model: str | None = None, *, config_list: list[dict[str, Any]] | None = None, **options: Any
    ) -> None:
        self._load()
        self.model, self.config_list, self.options = model, config_list, options

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.model or "autogen"

    def complete(self, messages: Messages, **options: Any) -> Any:
        """The answer of the first configuration that gives one."""
        autogen = self._load()
        configurations = self.config_list or autogen.config_list_from_json("OAI_CONFIG_LIST")
        if self.model is not None:
            configurations = [{**configuration, "model": self.model} for configuration in configurations]
        client = autogen.OpenAIWrapper(config_list=configurations)
        return client.create(messages=[dict(message) for message in messages], **{**self.options, **options})

    @staticmethod
    def _load() -> Any:
        try:
            return import_module("autogen")
        except ImportError as error:
            raise MissingExtraError("autogen", "autogen", "the back-end AutoGen") from error
