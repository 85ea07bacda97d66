"""Trials: one optimizer on one problem with one simulated model, until it is solved or the steps are used up.

It runs in the environment of opto and in that of trace-opt alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import process_time
from typing import Any

from problems import PROBLEMS, Problem, Verdict

from opto.trace import GRAPH

CAP = 25
"""The most steps of a trial. One that is not solved by then counts as having taken all of them."""


@dataclass(frozen=True)
class Contestant:
    """An optimizer as it is measured.

    Attributes:
        make: from a problem, a model and a seed to an optimizer.
        problems: those it is meant for.
        feedback: what it is told: "words", "score", or "both" as a pair.
        asks: whether it asks the model at all.
    """

    make: Callable[[Problem, Any, int], Any]
    problems: tuple[str, ...] = tuple(PROBLEMS)
    feedback: str = "words"
    asks: bool = True


def trial(contestant: Contestant, problem: Problem, model: Any, seed: int) -> dict[str, Any]:
    """The outcome: whether it was solved, steps, calls, tokens, CPU seconds without the model's, errors."""
    simulation, start = model.simulation, process_time()
    optimizer = contestant.make(problem, model, seed)
    steps, solved, errors, complaint = 0, False, 0, ""
    good = [parameter._data for parameter in problem.parameters]
    while True:
        try:
            output, verdict = problem.run()
            solved = verdict.solved
            if solved or steps == CAP:
                break
            good = [parameter._data for parameter in problem.parameters]
            steps += 1
            optimizer.zero_feedback()
            optimizer.backward(output, _said(verdict, contestant.feedback))
            optimizer.step()
        except Exception as error:  # a person would put the last values back, and go on
            errors, complaint = errors + 1, f"{type(error).__name__}: {error}"[:200]
            if errors > CAP:
                break
            for parameter, value in zip(problem.parameters, good, strict=True):
                parameter._data = value
    return {
        "solved": solved,
        "steps": steps if solved else CAP,
        "calls": len(simulation.answers),
        "tokens": simulation.prompt_tokens + simulation.completion_tokens,
        "seconds": max(0.0, process_time() - start - simulation.seconds),
        "errors": errors,
        "complaint": complaint,
    }


def _said(verdict: Verdict, kind: str) -> Any:
    return {"words": verdict.words, "score": verdict.score, "both": (verdict.score, verdict.words)}[kind]


def workload(
    contestants: dict[str, Contestant], made: Callable[[float, int], Any]
) -> Callable[..., list[dict[str, Any]]]:
    """What a worker is asked to do: the trials of an optimizer on a problem, one for each seed.

    Args:
        contestants: by name.
        made: from competence and seed to a model with the `simulation` in it.
    """

    def trials(optimizer: str, problem: str, competence: float, seeds: list[int]) -> list[dict[str, Any]]:
        results = []
        for seed in seeds:
            GRAPH.clear()  # so that names, and with them requests, do not depend on what ran before
            results.append(trial(contestants[optimizer], PROBLEMS[problem](seed), made(competence, seed), seed))
        return results

    return trials


def listing(contestants: dict[str, Contestant]) -> dict[str, dict[str, Any]]:
    """What there is to measure, as plain data."""
    return {name: {"problems": [*each.problems], "asks": each.asks} for name, each in contestants.items()}
