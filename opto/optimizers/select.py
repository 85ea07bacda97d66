"""Select: the best of some given values of a parameter, found by a bandit."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opto.errors import OptoWarning
from opto.optimizers.bandits import RULES, Rule
from opto.optimizers.declarations import domain_of
from opto.optimizers.domains import Choices, Range
from opto.optimizers.optimizer import Update
from opto.optimizers.sampling import Evaluation, Sampler
from opto.optimizers.scores import ScoreRange, Tally, clearly_better

if TYPE_CHECKING:
    from opto.trace.nodes import ParameterNode

__all__ = ["Select"]

_MOST_COMBINATIONS = 1000


class Select(Sampler):
    """Chooses among given values (prompts, models, functions) by their scores: UCB1 (Auer and others, 2002) or Thompson
    sampling (1933; see "A Tutorial on Thompson Sampling", arXiv 1707.02038).

    Every score counts, so a batch of ten outputs with feedback is ten pieces of evidence:

        greeting = node("Hello", trainable=True)
        optimizer = Select([greeting], ["Hello", "Good morning", "Hi"], seed=0)
        for _ in range(40):
            optimizer.zero_feedback()
            output = greeting + ", you"
            optimizer.backward(output, 1.0 if output.data.startswith("Hi") else 0.0)
            optimizer.step()                    # sets the value to try next
        optimizer.update(optimizer.best())      # sets the one to keep

    With a function `score`, a step tries `batch` values, and then sets `best()`. Given `examples` too, a try is on the
    next `minibatch` examples that the value has not met: no value is scored twice on one example, all meet them in the
    same order, and values are compared on the examples that both have met, one by one. A value that has met them all
    is not tried again.

    **The present value stays when the evidence is thin.** `best()` replaces the value that was in place when the
    optimizer was made only by one that has, like the present one, at least `least` scores and a mean that is higher by
    more than z standard errors of the difference, where z leaves a chance of `(1 - confidence)` divided by the number
    of rivals to a value that is no better. To the scores of each one more is added at the greatest spread possible, so
    that a few equal scores do not pass for certainty. The present value is tried first, until it has `least` scores,
    then each other value once; after that the rule chooses.

    Args:
        parameters: the `ParameterNode`s to choose values for.
        candidates: for one parameter a list of values; for several a dict of lists, by parameter or `py_name`; None
            takes the declared ones (`Choices`, `Literal`, `range`... as the node's constraint). The present value is
            among them, even if it is not listed.
        rule: "thompson", "ucb1", or a function of the tallies of all arms (that have examples left) and a generator
            that returns a number (`opto.optimizers.bandits.Rule`); such a function also decides whether each is tried
            once. Rules see scores between 0 and 1, the larger the better.
        score_range: the least and the greatest score there can be.
        confidence: see above; 0.5 takes whatever has the best mean, apart from the division among rivals.
        least: see above.
        joint: one arm for each combination of the parameters' values, instead of a bandit for each parameter, which
            takes the values of the others for chance.
        batch: how many values a step tries with a function `score`.
        examples: what the function `score` is to score values on: it is then called with the values and a list of
            examples, and returns a score for each. They should be others than those that an earlier choice was made
            on, whose scores flatter what was chosen. Several parameters need `joint=True`.
        minibatch: on how many examples a value is tried at a time.
        **options: `propagator`, `score`, `score_from`, `direction`, `seed`, `memory_size`; see `Sampler`. A failed
            evaluation counts as the worst score.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: a parameter without candidates, an option out of its range, `examples` without a function `score`;
            in a step, a score outside `score_range`, or a number of scores that is not the number of examples.
    """

    def __init__(  # noqa: PLR0913  # the values, how they are tried, and when one is good enough
        self,
        parameters: Iterable[ParameterNode[Any]],
        candidates: Mapping[Any, Iterable[Any]] | Iterable[Any] | None = None,
        *,
        rule: str | Rule = "thompson",
        score_range: tuple[float, float] = (0.0, 1.0),
        confidence: float = 0.9,
        least: int = 4,
        joint: bool = False,
        batch: int = 1,
        examples: Iterable[Any] | None = None,
        minibatch: int = 8,
        **options: Any,
    ) -> None:
        super().__init__(parameters, **options)
        if not callable(rule) and rule not in RULES:
            raise ValueError(f"rule must be one of {', '.join(RULES)}, or a function, got {rule!r}.")
        for name, number in (("least", least), ("batch", batch), ("minibatch", minibatch)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise ValueError(f"{name} must be an int >= 1, got {number!r}.")
        if not 0.5 <= confidence < 1:
            raise ValueError(f"confidence must be at least 0.5 and below 1, got {confidence!r}.")
        self.rule: Rule = rule if callable(rule) else RULES[rule]
        self.score_range = ScoreRange.checked(score_range, self.direction)
        self.confidence, self.least, self.joint, self.batch = confidence, least, joint, batch
        self.examples = None if examples is None else list(examples)
        self.minibatch = minibatch
        self._check_examples()
        self._listed = self._candidates(candidates)
        self._groups = self._grouped({parameter: parameter._data for parameter in self.parameters})

    def best(self) -> Update:
        """The values to keep: the present ones, unless others are clearly better."""
        found: Update = {}
        for group in self._groups:
            found.update(group.values(self._kept(group)))
        return found

    def estimates(self) -> list[dict[str, Any]]:
        """What is known of each arm: dicts of `values` by `py_name`, `count`, and `score`, the mean or None."""
        known = []
        for group in self._groups:
            for number, tally in enumerate(group.tallies):
                values = {parameter.py_name: value for parameter, value in group.values(number).items()}
                score = self.score_range.score(tally.mean) if tally.count else None
                known.append({"values": values, "count": tally.count, "score": score})
        return known

    # ---- the step

    def _sample(self) -> Update:
        if self.score is not None:
            for number in range(self.batch):
                if not self._try(number):
                    break
            return self._changed(self.best())
        tried = self._tried()
        if tried is None:
            return {}
        self._learn(tried)
        chosen: Update = {}
        for group in self._groups:
            chosen.update(group.values(self._next(group, 0)))
        return self._changed(chosen)

    def _try(self, number: int) -> bool:
        """Score the next values; whether any were left to be scored."""
        open_arms = [[arm for arm in range(len(group.arms)) if self._left(group, arm)] for group in self._groups]
        if not all(open_arms):
            if not number:
                warnings.warn("Every value has been scored on all examples.", OptoWarning, stacklevel=5)
            return False
        values: Update = {}
        items: list[Any] | None = None
        for group, arms in zip(self._groups, open_arms, strict=True):
            arm = self._next(group, number, arms)
            values.update(group.values(arm))
            items = self._left(group, arm)[: self.minibatch] if self.examples is not None else None
        self._learn(self._evaluate(values) if items is None else self._evaluate(values, items), items)
        return True

    def _left(self, group: _Group, arm: int) -> list[Any]:
        """The examples that an arm has not met; something that is not empty where there are no examples."""
        return [None] if self.examples is None else self.examples[group.tallies[arm].count :]

    def _next(self, group: _Group, number: int, arms: Sequence[int] | None = None) -> int:
        """The arm to try, one of `arms` if they are given."""
        among = range(len(group.arms)) if arms is None else arms
        if group.tallies[group.present].count < self.least and group.present in among:
            return group.present
        place = self._groups.index(group)
        return among[self.rule([group.tallies[arm] for arm in among], self._random(f"{place}/{number}"))]

    def _learn(self, tried: Evaluation, items: Sequence[Any] | None = None) -> None:
        rewards = [*(self.score_range.reward(score) for score in tried.scores), *([0.0] * tried.failures)]
        in_order = not tried.failures
        if items is not None and not tried.scores:  # the whole evaluation failed, so the order of failures is known
            rewards, in_order = [0.0] * len(items), True
        if items is not None and len(rewards) != len(items):
            raise ValueError(f"score must return {len(items)} numbers, one for each example, got {len(rewards)}.")
        for group in self._groups:
            arm = group.arm(tried.values)
            if arm is None:
                continue
            for reward in rewards:
                group.tallies[arm].add(reward)
            if items is not None:
                group.extend(arm, rewards if in_order else None)

    def _kept(self, group: _Group) -> int:
        rivals = [arm for arm in range(len(group.tallies)) if arm != group.present]
        rivals.sort(key=lambda arm: -group.tallies[arm].mean)
        for arm in rivals:
            challenger, present = group.evidence(arm, paired=self.examples is not None)
            if clearly_better(
                challenger, present, width=1.0, confidence=self.confidence, rivals=len(rivals), least=self.least
            ):
                return arm
        return group.present

    def _check_examples(self) -> None:
        if self.examples is None:
            return
        if self.score is None:
            raise ValueError("examples need score=, a function of values and examples.")
        if not self.examples:
            raise ValueError("examples must hold at least one example, got none.")
        if len(self.parameters) > 1 and not self.joint:
            raise ValueError(
                f"examples for {len(self.parameters)} parameters need joint=True: a bandit for each would mix the "
                "examples that its values meet."
            )

    # ---- candidates

    def _candidates(self, given: Any) -> dict[ParameterNode[Any], Choices]:
        """The listed or declared values of each parameter."""
        if given is not None and not isinstance(given, Mapping):
            if len(self.parameters) != 1:
                raise TypeError(
                    f"candidates must be a dict of lists by parameter for {len(self.parameters)} parameters, "
                    f"got {given!r}."
                )
            given = {self.parameters[0]: given}
        unused = dict(given or {})
        found = {}
        for parameter in self.parameters:
            listed = unused.pop(parameter, None)
            listed = unused.pop(parameter.py_name, None) if listed is None else listed
            found[parameter] = Choices(_declared(parameter) if listed is None else listed)
        if unused:
            raise ValueError(f"candidates names {list(unused)!r}, which are not among the parameters.")
        return found

    def _grouped(self, present: Update) -> list[_Group]:
        """Groups without evidence; a present value that is not listed is the last candidate of its parameter."""
        choices = {each: Choices([*listed.values, present[each]]) for each, listed in self._listed.items()}
        together = [self.parameters] if self.joint else [[parameter] for parameter in self.parameters]
        return [_Group.of(group, choices, present) for group in together]

    # ---- keeping

    def state_dict(self) -> dict[str, Any]:
        """Also the value that was in place at first, the scores of each arm, their number, mean and spread.

        A listed value stands in it as its place in the list, another one as itself.
        """
        present = []
        for group in self._groups:
            for parameter, value in group.values(group.present).items():
                place = self._listed[parameter].index(value)
                present.append({"value": value} if place is None else {"place": place})
        arms = [[[t.count, t.mean, t.squares] for t in group.tallies] for group in self._groups]
        series = [[None if each is None else list(each) for each in group.series] for group in self._groups]
        return {**super().state_dict(), "present": present, "arms": arms, "series": series}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`; the listed candidates and the examples are those of this optimizer.

        Raises:
            ValueError: the state is of another optimizer, or of other numbers of candidates.
        """
        present = state.get("present", [])
        wrong = ValueError("state must be of a Select with as many candidates.")
        if len(present) != len(self.parameters):
            raise wrong
        first: Update = {}
        for (parameter, listed), each in zip(self._listed.items(), present, strict=True):
            if "place" in each and each["place"] >= len(listed):
                raise wrong
            first[parameter] = listed.values[each["place"]] if "place" in each else each["value"]
        groups = self._grouped(first)
        if [len(group) for group in state["arms"]] != [len(group.tallies) for group in groups]:
            raise wrong
        super().load_state_dict(state)
        self._groups = groups
        for group, tallies, series in zip(groups, state["arms"], state["series"], strict=True):
            group.tallies = [Tally(int(count), float(mean), float(squares)) for count, mean, squares in tallies]
            group.series = [None if each is None else list(each) for each in series]


@dataclass(eq=False)
class _Group:
    """Parameters whose values are chosen as one; arm `present` is what was in place at first."""

    parameters: list[ParameterNode[Any]]
    choices: list[Choices]
    arms: list[tuple[int, ...]]
    present: int = 0
    tallies: list[Tally] = field(default_factory=list)
    series: list[list[float] | None] = field(default_factory=list)

    @classmethod
    def of(cls, parameters: Sequence[ParameterNode[Any]], choices: Mapping[Any, Choices], present: Update) -> _Group:
        own = [choices[parameter] for parameter in parameters]
        count = math.prod(len(each) for each in own)
        if count > _MOST_COMBINATIONS:
            raise ValueError(f"joint=True makes {count} combinations, at most {_MOST_COMBINATIONS} can be told apart.")
        arms = list(itertools.product(*(range(len(each)) for each in own)))
        group = cls(list(parameters), own, arms, tallies=[Tally() for _ in arms], series=[[] for _ in arms])
        group.present = group.arm(present) or 0
        return group

    def values(self, arm: int) -> Update:
        pairs = zip(self.parameters, self.choices, self.arms[arm], strict=True)
        return {parameter: choices.values[index] for parameter, choices, index in pairs}

    def extend(self, arm: int, rewards: Sequence[float] | None) -> None:
        """Keep the rewards of an arm in the order of the examples; None where that is not known."""
        before = self.series[arm]
        self.series[arm] = None if rewards is None or before is None else [*before, *rewards]

    def evidence(self, arm: int, *, paired: bool) -> tuple[Sequence[float] | Tally, Sequence[float] | Tally]:
        """What is known of an arm and of the present one: of the examples that both have met, if rewards are paired."""
        mine, other = self.series[arm], self.series[self.present]
        if not paired or mine is None or other is None:
            return self.tallies[arm], self.tallies[self.present]
        met = min(len(mine), len(other))
        return mine[:met], other[:met]

    def arm(self, values: Update) -> int | None:
        """Which arm some values are; None for values that are no candidates."""
        indices = []
        for parameter, choices in zip(self.parameters, self.choices, strict=True):
            index = choices.index(values.get(parameter, parameter._data))
            if index is None:
                return None
            indices.append(index)
        return self.arms.index(tuple(indices))


def _declared(parameter: ParameterNode[Any]) -> Sequence[Any]:
    domain = domain_of(parameter)
    if isinstance(domain, Choices):
        return domain.values
    if isinstance(domain, Range) and (domain.whole or domain.step is not None) and not domain.log:
        values = domain.values()
        if len(values) <= _MOST_COMBINATIONS:
            return values
    raise ValueError(
        f"parameters must have candidates, but {parameter.py_name} has none: give candidates={{parameter: [...]}} or "
        "node(..., constraint=Choices([...]))."
    )
