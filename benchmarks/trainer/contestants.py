"""The workloads of opto: its training algorithms on the problems, each as a user calls it."""

from __future__ import annotations

from functools import partial
from typing import Any

from by_hand import by_hand
from contest import Contestant, workloads
from traced import METER, Judge, Program, dataset
from training_problem import Meter, TrainingProblem

from benchmarks.common.silent import Silent
from opto.optimizers import OptoPrime
from opto.testing import Simulated
from opto.trace import GRAPH
from opto.trainer.algorithms.beam import Beam, BeamSearch, UCBSearch
from opto.trainer.algorithms.gepa import GEPA
from opto.trainer.algorithms.minibatch import BasicSearch, Minibatch
from opto.trainer.algorithms.pareto import ParetobasedPS
from opto.trainer.algorithms.polca import POLCA
from opto.trainer.algorithms.priority_search import PrioritySearch
from opto.trainer.algorithms.sequential import SequentialSearch
from opto.trainer.algorithms.streaming import StreamingPrioritySearch
from opto.trainer.strategies.screening import LearnedScreening

MEMORY = 10
"""How many past values an optimizer shows."""


class Watching:
    """A stopping rule that never stops: before each step it notes the values that the run would end with."""

    def __init__(self, meter: Meter, program: Program) -> None:
        self.meter, self.program = meter, program

    def reached(self, run: Any) -> None:
        """Note them."""
        self.believed(run.best)

    def believed(self, candidate: Any) -> None:
        """Note the values of a candidate."""
        values = {name: candidate.update_dict[each] for name, each in self.program.nodes().items()}
        self.meter.believe(values)


def trained(
    problem: TrainingProblem,
    meter: Meter,
    model: Any,
    seed: int,
    *,
    algorithm: Any,
    memory: int = MEMORY,
    made_with: Any = dict,
    **options: Any,
) -> dict[str, Any]:
    """A run of a training algorithm with OptoPrime until the budget is spent.

    Args:
        problem: what is trained.
        meter: of its evaluations.
        model: proposes.
        seed: of the algorithm.
        algorithm: its class.
        memory: how many past values the optimizer shows.
        made_with: gives the options of the class.
        **options: of `train`.
    """
    GRAPH.clear()  # so that names, and with them requests, do not depend on what ran before
    METER.set(meter)
    program = Program(problem)
    optimizer = OptoPrime(program.parameters(), model, memory_size=memory)
    search = algorithm(program, optimizer, 1, Silent(), **made_with())
    watching = Watching(meter, program)
    search.stopping.append(watching)
    outcome = search.train(
        Judge(),
        dataset(problem.train),
        validate_dataset=dataset(problem.validation),
        max_evaluations=problem.budget,
        score_range=(0.0, 1.0),
        seed=seed,
        progress="off",
        **options,
    )
    watching.believed(outcome.best)
    if outcome.evaluations != meter.count:
        raise AssertionError(f"opto counts {outcome.evaluations} evaluations, there were {meter.count}")
    return {"candidates": len(outcome.archive)}


def _screened() -> dict[str, Any]:
    return {"screening": LearnedScreening()}


CONTESTANTS: dict[str, Contestant] = {
    "GEPA": partial(trained, algorithm=GEPA),
    "GEPA (no memory)": partial(trained, algorithm=GEPA, memory=0),
    "BasicSearch": partial(trained, algorithm=BasicSearch),
    "BasicSearch (no memory)": partial(trained, algorithm=BasicSearch, memory=0),
    "BasicSearch (4 proposals)": partial(trained, algorithm=BasicSearch, num_proposals=4),
    "BasicSearch (4, screened)": partial(trained, algorithm=BasicSearch, num_proposals=4, made_with=_screened),
    "UCBSearch": partial(trained, algorithm=UCBSearch),
    "Beam": partial(trained, algorithm=Beam),
    "Minibatch": partial(trained, algorithm=Minibatch),
    "PrioritySearch": partial(trained, algorithm=PrioritySearch),
    "SequentialSearch": partial(trained, algorithm=SequentialSearch),
    "BeamSearch": partial(trained, algorithm=BeamSearch),
    "StreamingPrioritySearch": partial(trained, algorithm=StreamingPrioritySearch),
    "ParetobasedPS": partial(trained, algorithm=ParetobasedPS),
    "POLCA": partial(trained, algorithm=POLCA),
    "OptoPrime by hand": partial(by_hand, memory=MEMORY),
    "OptoPrime by hand (no memory)": partial(by_hand, memory=0),
}


WORKLOADS = workloads(CONTESTANTS, Simulated)
