"""Which of many candidates may be near to another one, found without comparing it with each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opto.optimizers.canonical import canonical
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.objectives import number_of
from opto.trainer.priority.novelty import ValueDistance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Neighbours"]

_MOST_COLUMNS = 4
"""By how many parameters candidates are told apart, at most: more of them take longer than comparing what is left."""
_SLACK = 1e-4
"""By how much a distance of vectors in single precision may be wrong, and more."""


class Neighbours:
    """Candidates, with the vectors of their texts in one array for each parameter.

    One product of an array and a vector gives a distance from all at once. It takes some parameters into account, so
    it is never larger than `ValueDistance`, and what is far by it needs no further comparison. Numbers are not looked
    at: where all values are numbers, all candidates may be near.

    Args:
        distance: makes vectors, and keeps them.
    """

    def __init__(self, distance: ValueDistance) -> None:
        self._distance = distance
        self.clear()

    def clear(self) -> None:
        """Forget all candidates."""
        self._members: list[ModuleCandidate] = []
        self._places: dict[int, int] = {}
        self._columns: list[_Column] = []

    def put(self, candidate: ModuleCandidate) -> None:
        """Take in a candidate, which may be known already."""
        if id(candidate) in self._places:
            return
        values = list(candidate.update_dict.values())
        self._columns = self._columns or [_Column() for _ in values]
        place = self._places[id(candidate)] = len(self._members)
        self._members.append(candidate)
        for column, value in zip(self._columns, values, strict=True):
            column.put(place, canonical(value), self._distance)

    def drop(self, candidate: ModuleCandidate) -> None:
        """Forget a candidate, which may not be known."""
        place = self._places.pop(id(candidate), None)
        if place is None:
            return
        last = self._members.pop()
        if last is not candidate:
            self._members[place] = last
            self._places[id(last)] = place
            for column in self._columns:
                column.move(len(self._members), place)
        if any(len(each.texts) > 2 * len(self._members) + 64 for each in self._columns):
            members = self._members
            self.clear()
            for each in members:
                self.put(each)

    def within(self, candidate: ModuleCandidate, most: float) -> list[ModuleCandidate]:
        """All whose distance from a candidate is at most `most`, and perhaps some that are farther."""
        values = list(candidate.update_dict.values())
        texts = {place: canonical(value) for place, value in enumerate(values) if number_of(value) is None}
        count = len(self._members)
        if not texts or not count:
            return list(self._members)
        new_first = sorted(texts, key=lambda place: (texts[place] in self._columns[place].texts, place))
        apart: Any = 0.0
        for place in new_first[:_MOST_COLUMNS]:
            vector = self._distance.vector(texts[place])
            if vector.any():  # a text without words has no direction; an equal one is not far
                apart = apart + self._columns[place].apart(vector, count)
        if isinstance(apart, float):
            return list(self._members)
        near = (apart <= most * len(values) + _SLACK).nonzero()[0]
        return [self._members[place] for place in near.tolist()]


class _Column:
    """The texts of one parameter, each once, and which of them each candidate has."""

    def __init__(self) -> None:
        import numpy as np

        self.texts: dict[str, int] = {}
        self._vectors: NDArray[np.float32] = np.zeros((0, 0), np.float32)
        self._rows: NDArray[np.intp] = np.zeros(0, np.intp)

    def put(self, place: int, text: str, distance: ValueDistance) -> None:
        import numpy as np

        row = self.texts.get(text)
        if row is None:
            row = self.texts[text] = len(self.texts)
            vector = distance.vector(text)
            if row >= len(self._vectors):
                grown = np.zeros((2 * row + 16, len(vector)), np.float32)
                grown[:row] = self._vectors[:row] if row else 0
                self._vectors = grown
            self._vectors[row] = vector
        if place >= len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros(place + 16, np.intp)])
        self._rows[place] = row

    def move(self, old: int, new: int) -> None:
        self._rows[new] = self._rows[old]

    def apart(self, vector: NDArray[np.float64], count: int) -> Any:
        """One less the cosine of a vector with that of each of the first candidates."""
        import numpy as np

        # Not by BLAS, whose threads wait for each other longer than this takes.
        found = 1 - np.einsum("ij,j->i", self._vectors[: len(self.texts)], vector.astype(np.float32))
        return found.clip(0, 1)[self._rows[:count]]
