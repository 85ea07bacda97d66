"""A model whose calls a budget pays for."""

from __future__ import annotations

from typing import Any

from opto.llm.ambient import paying
from opto.llm.budget import Budget
from opto.llm.model import Messages
from opto.llm.response import Response
from opto.llm.wrapper import Wrapper

__all__ = ["Budgeted"]


class Budgeted(Wrapper):
    """A model whose calls a budget pays for, wherever they are made: in any thread, inside or outside `with budget:`.

        budget = Budget(usd=1.00)
        model = Budgeted(LLM("gpt-4o", max_tokens=1000), budget)

    A call inside `with budget:` of the same budget is paid for once.

    Args:
        model: the model to ask, or a callable that `as_model` takes.
        budget: the budget; several models may share it.
    """

    def __init__(self, model: Any, budget: Budget) -> None:
        super().__init__(model)
        if not isinstance(budget, Budget):
            raise TypeError(f"budget must be an opto.llm.Budget, such as Budget(usd=1.0), got {budget!r}")
        self.budget = budget

    def complete(self, messages: Messages, **options: Any) -> Response:
        """The model's answer, paid for by the budget.

        Raises:
            BudgetExceededError: the budget has no room for it.
        """
        with paying(self.budget):
            return self.model(messages=messages, **options)

    async def acomplete(self, messages: Messages, **options: Any) -> Response:
        """`complete` without blocking the event loop."""
        with paying(self.budget):
            return await self.model.acall(messages=messages, **options)

    def __repr__(self) -> str:
        return f"Budgeted({self.model!r}, {self.budget!r})"
