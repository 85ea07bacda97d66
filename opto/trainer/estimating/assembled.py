"""What a run may take: how many evaluations and proposals its algorithm makes, and what each of them takes."""

from __future__ import annotations

import copy
import math
import warnings
from dataclasses import replace
from typing import Any

from opto.errors import OptoWarning
from opto.llm.ambient import paying
from opto.optimizers import Optimizer
from opto.optimizers.drivers import Call, Request
from opto.optimizers.wrapping import asks_by_itself
from opto.trainer.assembling.assembling import Assembled
from opto.trainer.estimating.estimate import Estimate, estimate_plan
from opto.trainer.estimating.unit_costs import UnitCost, measure, prompt_cost
from opto.trainer.executors import default_workers
from opto.trainer.plan import Plan
from opto.trainer.rolling_out.evaluation import Request as Rollout
from opto.trainer.rollouts import Evaluator
from opto.trainer.search import Search

__all__ = ["estimated"]

_LONGEST_ANSWER = 4096


def estimated(made: Assembled, trials: int) -> Estimate:
    """What a run that is put together may take.

    Args:
        made: the run.
        trials: on how many examples the program is run.

    Raises:
        TypeError: the algorithm is none of opto's.
        ValueError: nothing says how many steps there are to be.
    """
    if not isinstance(made.algorithm, Search):
        raise TypeError(f"algorithm must be a Search to be estimated, got {type(made.algorithm).__name__}.")
    plan = made.algorithm.planned(made.options)
    plan = replace(plan, batch_size=min(plan.batch_size, len(made.data.train)))
    compared = made.data.train if made.data.validate is None else made.data.validate
    work = made.algorithm.workload(plan, len(compared))
    budget = made.options.get("budget")
    settings = {name: made.options[name] for name in ("timeout", "retries") if name in made.options}
    with Evaluator(**settings) as evaluator, paying(budget):
        each = measure(made.agent, made.guide, iter(made.data.train), evaluator=evaluator, trials=trials)
        proposal = _proposal(made, evaluator, plan.batch_size)
    return estimate_plan(
        steps=_steps(plan, len(made.data.train), work.evaluations[0]),
        evaluations=work.evaluations,
        proposals=work.proposals,
        before=work.before,
        after=0 if made.data.test is None else len(made.data.test),
        evaluation=each,
        proposal=proposal,
        workers=made.algorithm.num_threads or default_workers(),
        max_evaluations=plan.max_evaluations,
        budget=budget,
    )


def _steps(plan: Plan, examples: int, least: float) -> int:
    limits = []
    if plan.num_steps is not None:
        limits.append(plan.num_steps)
    if plan.epochs is not None:
        limits.append(plan.epochs * math.ceil(examples / plan.batch_size))
    if plan.max_evaluations is not None:
        limits.append(math.ceil(plan.max_evaluations / max(1.0, least)))
    if not limits:
        raise ValueError("num_steps must be given, or num_epochs or max_evaluations, to say what a run may take.")
    return min(limits)


def _proposal(made: Assembled, evaluator: Evaluator, batch_size: int) -> UnitCost:
    """What a proposal takes, by the first prompt that the optimizer writes for one example."""
    if not isinstance(made.optimizer, Optimizer):
        return UnitCost(notes=("what a proposal takes is not known: there are several optimizers.",))
    optimizer = copy.deepcopy(made.optimizer)
    x, info = made.data.train[0]
    [rollout] = evaluator.rollouts([Rollout(made.agent, x, info)], made.guide)
    optimizer.zero_feedback()
    score = 0.0 if rollout.score is None else rollout.score
    words = rollout.feedback or f"Score: {score}"
    optimizer.backward(rollout.target, (score, words) if optimizer.reads_scores else words)
    try:
        return _asked(optimizer, batch_size)
    finally:
        optimizer.zero_feedback()


def _asked(optimizer: Optimizer, batch_size: int) -> UnitCost:
    if asks_by_itself(optimizer):
        return UnitCost(notes=("what a proposal takes is not known: the optimizer asks by itself.",))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptoWarning)
        proposal = optimizer._propose()
        try:
            requests = [each for each in next(proposal) if not isinstance(each, Call)]
        except StopIteration:
            requests = []
        finally:
            proposal.close()
    if not requests:
        return UnitCost()
    costs = [_cost(optimizer, each) for each in requests]
    notes = tuple(dict.fromkeys(note for each in costs for note in each.notes))
    if batch_size > 1:
        notes = (*notes, f"the prompt was written for one example; with {batch_size} it is longer.")
    return UnitCost(
        _sum([each.calls for each in costs]) or (0, 0),
        _sum([each.tokens for each in costs]),
        _sum([each.usd for each in costs]),
        notes=notes,
    )


def _cost(optimizer: Optimizer, request: Request) -> UnitCost:
    from opto.llm import as_model

    model = optimizer._answering_model() if request.model is None else as_model(request.model)
    longest = request.options.get("max_tokens") or _LONGEST_ANSWER
    return prompt_cost(request.messages, model.name, calls=(1, 2), completion_tokens=(1, longest))


def _sum(ranges: list[Any]) -> Any:
    if any(each is None for each in ranges):
        return None
    return (sum(each[0] for each in ranges), sum(each[1] for each in ranges))
