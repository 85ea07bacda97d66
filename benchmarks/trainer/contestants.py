"""The workloads of opto: its training algorithms on the problems."""

from __future__ import annotations

import linecache
from functools import partial
from typing import Any

from contest import Contestant, workloads
from simulation import Simulation
from simulation.limits import limited
from training_problem import Example, Meter, Parameter, TrainingProblem

from opto.errors import ExecutionError
from opto.optimizers import OptoPrime
from opto.testing import Simulated
from opto.trace import GRAPH, Module, bundle, node
from opto.trainer import DataLoader, Guide, Sampler

MEMORY = 10
"""How many past values an optimizer shows."""

MINIBATCH = 3
"""How many examples a step has, as in gepa."""


class Program(Module):
    """The program of a problem with nodes for values, metered; it is given the name of an example."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.given = {each.name: _traced(each) for each in meter.problem.parameters}

    def forward(self, example: str) -> Any:
        """What it makes of one example."""
        self.meter.counted()
        problem = self.meter.problem
        values = {
            each.name: partial(_called, self.given[each.name]) if each.kind == "code" else self.given[each.name]
            for each in problem.parameters
        }
        return problem.compute(values, named(problem, example))

    def values(self) -> dict[str, Any]:
        """The values of its parameters as the problem names them."""
        return {
            each.name: (self.given[each.name].parameter if each.kind == "code" else self.given[each.name]).data
            for each in self.meter.problem.parameters
        }


def _traced(parameter: Parameter) -> Any:
    if parameter.kind == "code":
        return bundle(trainable=True)(_function(parameter))
    return node(parameter.start, name=parameter.name, trainable=True, description=parameter.description)


def _called(function: Any, *arguments: Any) -> Any:
    return limited(partial(function, *arguments))


def _function(parameter: Parameter) -> Any:
    """The function that the source defines; its lines are kept where `inspect` finds them."""
    file = f"<start of {parameter.name}>"
    linecache.cache[file] = (len(parameter.start), None, parameter.start.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {"__name__": __name__}
    exec(compile(parameter.start, file, "exec"), namespace)
    return namespace[parameter.name]


def named(problem: TrainingProblem, name: str) -> Example:
    """The example of that name."""
    return next(each for each in (*problem.train, *problem.validation, *problem.held_out) if each.name == name)


class Judge(Guide):  # type: ignore[misc, unused-ignore]
    """The judge of a problem as a guide; it is asked for the score of an evaluation once."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **_: Any) -> tuple[float, str]:
        """The score, with noise if the problem has some, and the remarks."""
        meter = self.program.meter
        example = named(meter.problem, query)
        verdict = meter.problem.judge(response, example)
        return meter.seen(meter.problem.scalar(verdict), self.program.values(), example), verdict.words()

    def failed(self, query: Any, error: ExecutionError) -> tuple[float, str]:
        """The same where the program raised."""
        meter = self.program.meter
        example = named(meter.problem, query)
        verdict = meter.problem.judged_failure(error.__cause__ or error, example)
        return meter.seen(0.0, self.program.values(), example), verdict.words()


def _rolled(agent: Any, x: Any, guide: Any, info: Any) -> tuple[Any, float, str]:
    """A rollout; where the program raises, the error is what feedback goes to."""
    try:
        target = agent(x)
    except ExecutionError as error:
        return (error.exception_node, *guide.failed(x, error))
    return (target, *guide(x, target.data, info))


def _data(examples: tuple[Example, ...]) -> dict[str, list[str]]:
    names = [each.name for each in examples]
    return {"inputs": names, "infos": names}


def _by_hand(problem: TrainingProblem, meter: Meter, model: Any, seed: int, *, memory: int = MEMORY) -> dict[str, Any]:
    """A plain loop: a minibatch, a step of OptoPrime, a validation; the best validated values are believed best.

    There is no step, and no validation, where all scores of the minibatch are perfect.
    """
    GRAPH.clear()  # so that names, and with them requests, do not depend on what ran before
    program = Program(meter)
    judge = Judge(program)
    optimizer = OptoPrime(program.parameters(), model, memory_size=memory)
    training = Sampler(DataLoader(_data(problem.train), batch_size=MINIBATCH, seed=seed), judge, forward=_rolled)
    size = len(problem.validation)
    validating = Sampler(DataLoader(_data(problem.validation), batch_size=size, seed=seed), judge, forward=_rolled)
    best, steps, changed = -1.0, 0, True
    while True:
        if changed:
            scores = validating.sample([program])[0][0].get_scores()
            if sum(scores) / size > best:
                best = sum(scores) / size
                meter.believe(program.values())
        if meter.count + MINIBATCH + size > problem.budget:
            return {"candidates": steps + 1}
        batch = training.sample([program])[0][0]
        changed = min(batch.get_scores()) < 1.0
        if changed:
            optimizer.zero_feedback()
            for rollout in batch:
                optimizer.backward(rollout.target, rollout.feedback)
            optimizer.step()
            steps += 1


CONTESTANTS: dict[str, Contestant] = {
    "OptoPrime by hand": _by_hand,
    "OptoPrime by hand (no memory)": partial(_by_hand, memory=0),
}


def _model(competence: float, seed: int) -> tuple[Simulated, Simulation]:
    model = Simulated(competence, seed)
    return model, model.simulation


WORKLOADS = workloads(CONTESTANTS, _model)
