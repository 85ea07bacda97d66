"""The algorithm of the package gepa, through its public API, with the same evaluator and the same simulated model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gepa
from contest import workloads
from gepa import EvaluationBatch, GEPAAdapter
from simulation import Simulation
from training_problem import Example, Meter, Run, TrainingProblem


class Adapter(GEPAAdapter[Example, Run, str]):
    """Runs the program, and says what became of it; numbers are carried as texts."""

    def __init__(self, problem: TrainingProblem, meter: Meter) -> None:
        self.problem, self.meter = problem, meter

    def evaluate(
        self, batch: list[Example], candidate: dict[str, str], capture_traces: bool = False
    ) -> EvaluationBatch[Run, str]:
        """One evaluation for each example."""
        runs = [self.meter.run(candidate, example) for example in batch]
        several = len(self.problem.weights) > 1
        return EvaluationBatch(
            outputs=[each.output for each in runs],
            scores=[each.score for each in runs],
            trajectories=[(example, each) for example, each in zip(batch, runs, strict=True)]
            if capture_traces
            else None,
            objective_scores=[dict(each.verdict.scores) for each in runs] if several else None,
        )

    def make_reflective_dataset(
        self, candidate: dict[str, str], eval_batch: EvaluationBatch[Run, str], components_to_update: list[str]
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """For each component what opto's optimizers are told too: the input, the run, the output, the remarks on it."""
        assert eval_batch.trajectories is not None
        return {
            name: [_record(name, example, run) for example, run in eval_batch.trajectories]
            for name in components_to_update
        }


def _record(component: str, example: Example, run: Run) -> dict[str, str]:
    record = {"Component": component, "Inputs": example.about}
    if run.trace:
        record["Trace"] = run.trace
    return {**record, "Generated Outputs": run.output, "Feedback": run.verdict.words(component)}


class Listener:
    """Notes which candidate is the best by validation."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def on_valset_evaluated(self, event: Mapping[str, Any]) -> None:
        """A candidate has been validated."""
        if event["is_best_program"]:
            self.meter.believe(event["candidate"])


class Model:
    """The simulated model as the callable that gepa expects."""

    def __init__(self, competence: float, seed: int) -> None:
        self.simulation = Simulation(competence, seed)

    def __call__(self, prompt: Any) -> str:
        """The text of the answer."""
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        return self.simulation.answer(messages, {}).text


class Silent:
    """A logger that says nothing."""

    def log(self, message: str) -> None:
        """Say nothing."""


def _optimized(problem: TrainingProblem, meter: Meter, model: Model, seed: int, **options: Any) -> dict[str, Any]:
    result = gepa.optimize(
        seed_candidate={name: str(value) for name, value in problem.start().items()},
        trainset=list(problem.train),
        valset=list(problem.validation),
        adapter=Adapter(problem, meter),
        reflection_lm=model,
        max_metric_calls=problem.budget,
        seed=seed,
        callbacks=[Listener(meter)],
        logger=Silent(),
        **options,
    )
    if result.total_metric_calls != meter.count:
        raise AssertionError(f"gepa counts {result.total_metric_calls} metric calls, there were {meter.count}")
    return {"candidates": len(result.candidates)}


CONTESTANTS = {
    "gepa": _optimized,
    "gepa (merge)": partial(_optimized, use_merge=True),
    "gepa (merge, cache)": partial(_optimized, use_merge=True, cache_evaluation=True),
    "gepa (all components, merge, cache)": partial(
        _optimized, use_merge=True, cache_evaluation=True, module_selector="all"
    ),
}


WORKLOADS = workloads(CONTESTANTS, Model)
