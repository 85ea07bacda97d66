"""A question-type classifier, run by a very small local model; its instruction and demonstrations are parameters."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from examples.demo.display import Display
from opto.llm.local import LocalModel
from opto.optimizers import FewShot, Select
from opto.trace import GRAPH, Node, TraceGraph, bundle, model, node
from opto.trace.utils import sum_feedback

__all__ = ["LABELS", "QuestionTypes", "questions", "run", "wilson"]

LABELS = ("person", "place", "number", "time")
INSTRUCTIONS = (
    "",
    "Say what each question asks for: person, place, number or time.",
    "Questions, and the kind of answer that each of them wants.",
    "Label each question with the type of its answer.",
)

_SEED = 3
_SIZE, _SETS, _MINIBATCH = 8, 8, 8  # demonstrations in a set; sets in the competition; questions in its first rung
_ROUNDS = 16  # of Select, each on one minibatch

Item = tuple[str, str]


def questions(split: str) -> list[Item]:
    """The questions of a split, "training" or "held_out", with their labels; kinds take turns."""
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
        return self.label(self.instruction, self.demos, question)


def wilson(right: int, total: int) -> tuple[float, float]:
    """The 95% confidence interval of a share, by Wilson's formula."""
    z = 1.959964
    share = right / total
    middle = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, (middle - half) / (1 + z * z / total)), min(1.0, (middle + half) / (1 + z * z / total))


def run(display: Display, answering: Callable[[str], Any]) -> TraceGraph:
    """Find demonstrations and an instruction on the training questions; returns the graph of the last call.

    Args:
        display: where to show it.
        answering: not asked: this part's model is the local one.
    """
    del answering
    GRAPH.clear()
    with LocalModel() as local:
        display.say(
            f"The model is {local.name}, on this machine: live, no key, no recording. It does not optimize:\n"
            "FewShot and Select choose the demonstrations and the instruction it is given, by trying them.\n"
        )
        return _optimized(display, QuestionTypes(local))


def _optimized(display: Display, program: Any) -> TraceGraph:
    training, held_out = questions("training"), questions("held_out")
    before = _right(display, program, held_out, "held-out questions, before")
    display.say(f"before: no instruction, no demonstrations; held-out accuracy {_shown(before, len(held_out))}")
    few_shot = FewShot(
        [program.demos],
        training,
        score=lambda values, items: _scores(program, values, items),
        size=_SIZE,
        sets=_SETS,
        minibatch=_MINIBATCH,
        seed=_SEED,
    )
    with display.progress(f"FewShot: {_SETS} sets of demonstrations compete", 4) as bar:
        few_shot.score = _advancing(few_shot.score, bar, _SETS + 1)
        few_shot.search()
    display.say(f"FewShot: {len(program.demos.data)} demonstrations, after {few_shot.spent} answers:")
    for text, label in program.demos.data:
        display.say(f"  {text} [bold]{label}[/bold]")
    drawn = iter(few_shot.validation * _ROUNDS)
    select = Select(
        [program.instruction],
        INSTRUCTIONS,
        score=lambda values: _scores(program, values, [next(drawn) for _ in range(_MINIBATCH)]),
        seed=_SEED,
    )
    with display.progress(f"Select: {len(INSTRUCTIONS)} instructions", _ROUNDS) as bar:
        for _ in range(_ROUNDS):
            select.step()
            bar.advance()
    kept = program.instruction.data
    display.say(f"Select: {kept or 'stays without an instruction, because none was clearly better'}")
    for each in select.estimates():
        score = "not tried" if each["score"] is None else f"{each['score']:.2f} on {each['count']} answers"
        display.say(f"  {score}  {each['values']['instruction0'] or '(none)'}")
    after = _right(display, program, held_out, "held-out questions, after")
    display.gain(
        f"held-out accuracy of {program.local.name}, {len(held_out)} questions, 95% interval",
        _shown(before, len(held_out)),
        _shown(after, len(held_out)),
    )
    text, label = held_out[0]
    output = program(text)
    select.backward(output, float(output.data == label))
    return sum_feedback(select.parameters)


def _scores(program: Any, values: Mapping[Any, Any], items: Sequence[Item]) -> list[float]:
    instruction = values.get(program.instruction, program.instruction.data)
    demos = values.get(program.demos, program.demos.data)
    return [float(program.answer(instruction, demos, text) == label) for text, label in items]


def _advancing(score: Any, bar: Any, entrants: int) -> Callable[..., list[float]]:
    """The score, with a quarter of the bar for each `entrants` evaluations."""
    done = 0

    def scored(values: Mapping[Any, Any], items: Sequence[Item]) -> list[float]:
        nonlocal done
        done += 1
        if done % (entrants // 3) == 0:
            bar.advance()
        result: list[float] = score(values, items)
        return result

    return scored


def _right(display: Display, program: Any, items: Sequence[Item], what: str) -> int:
    right = 0
    with display.progress(what, len(items)) as bar:
        for item in items:
            right += int(sum(_scores(program, {}, [item])))
            bar.advance()
    return right


def _shown(right: int, total: int) -> str:
    low, high = wilson(right, total)
    return f"{right / total:.2f} ({low:.2f} to {high:.2f})"
