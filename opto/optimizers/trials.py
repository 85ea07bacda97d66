"""Trials of values in declared domains, drawn by a sampler of Optuna; imported only by who has the extra installed."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from opto.errors import MissingExtraError
from opto.optimizers.domains import Choices, Domain

if TYPE_CHECKING:
    import optuna

__all__ = ["SAMPLERS", "Trials", "needs_extra"]

SAMPLERS = ("tpe", "cmaes", "random", "grid")


def needs_extra(sampler: Any) -> None:
    """Make sure that Optuna, and what the sampler needs besides, is installed.

    Raises:
        MissingExtraError: it is not.
    """
    from importlib.util import find_spec

    for package in ("optuna", "cmaes") if sampler == "cmaes" else ("optuna",):
        if find_spec(package) is None:
            raise MissingExtraError(package, "optuna", "Numeric")


class Trials:
    """An Optuna study that is asked and told, and that can be made again by replaying what it was asked and told.

    Every trial is drawn by a new sampler whose seed follows from the seed and the number of the trial, so the same
    replay always leads to the same next trial.

    Args:
        domains: by name, what to draw from.
        sampler: one of `SAMPLERS`, or a function of a seed that returns an Optuna sampler.
        direction: "maximize" or "minimize".
        seed: the seed.
        points: how many values of a range the grid has, where they are not few or stepped.
        operations: what to replay, from `operations` of an earlier one.

    Attributes:
        operations: what was asked and told, in order, as plain lists.
    """

    def __init__(
        self,
        domains: Mapping[str, Domain],
        *,
        sampler: str | Callable[[int], Any],
        direction: Literal["maximize", "minimize"],
        seed: int,
        points: int,
        operations: Sequence[Sequence[Any]] = (),
    ) -> None:
        import optuna

        self.domains = dict(domains)
        self.sampler, self.direction, self.seed, self.points = sampler, direction, seed, points
        self.operations: list[list[Any]] = []
        self._distributions = {name: _distribution(domain) for name, domain in self.domains.items()}
        self._asks = 0
        self._open: dict[int, optuna.Trial] = {}
        self._recorded: dict[int, list[Any]] = {}  # what a replay says was drawn where another version draws otherwise
        with _quiet():
            self.study = optuna.create_study(direction=direction)
        for kind, *particulars in operations:
            if kind == "ask":
                self._ask(particulars[0])
            elif kind == "tell":
                self.tell(*particulars)
            else:
                self._add(*particulars)

    def ask(self) -> tuple[int, dict[str, Any]]:
        """The number of a new trial, and its values by name."""
        return self._ask(None)

    def tell(self, number: int, score: float | None) -> None:
        """Give the score of a trial that was asked for; None for a failed one."""
        import optuna

        trial, recorded = self._open.pop(number), self._recorded.pop(number, None)
        self.operations.append(["tell", number, score])
        with _quiet():
            if score is None or recorded is not None:
                self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                self.study.tell(trial, score)
        if score is not None and recorded is not None:
            self._insert(recorded, score)

    def add(self, values: Mapping[str, Any], score: float | None) -> bool:
        """Add values that were not asked for; False, and nothing is added, when they lie outside the domains."""
        if any(values[name] not in domain for name, domain in self.domains.items()):
            return False
        self._add([self._encoded(name, values[name]) for name in self.domains], score)
        return True

    def values_of(self, number: int) -> dict[str, Any]:
        """The values of a trial that was asked for and not told of yet."""
        if number in self._recorded:
            return self._decoded(dict(zip(self.domains, self._recorded[number], strict=True)))
        return self._decoded(self._open[number].params)

    def same(self, left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
        """Whether two sets of values are the same trial."""
        return all(
            left[name] in domain
            and right[name] in domain
            and self._encoded(name, left[name]) == self._encoded(name, right[name])
            for name, domain in self.domains.items()
        )

    def best(self) -> tuple[dict[str, Any], float] | None:
        """The values and the score of the best trial; None while none has a score."""
        import optuna

        done = self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        if not done:
            return None
        trial = self.study.best_trial
        return self._decoded(trial.params), float(trial.value or 0.0)

    @property
    def exhausted(self) -> bool:
        """Whether a grid has no value left to try."""
        if self.sampler != "grid":
            return False
        return len(self.study.get_trials(deepcopy=False)) >= self._grid_size and bool(
            self._sampler(0).is_exhausted(self.study)
        )

    # ---- internals

    def _ask(self, recorded: Sequence[Any] | None) -> tuple[int, dict[str, Any]]:
        number, self._asks = self._asks, self._asks + 1
        self.study.sampler = self._sampler(number)
        with _quiet():
            trial = self.study.ask(self._distributions)
        self._open[number] = trial
        drawn = [trial.params[name] for name in self.domains]
        if recorded is not None and list(recorded) != drawn:
            self._recorded[number] = drawn = list(recorded)
        self.operations.append(["ask", drawn])
        return number, self.values_of(number)

    def _add(self, encoded: list[Any], score: float | None) -> None:
        self.operations.append(["add", encoded, score])
        self._insert(encoded, score)

    def _insert(self, encoded: list[Any], score: float | None) -> None:
        import optuna

        states = optuna.trial.TrialState
        self.study.add_trial(
            optuna.trial.create_trial(
                state=states.FAIL if score is None else states.COMPLETE,
                value=score,
                params=dict(zip(self.domains, encoded, strict=True)),
                distributions=self._distributions,
            )
        )

    def _sampler(self, number: int) -> Any:
        import optuna

        seed = random.Random(f"{self.seed}/{number}").randrange(2**31)
        if not isinstance(self.sampler, str):
            return self.sampler(seed)
        if self.sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        if self.sampler == "grid":
            return _grid_sampler()(self._grid, seed=self.seed % 2**32)
        if self.sampler == "tpe":
            return optuna.samplers.TPESampler(seed=seed)
        return optuna.samplers.CmaEsSampler(
            independent_sampler=optuna.samplers.TPESampler(seed=seed),
            warn_independent_sampling=False,
            seed=seed,
        )

    @property
    def _grid(self) -> dict[str, list[Any]]:
        return {
            name: list(range(len(domain))) if isinstance(domain, Choices) else domain.values(self.points)
            for name, domain in self.domains.items()
        }

    @property
    def _grid_size(self) -> int:
        return math.prod(len(values) for values in self._grid.values())

    def _encoded(self, name: str, value: Any) -> Any:
        domain = self.domains[name]
        if isinstance(domain, Choices):
            return domain.index(value)
        return int(value) if domain.whole else float(value)

    def _decoded(self, params: Mapping[str, Any]) -> dict[str, Any]:
        values = {}
        for name, domain in self.domains.items():
            values[name] = domain.values[params[name]] if isinstance(domain, Choices) else params[name]
        return values

    def __reduce__(self) -> tuple[Any, ...]:
        options = {name: getattr(self, name) for name in ("sampler", "direction", "seed", "points")}
        return _replayed, (self.domains, options, [list(each) for each in self.operations])


def _replayed(domains: Mapping[str, Domain], options: Mapping[str, Any], operations: Sequence[Any]) -> Trials:
    return Trials(domains, **options, operations=operations)


def _distribution(domain: Domain) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(domain, Choices):
        return CategoricalDistribution(range(len(domain)))
    high = domain.high
    if domain.step is not None:  # the last step that is inside
        high = domain.low + math.floor((domain.high - domain.low) / domain.step + 1e-9) * domain.step
    if domain.whole:
        return IntDistribution(int(domain.low), int(high), log=domain.log, step=int(domain.step or 1))
    return FloatDistribution(float(domain.low), float(high), log=domain.log, step=domain.step)


def _grid_sampler() -> Any:
    """Optuna's grid for a study that is asked and told: it has no loop to stop when the grid is done."""
    import optuna

    return type("Grid", (optuna.samplers.GridSampler,), {"after_trial": lambda *args, **kwargs: None})


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Optuna without its notes on every study and trial; its warnings still come."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(before, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
