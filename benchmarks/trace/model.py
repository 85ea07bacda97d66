"""A language model for measurements: any callable in the OpenAI shape, which answers at once and keeps its request."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any


class FixedModel:
    """Answers every request with the same suggestion.

    Args:
        suggestion: value by the written name of the parameter.
    """

    def __init__(self, suggestion: dict[str, Any] | None = None) -> None:
        self.messages: list[dict[str, str]] = []
        text = json.dumps({"reasoning": "It fits.", "answer": "", "suggestion": suggestion or {}})
        choice = SimpleNamespace(message=SimpleNamespace(content=text, role="assistant"), finish_reason="stop", index=0)
        usage = SimpleNamespace(prompt_tokens=0, completion_tokens=0, total_tokens=0)
        self._response = SimpleNamespace(choices=[choice], usage=usage, model="fixed")

    def __call__(self, *_: Any, **options: Any) -> Any:
        """The fixed answer, in the shape of a chat completion."""
        self.messages = options.get("messages", [])
        return self._response
