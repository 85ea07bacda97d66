"""Demonstrations found and drawn: what is measured, on which questions, and the page of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from benchmarks.common.intervals import bootstrap, crossed_bootstrap, wilson
from benchmarks.few_shot.report import page
from examples.demo.question_types import INSTRUCTIONS, LABELS, ROUNDS, Outcome, drawn, measured, questions


class Completing:
    """Stands in for the local model: it is right where the question's own first word was demonstrated."""

    name = "stand-in"

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def complete(self, prompt: str, *, labels: Sequence[str]) -> str:
        """The label of a demonstration that begins alike, else the first label."""
        self.prompts.append(prompt)
        *shown, asked = prompt.split("\n\n")
        for text in shown:
            if "\nLabel: " in text and text.split()[0] == asked.split()[0]:
                return " " + text.rsplit("\nLabel: ", 1)[1]
        return labels[0]


def test_splits_have_no_question_in_common() -> None:
    """What is chosen by one split is not measured on a question of it, and kinds are equally frequent."""
    splits = {name: questions(name) for name in ("training", "choosing", "held_out")}
    every = [text for split in splits.values() for text, _ in split]
    assert len(every) == len(set(every))
    for split in splits.values():
        assert set(Counter(label for _, label in split).values()) == {len(split) // len(LABELS)}


def test_draws_differ_by_seed() -> None:
    """A seed gives the same demonstrations each time, another one others, none of them twice."""
    assert drawn(1) == drawn(1) != drawn(2)
    assert len(set(drawn(1))) == len(drawn(1))


def test_no_evidence_is_counted_twice() -> None:
    """Each instruction is tried, and none is asked the same question twice."""
    local: Any = Completing()
    outcome = measured(local, 0)
    choosing = {text for text, _ in questions("choosing")}
    asked = Counter(prompt for prompt in local.prompts if prompt.rsplit("\n\n", 1)[-1].split("\n")[0] in choosing)
    assert set(asked.values()) == {1}
    assert sum(asked.values()) == outcome.tried == 8 * ROUNDS
    for instruction in INSTRUCTIONS[1:]:
        assert sum(prompt.startswith(f"{instruction}\n\n") for prompt in asked) >= 8
    assert len(outcome.found) == len(outcome.drawn) == len(questions("held_out"))


def test_page() -> None:
    """The page says that the model is real, and gives means, intervals, differences and each seed."""
    outcomes = [
        Outcome([1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0], "", 176, 96),
        Outcome([0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], INSTRUCTIONS[1], 176, 96),
    ]
    text = page("Small", "runtime 1", [0.0, 0.0, 1.0, 0.0], outcomes, minutes=2.0)
    assert "**Live, a real model:** Small" in text
    assert "| drawn at random | 0.375 | 0.250 to 0.500 |" in text
    assert "| FewShot | 0.875 | 0.750 to 1.000 |" in text
    assert "FewShot, less drawn at random: +0.500" in text
    assert f"| 1 | 0.250 | 1.000 | 1.000 | {INSTRUCTIONS[1]} |" in text


def test_crossed_bootstrap() -> None:
    """It has the mean of the table, and is wider than that of the rows where columns differ."""
    table = [[1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0]]
    rows, both = bootstrap([sum(row) / 4 for row in table]), crossed_bootstrap(table)
    assert rows.mean == both.mean == 0.5
    assert rows.low == rows.high == 0.5
    assert both.low < 0.5 < both.high
    with pytest.raises(ValueError, match="at least one number"):
        crossed_bootstrap([])


def test_wilson() -> None:
    """The interval holds the share, also at the ends."""
    low, high = wilson(61, 64)
    assert low < 61 / 64 < high
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == pytest.approx(1.0)
