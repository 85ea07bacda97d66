"""The optimizer where none was chosen: by the kinds of the parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opto.optimizers import Choices, FewShot, Hybrid, Numeric, Optimizer, OptoPrime, Select
from opto.optimizers.declarations import domain_of
from opto.trace.nodes import ParameterNode

__all__ = ["default_optimizer"]


def default_optimizer(
    parameters: Sequence[ParameterNode[Any]], train: Sequence[tuple[Any, Any]], options: Mapping[str, Any]
) -> Optimizer:
    """The optimizer for some parameters.

    Declared choices go to `Select`, declared ranges to `Numeric`, an empty list or one of pairs, which is taken for
    demonstrations, to `FewShot` with the training examples, all else (texts, code) to `OptoPrime`; where there are
    several kinds, they go to a `Hybrid` of these.

    Args:
        parameters: of the program.
        train: the training examples.
        options: of the optimizer.
    """
    kinds = {_kind(each) for each in parameters}
    if kinds == {FewShot}:
        return FewShot(parameters, **{"examples": list(train), **options})
    if len(kinds) == 1:
        made: Optimizer = kinds.pop()(parameters, **options)
        return made
    if FewShot in kinds:
        options = {**options, "optimizers": {"few_shot": _with(train), **options.get("optimizers", {})}}
    return Hybrid(parameters, **options)


def _kind(parameter: ParameterNode[Any]) -> Any:
    if isinstance(parameter.constraint, Choices):
        return Select
    if domain_of(parameter) is not None:
        return Numeric
    return FewShot if _holds_pairs(parameter._data) else OptoPrime


def _holds_pairs(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, (tuple, list)) and len(each) == 2 for each in value)


def _with(train: Sequence[tuple[Any, Any]]) -> Any:
    return lambda chosen: FewShot(chosen, list(train))
