"""A question-type classifier, run by a very small local model; its instruction and demonstrations are parameters.

Also what is tried on it: demonstrations found by `FewShot`, drawn at random, and an instruction chosen by `Select`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opto.llm.local import LocalModel
from opto.optimizers import FewShot, Select
from opto.trace import Node, bundle, model, node

__all__ = [
    "INSTRUCTIONS",
    "LABELS",
    "ROUNDS",
    "SETS",
    "SIZE",
    "Outcome",
    "QuestionTypes",
    "demonstrations_search",
    "drawn",
    "instruction_search",
    "measured",
    "questions",
    "scores",
]

LABELS = ("person", "place", "number", "time")
INSTRUCTIONS = (
    "",
    "Say what each question asks for: person, place, number or time.",
    "Questions, and the kind of answer that each of them wants.",
    "Label each question with the type of its answer.",
)
SIZE, SETS = 8, 8
"""Demonstrations in a set; sets that compete."""
ROUNDS = 12
"""Steps of `Select`; one tries one instruction on a minibatch."""

_MINIBATCH = 8

Item = tuple[str, str]


def questions(split: str) -> list[Item]:
    """The questions of a split, "training", "choosing" or "held_out", with their labels; kinds take turns."""
    by_label = json.loads((Path(__file__).parent / "data" / "questions.json").read_text(encoding="utf-8"))[split]
    together = zip(*(by_label[label] for label in LABELS), strict=True)
    return [pair for texts in together for pair in zip(texts, LABELS, strict=True)]


def prompt(instruction: str, demos: Sequence[Item], question: str) -> str:
    """What the model completes with a label."""
    shown = "".join(f"{text}\nLabel: {label}\n\n" for text, label in demos)
    return f"{instruction}\n\n{shown}{question}\nLabel:" if instruction else f"{shown}{question}\nLabel:"


@model
class QuestionTypes:
    """Says whether a question asks for a person, a place, a number or a time."""

    def __init__(self, local: LocalModel) -> None:
        self.local = local
        self.instruction = node("", name="instruction", trainable=True)
        self.demos = node([], name="demos", trainable=True)

    def answer(self, instruction: str, demos: Sequence[Item], question: str) -> str:
        """The label with this instruction and these demonstrations."""
        labels = [f" {label}" for label in LABELS]
        return self.local.complete(prompt(instruction, demos, question), labels=labels).strip()

    @bundle(catch_execution_error=False)
    def label(self, instruction: str, demos: Sequence[Item], question: str) -> str:
        """The label of a question."""
        return self.answer(instruction, demos, question)

    def forward(self, question: str) -> Node[str]:
        """The label of a question, with the instruction and the demonstrations in place."""
        labelled: Node[str] = self.label(self.instruction, self.demos, question)
        return labelled


def scores(program: Any, values: Mapping[Any, Any], items: Sequence[Item]) -> list[float]:
    """1 for each question that gets the right label with these values, 0 for each other."""
    instruction = values.get(program.instruction, program.instruction.data)
    demos = values.get(program.demos, program.demos.data)
    return [float(program.answer(instruction, demos, text) == label) for text, label in items]


# ---- what is tried on it


def drawn(seed: int) -> list[Item]:
    """As many demonstrations as `FewShot` finds, drawn at random from all training questions."""
    return random.Random(f"drawn {seed}").sample(questions("training"), SIZE)


def demonstrations_search(program: Any, seed: int) -> FewShot:
    """The search for demonstrations: half of the training questions to make them of, half to try them on."""
    return FewShot(
        [program.demos],
        questions("training"),
        score=lambda values, items: scores(program, values, items),
        size=SIZE,
        sets=SETS,
        minibatch=_MINIBATCH,
        seed=seed,
    )


def instruction_search(program: Any, seed: int) -> Select:
    """The choice of an instruction, with the demonstrations in place, on questions that nothing was chosen by yet."""
    return Select(
        [program.instruction],
        INSTRUCTIONS,
        score=lambda values, items: scores(program, values, items),
        examples=questions("choosing"),
        minibatch=_MINIBATCH,
        seed=seed,
    )


@dataclass(frozen=True)
class Outcome:
    """What came of one seed; scores are of the held-out questions, in their order.

    Attributes:
        drawn: with demonstrations drawn at random.
        found: with those that `FewShot` found.
        chosen: with these, and the instruction that `Select` kept.
        instruction: that instruction; "" for none.
        searched: how many answers `FewShot` took.
        tried: how many answers `Select` took.
    """

    drawn: list[float]
    found: list[float]
    chosen: list[float]
    instruction: str
    searched: int
    tried: int


def measured(local: LocalModel, seed: int) -> Outcome:
    """Run everything once, from no instruction and no demonstrations."""
    program: Any = QuestionTypes(local)
    held_out = questions("held_out")
    by_chance = scores(program, {program.demos: drawn(seed)}, held_out)
    few_shot = demonstrations_search(program, seed)
    few_shot.search()
    found = scores(program, {}, held_out)
    select = instruction_search(program, seed)
    for _ in range(ROUNDS):
        select.step()
    kept = program.instruction.data
    chosen = scores(program, {}, held_out) if kept else found
    tried = sum(each["count"] for each in select.estimates())
    return Outcome(by_chance, found, chosen, kept, few_shot.spent, tried)
