"""Conversations, and who answers them: the model, or the method that a subclass has in its place."""

from __future__ import annotations

from typing import Any

from opto.errors import BudgetExceededError
from opto.llm.model import Model
from opto.optimizers import prompts

__all__ = [
    "ThroughCallLLM",
    "content_text",
    "conversation",
    "is_replaced",
    "may_refuse_format",
    "repair_turn",
    "user_text",
]


class ThroughCallLLM(Model):
    """Answers requests by the `call_llm` that a subclass defines."""

    def __init__(self, optimizer: Any, verbose: bool | str) -> None:
        self.optimizer, self.verbose = optimizer, verbose

    def complete(self, messages: Any, **options: Any) -> Any:
        """What the optimizer's `call_llm` answers."""
        return self.optimizer.call_llm(
            system_prompt=messages[0]["content"],
            user_prompt=user_text(messages),
            verbose=self.verbose,
            max_tokens=options["max_tokens"],
        )


def is_replaced(optimizer: Any, name: str) -> bool:
    """Whether a subclass, or the object itself, has its own version of a method of this package."""
    method = getattr(optimizer, name)
    return not getattr(getattr(method, "__func__", None), "__module__", "").startswith("opto.optimizers.")


def conversation(system: str, user: str) -> list[dict[str, Any]]:
    """The messages of a first request."""
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def repair_turn(answer: str, reasons: str) -> list[dict[str, Any]]:
    """The messages that give an answer back, with the reasons why it cannot be used."""
    repair = prompts.fill("repair.txt", reasons=reasons)
    return [{"role": "assistant", "content": answer}, {"role": "user", "content": repair}]


def user_text(messages: Any) -> str:
    """All that follows the system message as one text, for who takes no conversation."""
    return "\n\n".join(content_text(message["content"]) for message in messages[1:])


def content_text(content: Any) -> str:
    """The text of a message; an image in it is only mentioned."""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "<image>")) for part in content)


def may_refuse_format(error: Exception) -> bool:
    """Whether the same request without `response_format` may do better."""
    refused_otherwise = (TimeoutError, BudgetExceededError)
    return not isinstance(error, refused_otherwise) and not getattr(error, "transient", False)
