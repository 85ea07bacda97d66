"""The relatives of priority search: one at a time, in beams, streaming, by fronts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import opto.trainer.algorithms as algorithms
from opto.trainer.algorithms import (
    POLCA,
    BeamSearch,
    ParetobasedPS,
    PrioritySearch,
    SequentialSearch,
    SequentialUpdate,
    StreamingPrioritySearch,
)
from opto.trainer.algorithms.algorithm import AlgorithmBase, Trainer
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.priority.example_wins import ExampleWins
from tests.trainer.algorithms.searching import Adder, Near, OlderWalk, Silent, Walk, data

FAMILY = [BeamSearch, ParetobasedPS, PrioritySearch, SequentialSearch, SequentialUpdate, StreamingPrioritySearch]


def trained(kind: Any, optimizer: Any = Walk, **options: Any) -> Any:
    """A search that was trained, and its outcome."""
    agent = Adder()
    algorithm = kind(agent, optimizer(agent.parameters()), logger=Silent())
    options = {"guide": Near(), "train_dataset": data(), "num_steps": 6, **options}
    return algorithm, algorithm.train(**options)


def history(outcome: Any) -> list[Any]:
    """All that a run found, as plain data."""
    found = [(each.number, list(each.values.values()), each.status, each.verdict) for each in outcome.archive]
    return [*found, outcome.best.number, outcome.score]


def test_all_names_are_where_existing_programs_import_them_from() -> None:
    """From `opto.trainer.algorithms`, and the base from `.algorithm`."""
    for name in algorithms.__all__:
        assert getattr(algorithms, name).__name__ == {"AlgorithmBase": "Trainer"}.get(name, name)
    assert set(algorithms.__all__) <= set(dir(algorithms))
    assert AlgorithmBase is Trainer is algorithms.Trainer
    assert issubclass(POLCA, PrioritySearch)


def test_importing_the_package_of_algorithms_imports_none() -> None:
    """Names are looked up when they are asked for."""
    code = (
        "import sys, opto.trainer.algorithms; "
        "assert not [each for each in sys.modules if each.startswith('opto.trainer.algorithms.')]; "
        "assert 'opto.optimizers' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("kind", FAMILY)
def test_each_finds_better_values(kind: Any) -> None:
    """With an optimizer that goes the right way."""
    _, outcome = trained(kind, OlderWalk, num_steps=4)
    assert outcome.steps == 4
    assert outcome.best.number > 0


@pytest.mark.parametrize("kind", FAMILY)
def test_each_is_the_same_with_any_number_of_threads_and_after_a_stop(kind: Any, tmp_path: Path) -> None:
    """A run of ten steps, and one of four that is gone on with."""
    options: dict[str, Any] = {"num_steps": 10, "batch_size": 2, "seed": 5}
    expected = history(trained(kind, num_threads=1, **options)[1])
    assert history(trained(kind, num_threads=8, **options)[1]) == expected
    trained(kind, **{**options, "num_steps": 4}, run_dir=tmp_path)
    assert history(trained(kind, **options, run_dir=tmp_path, resume=True)[1]) == expected


UNEVEN = {"inputs": list(range(8)), "infos": [x + more for x, more in enumerate([1, 9, 2, 8, 3, 7, 0, 10])]}


@pytest.mark.parametrize("when", [6, 10])
def test_candidates_that_come_back_begin_with_a_new_optimizer_state(when: int, tmp_path: Path) -> None:
    """What was dropped from the memory has no state any more, also where the file of a stopped run holds an old one."""
    options: dict[str, Any] = {"num_steps": 14, "batch_size": 2, "seed": 0, "train_dataset": UNEVEN}
    expected = history(trained(BeamSearch, **options)[1])
    trained(BeamSearch, **{**options, "num_steps": when}, run_dir=tmp_path)
    assert history(trained(BeamSearch, **options, run_dir=tmp_path, resume=True)[1]) == expected


@pytest.mark.parametrize("plan", [{"confidence": 0.8}, {"pinned": (1, 4)}, {"confidence": 0.7, "pinned": (0,)}])
@pytest.mark.parametrize("kind", [each for each in FAMILY if each is not SequentialUpdate])
def test_each_keeps_to_the_plan_and_is_the_same_after_a_stop(kind: Any, plan: dict[str, Any], tmp_path: Path) -> None:
    """What must be proved, and must not get worse, does not depend on stops either."""
    options: dict[str, Any] = {"num_steps": 12, "batch_size": 2, "train_dataset": UNEVEN, "num_proposals": 2, **plan}
    _, expected = trained(kind, **options)
    for when in (3, 8):
        folder = tmp_path / str(when)
        trained(kind, **{**options, "num_steps": when}, run_dir=folder)
        assert history(trained(kind, **options, run_dir=folder, resume=True)[1]) == history(expected)
    first = expected.archive[0].table("train")
    for each in expected.archive:
        table = each.table("train")
        if each.status == "accepted":
            assert all(table.mean_at(place) >= first.mean_at(place) for place in plan.get("pinned", ()))
    assert expected.best.status == "accepted"
    if "confidence" in plan and expected.best.number:
        assert "against" in expected.best.verdict


def test_what_validates_nothing_can_prove_nothing() -> None:
    """`SequentialUpdate` refuses what it could not keep to."""
    for plan in ({"confidence": 0.9}, {"pinned": (1,)}):
        with pytest.raises(ValueError, match="SequentialUpdate validates nothing"):
            trained(SequentialUpdate, **plan)


def test_sequential_search_keeps_the_better_of_two() -> None:
    """Its memory has room for one."""
    algorithm, outcome = trained(SequentialSearch, num_steps=10, batch_size=5)
    assert len(algorithm.memory) == 1
    assert algorithm.memory.best[1] is outcome.best
    assert all(len(each.parents) <= 1 for each in outcome.archive)


def test_sequential_update_takes_what_comes() -> None:
    """Nothing is validated: one rollout for each example of a minibatch, and the last candidate is the best."""
    algorithm, outcome = trained(SequentialUpdate, OlderWalk, num_steps=7, batch_size=2)
    assert outcome.evaluations == 7 * 2
    assert algorithm.agent.number.data == 8.0  # one more in each step, although 6 was right


def test_a_beam_is_explored_whole() -> None:
    """As many candidates stay as the beam is wide, and each of them is explored again."""

    class Watched(BeamSearch):
        explored: list[int] = []

        def explore(self, **kwargs):
            found = super().explore(**kwargs)
            self.explored.append(len(found[0]))
            assert len(self.memory) == 0
            return found

    algorithm, _ = trained(Watched, beam_width=3, num_proposals=2, batch_size=5)
    assert len(algorithm.memory) == 3
    assert Watched.explored[-1] == 3
    assert max(Watched.explored) == 3


def test_streaming_goes_on_scoring_old_candidates() -> None:
    """Of four candidates two are proposed from, the other two are only run."""

    class Watched(StreamingPrioritySearch):
        counts: list[tuple[int, int]] = []

        def explore(self, **kwargs):
            found = super().explore(**kwargs)
            self.counts.append((len(found[0]), len(self._leading)))
            return found

        def propose(self, samples, verbose, n_proposals):
            made = super().propose(samples, verbose, n_proposals)
            assert len(made) == len(self._leading) * n_proposals or self.n_iters == 1
            return made

    algorithm, _ = trained(Watched, num_candidates=4, num_proposals=2, num_steps=12, exploration_temperature=0.3)
    assert Watched.counts[-1] == (4, 2)
    rollouts = sorted(candidate.num_rollouts for _, candidate in algorithm.memory)
    assert rollouts[len(rollouts) // 2] > 1
    with pytest.raises(ValueError, match="exploration_ratio"):
        trained(StreamingPrioritySearch, exploration_ratio=0.0)
    with pytest.raises(ValueError, match="exploration_temperature"):
        trained(StreamingPrioritySearch, exploration_temperature=0.0)


def test_the_front_over_examples_is_what_wins_somewhere() -> None:
    """A candidate with a low mean is on it if it is the best on one example."""
    agent = Adder()
    scores = {1.0: {0: 0.9, 1: 0.9}, 2.0: {2: 0.3}, 3.0: {0: 0.5, 1: 0.8}, 4.0: {1: 0.9}}
    wins = ExampleWins("train")
    for value, table in scores.items():
        candidate = ModuleCandidate(agent, {agent.number: value})
        for place, score in table.items():
            candidate.table("train").add(place, score)
        wins.put(candidate)
    assert {candidate.update_dict[agent.number]: count for candidate, count in wins.counts()} == {
        1.0: 2,
        2.0: 1,
        4.0: 1,
    }


def test_fronts_are_explored_before_the_rest() -> None:
    """The log tells how many came from the front; none is lost from the memory on the way."""
    algorithm, outcome = trained(ParetobasedPS, num_candidates=3, num_steps=10)
    told = [value for name, value, _ in algorithm.logger.lines if name == "Explored from the front"]
    assert max(told) == 2
    judged = {each.key for each in outcome.archive if each.rollouts}
    assert len(algorithm.memory) == len(judged)


def test_options_of_relatives_are_saved_with_the_others(tmp_path: Path) -> None:
    """What is loaded goes on with the ratio that it had."""
    trained(StreamingPrioritySearch, exploration_ratio=0.25, save_frequency=1, save_path=tmp_path)
    loaded = StreamingPrioritySearch.load(tmp_path)
    outcome = loaded.resume(model=Adder(), train_dataset=data(), num_steps=7)
    assert outcome.steps == 7
    assert loaded._ratio == 0.25
