"""Stages: copies of a program in which candidates are put in place, to be run side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from opto.optimizers import Optimizer
from opto.optimizers.joint import rebound
from opto.trace.nodes import ParameterNode
from opto.trace.snapshots import assign
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.utils import deepcopy_module

__all__ = ["Stage", "Stages"]


@dataclass
class Stage:
    """A program, its optimizer, and its parameters in the order of those of the original.

    Attributes:
        module: the program.
        optimizer: for its parameters.
        originals: the parameters that candidates name.
        parameters: those that stand for them here.
    """

    module: Any
    optimizer: Optimizer
    originals: list[ParameterNode[Any]]
    parameters: list[ParameterNode[Any]]

    def put(self, candidate: ModuleCandidate) -> None:
        """Give the parameters the values of a candidate, all at once."""
        assign(self.parameters, [candidate.update_dict[each] for each in self.originals])

    def values_of(self, candidate: ModuleCandidate) -> dict[ParameterNode[Any], Any]:
        """The values of a candidate by the parameters here."""
        pairs = zip(self.parameters, self.originals, strict=True)
        return {here: candidate.update_dict[original] for here, original in pairs}

    def translated(self, values: dict[ParameterNode[Any], Any]) -> dict[ParameterNode[Any], Any]:
        """Values of parameters here as values of the original ones.

        Raises:
            ValueError: a parameter that is none of those here.
        """
        names = {id(here): original for here, original in zip(self.parameters, self.originals, strict=True)}
        foreign = [each.py_name for each in values if id(each) not in names]
        if foreign:
            known = ", ".join(each.py_name for each in self.originals)
            raise ValueError(
                f"{type(self.optimizer).__name__} proposed a value for {foreign[0]}, which is no parameter of this "
                f"program here: it may change {known}, and must take them from its own `parameters` in each step."
            )
        return {names[id(each)]: value for each, value in values.items()}

    def standing_for(self, originals: Iterable[ParameterNode[Any]]) -> list[ParameterNode[Any]]:
        """The parameters here that stand for some of the original ones."""
        wanted = {id(each) for each in originals}
        return [here for original, here in zip(self.originals, self.parameters, strict=True) if id(original) in wanted]


class Stages:
    """The program itself, and as many copies as are needed at one time; they are made once and used again.

    The first stage is the program with its own parameters and its own optimizer. So an algorithm with one parent and
    one candidate at a time copies nothing, and works for programs that cannot be copied.

    Args:
        module: the program.
        optimizer: its optimizer.
    """

    def __init__(self, module: Any, optimizer: Optimizer) -> None:
        own = {id(each): each for each in (*optimizer.parameters, *module.parameters())}
        originals = list(own.values())
        self._stages = [Stage(module, optimizer, originals, originals)]
        inside = {id(each) for each in module.parameters()}
        self.copyable = all(id(each) in inside for each in optimizer.parameters)
        """Whether copies can be made: a program that reads parameters from around it would read the same ones."""

    def first(self, count: int) -> Sequence[Stage]:
        """As many stages as asked for, or the one where copies cannot be made."""
        while self.copyable and len(self._stages) < count:
            self._stages.append(self._copied())
        return self._stages[:count]

    def __len__(self) -> int:
        return len(self._stages)

    def __iter__(self) -> Iterator[Stage]:
        return iter(self._stages)

    def __getitem__(self, place: int) -> Stage:
        return self._stages[place]

    def _copied(self) -> Stage:
        base = self._stages[0]
        module = deepcopy_module(base.module)
        twins = dict(module.named_parameters())
        places = {id(each): path for path, each in base.module.named_parameters()}
        parameters = [twins[places[id(each)]] for each in base.originals]
        optimizer = rebound(base.optimizer, dict(zip(base.originals, parameters, strict=True)))
        return Stage(module, optimizer, base.originals, parameters)
