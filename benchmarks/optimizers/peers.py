"""The workloads of trace-opt: its OptoPrime, OPRO and TextGrad, asking the same simulated model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from problems import Problem
from simulation import Simulation, estimated_tokens
from trials import Contestant, listing, workload

import opto.optimizers

MEMORY = 10


class Model:
    """The simulated model as the callable that trace-opt expects."""

    def __init__(self, competence: float, seed: int) -> None:
        self.simulation = Simulation(competence, seed)

    def __call__(self, *_: Any, messages: list[dict[str, Any]], **options: Any) -> Any:
        """The answer, in the shape of a chat completion."""
        text = self.simulation.answer(messages, options).text
        choice = SimpleNamespace(message=SimpleNamespace(content=text, role="assistant"), finish_reason="stop", index=0)
        given = estimated_tokens(text)
        usage = SimpleNamespace(prompt_tokens=0, completion_tokens=given, total_tokens=given)
        return SimpleNamespace(choices=[choice], usage=usage, model="simulated")

    create = __call__


def _optoprime(problem: Problem, model: Any, seed: int) -> Any:
    return opto.optimizers.OptoPrime(problem.parameters, llm=model, memory_size=MEMORY)


def _opro(problem: Problem, model: Any, seed: int) -> Any:
    return opto.optimizers.OPRO(problem.parameters, llm=model, memory_size=MEMORY)


def _textgrad(problem: Problem, model: Any, seed: int) -> Any:
    return opto.optimizers.TextGrad(problem.parameters, llm=model)


CONTESTANTS = {
    "OptoPrime": Contestant(_optoprime),
    "OPRO": Contestant(_opro),
    "TextGrad": Contestant(_textgrad),
}


WORKLOADS = {"trials": workload(CONTESTANTS, Model), "listing": lambda: listing(CONTESTANTS)}
