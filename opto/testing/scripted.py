"""A model that says what a test has written down."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from opto.errors import ModelError
from opto.llm import Messages, Model

__all__ = ["Scripted"]


class Scripted(Model):
    """A model that gives the listed answers in order, and keeps the requests it saw.

        model = Scripted(["first", TimeoutError("busy"), "second"])
        model([{"role": "user", "content": "hello"}]).text    # "first"
        model.requests[0]                                     # what it was asked

    Args:
        answers: texts or objects in the shape of an OpenAI chat completion; an exception is raised.

    Attributes:
        requests: for each request the pair `(messages, options)`, in order.
    """

    def __init__(self, answers: Iterable[Any]) -> None:
        self._answers = list(answers)
        self.requests: list[tuple[list[dict[str, Any]], dict[str, Any]]] = []
        self._lock = threading.Lock()

    @property
    def remaining(self) -> int:
        """How many answers were not yet given."""
        return max(0, len(self._answers) - len(self.requests))

    def complete(self, messages: Messages, **options: Any) -> Any:
        """The next answer.

        Raises:
            ModelError: there is none left.
        """
        with self._lock:
            self.requests.append(([dict(message) for message in messages], options))
            number = len(self.requests)
        if number > len(self._answers):
            raise ModelError(f"the script has {len(self._answers)} answer(s), and this is request {number}")
        answer = self._answers[number - 1]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
