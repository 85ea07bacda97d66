"""A bounded memory of past attempts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

__all__ = ["FIFOBuffer"]

T = TypeVar("T")


class FIFOBuffer(Generic[T]):
    """Keeps the last `size` items, oldest first; a size of 0 keeps nothing.

    Raises:
        ValueError: when `size` is negative.
        TypeError: when `size` is not a whole number.
    """

    def __init__(self, size: int, items: Iterable[T] = ()) -> None:
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"size must be an int, got {size!r}")
        if size < 0:
            raise ValueError(f"size must be >= 0, got {size}")
        self._items: deque[T] = deque(items, maxlen=size)

    @property
    def size(self) -> int:
        """The most items that are kept."""
        return self._items.maxlen or 0

    def add(self, item: T) -> None:
        """Append an item; the oldest one leaves when the buffer is full."""
        self._items.append(item)

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._items))

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"FIFOBuffer({self.size}, {list(self._items)!r})"
