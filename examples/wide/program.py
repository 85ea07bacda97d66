"""The program that the examples of this folder evaluate: what kind of answer does a question ask for?

It looks up the known questions that share most words with a new one, and lets them vote. Its three numbers are
parameters with declared ranges, which start badly. Besides there are the questions, a guide, and `measured`, to which
each example says how the rollouts are to be run.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from functools import cache
from itertools import pairwise
from math import sqrt
from pathlib import Path
from typing import Any

from opto.optimizers import Range
from opto.trace import Module, Node, bundle, node
from opto.trainer import Evaluator, evaluate

__all__ = ["AsyncLabeller", "Labeller", "guide", "measured", "questions"]

_DATA = Path(__file__).parents[1] / "demo" / "data" / "questions.json"


@cache
def questions(split: str) -> tuple[list[str], list[str]]:
    """The questions of "training" (the known ones), "choosing" or "held_out", and what each asks for."""
    by_label = json.loads(_DATA.read_text(encoding="utf-8"))[split]
    pairs = [(text, label) for label, texts in by_label.items() for text in texts]
    return [text for text, _ in pairs], [label for _, label in pairs]


def _weights(question: str, first_word: float, pair: float) -> dict[str, float]:
    """The words of a question, the first of them with more weight, and pairs of neighbours with a weight of theirs."""
    words = question.lower().strip(" ?").split()
    weights: defaultdict[str, float] = defaultdict(float, {words[0]: first_word})
    for word in words:
        weights[word] += 1.0
    for left, right in pairwise(words):
        weights[f"{left} {right}"] += pair
    return weights


@bundle()
def look_up(question: str, count: int, first_word: float, pair: float) -> list[tuple[float, str]]:
    """The known questions most like this one: how like it they are, and what they ask for."""
    own = _weights(question, first_word, pair)
    found = []
    for known, label in zip(*questions("training"), strict=True):
        other = _weights(known, first_word, pair)
        shared = sum(weight * other.get(part, 0.0) for part, weight in own.items())
        found.append((shared / sqrt(sum(weight**2 for weight in other.values())), label))
    return sorted(found, reverse=True)[:count]


@bundle()
def vote(found: list[tuple[float, str]]) -> str:
    """The label with most votes, each as strong as the question is like the new one."""
    votes: defaultdict[str, float] = defaultdict(float)
    for likeness, label in found:
        votes[label] += likeness
    return max(votes, key=votes.__getitem__)


class Labeller(Module):
    """Says whether a question asks for a person, a place, a number or a time.

    Args:
        wait: seconds that it sleeps at each question, in the place of a model that it does not ask.
    """

    def __init__(self, wait: float = 0.02) -> None:
        self.wait = wait
        self.count = node(40, trainable=True, constraint=range(1, 41), name="count")
        self.first_word = node(0.0, trainable=True, constraint=Range(0.0, 4.0), name="first_word")
        self.pair = node(0.0, trainable=True, constraint=Range(0.0, 4.0), name="pair")

    def forward(self, question: str) -> Node[str]:
        """The label of a question."""
        time.sleep(self.wait)
        return self.label(question)

    def label(self, question: str) -> Node[str]:
        """The label of a question, at once."""
        return vote(look_up(question, self.count, self.first_word, self.pair))


class AsyncLabeller(Labeller):
    """The same program for an event loop, which it leaves free while it waits."""

    async def forward(self, question: str) -> Node[str]:
        """The label of a question."""
        await asyncio.sleep(self.wait)
        return self.label(question)


def guide(question: str, label: str, wanted: str) -> tuple[float, str]:
    """1.0 for the right label, and words for those who read."""
    return (1.0, "Right.") if label == wanted else (0.0, f"{question!r} asks for a {wanted}, not for a {label}.")


def measured(where: str, program: Labeller, *, samples: int = 4, **options: Any) -> float:
    """Print the program's score on held-out questions, and how many rollouts a second were made; returns the score.

    Args:
        where: how the rollouts are run, in words.
        program: what is run.
        samples: how often on each question.
        **options: of the `Evaluator`, which runs them.
    """
    inputs, wanted = questions("held_out")
    with Evaluator(**options) as evaluator:
        evaluate(program, guide, inputs, wanted, evaluator=evaluator)  # workers that are new have started after this
        start = time.perf_counter()
        scores = evaluate(program, guide, inputs, wanted, num_samples=samples, evaluator=evaluator)
        rate = scores.size / (time.perf_counter() - start)
    print(f"{where}: score {scores.mean():.2f}, {rate:.0f} rollouts a second")
    return float(scores.mean())
