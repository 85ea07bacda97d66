"""Pareto fronts of a run: who is best at which example, or in which objective, kept up with each new score."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping

from opto.trainer.candidates import ModuleCandidate
from opto.trainer.objectives import ObjectiveConfig, apply_minimize, normalize_score
from opto.trainer.pool.standings import Standings

__all__ = ["KINDS", "Fronts"]

KINDS = ("examples", "objectives", "both", "pairs")
"""What there is a front for: each example; each objective; both of these; each objective at each example."""


class Fronts:
    """The candidates that none beats, for each of many keys: GEPA's fronts (arXiv 2507.19457, section 3.3).

    A candidate holds a key if no accepted candidate has a higher score there; those that tie hold it together. Which
    keys a candidate holds is one integer, a bit for each key. All are kept in the order of their estimates, and what is
    asked is answered from the best on, until each key is held: so it takes no longer with many candidates, but where a
    key is held by none of the better ones. A new score costs a bisection, but where the only holder of a key gets
    worse, all candidates are looked at again for this key.

    Where fronts are over examples, a candidate that was not run on one is taken to be there what its first parent is:
    it was made to be better elsewhere. So one that was run on a few examples competes with those that were run on all.

    Args:
        split: of the data whose scores count.
        kind: what the keys are, one of `KINDS`.
        objective: of dicts of scores; needed for each kind but "examples".
    """

    def __init__(self, split: str, kind: str = "examples", objective: ObjectiveConfig | None = None) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}, got {kind!r}.")
        self.split, self.kind, self._objective = split, kind, objective
        self._bits: dict[Hashable, int] = {}
        self._names: list[Hashable] = []
        self._scores: list[dict[int, float]] = []  # for each bit: number of the candidate -> score
        self._tops: list[float] = []
        self._held: list[set[int]] = []
        self._masks: dict[int, int] = {}
        self._members: dict[int, ModuleCandidate] = {}
        self._stale: dict[tuple[int, int], None] = {}  # (number, place) whose score is to be read
        self._joined: list[tuple[int, int]] = []  # a candidate and its parent, whose scores it is to be given
        self._children: dict[int, list[int]] = {}
        self._own: list[set[int]] = []  # for each bit: the candidates that were scored there themselves
        self._owned: dict[int, int] = {}
        self._sums: dict[int, float] = {}
        self._known: dict[int, int] = {}
        self._moved: set[int] = set()  # those whose rank may have changed
        self._ranked = Standings()

    # ---- what changes

    def add(self, candidate: ModuleCandidate) -> None:
        """Take in a candidate that was accepted, with the scores that it has."""
        self._members[candidate.number] = candidate
        if self.kind == "examples" and candidate.parents and candidate.parents[0].number in self._members:
            parent = candidate.parents[0].number
            self._children.setdefault(parent, []).append(candidate.number)
            self._joined.append((candidate.number, parent))
        for place in candidate.table(self.split):
            self._stale[candidate.number, place] = None

    def scored(self, candidate: ModuleCandidate, split: str, place: int) -> None:
        """Note that a candidate has a new score; one that was not accepted does not count."""
        if split == self.split and candidate.number in self._members:
            self._stale[candidate.number, place] = None

    # ---- what is asked

    def top(self, key: Hashable) -> float | None:
        """The highest score at a key; None where there is none."""
        self._refresh()
        bit = self._bits.get(key)
        return None if bit is None else self._tops[bit]

    def score_at(self, candidate: ModuleCandidate, place: int) -> float | None:
        """What an accepted candidate scores at an example, or is taken to score; None where nothing is known."""
        self._refresh()
        bit = self._bits.get(place)
        return None if bit is None else self._scores[bit].get(candidate.number)

    def estimate(self, candidate: ModuleCandidate) -> float:
        """The mean of what an accepted candidate scores, or is taken to score; NaN where nothing is known."""
        self._refresh()
        return self._mean(candidate.number) if candidate.number in self._known else math.nan

    def leader(self) -> ModuleCandidate | None:
        """The candidate with the highest estimate; None where nothing is known. Of equals, see `counts`."""
        self._refresh()
        best = self._ranked.first
        return None if best is None else self._members[best]

    def holders(self) -> dict[Hashable, list[int]]:
        """For each key the numbers of the candidates that hold it."""
        self._refresh()
        return {name: sorted(held) for name, held in zip(self._names, self._held, strict=True)}

    def counts(self, *, prune: bool = True) -> dict[int, int]:
        """How many keys each candidate holds, by number; those that hold none are left out.

        Args:
            prune: whether dominated candidates are left out, too: those each of whose keys is also held by another that
                stays, with a higher estimate where there is a choice. Of equals one that was not run everywhere stays,
                else the oldest.
        """
        self._refresh()
        masks = self._pruned() if prune else {number: mask for number, mask in self._masks.items() if mask}
        return {number: masks[number].bit_count() for number in sorted(masks)}

    def wins(self, candidate: ModuleCandidate) -> list[int]:
        """The places of examples at which a candidate, accepted or not, is better than all that were accepted."""
        self._refresh()
        table = candidate.table(self.split)
        found = []
        for place in table:
            for key, score in self._entries(candidate, place):
                bit = self._bits.get(key)
                if bit is None or score > self._tops[bit]:
                    found.append(place)
                    break
        return found

    def reaches(self, candidate: ModuleCandidate) -> bool:
        """Whether a candidate, accepted or not, would hold a key, alone or with others."""
        self._refresh()
        return any(
            (bit := self._bits.get(key)) is None or score >= self._tops[bit]
            for place in candidate.table(self.split)
            for key, score in self._entries(candidate, place)
        )

    # ---- internals

    def _refresh(self) -> None:
        stale, self._stale = self._stale, {}
        joined, self._joined = self._joined, []
        for number, parent in joined:
            for bit, scores in enumerate(self._scores):
                if parent in scores and number not in self._own[bit]:
                    self._put(bit, number, scores[parent])
        if self.kind in ("objectives", "both"):
            for number in dict.fromkeys(number for number, _ in stale):
                self._means_of(self._members[number])
        if self.kind != "objectives":
            for number, place in stale:
                for key, score in self._entries(self._members[number], place):
                    bit = self._bit(key, score)
                    if number not in self._own[bit]:
                        self._own[bit].add(number)
                        self._owned[number] = self._owned.get(number, 0) + 1
                        self._moved.add(number)
                    self._put(bit, number, score)
                    self._hand_down(bit, number, score)
        moved, self._moved = self._moved, set()
        for number in moved:
            self._ranked.put(number, self._rank(number))

    def _entries(self, candidate: ModuleCandidate, place: int) -> Iterable[tuple[Hashable, float]]:
        """The keys and scores of a candidate at one example."""
        table = candidate.table(self.split)
        if self.kind in ("examples", "both"):
            return [(place, table.mean_at(place))]
        if self.kind == "objectives":
            return self._toward_more(table.mean_dict()).items()
        sums: dict[str, list[float]] = {}
        for score in table.at(place):
            for name, value in self._toward_more(normalize_score(score)).items():
                sums.setdefault(name, []).append(value)
        return [((place, name), sum(values) / len(values)) for name, values in sums.items()]

    def _means_of(self, candidate: ModuleCandidate) -> None:
        for name, value in self._toward_more(candidate.table(self.split).mean_dict()).items():
            self._put(self._bit(name, value), candidate.number, value)

    def _toward_more(self, scores: Mapping[str, float]) -> dict[str, float]:
        return apply_minimize(scores, frozenset() if self._objective is None else self._objective.minimize)

    def _bit(self, key: Hashable, score: float) -> int:
        """The bit of a key, which may be new."""
        bit = self._bits.get(key)
        if bit is None:
            bit = self._bits[key] = len(self._names)
            self._names.append(key)
            self._scores.append({})
            self._own.append(set())
            self._tops.append(score)
            self._held.append(set())
        return bit

    def _hand_down(self, bit: int, number: int, score: float) -> None:
        """Let those descend from a candidate have its score where they have none of their own."""
        waiting = list(self._children.get(number, ()))
        while waiting:
            child = waiting.pop()
            if child not in self._own[bit]:
                self._put(bit, child, score)
                waiting.extend(self._children.get(child, ()))

    def _put(self, bit: int, number: int, score: float) -> None:
        before = self._scores[bit].get(number)
        if before == score:
            return
        self._scores[bit][number] = score
        self._moved.add(number)
        self._sums[number] = self._sums.get(number, 0.0) + score - (before or 0.0)
        self._known[number] = self._known.get(number, 0) + (before is None)
        if before is not None and score < before and number in self._held[bit]:
            if len(self._held[bit]) == 1:
                self._hold(bit, max(self._scores[bit].values()))
            else:
                self._held[bit].discard(number)
                self._masks[number] &= ~(1 << bit)
        elif not self._held[bit] or score > self._tops[bit]:
            self._hold(bit, score, [number])
        elif score == self._tops[bit]:
            self._held[bit].add(number)
            self._masks[number] = self._masks.get(number, 0) | 1 << bit

    def _rank(self, number: int) -> tuple[float, int, int]:
        """What candidates are ordered by, the best first.

        Of equals, one that was not run everywhere comes before those that were: it was accepted for being better than
        its parent somewhere, and what it has of its parent is the parent's. Of several such ones the youngest comes
        first, of others the oldest.
        """
        partial = self._owned.get(number, 0) < self._known[number]
        return -self._mean(number), not partial, -number if partial else number

    def _mean(self, number: int) -> float:
        # Rounded, so that the order in which scores were added up, another one after a run was resumed, has no part.
        return round(self._sums[number] / self._known[number], 10)

    def _hold(self, bit: int, top: float, numbers: Iterable[int] | None = None) -> None:
        """Let a key be held by those with the highest score, and by no others."""
        for number in self._held[bit]:
            self._masks[number] &= ~(1 << bit)
        self._tops[bit] = top
        holders = [n for n, score in self._scores[bit].items() if score == top] if numbers is None else numbers
        self._held[bit] = set(holders)
        for number in self._held[bit]:
            self._masks[number] = self._masks.get(number, 0) | 1 << bit

    def _pruned(self) -> dict[int, int]:
        """The masks of those that stay when the dominated ones are taken away, the worst first.

        Only the best holder of a key can stay: all others are dominated by those before them.
        """
        every = (1 << len(self._names)) - 1
        best, held = [], 0
        for number in self._ranked:
            mask = self._masks.get(number, 0)
            if mask & ~held:
                best.append((number, mask, held))
                held |= mask
                if held == every:
                    break
        staying, worse = {}, 0
        for number, mask, better in reversed(best):
            if mask & ~(better | worse):
                staying[number] = mask
                worse |= mask
        return staying
