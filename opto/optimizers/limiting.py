"""What optimizers share whose prompts keep a number of tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from opto.optimizers.asking import is_replaced
from opto.optimizers.prompt_limits import PromptLimits, checked_limit
from opto.optimizers.suggesting import SuggestingOptimizer

if TYPE_CHECKING:
    from opto.trace.nodes import ParameterNode

__all__ = ["LimitedOptimizer"]


class LimitedOptimizer(SuggestingOptimizer):
    """A `SuggestingOptimizer` none of whose requests has more tokens than `max_prompt_tokens`.

    A subclass puts its prompts together with `_limits()`: the first of some drafts that fits, for instance. What an
    answer that goes back adds to them is cut here.

    Args:
        parameters: the `ParameterNode`s to optimize.
        llm: see `SuggestingOptimizer`.
        *args: not used.
        max_prompt_tokens: the most tokens of a prompt, instructions included. By default the model's window without
            `max_tokens`, where LiteLLM knows it, and no limit for other models.
        **kwargs: the options of `SuggestingOptimizer`.
    """

    def __init__(
        self,
        parameters: Iterable[ParameterNode[Any]],
        llm: Any = None,
        *args: Any,
        max_prompt_tokens: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(parameters, llm, *args, **kwargs)
        self.max_prompt_tokens = checked_limit(max_prompt_tokens)

    def _limits(self) -> PromptLimits:
        model = None if is_replaced(self, "call_llm") else self._answering_model
        return PromptLimits(self.max_prompt_tokens, self.max_tokens, model, repairs=self.retries > 0)

    def _fit_repair(self, messages: list[dict[str, Any]], answer: str, reasons: str) -> tuple[str, str] | None:
        return self._limits().repair(messages, answer, reasons)
