"""The problems by name, in the sizes that are measured."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from function import function
from message import message, noisy, two_objectives
from numeric import numeric
from training_problem import TrainingProblem

__all__ = ["BUDGET", "PROBLEMS", "SIZES"]

SIZES = (12, 8, 16)
"""How many examples there are for training, for validation and held out."""

CASES = (16, 8, 16)
"""The same for test cases of a function: one score says less."""

BUDGET = 240
"""Evaluations: runs of the program on one example, for whatever purpose."""

PROBLEMS: dict[str, Callable[[int], TrainingProblem]] = {
    "numeric": partial(numeric, sizes=SIZES, budget=BUDGET),
    "function": partial(function, sizes=CASES, budget=BUDGET),
    "text": partial(message, sizes=SIZES, budget=BUDGET),
    "noisy": partial(noisy, sizes=SIZES, budget=BUDGET),
    "two objectives": partial(two_objectives, sizes=SIZES, budget=BUDGET),
}
