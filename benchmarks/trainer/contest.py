"""What both systems' workloads share: one algorithm on one problem with one seed, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import process_time
from typing import Any

from problem_set import BUDGET, CASES, PROBLEMS, SIZES
from training_problem import Meter, TrainingProblem

__all__ = ["Contestant", "outcome", "workloads"]

Contestant = Callable[[TrainingProblem, Meter, Any, int], Mapping[str, Any]]
"""From a problem, the meter of its evaluations, a model and a seed to what else there is to report. It calls
`meter.believe` with the values that the algorithm believes best, whenever these change."""


def outcome(contestant: Contestant, problem: TrainingProblem, model: Any, seed: int) -> dict[str, Any]:
    """The curve, as pairs of a number of evaluations and the true score of the incumbent from then on, and the costs.

    The true score is the noiseless mean on the held-out examples. What comes after the budget does not count.
    """
    meter, simulation = Meter(problem, seed), model.simulation
    begun = process_time()
    said = contestant(problem, meter, model, seed)
    seconds = process_time() - begun - simulation.seconds
    believed = [(count, values) for count, values in meter.incumbents if count <= problem.budget]
    return {
        "curve": [(0, problem.true_score(problem.start()))]
        + [(count, problem.true_score(values)) for count, values in believed],
        "evaluations": meter.count,
        "calls": len(simulation.answers),
        "tokens": simulation.prompt_tokens + simulation.completion_tokens,
        "seconds": max(0.0, seconds),
        **said,
    }


def workloads(
    contestants: Mapping[str, Contestant], made: Callable[[float, int], Any]
) -> dict[str, Callable[..., Any]]:
    """What a worker is asked to do.

    Args:
        contestants: by name.
        made: from competence and seed to a model with the `simulation` in it.
    """

    def run(algorithm: str, problem: str, competence: float, seed: int) -> dict[str, Any]:
        """One run."""
        return outcome(contestants[algorithm], PROBLEMS[problem](seed), made(competence, seed), seed)

    def listing() -> dict[str, Any]:
        """What there is, as plain data."""
        some = {name: make(0) for name, make in PROBLEMS.items()}
        return {
            "algorithms": [*contestants],
            "sizes": {
                "budget": BUDGET,
                **dict(zip(("train", "validation", "held_out"), SIZES, strict=True)),
                "cases": ", ".join(map(str, CASES)),
            },
            "problems": {name: {"target": each.target, "budget": each.budget} for name, each in some.items()},
        }

    return {"run": run, "listing": listing}
