"""Who answers in the place of language models, for programs that run again from a record."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Protocol, TypeAlias

__all__ = ["Answers", "Keep", "answering", "answers"]

Keep: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Takes the response of a model that was asked, in the shape of a chat completion."""


class Answers(Protocol):
    """Gives answers in the place of models. Requests and answers are plain data.

    class Parrot:
        def answer(self, request):
            return {"response": {"choices": [{"message": {"content": request["messages"][-1]["content"]}}]}}

    with answering(Parrot()):
        optimizer.step()            # no model is asked
    """

    def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any] | Keep:
        """The answer to a request. Those that are sent together are asked about in their order.

        Args:
            request: `model` (its name), `messages` and `options`.

        Returns:
            `{"response": ...}` in the shape of a chat completion, or `{"raised": ...}` for an error
            (see `opto.llm.exchanges.error_data`). Where there is no answer and the model is to be asked: a function
            that is called with what it answers, at once and perhaps in another thread; not if it raises an error.
        """
        ...


_answers: ContextVar[Answers | None] = ContextVar("opto_answers", default=None)


def answers() -> Answers | None:
    """Who answers in this context; None where the models themselves do."""
    return _answers.get()


@contextlib.contextmanager
def answering(source: Answers) -> Iterator[None]:
    """Let `source` answer every request of this context until the block ends."""
    token = _answers.set(source)
    try:
        yield
    finally:
        _answers.reset(token)
