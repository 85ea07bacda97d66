"""Several guides as one: a weighted mean, or a score for each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from opto.trainer.guides.base import Guide, Verdict
from opto.trainer.guides.functions import as_guide
from opto.trainer.objectives import finite_number, to_score_dict

__all__ = ["Composite", "Objectives"]


class _Several(Guide):
    """Guides by name, asked in their order.

    Args:
        guides: name -> guide, or a function that `as_guide` takes.
    """

    def __init__(self, guides: Mapping[str, Any]) -> None:
        if not isinstance(guides, Mapping):
            raise TypeError(f"guides must be a dict of name to guide, got {guides!r}.")
        if not guides:
            raise ValueError("guides must hold at least one guide, got {}.")
        wrong = [name for name in guides if not isinstance(name, str)]
        if wrong:
            raise TypeError(f"guides must be named by texts, got {wrong[0]!r}.")
        self.guides = {name: as_guide(guide) for name, guide in guides.items()}

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """Ask all of them."""
        parts = {name: each.get_feedback(query, response, reference, **kwargs) for name, each in self.guides.items()}
        return self._together(parts)

    async def aget_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """Ask all of them at once."""
        import asyncio

        asked = [each.aget_feedback(query, response, reference, **kwargs) for each in self.guides.values()]
        return self._together(dict(zip(self.guides, await asyncio.gather(*asked), strict=True)))

    def _together(self, parts: Mapping[str, Verdict]) -> Verdict:
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """The states of the parts, by name."""
        return {"guides": {name: dict(each.state()) for name, each in self.guides.items()}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave, part by part.

        Raises:
            ValueError: the parts have other names, or one cannot take its state. Nothing is changed then.
        """
        parts = state.get("guides")
        if not isinstance(parts, Mapping) or parts.keys() != self.guides.keys():
            raise ValueError(f"the state must be of the guides {', '.join(self.guides)}.")
        before = {name: dict(vars(each)) for name, each in self.guides.items()}
        try:
            for name, each in parts.items():
                self.guides[name].load_state(each)
        except BaseException:
            for name, attributes in before.items():
                vars(self.guides[name]).update(attributes)
            raise


class Composite(_Several):
    """The weighted mean of the scores of several guides, with the feedback of each under its name.

        guide = Composite({"right": ExactMatch(), "short": lambda q, r, ref: len(r) < 20}, weights={"right": 3})

    A guide with a score for each of several objectives counts by their mean. `get_score_dict` tells the parts.

    Args:
        guides: name -> guide, or a function that `as_guide` takes.
        weights: name -> weight >= 0; a guide that is not among them weighs 1.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: no guides; a weight of a name that is not among them, a negative one, or none above 0.
    """

    def __init__(self, guides: Mapping[str, Any], *, weights: Mapping[str, float] | None = None) -> None:
        super().__init__(guides)
        if weights is not None and not isinstance(weights, Mapping):
            raise TypeError(f"weights must be a dict of name to weight, got {weights!r}.")
        unknown = [name for name in weights or {} if name not in self.guides]
        if unknown:
            raise ValueError(f"weights names {unknown}, and the guides are {list(self.guides)}.")
        self.weights = {
            name: finite_number(f"weights[{name!r}]", (weights or {}).get(name, 1.0)) for name in self.guides
        }
        if min(self.weights.values()) < 0 or not any(self.weights.values()):
            raise ValueError(f"weights must be non-negative, and one at least above 0, got {self.weights}.")

    def get_score_dict(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> dict[str, float]:
        """`{"score": the weighted mean}`, and the score of each part under its name."""
        parts = {name: each.metric(query, response, reference, **kwargs) for name, each in self.guides.items()}
        told = {name: _mean(score) for name, score in parts.items()}
        return {**told, "score": self._mean_of(told)}

    def _together(self, parts: Mapping[str, Verdict]) -> Verdict:
        scores = {name: _mean(score) for name, (score, _) in parts.items()}
        told = [f"{name} (score {scores[name]:.6g}): {feedback}" for name, (_, feedback) in parts.items()]
        return self._mean_of(scores), "\n".join(told)

    def _mean_of(self, scores: Mapping[str, float]) -> float:
        total = math.fsum(weight * scores[name] for name, weight in self.weights.items())
        return total / math.fsum(self.weights.values())


class Objectives(_Several):
    """A score for each of several guides, for programs that are to be good in more than one way.

        guide = Objectives({"right": ExactMatch(), "brevity": lambda q, r, ref: -len(r)})
        guide.get_feedback("2 + 2?", "4", "4")[0]      # {"right": 1.0, "brevity": -1.0}

    `opto.trainer.objectives.ObjectiveConfig` says how such scores are compared. A guide that has several scores itself
    gives each as `name.objective`.

    Args:
        guides: name -> guide, or a function that `as_guide` takes.
    """

    def _together(self, parts: Mapping[str, Verdict]) -> Verdict:
        scores: dict[str, float] = {}
        for name, (score, _) in parts.items():
            if isinstance(score, Mapping):
                scores.update({f"{name}.{inner}": value for inner, value in to_score_dict(score).items()})
            else:
                scores[name] = to_score_dict(score)["score"]
        return scores, "\n".join(f"{name}: {feedback}" for name, (_, feedback) in parts.items())


def _mean(score: Any) -> float:
    scores = to_score_dict(score)
    return math.fsum(scores.values()) / len(scores)
