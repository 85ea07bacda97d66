"""Telling equal requests apart: the n-th equal request is the n-th occurrence, from 1."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

__all__ = ["Occurrences"]


class Occurrences:
    """Numbers equal requests in the order in which they come. A number that was not used is given out again."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._returned: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    def take(self, key: str) -> int:
        """The number of the next request with this key."""
        with self._lock:
            if returned := self._returned.get(key):
                returned.remove(lowest := min(returned))
                return lowest
            self._counts[key] += 1
            return self._counts[key]

    def give_back(self, key: str, number: int) -> None:
        """Let the next equal request have a number whose request failed."""
        with self._lock:
            self._returned.setdefault(key, []).append(number)

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            returned = {key: list(numbers) for key, numbers in self._returned.items()}
            return {"_counts": self._counts.copy(), "_returned": returned}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
