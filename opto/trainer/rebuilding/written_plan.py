"""What `opto.train` was given, written into the folder of the run as `plan.json`, so that `opto.resume` can go on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opto.errors import FileFormatError
from opto.llm import Budget
from opto.optimizers import Optimizer
from opto.runs import codec
from opto.trainer.assembling.assembling import Assembled, Given
from opto.trainer.assembling.parts import ALGORITHMS, GUIDES, LOGGERS, OPTIMIZERS, Parts
from opto.trainer.rebuilding.described import (
    Description,
    described,
    described_class,
    described_program,
    parameter_places,
)
from opto.trainer.rebuilding.kept_data import keep_dataset
from opto.trainer.rebuilding.objects import described_guide, described_optimizer
from opto.trainer.rebuilding.references import main_file

__all__ = ["NAME", "PASSING", "read_plan", "write_plan", "written_budget", "written_options"]

NAME = "plan.json"
_KIND, _VERSION = "training plan", 1
_NEEDED = frozenset(
    {"model", "parameters", "optimizer", "algorithm", "guide", "logger", "options", "budget", "data", "main", "version"}
)

PASSING = frozenset({"executor", "cache", "progress", "run_dir", "resume"})
"""Options that change nothing of what comes out, and are given anew each time."""


def write_plan(folder: Path, given: Given, made: Assembled) -> None:
    """Write what a run was given, before it begins.

    Raises:
        OSError: it cannot be written.
    """
    inside = {id(each) for each in made.agent.parameters()}
    read = [each for each in getattr(made.optimizer, "parameters", []) if id(each) not in inside]
    data = {"train": made.data.train, "validate": made.data.validate, "test": made.data.test}
    plan = {
        "version": _VERSION,
        "main": main_file(),
        "model": described_program(given.model),
        "parameters": parameter_places(read),
        "optimizer": _optimizer(given, made),
        "algorithm": _part(ALGORITHMS, given.algorithm, {}),
        "guide": _guide(given, made),
        "logger": _part(LOGGERS, given.logger, given.logger_kwargs),
        "options": written_options(given.trainer_kwargs),
        "budget": written_budget(made.options.get("budget")),
        "data": {name: None if each is None else keep_dataset(folder, name, each) for name, each in data.items()},
    }
    codec.save(folder / NAME, plan, kind=_KIND)


def written_options(options: Mapping[str, Any]) -> dict[str, Description]:
    """Options of an algorithm and of its `train`, those that are given anew each time left out."""
    return {name: described(value) for name, value in options.items() if name not in PASSING}


def written_budget(budget: Budget | None) -> dict[str, Any] | None:
    """The limits and prices of a budget."""
    if budget is None:
        return None
    prices = {model: [price.input, price.output, price.request] for model, price in budget.prices.items()}
    return {**budget.limits, **({"prices": prices} if prices else {})}


def read_plan(folder: Path) -> dict[str, Any]:
    """What a run was given.

    Raises:
        FileNotFoundError: there is no plan.
        FileFormatError: it is damaged, or of a newer version.
    """
    plan = codec.load(folder / NAME, kind=_KIND)
    if isinstance(plan, dict) and isinstance(plan.get("version"), int) and plan["version"] > _VERSION:
        raise FileFormatError(
            f"{folder / NAME} is of version {plan['version']}, and this opto reads version {_VERSION}: upgrade opto."
        )
    if not isinstance(plan, dict) or not plan.keys() >= _NEEDED or not isinstance(plan["data"], dict):
        raise FileFormatError(f"{folder / NAME}: it must hold the plan of a training run.")
    return plan


def _optimizer(given: Given, made: Assembled) -> Description:
    chosen = given.optimizer
    if chosen is None:
        return described_class(OPTIMIZERS, None, given.optimizer_kwargs)
    if isinstance(chosen, (list, tuple)):
        return {"missing": "there are several"}
    found = _part(OPTIMIZERS, chosen, given.optimizer_kwargs)
    if "missing" in found and isinstance(chosen, Optimizer):
        return described_optimizer(chosen, {id(each): path for path, each in made.agent.named_parameters()})
    return found


def _guide(given: Given, made: Assembled) -> Description:
    if isinstance(given.guide, (str, type)):
        return _part(GUIDES, given.guide, given.guide_kwargs)
    return described_guide(made.guide)


def _part(parts: Parts, chosen: Any, options: Mapping[str, Any] | None) -> Description:
    """The description of a name, a class or an object."""
    if isinstance(chosen, str):
        chosen = parts.named(chosen)
    if isinstance(chosen, type):
        return described_class(parts, chosen, options)
    return described(chosen)
