"""What a candidate scored on which example."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from opto.trainer.objectives import ObjectiveConfig, Score, aggregate_score_dicts, to_scalar_score

__all__ = ["ScoreTable"]


class ScoreTable:
    """Scores by the place of the example in its dataset; an example that was repeated has several.

    table = ScoreTable()
    table.add(3, 1.0)
    table.add(3, 0.0)
    table.at(3), table.mean()      # [1.0, 0.0], 0.5

    The mean is one over examples, not over scores: an example that was repeated more often weighs no more.

    Args:
        objective: makes a number of a dict of scores; without one, scores are numbers.
    """

    __slots__ = ("_means", "_objective", "_scores", "_total")

    def __init__(self, objective: ObjectiveConfig | None = None) -> None:
        self._objective = objective
        self._scores: dict[int, list[Score]] = {}
        self._means: dict[int, float] = {}
        self._total = 0.0

    def add(self, place: int, score: Score) -> None:
        """Take in a score.

        Raises:
            ValueError: a dict of scores, and no objective that says how to make a number of it.
        """
        number = to_scalar_score(score, self._objective)
        kept = self._scores.setdefault(place, [])
        kept.append(score)
        before = self._means.get(place, 0.0)
        after = number if len(kept) == 1 else before + (number - before) / len(kept)
        self._means[place] = after
        self._total += after - before

    def at(self, place: int) -> Sequence[Score]:
        """All scores on an example, in the order in which they came."""
        return tuple(self._scores.get(place, ()))

    def numbers_at(self, place: int) -> list[float]:
        """The scores on an example as numbers."""
        return [to_scalar_score(each, self._objective) for each in self._scores.get(place, ())]

    def count(self, place: int) -> int:
        """How many scores there are on an example."""
        return len(self._scores.get(place, ()))

    def mean_at(self, place: int) -> float:
        """The mean on one example.

        Raises:
            KeyError: there is no score on it.
        """
        return self._means[place]

    def mean(self, places: Iterable[int] | None = None) -> float:
        """The mean over examples; NaN where there are none.

        Args:
            places: which examples, those without a score left out; None for all.
        """
        if places is None:
            return self._total / len(self._means) if self._means else math.nan
        found = [self._means[place] for place in places if place in self._means]
        return math.fsum(found) / len(found) if found else math.nan

    def mean_dict(self) -> dict[str, float]:
        """The mean of each objective over all scores that have it; {} where scores are numbers."""
        return aggregate_score_dicts(
            each for scores in self._scores.values() for each in scores if isinstance(each, Mapping)
        )

    def numbers(self, places: Iterable[int] | None = None) -> dict[int, list[float]]:
        """The scores as numbers by example, as `opto.trainer.evidence` compares them."""
        chosen = self._scores if places is None else [place for place in places if place in self._scores]
        return {place: self.numbers_at(place) for place in chosen}

    @property
    def repeats(self) -> int:
        """How many scores there are in all."""
        return sum(map(len, self._scores.values()))

    def __contains__(self, place: object) -> bool:
        return place in self._scores

    def __iter__(self) -> Iterator[int]:
        return iter(self._scores)

    def __len__(self) -> int:
        """On how many examples there are scores."""
        return len(self._scores)

    def __repr__(self) -> str:
        return f"<ScoreTable: {self.mean():.4g} on {len(self)} examples>"

    def items(self) -> Iterator[tuple[int, Sequence[Any]]]:
        """Examples and their scores."""
        return iter(self._scores.items())
