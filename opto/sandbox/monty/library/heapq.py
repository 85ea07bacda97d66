"""Heaps, arranged as the standard library arranges them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["heapify", "heappop", "heappush", "heappushpop", "heapreplace", "merge", "nlargest", "nsmallest"]


def _rise(heap: list[Any], top: int, place: int) -> None:
    """Move what stands at `place` up, not above `top`, until its parent is not larger."""
    item = heap[place]
    while place > top:
        parent = (place - 1) // 2
        if not item < heap[parent]:
            break
        heap[place] = heap[parent]
        place = parent
    heap[place] = item


def _sink(heap: list[Any], top: int) -> None:
    """Move what stands at `top` down along the smaller children to the end, then up to where it belongs."""
    item = heap[top]
    place = top
    child = 2 * top + 1
    while child < len(heap):
        if child + 1 < len(heap) and not heap[child] < heap[child + 1]:
            child += 1
        heap[place] = heap[child]
        place = child
        child = 2 * place + 1
    heap[place] = item
    _rise(heap, top, place)


def heapify(heap: list[Any]) -> None:
    """Arrange a list as a heap, in place."""
    for top in range(len(heap) // 2 - 1, -1, -1):
        _sink(heap, top)


def heappush(heap: list[Any], item: Any) -> None:
    """Add an item."""
    heap.append(item)
    _rise(heap, 0, len(heap) - 1)


def heappop(heap: list[Any]) -> Any:
    """Take the smallest item."""
    if not heap:
        raise IndexError("index out of range")
    last = heap.pop()
    if not heap:
        return last
    smallest = heap[0]
    heap[0] = last
    _sink(heap, 0)
    return smallest


def heapreplace(heap: list[Any], item: Any) -> Any:
    """Take the smallest item, then add one."""
    smallest = heap[0]
    heap[0] = item
    _sink(heap, 0)
    return smallest


def heappushpop(heap: list[Any], item: Any) -> Any:
    """Add an item, then take the smallest."""
    if heap and heap[0] < item:
        return heapreplace(heap, item)
    return item


def nlargest(n: int, iterable: Iterable[Any], key: Callable[[Any], Any] | None = None) -> list[Any]:
    """The largest items, largest first."""
    return sorted(iterable, key=key, reverse=True)[: max(n, 0)]


def nsmallest(n: int, iterable: Iterable[Any], key: Callable[[Any], Any] | None = None) -> list[Any]:
    """The smallest items, smallest first."""
    return sorted(iterable, key=key)[: max(n, 0)]


def merge(*iterables: Iterable[Any], key: Callable[[Any], Any] | None = None, reverse: bool = False) -> Iterator[Any]:
    """The items of sorted iterables in order; all of them are read at once."""
    items: list[Any] = []
    for each in iterables:
        items.extend(each)
    return iter(sorted(items, key=key, reverse=reverse))
