"""Indices of a memory's candidates, brought up to date by what changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from opto.trainer.candidates import ModuleCandidate
from opto.trainer.priority.memories import HeapMemory

__all__ = ["MemoryIndex", "indices_of"]


class Index(Protocol):
    """Something that is known of candidates, and is kept up as they come and go."""

    def clear(self) -> None:
        """Forget all candidates."""

    def put(self, candidate: ModuleCandidate) -> None:
        """Take in a candidate, which may be known already, with other scores."""

    def drop(self, candidate: ModuleCandidate) -> None:
        """Forget a candidate, which may not be known."""


AnyIndex = TypeVar("AnyIndex", bound=Index)


class MemoryIndex(Generic[AnyIndex]):
    """An index of the candidates in a memory.

    A candidate whose scores change must be taken out of the memory and put in again, as a priority search does.

    Args:
        memory: of candidates; it has no other index.
        index: of its candidates.
    """

    def __init__(self, memory: HeapMemory, index: AnyIndex) -> None:
        self.memory, self._index = memory, index

    def refreshed(self) -> AnyIndex:
        """The index of what is in the memory now."""
        changed, index = self.memory.changes(), self._index
        if changed is None:
            index.clear()
            changed = [candidate for _, candidate in self.memory]
        for each in changed:
            if each in self.memory:
                index.put(each)
            else:
                index.drop(each)
        return index


def indices_of(
    memories: Sequence[HeapMemory], known: Sequence[MemoryIndex[AnyIndex]], make: Callable[[], AnyIndex]
) -> tuple[MemoryIndex[AnyIndex], ...]:
    """An index for each memory: those that are known if they are of these memories, else new ones."""
    if len(known) == len(memories) and all(each.memory is memory for each, memory in zip(known, memories, strict=True)):
        return tuple(known)
    return tuple(MemoryIndex(memory, make()) for memory in memories)
