"""The workloads of opto: every optimizer of `opto.optimizers`."""

from __future__ import annotations

from typing import Any

from problems import Problem
from trials import Contestant, listing, workload

import opto.optimizers
from opto.testing import Simulated

MEMORY = 10
"""How many past values those optimizers show that can show some."""


def _optoprime(problem: Problem, model: Any, seed: int) -> Any:
    return opto.optimizers.OptoPrime(problem.parameters, model, memory_size=MEMORY)


def _optoprime_v2(problem: Problem, model: Any, seed: int) -> Any:
    return opto.optimizers.OptoPrimeV2(problem.parameters, model, memory_size=MEMORY)


def _multi_judged(problem: Problem, model: Any, seed: int) -> Any:
    return opto.optimizers.OptoPrimeMulti(problem.parameters, model, memory_size=MEMORY)


def _multi_scored(problem: Problem, model: Any, seed: int) -> Any:
    return opto.optimizers.OptoPrimeMulti(problem.parameters, model, memory_size=MEMORY, score=problem.score)


def _multi_tagged(problem: Problem, model: Any, seed: int) -> Any:
    return opto.optimizers.OptoPrimeMultiV2(problem.parameters, model, memory_size=MEMORY)


def _opro(problem: Problem, model: Any, seed: int) -> Any:
    return opto.optimizers.OPRO(problem.parameters, model, memory_size=MEMORY)


def _opro_v2(problem: Problem, model: Any, seed: int) -> Any:
    return opto.optimizers.OPROv2(problem.parameters, model, memory_size=MEMORY)


def _textgrad(problem: Problem, model: Any, seed: int) -> Any:
    return opto.optimizers.TextGrad(problem.parameters, model, gradient_memory=MEMORY)


def _textgrad_without_memory(problem: Problem, model: Any, seed: int) -> Any:
    return opto.optimizers.TextGrad(problem.parameters, model)


def _line_search(problem: Problem, model: Any, seed: int) -> Any:
    return opto.optimizers.LineSearch(_optoprime(problem, model, seed), problem.score)


def _schedule(problem: Problem, model: Any, seed: int) -> Any:
    return opto.optimizers.Schedule(
        _optoprime(problem, model, seed), temperature=lambda step: max(0.0, 1.0 - step / 10)
    )


def _numeric(problem: Problem, model: Any, seed: int) -> Any:
    domains = {parameter: _range(problem) for parameter in problem.parameters}
    return opto.optimizers.Numeric(problem.parameters, domains=domains, seed=seed)


def _range(problem: Problem) -> Any:
    assert problem.domain is not None
    return opto.optimizers.Range(*problem.domain)


def _select(problem: Problem, model: Any, seed: int) -> Any:
    assert problem.domain is not None
    low, high = problem.domain
    grid = [low + (high - low) * place / 40 for place in range(41)]
    worst = min(problem.score({problem.parameters[0]: value}) for value in problem.domain)
    return opto.optimizers.Select(problem.parameters, grid, score_range=(worst, 0.0), least=1, seed=seed)


def _hybrid(problem: Problem, model: Any, seed: int) -> Any:
    makers = {
        "numeric": lambda chosen: _numeric(problem, model, seed),
        "optoprime": lambda chosen: _optoprime(problem, model, seed),
    }
    rules = [(lambda parameter: problem.domain is not None, "numeric")]
    return opto.optimizers.Hybrid(problem.parameters, model, optimizers=makers, rules=rules, seed=seed)


CONTESTANTS = {
    "OptoPrime": Contestant(_optoprime),
    "OptoPrimeV2": Contestant(_optoprime_v2),
    "OptoPrimeMulti (judge)": Contestant(_multi_judged),
    "OptoPrimeMulti (score)": Contestant(_multi_scored),
    "OptoPrimeMultiV2 (judge)": Contestant(_multi_tagged),
    "OPRO": Contestant(_opro, feedback="both"),
    "OPROv2": Contestant(_opro_v2, feedback="both"),
    "TextGrad": Contestant(_textgrad),
    "TextGrad (no memory)": Contestant(_textgrad_without_memory),
    "LineSearch of OptoPrime": Contestant(_line_search),
    "Schedule of OptoPrime": Contestant(_schedule),
    "Hybrid": Contestant(_hybrid, feedback="both"),
    "Numeric": Contestant(_numeric, ("numeric", "apart"), "score", asks=False),
    "Select": Contestant(_select, ("numeric", "apart"), "score", asks=False),
}


WORKLOADS = {"trials": workload(CONTESTANTS, Simulated), "listing": lambda: listing(CONTESTANTS)}
