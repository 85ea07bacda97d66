"""All candidates of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from opto.trainer.candidates import ModuleCandidate
from opto.trainer.objectives import Score
from opto.trainer.pool.fronts import Fronts
from opto.trainer.pool.rankings import Ranking

__all__ = ["Archive"]


class Archive:
    """The candidates of a run in the order of their birth.

    Attributes:
        accepted: those that were accepted, in the order in which they were.
        touched: by number, those of which something changed in this step.
        scored: the scores of this step: number of the candidate, split, place of the example, score.
        merges: how many candidates have several parents.
    """

    def __init__(self) -> None:
        self._all: list[ModuleCandidate] = []
        self._by_key: dict[str, ModuleCandidate] = {}
        self.accepted: list[ModuleCandidate] = []
        self.touched: dict[int, ModuleCandidate] = {}
        self.scored: list[tuple[int, str, int, Score]] = []
        self.merges = 0
        self._fronts: dict[tuple[str, str], Fronts] = {}
        self._rankings: dict[str, Ranking] = {}

    def add(self, candidate: ModuleCandidate) -> None:
        """Take in a new candidate, which gets its number."""
        candidate.number = len(self._all)
        self._all.append(candidate)
        self._by_key.setdefault(candidate.key, candidate)
        self.merges += len(candidate.parents) > 1

    def accept(self, candidate: ModuleCandidate, verdict: str = "") -> None:
        """Note that a candidate was accepted, and why."""
        candidate.status, candidate.verdict = "accepted", verdict
        self.accepted.append(candidate)
        for fronts in self._fronts.values():
            fronts.add(candidate)
        for ranking in self._rankings.values():
            ranking.add(candidate)
        self.touch(candidate)

    def reject(self, candidate: ModuleCandidate, verdict: str) -> None:
        """Note that a candidate was rejected, and why."""
        candidate.status, candidate.verdict = "rejected", verdict
        self.touch(candidate)

    def score(self, candidate: ModuleCandidate, split: str, place: int, score: Score) -> None:
        """Note what a candidate scored on an example."""
        candidate.table(split).add(place, score)
        self.scored.append((candidate.number, split, place, score))
        for fronts in self._fronts.values():
            fronts.scored(candidate, split, place)
        for ranking in self._rankings.values():
            ranking.scored(candidate, split)

    def touch(self, candidate: ModuleCandidate) -> None:
        """Note that something about a candidate changed."""
        self.touched[candidate.number] = candidate

    def forget_changes(self) -> None:
        """Begin a new step: what changed so far is on file, or no file is kept."""
        self.touched.clear()
        self.scored.clear()

    def twin_of(self, candidate: ModuleCandidate) -> ModuleCandidate | None:
        """The first candidate with the same values; None where there is none."""
        return self._by_key.get(candidate.key)

    def fronts(self, split: str, kind: str = "examples") -> Fronts:
        """The Pareto fronts of the accepted candidates on a split; made when first asked for, then kept up.

        Args:
            split: of the data.
            kind: what there is a front for, see `opto.trainer.pool.fronts.KINDS`.
        """
        found = self._fronts.get((split, kind))
        if found is None:
            found = self._fronts[split, kind] = Fronts(split, kind, self._all[0].objective)
            for each in self.accepted:
                found.add(each)
        return found

    def ranking(self, split: str) -> Ranking:
        """The accepted candidates by their mean scores on a split; made when first asked for, then kept up."""
        found = self._rankings.get(split)
        if found is None:
            found = self._rankings[split] = Ranking(split)
            for each in self.accepted:
                found.add(each)
        return found

    def top(self, count: int, score: Callable[[ModuleCandidate], float]) -> list[ModuleCandidate]:
        """The accepted candidates with the highest scores, the best first; of equal ones the older.

        All are looked at; where it is the mean that counts, `ranking` is faster.
        """
        return sorted(self.accepted, key=lambda each: (-score(each), each.number))[:count]

    def __iter__(self) -> Iterator[ModuleCandidate]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, number: int) -> ModuleCandidate:
        return self._all[number]
