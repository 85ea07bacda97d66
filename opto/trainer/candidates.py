"""Candidates: values for the parameters of a program, where they came from, and how good they proved to be."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opto.optimizers.canonical import canonical_repr
from opto.trace.nodes import ParameterNode
from opto.trace.snapshots import assign
from opto.trainer.objectives import ObjectiveConfig, aggregate_score_dicts
from opto.trainer.score_tables import ScoreTable
from opto.trainer.utils import deepcopy_module

__all__ = ["ModuleCandidate"]

_births = itertools.count()


class ModuleCandidate:
    """A program with certain parameter values.

        candidate = ModuleCandidate(agent, {agent.limit: 4}, reason="the answers were too short")
        candidate.get_module()("a question")    # a copy of the program with these values

    Candidates are equal, and have the same hash, when base, optimizer and values are. They are ordered by birth.

    Args:
        base_module: the program that the values are for; its own values stay as they are.
        update_dict: new values by parameter; the others keep those that they have now.
        optimizer: what proposed it.
        objective: makes a number of a dict of scores.
        parents: the candidates that it was made of, the closest first.
        reason: why it was proposed, in words.

    Attributes:
        number: its place among the candidates of a run, -1 while it has none.
        step: the step of the run in which it was born.
        rollouts: dicts with the keys `module`, `x`, `info`, `target`, `score` and `feedback`, optionally `score_dict`,
            where an algorithm keeps them; see `scores` for what all keep.
        scores: split of the data ("train", "validate", "test") -> `ScoreTable`.
        status: "proposed", then "accepted" or "rejected".
        verdict: why, in words.
        leaks: training answers that its values copy, as `opto.trainer.leaks` found them.
        cost: what proposing and evaluating it took: `calls`, `tokens`, `usd` of models, `seconds` of evaluations.
    """

    def __init__(
        self,
        base_module: Any,
        update_dict: Mapping[ParameterNode[Any], Any] | None = None,
        optimizer: Any = None,
        *,
        objective: ObjectiveConfig | None = None,
        parents: Sequence[ModuleCandidate] = (),
        reason: str = "",
    ) -> None:
        self.base_module, self.optimizer = base_module, optimizer
        self.update_dict: dict[ParameterNode[Any], Any] = _same_parameters(self, update_dict, parents) or {
            each: each._data for each in _parameters(base_module, optimizer)
        }
        self.update_dict.update(update_dict or {})
        self.objective, self.parents, self.reason = objective, tuple(parents), reason
        self.number, self.step = -1, 0
        self.rollouts: list[dict[str, Any]] = []
        self.scores: dict[str, ScoreTable] = {}
        self.status, self.verdict = "proposed", ""
        self.leaks: list[str] = []
        self.cost: dict[str, float] = {}
        self._birth = next(_births)
        self._key: str | None = None

    # ---- values

    @property
    def values(self) -> dict[str, Any]:
        """The values by name of parameter."""
        return {parameter.py_name: value for parameter, value in self.update_dict.items()}

    def get_module(self) -> Any:
        """A copy of the base with these values; its parameters have the names of the originals."""
        twin = deepcopy_module(self.base_module)
        originals = dict(self.base_module.named_parameters())
        pairs = [(parameter, originals[path]) for path, parameter in twin.named_parameters()]
        assign(
            [parameter for parameter, original in pairs if original in self.update_dict],
            [self.update_dict[original] for _, original in pairs if original in self.update_dict],
        )
        return twin

    def apply(self) -> None:
        """Set the values in the base module itself, all at once."""
        assign(list(self.update_dict), list(self.update_dict.values()))

    def diff(self, other: ModuleCandidate | None = None) -> str:
        """How the values differ from those of another candidate, by default the first parent: a unified diff."""
        before = other if other is not None else (self.parents[0] if self.parents else None)
        old = {} if before is None else before.values
        pieces: list[str] = []
        for name, value in self.values.items():
            before_lines = str(old[name]).splitlines() if name in old else []
            pieces.extend(difflib.unified_diff(before_lines, str(value).splitlines(), name, name, lineterm=""))
        return "\n".join(pieces)

    # ---- how good it is

    def table(self, split: str) -> ScoreTable:
        """The scores on a split of the data; an empty table where there are none yet."""
        if split not in self.scores:
            self.scores[split] = ScoreTable(self.objective)
        return self.scores[split]

    @property
    def num_rollouts(self) -> int:
        """How many rollouts are kept."""
        return len(self.rollouts)

    def add_rollouts(self, rollouts: Iterable[Mapping[str, Any]]) -> None:
        """Keep rollouts.

        Raises:
            ValueError: one lacks a key.
        """
        added = [dict(each) for each in rollouts]
        for each in added:
            missing = [key for key in ("module", "x", "info", "target", "score", "feedback") if key not in each]
            if missing:
                raise ValueError(
                    f"rollouts must be dicts as of BatchRollout.to_list(), one lacks {', '.join(missing)}."
                )
        self.rollouts.extend(added)

    def mean_score(self) -> float | None:
        """The mean score of the rollouts that are kept; else on validation, else on training examples; else None."""
        if self.rollouts:
            scores = [each["score"] for each in self.rollouts]
            return None if any(each is None for each in scores) else float(math.fsum(scores) / len(scores))
        means = [self.scores[name].mean() for name in ("validate", "train") if self.scores.get(name)]
        return means[0] if means else None

    def mean_score_dict(self) -> dict[str, float] | None:
        """The mean of each objective over the rollouts that have a `score_dict`; None where none has."""
        dicts = [each["score_dict"] for each in self.rollouts if each.get("score_dict") is not None]
        return aggregate_score_dicts(dicts) if dicts else None

    # ---- identity

    @property
    def key(self) -> str:
        """A text that is the same for the same values."""
        if self._key is None:
            self._key = canonical_repr([self.update_dict[each] for each in self.update_dict])
        return self._key

    def forget_key(self) -> None:
        """Have the key made anew, after `update_dict` was changed in place."""
        self._key = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ModuleCandidate):
            return NotImplemented
        same = self.base_module is other.base_module and self.optimizer is other.optimizer
        return same and self.key == other.key

    def __hash__(self) -> int:
        return hash((id(self.base_module), id(self.optimizer), self.key))

    def __lt__(self, other: ModuleCandidate) -> bool:
        return self._birth < other._birth

    def __getstate__(self) -> dict[str, Any]:
        """What pickles and copies hold: of the ancestors the parents alone, so that long lines fit the stack."""
        return {**vars(self), "parents": tuple(each._without_parents() for each in self.parents)}

    def _without_parents(self) -> ModuleCandidate:
        twin = object.__new__(type(self))
        vars(twin).update(vars(self), parents=())
        return twin

    def __repr__(self) -> str:
        score = self.mean_score()
        return f"<ModuleCandidate {self.number}: {self.status}, score {'unknown' if score is None else f'{score:.4g}'}>"


def _parameters(base: Any, optimizer: Any) -> list[ParameterNode[Any]]:
    """The parameters of a program, those of its optimizer first, each once."""
    own = () if optimizer is None else optimizer.parameters
    return list({id(each): each for each in (*own, *base.parameters())}.values())


def _same_parameters(
    made: ModuleCandidate, values: Mapping[ParameterNode[Any], Any] | None, parents: Sequence[ModuleCandidate]
) -> dict[ParameterNode[Any], Any] | None:
    """The values of a parent, where all are given anew: looking for parameters in a program takes longest of all."""
    for each in parents[:1]:
        related = each.base_module is made.base_module and each.optimizer is made.optimizer
        if related and values is not None and values.keys() == each.update_dict.keys():
            return dict(each.update_dict)
    return None
