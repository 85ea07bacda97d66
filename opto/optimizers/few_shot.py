"""FewShot: which demonstrations a program is given, found by trying sets of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opto.errors import ExecutionError, OptoWarning
from opto.optimizers.demonstrations import as_mapping, harvested
from opto.optimizers.domains import position
from opto.optimizers.halving import Tournament
from opto.optimizers.optimizer import Update
from opto.optimizers.sampling import Evaluation, Sampler
from opto.optimizers.scores import ScoreRange, score_of
from opto.optimizers.updates import same_value
from opto.trace.nodes import Node

if TYPE_CHECKING:
    from opto.trace.nodes import ParameterNode

__all__ = ["FewShot"]


class FewShot(Sampler):
    """Finds demonstrations for a program: a parameter that holds a list of them.

    The bootstrapped few-shot optimizers of DSPy (arXiv 2310.03714) with random search, in which sets compete by
    successive halving (arXiv 1502.07943). Demonstrations come from labelled `examples`, and from runs of the program
    itself that scored well: `backward` with a score of at least `good` harvests the traced calls (`harvest`).

        demos = node([], trainable=True, name="demos")
        labelled = [(f"{n} and {m}", str(n + m)) for n in range(6) for m in range(6)]

        def score(values, examples):           # runs the program with these values, one score for each example
            return [1.0 if len(values[demos]) >= 3 else 0.5 for example in examples]

        optimizer = FewShot([demos], labelled, score=score, size=3, seed=0)
        optimizer.search()

    **With a function `score` a step is one rung**: every set still in the competition, and the present one, is scored
    on the same next `minibatch * eta**rung` validation items; the better part goes on. The last set left meets the
    present one on a last minibatch. **Without one a step is one evaluation**: it takes the scores given to `backward`
    for the set in place, and puts the next set in place; the minibatches should be alike, and as large as you like.

    **The present set stays when the evidence is thin**: it is replaced only by a set whose mean reward is higher by
    more than z standard errors of the difference (item by item, where both had the same items), where z leaves a
    chance of `(1 - confidence)` divided by the number of rivals to a set that is no better. Validation items are never
    among the demonstrations, unless you give them as both.

    Args:
        parameters: the `ParameterNode`s that hold lists of demonstrations. Several are drawn and judged together.
        examples: labelled examples to make demonstrations of; for several parameters possibly a dict of lists, by
            parameter or `py_name`.
        score: `(values, examples) -> number or list of numbers`, one for each example: the scores of the program with
            these values. See `Sampler`.
        validation: the items that sets are scored on; by default, with a function `score`, half of the `examples`,
            which then are no demonstrations.
        size: how many demonstrations a set has.
        sets: how many sets compete at a time.
        minibatch: on how many items each is scored in the first rung.
        eta: the part that goes on to the next rung is `1 / eta`.
        confidence: see above.
        least: the fewest items to judge by.
        budget: the most items that are scored in all, counting each set; None for no limit. A rung that would pass it
            is not begun.
        demonstration: makes a demonstration of an example; by default the example itself.
        at: the operator or function whose traced calls are harvested; by default the calls that take the parameter.
        harvest_form: makes a demonstration of a call's inputs by name and its output; by default one dict of both.
        good: the score from which on a run is harvested; by default the best of `score_range`.
        pool_size: how many demonstrations are kept to draw from; more are not taken.
        score_range: the least and the greatest score there can be. A failed evaluation counts as the worst.
        **options: `propagator`, `score_from`, `direction`, `seed`, `memory_size`; see `Sampler`.

    Attributes:
        pool: the demonstrations to draw from, by parameter.
        spent: how many items were scored so far.

    Raises:
        TypeError: an argument of the wrong type, such as a parameter that holds no list.
        ValueError: an option out of its range, too few examples; in a step, a score outside `score_range`, or a number
            of scores that is not the number of examples.
    """

    def __init__(  # noqa: PLR0913  # where demonstrations come from, and how sets of them compete
        self,
        parameters: Iterable[ParameterNode[Any]],
        examples: Iterable[Any] | Mapping[Any, Iterable[Any]] = (),
        *,
        score: Callable[[Update, Sequence[Any]], Any] | None = None,
        validation: Iterable[Any] | None = None,
        size: int = 4,
        sets: int = 8,
        minibatch: int = 8,
        eta: int = 2,
        confidence: float = 0.9,
        least: int = 4,
        budget: int | None = None,
        demonstration: Callable[[Any], Any] | None = None,
        at: str | None = None,
        harvest_form: Callable[[Mapping[str, Any], Any], Any] = as_mapping,
        good: float | None = None,
        pool_size: int = 1000,
        score_range: tuple[float, float] = (0.0, 1.0),
        **options: Any,
    ) -> None:
        super().__init__(parameters, score=score, **options)
        for parameter in self.parameters:
            if not isinstance(parameter._data, (list, tuple)):
                raise TypeError(f"{parameter.py_name} must hold a list of demonstrations, got {parameter._data!r}.")
        counts = {"size": size, "sets": sets, "minibatch": minibatch, "least": least, "pool_size": pool_size}
        for name, count in {**counts, "eta": eta, "budget": 1 if budget is None else budget}.items():
            lowest = 2 if name == "eta" else 1
            if isinstance(count, bool) or not isinstance(count, int) or count < lowest:
                raise ValueError(f"{name} must be an int >= {lowest}, got {count!r}.")
        if not 0.5 <= confidence < 1:
            raise ValueError(f"confidence must be at least 0.5 and below 1, got {confidence!r}.")
        self.size, self.sets, self.minibatch, self.eta = size, sets, minibatch, eta
        self.confidence, self.least, self.budget, self.pool_size = confidence, least, budget, pool_size
        self.score_range = ScoreRange.checked(score_range, self.direction)
        self.good = self.score_range.score(1.0) if good is None else float(good)
        self.demonstration, self.at, self.harvest_form = demonstration, at, harvest_form
        self.spent = 0
        self.pool: dict[ParameterNode[Any], list[Any]] = {parameter: [] for parameter in self.parameters}
        self.validation = [] if validation is None else list(validation)
        self._fill(examples, split=score is not None and validation is None)
        self._present: Update = {parameter: list(parameter._data) for parameter in self.parameters}
        self._sets: list[Update] = []
        self._tournament: Tournament | None = None
        self._begun = 0

    def best(self) -> Update:
        """The set to keep: the present one, or the last that was clearly better."""
        return {parameter: list(value) for parameter, value in self._present.items()}

    # ---- demonstrations

    def harvest(self, output: Node[Any], score: float) -> int:
        """Keep the traced calls above an output as demonstrations, if it scored at least `good`.

        Returns:
            How many new ones there are.
        """
        if not self._is_good(score):
            return 0
        before = sum(map(len, self.pool.values()))
        for parameter, pool in self.pool.items():
            for each in harvested(output, parameter, at=self.at, form=self.harvest_form):
                self._keep(pool, each)
        return sum(map(len, self.pool.values())) - before

    def bootstrap(
        self, program: Callable[[Any], Node[Any]], examples: Iterable[Any], metric: Callable[[Any, Any], float]
    ) -> int:
        """Run the program on examples and harvest the runs that score well.

        Args:
            program: takes an example and returns a node.
            examples: the examples; not those that sets are scored on.
            metric: `(output value, example) -> score`.

        Returns:
            How many new demonstrations there are. A run that ends in an `ExecutionError` gives none.
        """
        found = 0
        for example in examples:
            try:
                output = program(example)
            except ExecutionError:
                continue
            found += self.harvest(output, metric(output._data, example))
        return found

    def _observe(self, node: Node[Any], feedback: Any) -> None:
        try:
            score = self._read(feedback)
        except TypeError:  # feedback without a score is no reason to keep a run; a step that needs one will say so
            return
        self.harvest(node, score)

    def _is_good(self, score: float) -> bool:
        number = score_of(score)
        return number >= self.good if self.direction == "maximize" else number <= self.good

    def _keep(self, pool: list[Any], demonstration: Any) -> None:
        if len(pool) < self.pool_size and position(pool, demonstration) is None:
            pool.append(demonstration)

    def _fill(self, examples: Any, *, split: bool) -> None:
        """Make demonstrations of the examples, and set half of them aside for validation if there is no other."""
        by_name = dict(examples) if isinstance(examples, Mapping) else {}
        if not isinstance(examples, Mapping):
            listed = list(examples)
            by_name = {parameter: listed for parameter in self.parameters}  # noqa: C420  # one list, only read
        if split:
            every: list[Any] = []
            for listed in by_name.values():
                every += [example for example in listed if position(every, example) is None]
            if len(every) < 4:
                raise ValueError(
                    f"examples must hold at least 4 when half of them serve as validation, got {len(every)}: "
                    "give more, or validation=."
                )
            self._random("split").shuffle(every)
            self.validation = every[: len(every) // 2]
        aside = self.validation if split else []
        for parameter in self.parameters:
            listed = by_name.pop(parameter, None)
            listed = by_name.pop(parameter.py_name, ()) if listed is None else listed
            for example in listed:
                if position(aside, example) is None:
                    made = example if self.demonstration is None else self.demonstration(example)
                    self._keep(self.pool[parameter], made)
        if by_name:
            raise ValueError(f"examples names {list(by_name)!r}, which are not among the parameters.")

    # ---- the step

    def search(self, rounds: int = 1) -> Update:
        """Take steps until `rounds` competitions are decided, and return the sets to keep, which are then in place.

        Raises:
            ValueError: there is no function `score`.
        """
        for _ in self._steps_of(rounds):
            self.step()
        return self.best()

    async def asearch(self, rounds: int = 1) -> Update:
        """`search` without blocking the event loop; cancelled, it leaves what its last step put in place.

        Raises:
            ValueError: there is no function `score`.
        """
        for _ in self._steps_of(rounds):
            await self.astep()
        return self.best()

    def _steps_of(self, rounds: int) -> Iterator[None]:
        """Once for each step that `rounds` competitions need; the step is taken before the next one is asked for."""
        if self.score is None:
            raise ValueError("search needs score=, a function of values and examples; without it, call step().")
        for _ in range(rounds):
            begun = self._begun
            yield
            while self._tournament is not None and self._begun == begun + 1:
                yield

    def _sample(self) -> Update:
        if self.score is not None:
            return self._rung()
        tried = self._tried()
        if tried is None:
            return {}
        self._judge(tried)
        tournament = self._running()
        if tournament is None:
            return self._changed(self.best())
        return self._changed(self._sets[tournament.waiting[0]])

    def _judge(self, tried: Evaluation) -> None:
        """Count the scores of the set in place, if it is the one to be tried now."""
        tournament = self._tournament
        if tournament is None:  # nothing has been drawn yet: the scores are those of the present set
            tournament = self._running()
        if tournament is None or self._differs(tried.values, self._sets[tournament.waiting[0]]):
            return
        rewards = self._rewards(tried)
        self.spent += len(rewards)
        tournament.record(tournament.waiting[0], rewards, paired=False)
        self._settle()

    def _rung(self) -> Update:
        tournament = self._running()
        if tournament is None:
            return self._changed(self.best())
        start = sum(self.minibatch * self.eta**rung for rung in range(tournament.rung))
        items = self._items()[start : start + tournament.items(self.minibatch)]
        cost = len(items) * len(tournament.waiting)
        if not items or (self.budget is not None and self.spent + cost > self.budget):
            tournament.stop()
        for entrant in list(tournament.waiting):
            tried = self._evaluate(self._sets[entrant], items)
            whole = len(tried.scores) + tried.failures
            if whole not in (1, len(items)):
                raise ValueError(f"score must return one number or {len(items)}, one for each example, got {whole}.")
            self.spent += len(items)
            rewards = self._rewards(tried)
            paired = len(rewards) == len(items) and not tried.failures
            tournament.record(entrant, rewards, paired=paired, items=len(items))
        self._settle()
        return self._changed(self.best())

    def _rewards(self, tried: Evaluation) -> list[float]:
        return [*(self.score_range.reward(score) for score in tried.scores), *([0.0] * tried.failures)]

    def _settle(self) -> None:
        """Put the winner in place when the competition is over."""
        tournament = self._tournament
        if tournament is None or not tournament.over:
            return
        winner = tournament.winner(confidence=self.confidence, least=self.least)
        self._present = dict(self._sets[winner])
        self._emit("attempt", purpose="select", outcome="accepted" if winner else "kept", entrants=tournament.entrants)
        self._tournament = None

    def _running(self) -> Tournament | None:
        """The competition that is going on, or a new one; None, with a warning, when there is nothing to try."""
        if self._tournament is None:
            if self.budget is not None and self.spent >= self.budget:
                warnings.warn(f"The budget of {self.budget} items is spent.", OptoWarning, stacklevel=5)
                return None
            self._sets = self._drawn()
            if len(self._sets) < 2:
                warnings.warn(
                    "There are no demonstrations to try: give examples, or backward with good scores.",
                    OptoWarning,
                    stacklevel=5,
                )
                return None
            self._begun += 1
            self._tournament = Tournament(len(self._sets), self.eta)
        return self._tournament

    def _drawn(self) -> list[Update]:
        """The present sets, and new ones drawn from the pools; none twice."""
        drawn = [self.best()]
        draw = self._random("draw")
        for _ in range(4 * self.sets):
            if len(drawn) > self.sets:
                break
            made: Update = {}
            for parameter, pool in self.pool.items():
                made[parameter] = draw.sample(pool, min(self.size, len(pool))) or list(self._present[parameter])
            if all(self._differs(made, other) for other in drawn):
                drawn.append(made)
        return drawn

    def _items(self) -> list[Any]:
        """The validation items in the order of this competition."""
        import random

        items = list(self.validation)
        random.Random(f"{self.seed}/{self._begun}/items").shuffle(items)
        return items

    @staticmethod
    def _differs(left: Update, right: Update) -> bool:
        return any(not same_value(list(left[parameter]), list(right[parameter])) for parameter in right)

    # ---- keeping

    def state_dict(self) -> dict[str, Any]:
        """Also the pools, the present sets, and the competition that is going on."""
        listed = [[list(values[parameter]) for parameter in self.parameters] for values in self._sets]
        return {
            **super().state_dict(),
            "pool": [list(self.pool[parameter]) for parameter in self.parameters],
            "validation": list(self.validation),
            "present": [list(self._present[parameter]) for parameter in self.parameters],
            "sets": listed,
            "tournament": None if self._tournament is None else self._tournament.state(),
            "begun": self._begun,
            "spent": self.spent,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`, with its pools and its validation items."""
        super().load_state_dict(state)
        self.pool = self._paired(state["pool"])
        self.validation = list(state["validation"])
        self._present = self._paired(state["present"])
        self._sets = [self._paired(listed) for listed in state["sets"]]
        self._tournament = None if state["tournament"] is None else Tournament.from_state(state["tournament"])
        if self._tournament is not None and self._tournament.entrants != len(self._sets):
            raise ValueError(f"state must have as many sets as entrants, got {len(self._sets)}.")
        self._begun, self.spent = int(state["begun"]), int(state["spent"])

    def _paired(self, listed: Sequence[Sequence[Any]]) -> dict[ParameterNode[Any], list[Any]]:
        return {parameter: list(each) for parameter, each in zip(self.parameters, listed, strict=True)}
