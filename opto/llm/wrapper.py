"""The base of models that add something to another model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opto.llm.from_callable import as_model
from opto.llm.model import Messages, Model

__all__ = ["Wrapper"]


class Wrapper(Model):
    """Base of models that add something to another one: it passes on the name, the options, and what is reserved.

    Args:
        model: the model to wrap, or a callable that `as_model` takes.
    """

    asks_another = True

    def __init__(self, model: Any) -> None:
        self.model: Model = as_model(model)

    @property
    def name(self) -> str:
        """The name of the wrapped model."""
        return self.model.name

    def reserve(self, messages: Messages, **options: Any) -> dict[str, Any]:
        """What the wrapped model reserves."""
        return self.model.reserve(messages, **options)

    def effective_options(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the wrapped model sends."""
        return self.model.effective_options(options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"
