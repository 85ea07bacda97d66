"""Going on with another model when one cannot be reached."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from opto.errors import BudgetExceededError, MissingExtraError, ModelAccessError, ModelError, ReplayError
from opto.llm.from_callable import as_model
from opto.llm.model import Messages, Model
from opto.llm.redacting import logger
from opto.llm.response import Response
from opto.llm.retry_rules import is_transient
from opto.runs import emit

__all__ = ["Failover", "is_unavailable"]

_UNAVAILABLE = frozenset({401, 402, 403, 404, 410, 429, 451})


class Failover(Model):
    """Models of which the first that can be reached answers.

        Failover(LLM("gpt-4o"), LLM("anthropic/claude-sonnet-4-5"), LLM("ollama/llama3"))

    It goes on after what another model may not have: a failure that may pass (so put `Retrying` inside), a missing or
    refused key, a quota used up, a model that is not there. A bad request (400, a prompt too long) is raised at once,
    as is a budget that has no room. When all have failed the last one's error is raised, with the others in its notes.

    Each change is an event `failover`, and `response.model` names who answered.

    Args:
        *models: the models in order, or callables that `as_model` takes; at least one.

    Attributes:
        answered: how many requests each model has answered, a `Counter` by name.
    """

    asks_another = True

    def __init__(self, *models: Any) -> None:
        if not models:
            raise ValueError("Failover needs at least one model: Failover(first, second)")
        self.models = tuple(as_model(model) for model in models)
        self.answered: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The name of the first model."""
        return self.models[0].name

    def effective_options(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the first model sends."""
        return self.models[0].effective_options(options)

    def complete(self, messages: Messages, **options: Any) -> Response:
        """The answer of the first model that can be reached."""
        failures: list[tuple[Model, Exception]] = []
        for model in self.models:
            try:
                return self._answered(model, model(messages=messages, **options))
            except Exception as error:
                self._go_on(failures, model, error)
        raise AssertionError("the last failure is raised")

    async def acomplete(self, messages: Messages, **options: Any) -> Response:
        """`complete` without blocking the event loop."""
        failures: list[tuple[Model, Exception]] = []
        for model in self.models:
            try:
                return self._answered(model, await model.acall(messages=messages, **options))
            except Exception as error:
                self._go_on(failures, model, error)
        raise AssertionError("the last failure is raised")

    def _answered(self, model: Model, response: Response) -> Response:
        with self._lock:
            self.answered[model.name] += 1
        return response

    def _go_on(self, failures: list[tuple[Model, Exception]], model: Model, error: Exception) -> None:
        """Note a failure down, or raise it where no other model is to be asked."""
        failures.append((model, error))
        if not is_unavailable(error) or len(failures) == len(self.models):
            _add_notes(error, failures[:-1])
            raise error
        following = self.models[len(failures)].name
        reason = f"{type(error).__name__}: {error}"
        emit("failover", model=model.name, next=following, reason=reason)
        logger.warning("%s cannot be reached, %s is asked instead: %s", model.name, following, reason)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Failover:
        import copy

        return Failover(*(copy.deepcopy(model, memo) for model in self.models))

    def __repr__(self) -> str:
        return f"Failover({', '.join(map(repr, self.models))})"


def is_unavailable(error: Exception) -> bool:
    """Whether another model may answer where this one failed: it cannot be reached, or does not let us in."""
    if isinstance(error, (BudgetExceededError, ReplayError)):
        return False
    if isinstance(error, (ModelAccessError, MissingExtraError)) or is_transient(error):
        return True
    status = getattr(error, "status" if isinstance(error, ModelError) else "status_code", None)
    return status in _UNAVAILABLE


def _add_notes(error: Exception, earlier: list[tuple[Model, Exception]]) -> None:
    if hasattr(error, "add_note"):  # since Python 3.11
        for model, failure in earlier:
            error.add_note(f"before that, {model.name} failed: {type(failure).__name__}: {failure}")
