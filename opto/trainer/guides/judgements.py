"""Reading what a judge answered: a score on its scale, and feedback."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opto.optimizers.formats import parse_json_answer, strip_thinking
from opto.optimizers.loose_values import number_readings, truth
from opto.optimizers.quotations import answering

__all__ = ["Judgement", "Opinion", "UnreadableOpinionError", "read_opinion", "summed_up"]

_OUT_OF = re.compile(r"(.{1,40}?)\s*(?:/|\bout of\b|\bof\b)\s*(.{1,20})", re.IGNORECASE | re.DOTALL)
_IN_TALK = re.compile(
    r"\b(?:score|rating|grade)\b[\s*_\"'`]*(?:is|of|:|=|-)?[\s*_\"'`]*"
    r"([+-]?\d+(?:\.\d+)?(?:\s*(?:/|out of)\s*\d+(?:\.\d+)?|\s?%)?)",
    re.IGNORECASE,
)
_LONGEST = 200_000
_KEYS = ("score",)


class UnreadableOpinionError(ValueError):
    """An answer holds no score on the scale; the message says why."""


@dataclass(frozen=True)
class Opinion:
    """What a judge said once.

    Attributes:
        score: from 0 to 1.
        feedback: its words.
    """

    score: float
    feedback: str


@dataclass(frozen=True)
class Judgement:
    """What a judge said of one response, once or several times.

    Attributes:
        score: the mean of the scores, from 0 to 1.
        feedback: the words that go with the score nearest to the mean, and a note where the scores are far apart.
        scores: each of the scores, from 0 to 1.
    """

    score: float
    feedback: str
    scores: tuple[float, ...]

    @property
    def spread(self) -> float:
        """The largest of the scores less the smallest."""
        return max(self.scores) - min(self.scores)


def read_opinion(text: str, low: float, high: float, shown: str) -> Opinion:
    """The score and the words of an answer, however it is wrapped.

    Args:
        text: the answer.
        low: the least score there is.
        high: the greatest.
        shown: the request; what is quoted from it is no answer.

    Raises:
        UnreadableOpinionError: there is no score, or one off the scale.
    """
    answer = strip_thinking(text)[:_LONGEST]
    with answering(shown):
        found, _ = parse_json_answer(answer, keys=_KEYS)
    found = {str(key).strip().lower(): value for key, value in found.items()}
    if "score" in found:
        given = found["score"]
    else:
        talk = [match[1] for match in _IN_TALK.finditer(answer) if match[0].strip() not in shown]
        if found or not talk:
            raise UnreadableOpinionError("it holds no score.")
        given = talk[-1]
    score = _on_scale(given, low, high)
    words = found.get("feedback") or found.get("reasoning") or ("" if found else answer)
    if not isinstance(words, str):
        words = "\n".join(map(str, words)) if isinstance(words, list) else str(words)
    return Opinion(score, words.strip())


def _on_scale(given: Any, low: float, high: float) -> float:
    """A score from 0 to 1."""
    readings = _readings(given, low, high)
    fitting = [each for each in readings if low <= each <= high]
    if not fitting:
        raise UnreadableOpinionError(f"the score must be a number from {low:g} to {high:g}, and it is {given!r:.100}.")
    return (fitting[0] - low) / (high - low)


def _readings(given: Any, low: float, high: float) -> list[float]:
    if isinstance(given, bool):
        return [high if given else low]
    if isinstance(given, (int, float)):
        return [float(given)] if abs(given) <= 1e300 else []
    if not isinstance(given, str):
        return []
    said = truth(given)
    if said is not None:
        return [high if said else low]
    if given.strip().endswith("%"):
        share = number_readings(given)
        return [low + share[0] * (high - low)] if share else []
    plain = number_readings(given)
    parts = _OUT_OF.fullmatch(given.strip())
    if not plain and parts:
        over, under = number_readings(parts[1]), number_readings(parts[2])
        if over and under and under[0] > 0:
            return [float(over[0])] if under[0] == high else [low + over[0] / under[0] * (high - low)]
    return [float(each) for each in plain if abs(each) <= 1e300]


def summed_up(opinions: Sequence[Opinion], disagreement: float) -> Judgement:
    """What several opinions come to.

    Args:
        opinions: at least one.
        disagreement: the spread of scores from which on the feedback tells of it.
    """
    scores = tuple(each.score for each in opinions)
    mean = sum(scores) / len(scores)
    nearest = min(opinions, key=lambda each: abs(each.score - mean))
    feedback = nearest.feedback or f"Score: {nearest.score:.6g} (from 0 to 1)."
    judgement = Judgement(mean, feedback, scores)
    if judgement.spread < disagreement or len(scores) == 1:
        return judgement
    listed = ", ".join(f"{score:.3g}" for score in scores)
    furthest = max(opinions, key=lambda each: abs(each.score - nearest.score))
    note = f"The judge was asked {len(scores)} times and disagrees with itself: its scores are {listed}."
    other = f" It also said, with score {furthest.score:.3g}: {furthest.feedback}" if furthest.feedback else ""
    return Judgement(mean, f"{feedback}\n{note}{other}", scores)
