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

    Requests that an optimizer sends side by side get theirs in the order of the requests, whichever thread is faster.

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
        self._given = 0  # how many answers have a request that they belong to
        self._waiting: set[int] = set()  # of these, those whose request has not come yet
        self._lock = threading.Lock()

    @property
    def remaining(self) -> int:
        """How many answers were not yet given."""
        return max(0, len(self._answers) - self._given + len(self._waiting))

    def reserve(self, messages: Messages, **options: Any) -> dict[str, Any]:
        """{"occurrence": n}: the place of the answer that this request will get, from 1."""
        with self._lock:
            self._given += 1
            self._waiting.add(self._given)
            return {"occurrence": self._given}

    def complete(self, messages: Messages, *, occurrence: int | None = None, **options: Any) -> Any:
        """The next answer, or the one that is reserved; a request that is sent once more gets the next one.

        Raises:
            ModelError: there is none left.
        """
        with self._lock:
            self.requests.append(([dict(message) for message in messages], options))
            if occurrence is not None and occurrence in self._waiting:
                self._waiting.discard(occurrence)
                number = occurrence
            else:
                self._given += 1
                number = self._given
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
