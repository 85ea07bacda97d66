"""Things in the order of their keys, kept in order while keys change."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any

__all__ = ["Standings"]


class Standings:
    """Numbers of things, each with a key; the least key comes first, and of equal keys the least number.

        standings = Standings()
        for number, score in enumerate([0.2, 0.9, 0.5]):
            standings.put(number, -score)
        list(standings), standings.first     # [1, 2, 0], 1

    A change takes two bisections and two `memmove`, which for ten thousand things is a few microseconds. Keys must be
    comparable, and equal to themselves.
    """

    __slots__ = ("_keys", "_pairs")

    def __init__(self) -> None:
        self._keys: dict[int, Any] = {}
        self._pairs: list[tuple[Any, int]] = []

    def put(self, number: int, key: Any) -> bool:
        """Give a thing a key, in place of the one that it may have.

        Returns:
            Whether that changed anything.
        """
        if number in self._keys:
            if self._keys[number] == key:
                return False
            self.drop(number)
        self._keys[number] = key
        insort(self._pairs, (key, number))
        return True

    def drop(self, number: int) -> bool:
        """Forget a thing; whether it was known."""
        if number not in self._keys:
            return False
        del self._pairs[bisect_left(self._pairs, (self._keys.pop(number), number))]
        return True

    @property
    def first(self) -> int | None:
        """The thing with the least key; None where there is none."""
        return self._pairs[0][1] if self._pairs else None

    @property
    def least(self) -> Any:
        """The least key; None where there is none."""
        return self._pairs[0][0] if self._pairs else None

    def heads(self, count: int) -> Iterator[list[tuple[Any, int]]]:
        """For each key, from the least on: the first `count` pairs `(key, number)` that have it."""
        start, pairs = 0, self._pairs
        while start < len(pairs):
            key = pairs[start][0]
            end = bisect_left(pairs, (key, float("inf")))  # behind all numbers
            yield pairs[start : min(end, start + count)]
            start = end

    def leading(self, count: int) -> list[int]:
        """The first things, so many at most."""
        return [number for _, number in self._pairs[:count]]

    def __getitem__(self, number: int) -> Any:
        return self._keys[number]

    def __contains__(self, number: object) -> bool:
        return number in self._keys

    def __iter__(self) -> Iterator[int]:
        return (number for _, number in self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)
