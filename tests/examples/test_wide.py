"""The examples of wide rollouts run as their docstrings say, and all of them find the same score."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples.wide import event_loop, threads
from examples.wide.program import AsyncLabeller, Labeller, guide, questions
from opto.trainer import Evaluator, Request, evaluate

_ROOT = Path(__file__).parents[2]
_SCORE = 0.75
"""Of 64 held-out questions the program as it starts labels 48 rightly."""


@pytest.mark.parametrize(("main", "what"), [(threads.main, "threads"), (event_loop.main, "coroutines")])
def test_in_this_process(main, what, capsys):
    """Threads and coroutines give the score, and say it beside how many rollouts a second were made."""
    assert main(workers=64) == _SCORE
    assert re.fullmatch(rf"64 {what}: score {_SCORE}, [1-9]\d* rollouts a second\n", capsys.readouterr().out)


def test_in_processes():
    """A script that starts processes runs as a script does."""
    run = subprocess.run(
        [sys.executable, "-m", "examples.wide.processes"], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    assert re.fullmatch(rf"4 processes: score {_SCORE}, [1-9]\d* rollouts a second\n", run.stdout), run.stderr


def test_both_programs_are_one():
    """The async program labels each question as the other does, one at a time or side by side."""
    texts, wanted = questions("choosing")
    found = [
        [each.feedback for each in evaluator.evaluations(map(Request, [program] * 48, texts, wanted), guide)]
        for program in (Labeller(wait=0), AsyncLabeller(wait=0))
        for evaluator in (Evaluator(workers=1), Evaluator(workers=16))
    ]
    assert found[0] == found[1] == found[2] == found[3]
    assert "Right." in found[0]


def test_there_is_something_to_learn():
    """Other numbers in the declared ranges score higher, also on questions they were not chosen by."""
    scores = []
    for values in ((40, 0.0, 0.0), (5, 2.0, 2.0)):
        program = Labeller(wait=0)
        for parameter, value in zip(program.parameters(), values, strict=True):
            parameter._set(value)
        scores.append([evaluate(program, guide, *questions(split)).mean() for split in ("choosing", "held_out")])
    first, better = scores
    assert first == [37 / 48, _SCORE]
    assert all(after > before + 0.05 for before, after in zip(first, better, strict=True))


def test_feedback_reaches_all_parameters():
    """The guide's words go back through both steps to the three numbers."""
    program = Labeller(wait=0)
    label = program("Who mends the clock?")
    score, words = guide("Who mends the clock?", label.data, "time")
    assert score == 0.0
    assert words == "'Who mends the clock?' asks for a time, not for a person."
    label.backward(words)
    assert [bool(each.feedback) for each in program.parameters()] == [True, True, True]
