"""The tests that strategies of search must pass, a class for each kind, to be subclassed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from opto.runs import codec
from opto.testing.search_problem import SearchProblem
from opto.testing.search_suite import FORGOTTEN, UNLIKE, Killed, KilledAfter, Silent, told, trained
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.outcomes import Outcome
from opto.trainer.run import Run
from opto.trainer.search import Search
from opto.trainer.strategies.acceptance import OnValidation

__all__ = [
    "AcceptanceSuite",
    "ExampleSelectorSuite",
    "ParentSelectorSuite",
    "ProposerSuite",
    "ScreeningSuite",
    "StoppingSuite",
    "StrategySuite",
]


class StrategySuite:
    """What the suites for each kind of strategy have in common. A subclass of one of them says how to make one:

        class TestOldest(ParentSelectorSuite):
            def make(self):
                return Oldest()

    Attributes:
        role: which part of a `Search` it is.
        method: the one method of its protocol.
        plan: options of `train` for each test.
        killed_after: after how many steps the process of a run is to end, in the test of going on.
    """

    role = ""
    method = ""
    plan: dict[str, Any] = {"num_steps": 7, "num_proposals": 2, "score_range": (0, 1)}
    killed_after = 3

    def make(self) -> Any:
        """A new strategy."""
        raise NotImplementedError("a subclass of a suite must define make(self)")

    def make_problem(self) -> Any:
        """A problem made anew, in the shape of a `SearchProblem`."""
        return SearchProblem(seed=5, skills=4, known=1)

    def make_search(self, problem: Any, strategy: Any) -> Search:
        """A search with the strategy in its place."""
        parts: dict[str, Any] = {"acceptance": OnValidation(), self.role: strategy}
        return Search(problem.agent, problem.optimizer, 1, Silent(), **parts)  # type: ignore[arg-type]

    def _trained(
        self, check: Callable[..., None] | None = None, killed_after: int | None = None, **options: Any
    ) -> Outcome:
        """Train with the strategy; `check` gets the run, the arguments and the result of each call of it."""
        problem, strategy = self.make_problem(), self.make()
        search = self.make_search(problem, strategy if check is None else _Watched(strategy, self.method, check))
        if killed_after is not None:
            search.stopping.append(KilledAfter(killed_after))
        return trained(search, problem, **{**self.plan, **options})

    def test_same_seed_same_run(self) -> None:
        """What it does depends on the run alone: the same seed gives the same run, whatever else draws numbers."""
        random.seed(1)
        first = self._trained()
        random.seed(2)
        assert told(first.archive) == told(self._trained().archive), UNLIKE

    def test_goes_on_where_it_was(self, tmp_path: Path) -> None:
        """A run whose process ended goes on with a new strategy, and ends as one that was left alone."""
        alone = self._trained(run_dir=tmp_path / "alone")
        with pytest.raises(Killed):
            self._trained(run_dir=tmp_path / "killed", killed_after=self.killed_after)
        resumed = self._trained(run_dir=tmp_path / "killed", resume=True)
        assert told(resumed.archive) == told(alone.archive), FORGOTTEN

    def test_budget_is_never_passed(self) -> None:
        """The program is run no more often than the plan allows."""
        for budget in (0, 7, 40):
            outcome = self._trained(max_evaluations=budget)
            assert outcome.evaluations <= budget, (
                "run the program by run.evaluate and run.roll_out only: they keep count"
            )

    def test_state_is_plain_data(self) -> None:
        """A strategy with a state gives it as data that can be written, and takes it back."""
        strategy = self.make()
        if not hasattr(strategy, "state_dict"):
            assert not hasattr(strategy, "load_state_dict"), "it takes a state and gives none: add state_dict"
            return
        state = strategy.state_dict()
        read = codec.loads(codec.dumps(state, kind="state"), kind="state")
        assert read == state, "state_dict is not read as it was written: it must be plain data, with texts for keys"
        again = self.make()
        again.load_state_dict(state)
        assert again.state_dict() == state, "load_state_dict does not take over all that state_dict gives"


class _Watched:
    """A strategy of which each call is checked."""

    def __init__(self, strategy: Any, method: str, check: Callable[..., None]) -> None:
        self._strategy, self._method, self._check = strategy, method, check

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._strategy, name)
        if name != self._method:
            return found

        def watched(run: Run, *args: Any) -> Any:
            before = run.counts.evaluations
            copies = [list(each) for each in args]
            result = found(run, *args)
            self._check(run, copies, result, run.counts.evaluations - before)
            return result

        return watched


class ParentSelectorSuite(StrategySuite):
    """Contract tests of a `ParentSelector`."""

    role, method = "parents", "pick"

    def test_picks_accepted_candidates(self) -> None:
        """It picks at least one candidate, all different and accepted, and runs nothing for it."""
        calls: list[int] = []

        def check(run: Run, args: Any, picked: list[ModuleCandidate], paid: int) -> None:
            calls.append(len(picked))
            assert picked, "no parent was picked: fall back to [run.best]"
            assert all(each.status == "accepted" for each in picked), (
                "a parent was rejected: pick of run.archive.accepted"
            )
            assert len({each.number for each in picked}) == len(picked), "a parent was picked twice"
            assert paid == 0, "picking parents cost evaluations: go by the scores that candidates have"

        self._trained(check)
        assert len(calls) == self.plan["num_steps"], f"{self.method} was called {len(calls)} times in as many steps"


class ExampleSelectorSuite(StrategySuite):
    """Contract tests of an `ExampleSelector`."""

    role, method = "examples", "pick"

    def test_picks_places_of_training_examples(self) -> None:
        """It picks at least one place, and runs nothing for it."""

        def check(run: Run, args: Any, places: list[int], paid: int) -> None:
            count = len(run.data.train)
            assert len(places) >= 1, "no example was picked: fall back to those of run.loader"
            wrong = [place for place in places if type(place) is not int or not 0 <= place < count]
            assert not wrong, f"places of training examples are ints from 0 to {count - 1}, it picked {wrong[0]!r}"
            assert paid == 0, "picking examples cost evaluations: go by the scores that candidates have"

        self._trained(check)

    def test_takes_batches_larger_than_the_dataset(self) -> None:
        """Also where a batch is to have more examples than there are."""
        self._trained(lambda run, args, places, paid: None, batch_size=50)


class ProposerSuite(StrategySuite):
    """Contract tests of a `Proposer`."""

    role, method = "proposer", "propose"

    def test_proposes_new_candidates(self) -> None:
        """What it proposes is in the archive, not yet judged, has parents there, and says why it was proposed."""

        def check(run: Run, args: Any, made: list[ModuleCandidate], paid: int) -> None:
            for each in made:
                assert run.archive[each.number] is each, "a candidate is not in the archive: make it by run.new"
                assert each.status == "proposed", (
                    f"a proposer does not judge, and candidate {each.number} is {each.status}"
                )
                assert each.parents, "a candidate has no parent: give run.new those that it was made from"
                known = all(run.archive[parent.number] is parent for parent in each.parents)
                assert known, "a parent is not in the archive: make new ones from candidates of this run only"
                assert each.reason, "a candidate has no reason: say in run.new(reason=...) why it was proposed"
                assert each.step == run.counts.steps + 1, (
                    "it proposed a candidate of an earlier step again: make it anew"
                )

        self._trained(check)


class ScreeningSuite(StrategySuite):
    """Contract tests of a `Screening`."""

    role, method = "screening", "keep"

    def test_rejects_what_it_does_not_keep(self) -> None:
        """It keeps some of the candidates in their order, rejects the others with a reason, and runs nothing."""

        def check(run: Run, args: Sequence[Any], kept: list[ModuleCandidate], paid: int) -> None:
            given = [each.number for each in args[0]]
            numbers = [each.number for each in kept]
            ordered = [number for number in given if number in numbers]
            assert ordered == numbers, f"of candidates {given} it kept {numbers}: return some of them, in their order"
            for each in args[0]:
                if each.number not in numbers:
                    assert each.status == "rejected", f"candidate {each.number} is not kept: call run.archive.reject"
                    assert each.verdict, f"candidate {each.number} was rejected without a word: give a verdict"
                else:
                    assert each.status == "proposed", (
                        f"candidate {each.number} was kept, and is {each.status}: do not judge it"
                    )
            assert paid == 0, "screening cost evaluations: it is to save them"

        self._trained(check, num_proposals=3)

    def test_keeps_nothing_of_nothing(self) -> None:
        """Without candidates there is nothing to keep."""

        def check(run: Run, args: Any, kept: list[ModuleCandidate], paid: int) -> None:
            assert self.make().keep(run, []) == [], "of no candidates none can be kept: return []"

        self._trained(check, num_steps=1)


class AcceptanceSuite(StrategySuite):
    """Contract tests of an `Acceptance`."""

    role, method = "acceptance", "judge"

    def test_judges_every_candidate(self) -> None:
        """Each candidate is accepted or rejected with a verdict, and the best one is an accepted one."""

        def check(run: Run, args: Sequence[Any], result: None, paid: int) -> None:
            for each in args[0]:
                judged = each.status in ("accepted", "rejected")
                assert judged, f"candidate {each.number} was not judged: call run.archive.accept or reject for each"
                assert each.verdict, f"candidate {each.number} was {each.status} without a word: give a verdict"
                listed = any(other is each for other in run.archive.accepted)
                assert listed == (each.status == "accepted"), (
                    "a status was set by hand: call run.archive.accept or reject"
                )
            assert run.best.status == "accepted", "the best candidate was not accepted: do so before run.replace_best"

        self._trained(check)

    def test_pinned_examples_do_not_get_worse(self) -> None:
        """The best candidate is nowhere worse than the initial values, where all examples are pinned and it was run."""

        def check(run: Run, args: Any, result: None, paid: int) -> None:
            first, best = run.archive[0].table(run.validation), run.best.table(run.validation)
            for place in run.plan.pinned:
                if place in first and place in best:
                    kept = best.mean_at(place) >= first.mean_at(place)
                    assert kept, f"the best is worse at pinned example {place}: leave out what `unregressed` leaves out"

        self._trained(check, pinned=tuple(range(12)))


class StoppingSuite(StrategySuite):
    """Contract tests of a `Stopping` rule."""

    role, method = "stopping", "reached"
    killed_after = 1

    def make_search(self, problem: Any, strategy: Any) -> Search:
        """A search with the rule among others."""
        search = Search(problem.agent, problem.optimizer, 1, Silent())  # type: ignore[arg-type]
        search.stopping.append(strategy)
        return search

    def test_says_why_or_nothing(self) -> None:
        """It says why a run ends, in words, or None, and runs nothing; a run ends where it says why."""
        said: list[Any] = []

        def check(run: Run, args: Any, why: Any, paid: int) -> None:
            said.append(why)
            assert why is None or (isinstance(why, str) and why), f"expected a text or None, got {why!r}"
            assert paid == 0, "a stopping rule cost evaluations: go by the scores that candidates have"

        outcome = self._trained(check)
        assert all(why is None for why in said[:-1]), "it was asked again after it had given a reason"
        if said[-1] is not None:
            assert outcome.stopped == said[-1], f"it said {said[-1]!r}, and the run ended for {outcome.stopped!r}"
