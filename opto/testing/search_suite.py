"""The tests that every search algorithm must pass, to be subclassed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from opto.testing.search_problem import SearchProblem
from opto.trainer.outcomes import Outcome
from opto.trainer.pool.archive import Archive
from opto.trainer.run import Run
from opto.trainer.search import Search

__all__ = ["FORGOTTEN", "UNLIKE", "Killed", "KilledAfter", "SearchSuite", "Silent", "told", "trained"]


UNLIKE = (
    "a second run with the same seed differs: draw from run.random only, and go by no clock, thread or global state"
)
FORGOTTEN = "a resumed run differs: derive what counts from run.archive, or have state_dict and load_state_dict for it"
_OTHER_VALUES = "the program has other values than the best candidate: set them by run.replace_best, in no other way"


class Silent:
    """A logger that says nothing."""

    def log(self, name: str, data: Any, step: int, **options: Any) -> None:
        """Nothing is done."""


class Killed(Exception):  # noqa: N818  # it stands for the end of a process
    """Raised where a process would have ended."""


class KilledAfter:
    """A stopping rule that ends a run as if its process had ended."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def reached(self, run: Run) -> str | None:
        """Raise, once so many steps are completed."""
        if run.counts.steps == self.steps:
            raise Killed
        return None


class SearchSuite:
    """Contract tests of a search algorithm. A subclass whose name begins with "Test" says how to make one:

        class TestMine(SearchSuite):
            def make(self, problem):
                return Mine(problem.agent, problem.optimizer)

    Attributes:
        plan: options of `train` for each test.
        copies_only: set to True for an algorithm that needs programs that can be copied.
    """

    plan: dict[str, Any] = {"num_steps": 6, "score_range": (0, 1)}
    copies_only = False

    def make(self, problem: Any) -> Search:
        """The algorithm, for a problem."""
        raise NotImplementedError("a subclass of SearchSuite must define make(self, problem)")

    def make_problem(self, *, copyable: bool = True) -> Any:
        """A problem made anew, in the shape of a `SearchProblem`."""
        return SearchProblem(seed=3, copyable=copyable)

    def _trained(self, problem: Any, threads: int = 1, killed_after: int | None = None, **options: Any) -> Outcome:
        search = self.make(problem)
        search.num_threads, search.logger = threads, Silent()
        if killed_after is not None:
            search.stopping.append(KilledAfter(killed_after))
        return trained(search, problem, **{**self.plan, **options})

    def test_same_seed_same_run(self) -> None:
        """A seed gives the same run, whatever else draws numbers and with however many threads."""
        random.seed(1)
        first = self._trained(self.make_problem(), threads=1)
        random.seed(2)
        second = self._trained(self.make_problem(), threads=8)
        assert told(first.archive) == told(second.archive), UNLIKE
        assert (first.best.number, first.evaluations) == (second.best.number, second.evaluations), UNLIKE

    @pytest.mark.parametrize("budget", [1, 30, 77])
    def test_budget_is_never_passed(self, budget: int) -> None:
        """The program is run no more often than the plan allows, and what was run is counted."""
        problem = self.make_problem()
        outcome = self._trained(problem, max_evaluations=budget, num_steps=50)
        runs, counted = problem.agent.runs.count, outcome.evaluations
        assert runs <= counted, (
            f"of {runs} runs {counted} were counted: run the program by run.evaluate and run.roll_out"
        )
        assert counted <= budget, f"{counted} evaluations were bought of {budget}: do not catch Exhausted"

    def test_goes_on_where_it_was(self, tmp_path: Path) -> None:
        """A run whose process ended goes on with new objects, and ends as one that was left alone."""
        alone = self._trained(self.make_problem(), run_dir=tmp_path / "alone")
        with pytest.raises(Killed):
            self._trained(self.make_problem(), run_dir=tmp_path / "killed", killed_after=3)
        resumed = self._trained(self.make_problem(), run_dir=tmp_path / "killed", resume=True)
        assert told(resumed.archive) == told(alone.archive), FORGOTTEN
        assert resumed.best.number == alone.best.number, FORGOTTEN
        assert (resumed.steps, resumed.evaluations) == (alone.steps, alone.evaluations), FORGOTTEN

    def test_program_has_the_best_values(self) -> None:
        """In the end the program has the values of the best candidate, which was accepted."""
        problem = self.make_problem()
        outcome = self._trained(problem)
        assert {each: each.data for each in problem.optimizer.parameters} == outcome.best.update_dict, _OTHER_VALUES
        assert outcome.best.status == "accepted", "the best was not accepted: run.archive.accept, then run.replace_best"

    def test_program_has_the_best_values_after_an_error(self) -> None:
        """That holds, too, when the run ends in an error."""
        problem = self.make_problem()
        search = self.make(problem)
        search.logger = Silent()
        search.stopping.append(KilledAfter(4))
        with pytest.raises(Killed):
            trained(search, problem, **self.plan)
        assert search.run is not None, "train did not set `run`: call super().train"
        assert {each: each.data for each in problem.optimizer.parameters} == search.run.best.update_dict, _OTHER_VALUES

    def test_every_candidate_has_a_verdict(self) -> None:
        """Each candidate of a run that was not cut short was accepted or rejected for a reason, and has an origin."""
        for each in self._trained(self.make_problem()).archive:
            assert each.status in ("accepted", "rejected"), f"candidate {each.number} was left {each.status}"
            assert each.verdict, f"candidate {each.number} was {each.status} without a word"
            assert each.reason, f"nobody says why candidate {each.number} was proposed"
            older = all(parent.number < each.number for parent in each.parents)
            assert older, f"candidate {each.number} is older than a parent: make candidates by run.new"

    def test_works_for_a_program_that_cannot_be_copied(self) -> None:
        """A program that reads its parameters from around it is searched as well."""
        if self.copies_only:
            pytest.skip("this algorithm does not promise it")
        problem = self.make_problem(copyable=False)
        outcome = self._trained(problem)
        assert len(outcome.archive) > 1, (
            "nothing was proposed: use one stage at a time where run.stages.copyable is False"
        )
        assert {each: each.data for each in problem.optimizer.parameters} == outcome.best.update_dict, _OTHER_VALUES


def trained(search: Search, problem: Any, **options: Any) -> Outcome:
    """What comes of training on a problem."""
    return search.train(problem.guide, problem.train_dataset, validate_dataset=problem.validate_dataset, **options)


def told(archive: Archive) -> list[dict[str, Any]]:
    """All that a run tells of its candidates, to be compared; without what they cost, which is never the same twice."""
    return [
        {
            "number": each.number,
            "step": each.step,
            "parents": [parent.number for parent in each.parents],
            "values": [repr(value) for value in each.update_dict.values()],
            "status": each.status,
            "verdict": each.verdict,
            "reason": each.reason,
            "scores": {
                split: sorted((place, list(scores)) for place, scores in table.items())
                for split, table in sorted(each.scores.items())
                if len(table)
            },
        }
        for each in archive
    ]
