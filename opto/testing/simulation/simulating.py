"""A simulated model at work: it counts equal requests, keeps what it said, and how much that took."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .answering import Answer, answer

__all__ = ["Simulation", "estimated_tokens"]


class Simulation:
    """Answers requests with a given competence; threads may share it.

    Attributes:
        answers: what was said, in the order in which it was finished.
        prompt_tokens: an estimate of the tokens of all requests.
        completion_tokens: an estimate of the tokens of all answers.
        seconds: CPU time spent on answering.
    """

    def __init__(self, competence: float, seed: int) -> None:
        self.competence, self.seed = competence, seed
        self.answers: list[Answer] = []
        self.prompt_tokens = self.completion_tokens = 0
        self.seconds = 0.0
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def occurrence(self, messages: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> int:
        """How often an equal request was counted before; counts this one."""
        key = repr((messages, sorted(options.items(), key=repr)))
        with self._lock:
            self._seen[key] += 1
            return self._seen[key] - 1

    def answer(
        self, messages: Sequence[Mapping[str, Any]], options: Mapping[str, Any], occurrence: int | None = None
    ) -> Answer:
        """What is said to a request; `occurrence` is its place among equal ones, where it was reserved."""
        start = time.thread_time()
        place = self.occurrence(messages, options) if occurrence is None else occurrence
        said = answer(messages, options, competence=self.competence, seed=self.seed, occurrence=place)
        spent = time.thread_time() - start
        with self._lock:
            self.answers.append(said)
            self.prompt_tokens += sum(estimated_tokens(str(message.get("content"))) for message in messages)
            self.completion_tokens += estimated_tokens(said.text)
            self.seconds += spent
        return said

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


def estimated_tokens(text: str) -> int:
    """An estimate: four characters a token."""
    return (len(text) + 3) // 4
