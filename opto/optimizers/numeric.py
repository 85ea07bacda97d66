"""Numeric: numbers, booleans, integers and choices in declared ranges, by the samplers of Optuna, without a model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from opto.errors import OptoWarning
from opto.optimizers.declarations import domain_of, read_domain
from opto.optimizers.domains import Domain, Range
from opto.optimizers.optimizer import Update
from opto.optimizers.options import checked_count
from opto.optimizers.sampling import Sampler
from opto.optimizers.trials import SAMPLERS, Trials, needs_extra

if TYPE_CHECKING:
    from opto.trace.nodes import ParameterNode

__all__ = ["Numeric"]


class Numeric(Sampler):
    """Searches declared ranges with Optuna: TPE (Bergstra et al., NeurIPS 2011), CMA-ES (Hansen and Ostermeier, 2001),
    random or grid search. Needs the extra `optuna`.

    A range is declared as the node's `constraint` (`opto.optimizers.declarations.read_domain` says in which forms),
    or in `domains`. Each step tells Optuna the score of the values that were tried, and asks for the next ones:

        x = node(0.0, trainable=True, constraint=Range(-5.0, 5.0))
        optimizer = Numeric([x], seed=0)
        for _ in range(30):
            optimizer.zero_feedback()
            output = -((x - 2) ** 2)
            optimizer.backward(output, output.data)
            optimizer.step()
        optimizer.update(optimizer.best())

    With a function `score`, a step tries `batch` values itself and sets the best known; the values in place are scored
    first, so they stay until something better is found:

        Numeric([x], score=lambda values: -((values[x] - 2) ** 2), batch=4)

    Args:
        parameters: the `ParameterNode`s to optimize; each has a declared domain.
        sampler: "tpe", "cmaes", "random" or "grid", or a function of a seed that returns an Optuna sampler. CMA-ES
            needs at least two ranges, and leaves choices to TPE. When a grid is done, a step warns and sets the best
            values.
        domains: domains by parameter or `py_name`, in place of the declared ones.
        batch: how many values a step tries with a function `score`.
        points: how many values the grid has of a range of floats, or of a range of more integers than that.
        **options: `propagator`, `score`, `score_from`, `direction`, `seed`, `memory_size`; see `Sampler`.

    Attributes:
        study: the Optuna study, to be read.

    Raises:
        MissingExtraError: Optuna, or for CMA-ES the package cmaes, is not installed.
        ValueError: a parameter has no domain or lies outside it; an option out of its range.
        TypeError: an option of the wrong type.
    """

    def __init__(
        self,
        parameters: Iterable[ParameterNode[Any]],
        *,
        sampler: str | Callable[[int], Any] = "tpe",
        domains: Mapping[Any, Any] | None = None,
        batch: int = 1,
        points: int = 5,
        **options: Any,
    ) -> None:
        super().__init__(parameters, **options)
        if not callable(sampler) and sampler not in SAMPLERS:
            raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, or a function of a seed, got {sampler!r}.")
        self.batch, self.points = checked_count("batch", batch), checked_count("points", points)
        needs_extra(sampler)
        self.sampler = sampler
        self._domains = self._declared(domains or {})
        if sampler == "cmaes" and sum(isinstance(each, Range) for each in self._domains.values()) < 2:
            raise ValueError("sampler 'cmaes' needs at least two parameters with a range of numbers: use 'tpe'.")
        self._trials: Trials | None = None
        self._pending: int | None = None
        self._asked: dict[str, Any] = {}

    @property
    def study(self) -> Any:
        """The Optuna study behind the optimizer."""
        return self._told().study

    def best(self) -> Update:
        """The values with the best score; those in place while there is no score."""
        found = self._told().best()
        if found is None:
            return {parameter: parameter._data for parameter in self.parameters}
        return self._by_parameter(found[0])

    # ---- the step

    def _sample(self) -> Update:
        trials = self._told()
        if self.score is not None:
            self._search(trials)
            return self._changed(self.best())
        tried = self._tried()
        if tried is None:
            return {}
        self._tell(trials, self._by_name(tried.values), tried.score)
        if trials.exhausted:
            warnings.warn("The grid is done: every value was tried, the best ones are set.", OptoWarning, stacklevel=2)
            return self._changed(self.best())
        self._pending, self._asked = trials.ask()
        return self._changed(self._by_parameter(self._asked))

    def _search(self, trials: Trials) -> None:
        if not trials.operations:
            present = {parameter: parameter._data for parameter in self.parameters}
            if all(value in self._domains[name] for name, value in self._by_name(present).items()):
                trials.add(self._by_name(present), self._evaluate(present).score)
        for _ in range(self.batch):
            if trials.exhausted:
                warnings.warn("The grid is done: every value was tried.", OptoWarning, stacklevel=2)
                return
            number, values = trials.ask()
            trials.tell(number, self._evaluate(self._by_parameter(values)).score)

    def _tell(self, trials: Trials, values: dict[str, Any], score: float | None) -> None:
        """Score the pending trial, or what was tried in its place."""
        pending, self._pending = self._pending, None
        if pending is not None and trials.same(values, self._asked):
            trials.tell(pending, score)
            return
        if pending is not None:
            trials.tell(pending, None)  # its values were never evaluated
        if not trials.add(values, score):
            warnings.warn(
                f"The values {values} lie outside the declared ranges, so their score is not used.",
                OptoWarning,
                stacklevel=2,
            )

    # ---- names

    @property
    def _named(self) -> dict[str, ParameterNode[Any]]:
        """The parameters by the names of the study: `py_name`, numbered where two are alike."""
        named: dict[str, ParameterNode[Any]] = {}
        for place, parameter in enumerate(self.parameters):
            name = parameter.py_name
            named[name if name not in named else f"{name}#{place}"] = parameter
        return named

    def _by_name(self, values: Update) -> dict[str, Any]:
        return {name: values.get(parameter, parameter._data) for name, parameter in self._named.items()}

    def _by_parameter(self, values: Mapping[str, Any]) -> Update:
        return {parameter: values[name] for name, parameter in self._named.items()}

    def _declared(self, given: Mapping[Any, Any]) -> dict[str, Domain]:
        found: dict[str, Domain] = {}
        unused = dict(given)
        for name, parameter in self._named.items():
            own = unused.pop(parameter, None) or unused.pop(parameter.py_name, None)
            domain = domain_of(parameter) if own is None else read_domain(own, parameter._data)
            if domain is None:
                raise ValueError(
                    f"parameters must have a declared range, but {parameter.py_name} has "
                    f"{parameter.constraint if own is None else own!r}: give node(..., constraint=Range(low, high)), "
                    "Literal[...], range(...), or domains={parameter: Range(low, high)}."
                )
            if parameter._data is not None and parameter._data not in domain:
                raise ValueError(f"{parameter.py_name} holds {parameter._data!r}, which is not in {domain!r}.")
            found[name] = domain
        if unused:
            raise ValueError(f"domains names {list(unused)!r}, which are not among the parameters.")
        return found

    # ---- keeping

    def _told(self, operations: Iterable[Any] = ()) -> Trials:
        if self._trials is None:
            self._trials = Trials(
                self._domains,
                sampler=self.sampler,
                direction=self.direction,
                seed=self.seed,
                points=self.points,
                operations=list(operations),
            )
        return self._trials

    def state_dict(self) -> dict[str, Any]:
        """Also the trials, as they were asked and told."""
        operations = [list(each) for each in self._told().operations]
        return {**super().state_dict(), "trials": operations, "pending": self._pending}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`, by replaying its trials; domains and sampler are those of this optimizer."""
        super().load_state_dict(state)
        self._trials = None
        trials = self._told(state["trials"])
        self._pending = state["pending"]
        self._asked = {} if self._pending is None else trials.values_of(self._pending)
