"""Which options of `GEPA` reach a target with the fewest evaluations, on small problems with a simulated model.

Usage: python3 -m benchmarks.gepa_options [--seeds 20] [--only WORD]

What it shows is about the search alone: `opto.testing.search_problem` says what the model does.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

from benchmarks.common.silent import Silent
from opto.testing.search_problem import SearchProblem
from opto.trainer.algorithms.beam import Beam, UCBSearch
from opto.trainer.algorithms.gepa import GEPA
from opto.trainer.algorithms.minibatch import BasicSearch

BUDGET = 3000

PROBLEMS: dict[str, dict[str, Any]] = {
    "same": {"skills": 6, "kinds": 2, "train": 36, "validate": None},
    "apart": {"skills": 6, "kinds": 2, "train": 36, "validate": 36},
    "three": {"skills": 5, "kinds": 3, "train": 30, "validate": 45, "competence": 0.5},
    "clumsy": {"skills": 5, "kinds": 2, "train": 30, "validate": 60, "clumsiness": 0.7},
}

PAPER: dict[str, Any] = {"examples": "epochs", "first": 1.0, "defer": False, "merge": 0, "modules": "round_robin"}

SINGLE = {"num_proposals": 1}
ORIGINAL = {**SINGLE, "batch_size": 3}
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "GEPA": ({}, {}),
    "as in the paper": (PAPER, ORIGINAL),
    "as in the paper, with merge": ({**PAPER, "merge": 5}, ORIGINAL),
    "paper, all modules": ({**PAPER, "modules": "all"}, ORIGINAL),
    "1 proposal": ({}, SINGLE),
    "4 proposals": ({}, {"num_proposals": 4}),
    "nothing put off": ({"defer": False}, {}),
    "first 0.25": ({"first": 0.25}, {}),
    "examples by epochs": ({"examples": "epochs"}, {}),
    "no merge": ({"merge": 0}, {}),
    "round robin": ({"modules": "round_robin"}, {}),
    "batch of 3": ({}, {"batch_size": 3}),
    "batch of 8": ({}, {"batch_size": 8}),
}


def evaluations(make: Callable[[SearchProblem], Any], plan: dict[str, Any], options: dict[str, Any], seed: int) -> int:
    """How many evaluations it took to master 95% of the validation examples; the budget where it did not."""
    problem = SearchProblem(seed=seed, **options)
    outcome = make(problem).train(
        problem.guide,
        problem.train_dataset,
        validate_dataset=problem.validate_dataset,
        max_evaluations=BUDGET,
        target_score=0.95,
        score_range=(0, 1),
        seed=seed,
        **plan,
    )
    return int(outcome.evaluations) if outcome.score >= 0.95 else BUDGET


def main() -> None:
    """Print a table: the mean, over seeds, of evaluations to the target, for each problem and variant."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    makers: dict[str, tuple[Callable[[SearchProblem], Any], dict[str, Any]]] = {
        kind.__name__: (lambda problem, kind=kind: kind(problem.agent, problem.optimizer, 1, Silent()), {})
        for kind in (BasicSearch, Beam, UCBSearch)
    }
    for name, (options, plan) in VARIANTS.items():
        makers[name] = (
            lambda problem, options=options: GEPA(problem.agent, problem.optimizer, 1, Silent(), **options),
            plan,
        )
    print(f"{'evaluations to 95%':28}", *(f"{name:>12}" for name in PROBLEMS))
    for name, (make, plan) in makers.items():
        if given.only in name:
            cells = []
            for options in PROBLEMS.values():
                counts = [evaluations(make, plan, options, seed) for seed in range(given.seeds)]
                cells.append(f"{statistics.fmean(counts):7.0f} ±{statistics.stdev(counts) / len(counts) ** 0.5:3.0f}")
            print(f"{name:28}", *(f"{cell:>12}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
