"""Priority search: its hooks, its memories, what it pays for, and how it goes on."""

from __future__ import annotations

import copy
import math
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from opto.optimizers import OptoPrimeV2
from opto.trace import node
from opto.trainer.algorithms.priority_search import HeapMemory, ModuleCandidate, ParetoHeapMemory, PrioritySearch
from opto.trainer.objectives import ObjectiveConfig
from opto.utils.llm import DummyLLM
from tests.trainer.algorithms.searching import (
    Adder,
    Near,
    Nothing,
    OlderWalk,
    Silent,
    TwoScores,
    Walk,
    data,
    plus,
    says_five,
)


class Watched(PrioritySearch):
    """A search that notes what its hooks see, and checks what the contract says of them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seen: list[Any] = []

    def propose(self, samples, verbose, n_proposals):
        candidates = super().propose(samples, verbose=verbose, n_proposals=n_proposals)
        assert isinstance(candidates, list)
        assert all(isinstance(each, ModuleCandidate) for each in candidates)
        assert len(candidates) == samples.n_batchrollouts * self.num_proposals
        self.seen.append(("propose", self.n_iters, len(candidates)))
        return candidates

    def validate(self, candidates, samples, verbose):
        results = super().validate(candidates, samples, verbose=verbose)
        for candidate, rollouts in results.items():
            assert isinstance(candidate, ModuleCandidate)
            assert all({"module", "x", "info", "target", "score", "feedback"} <= each.keys() for each in rollouts)
        self.seen.append(("validate", self.n_iters, results))
        return results

    def exploit(self, **kwargs):
        candidate, priority, info = super().exploit(**kwargs)
        assert isinstance(candidate, ModuleCandidate)
        assert isinstance(info, dict)
        self.seen.append(("exploit", self.n_iters, candidate))
        return candidate, priority, info

    def explore(self, **kwargs):
        best = self._best_candidate
        candidates, priorities, info = super().explore(**kwargs)
        assert isinstance(info, dict)
        assert len(candidates) == len(priorities) <= self.num_candidates
        if self.use_best_candidate_to_explore:
            assert candidates[0] is best
        self.seen.append(("explore", self.n_iters, candidates))
        return candidates, priorities, info


def search(kind: type[PrioritySearch] = Watched, optimizer: Any = None, **threads: Any) -> Any:
    """A search for the number to add."""
    agent = Adder()
    made = Walk(agent.parameters(), seed=3) if optimizer is None else optimizer(agent.parameters())
    return kind(agent, made, logger=Silent(), **threads)


def trained(kind: type[PrioritySearch] = Watched, optimizer: Any = None, guide: Any = None, **options: Any) -> Any:
    """A search that was trained, and its outcome."""
    algorithm = search(kind, optimizer)
    options = {"num_steps": 4, "num_candidates": 2, "train_dataset": data(), **options}
    outcome = algorithm.train(guide=guide or Near(), **options)
    return algorithm, outcome


def value(candidate: Any) -> Any:
    """The only value of a candidate."""
    (found,) = candidate.values.values()
    return found


def history(outcome: Any) -> list[Any]:
    """All that a run found, as plain data."""
    return [
        (each.number, value(each), [p.number for p in each.parents], each.status, each.verdict, each.reason)
        for each in outcome.archive
    ] + [outcome.best.number, outcome.steps, outcome.score]


# ---- the hooks


def test_hooks_are_called_in_turn_with_keywords_and_can_call_super() -> None:
    """In an iteration: explore, propose, validate, exploit; `n_iters` counts what was sampled."""
    algorithm, outcome = trained(num_steps=2)
    called = [(name, number) for name, number, _ in algorithm.seen]
    assert called == [
        ("exploit", 0),
        *[("explore", 0), ("propose", 1), ("validate", 1), ("exploit", 1)],
        *[("explore", 1), ("propose", 2), ("validate", 2), ("exploit", 2)],
    ]
    assert algorithm.n_iters == outcome.steps == 2


def test_it_finds_better_values_and_leaves_the_program_with_the_best() -> None:
    """The number comes nearer to the right one, and the program has it at the end."""
    algorithm, outcome = trained(num_steps=15, num_proposals=2, batch_size=2)
    assert outcome.start == pytest.approx(0.5)
    assert outcome.score > 0.9
    assert algorithm.agent.number.data == value(outcome.best)


def test_published_program_with_a_model_runs() -> None:
    """A dummy model, a guide with exact match and the optimizer that reads tags: 5 is found and kept."""
    algorithm, outcome = trained(
        optimizer=lambda parameters: OptoPrimeV2(parameters, llm=DummyLLM(says_five)),
        train_dataset=data(5.0),
        num_candidates=3,
        num_proposals=2,
        batch_size=3,
        num_batches=2,
        num_threads=2,
        num_steps=3,
    )
    assert algorithm.agent.number.data == 5.0
    assert type(algorithm.agent.number.data) is float
    assert outcome.score == 1.0


@pytest.mark.parametrize(("size", "wanted", "count"), [(None, 3, 3), (2, 5, 2), (9, 4, 4)])
def test_the_memory_begins_with_identical_candidates(size: int | None, wanted: int, count: int) -> None:
    """As many as are explored, or as there is room for; all with one hash, and run only once."""
    algorithm, outcome = trained(num_candidates=wanted, long_term_memory_size=size, num_steps=1, batch_size=2)
    first = next(seen for name, _, seen in algorithm.seen if name == "explore")
    assert len(first) == count
    assert len({hash(each) for each in first}) == 1
    assert len(set(first)) == 1
    assert outcome.evaluations <= 2 + 2 * count


def test_a_best_candidate_that_is_replaced_by_a_copy_is_one_extra() -> None:
    """A hook may return a deepcopy: it is explored besides those of the memory."""

    class Copying(PrioritySearch):
        counts: list[int] = []

        def exploit(self, **kwargs):
            candidate, priority, info = super().exploit(**kwargs)
            return copy.deepcopy(candidate), priority, info

        def explore(self, **kwargs):
            found = super().explore(**kwargs)
            self.counts.append(len(found[0]))
            return found

    _, outcome = trained(Copying, num_candidates=3, num_steps=3)
    assert Copying.counts[0] == 4
    assert outcome.steps == 3


def test_the_best_is_not_explored_unless_asked() -> None:
    """With `use_best_candidate_to_explore=False` the priorities alone decide."""
    algorithm, _ = trained(num_candidates=1, use_best_candidate_to_explore=False, num_steps=3)
    assert algorithm.use_best_candidate_to_explore is False


def test_minibatches_of_one_candidate_are_proposed_from_one_by_one() -> None:
    """`num_batches` minibatches give `num_batches` proposals for each explored candidate."""
    algorithm, _ = trained(num_candidates=2, num_batches=2, batch_size=2, num_proposals=3, num_steps=2)
    counts = [count for name, _, count in algorithm.seen if name == "propose"]
    explored = [len(seen) for name, _, seen in algorithm.seen if name == "explore"]
    assert counts == [2 * 3 * each for each in explored]


def test_feedback_of_a_minibatch_reaches_its_own_proposals_alone() -> None:
    """What an optimizer reads is the feedback of one minibatch of one candidate."""

    class Reading(Walk):
        read: list[int] = []

        def _propose(self, *args, **kwargs):
            graph = self.trace_graph
            Reading.read.append(len(graph.user_feedback.feedbacks) if hasattr(graph.user_feedback, "feedbacks") else 1)
            return (yield from super()._propose())

    _, outcome = trained(optimizer=Reading, num_batches=3, batch_size=1, num_candidates=1, num_steps=1)
    assert len(Reading.read) == 3
    assert len(outcome.archive) >= 2


def test_where_nothing_is_proposed_the_explored_candidate_stands() -> None:
    """The list has its full length all the same, and the run goes on."""
    algorithm, outcome = trained(optimizer=Nothing, num_steps=3, num_proposals=2)
    assert outcome.steps == 3
    assert len(outcome.archive) == 1
    assert all(len(results) == 1 for name, _, results in algorithm.seen if name == "validate")


def test_candidates_of_hooks_are_taken_in() -> None:
    """A hook may make candidates of its own: they are judged as all others."""

    class Knowing(Watched):
        def propose(self, samples, verbose, n_proposals):
            made = super().propose(samples, verbose, n_proposals)
            return [*made[:-1], ModuleCandidate(self.agent, {self.agent.number: 6.0}, self.optimizer)]

    algorithm, outcome = trained(Knowing, num_steps=2)
    assert outcome.score == 1.0
    assert algorithm.agent.number.data == 6.0


def test_older_optimizers_and_programs_that_cannot_be_copied_work() -> None:
    """A subclass with `_step`; and a parameter that the program reads from around it."""
    _, outcome = trained(optimizer=OlderWalk, num_steps=3)
    assert outcome.score > outcome.start
    outside = node(1.0, trainable=True, name="outside")

    class Reading(Adder):
        def __init__(self):
            pass

        def forward(self, x):
            return plus(x, outside)

    algorithm = Watched(Reading(), Walk([outside]), logger=Silent())
    outcome = algorithm.train(guide=Near(), train_dataset=data(), num_steps=6, num_candidates=3, num_proposals=2)
    assert outcome.score > outcome.start
    assert outside.data == value(outcome.best)


# ---- candidates and memories


def test_rollouts_add_up_and_keep_their_scores_alone() -> None:
    """A candidate that is explored again has more rollouts; a memory keeps no program, example or graph."""
    algorithm, _ = trained(num_steps=5, num_candidates=2, batch_size=2)
    counts = [candidate.num_rollouts for _, candidate in algorithm.memory]
    assert max(counts) > 2
    for negated, candidate in algorithm.memory:
        assert -negated == pytest.approx(candidate.mean_score())
        for rollout in candidate.rollouts:
            assert rollout["score"] is not None
            assert all(rollout[name] is None for name in ("module", "x", "info", "target", "feedback"))


def test_equal_values_are_one_candidate() -> None:
    """What was proposed before is not judged again, and not kept twice."""
    algorithm, outcome = trained(optimizer=OlderWalk, num_steps=6, num_candidates=2, batch_size=5)
    kept = [candidate.key for _, candidate in algorithm.memory]
    assert len(kept) == len(set(kept))
    assert any("has the values of candidate" in each.verdict for each in outcome.archive)


def test_a_small_memory_keeps_the_best() -> None:
    """The others are rejected, with the reason."""
    algorithm, outcome = trained(num_steps=6, num_candidates=2, num_proposals=3, long_term_memory_size=2, batch_size=5)
    kept = [candidate for _, candidate in algorithm.memory]
    assert len(kept) == 2
    judged = [each for each in outcome.archive if each.rollouts]
    assert min(each.mean_score() for each in kept) >= sorted(each.mean_score() for each in judged)[-2] - 1e-9
    assert any("no room" in each.verdict for each in judged)


@pytest.mark.parametrize(("frequency", "used"), [(0, "long"), (None, "short"), (2, "both")])
def test_short_and_long_term_memories(frequency: int | None, used: str) -> None:
    """0 uses the long-term memory only, None the short-term one; 2 merges every other iteration."""
    algorithm, _ = trained(num_steps=3, memory_update_frequency=frequency, short_term_memory_size=4)
    sizes = (len(algorithm.long_term_memory) > 0, len(algorithm.short_term_memory) > 0)
    assert sizes == {"long": (True, False), "short": (False, True), "both": (True, True)}[used]
    assert algorithm.memory is (algorithm.long_term_memory if used == "long" else algorithm.short_term_memory)


def test_priorities_are_weighted_means_of_score_dicts() -> None:
    """The parameters can be set by hand, and the priority computed, before any training."""
    algorithm = search(PrioritySearch)
    algorithm._initialize_search_parameters(
        num_candidates=1,
        num_proposals=1,
        validate_exploration_candidates=True,
        use_best_candidate_to_explore=True,
        score_function="mean",
        score_range=(0.0, 1.0),
        ucb_exploration_constant=1.0,
        long_term_memory_size=None,
        short_term_memory_size=None,
        memory_update_frequency=0,
        decouple_optimizers=True,
        objective_config=ObjectiveConfig(mode="weighted", weights={"accuracy": 0.8, "brevity": 0.2}),
    )
    candidate = ModuleCandidate(algorithm.agent, optimizer=algorithm.optimizer)
    blank = dict.fromkeys(("module", "x", "info", "target", "feedback"))
    candidate.add_rollouts(
        {**blank, "score": 0.0, "score_dict": {"accuracy": accuracy, "brevity": 0.4}} for accuracy in (0.7, 0.9)
    )
    assert algorithm.compute_exploration_priority(candidate) == pytest.approx(0.72)


def test_confidence_bounds_favour_or_punish_what_was_run_less() -> None:
    """Of two with one mean, "ucb" prefers the one with fewer rollouts, "lcb" the other; none at all goes first."""
    blank = dict.fromkeys(("module", "x", "info", "target", "feedback"))
    found = {}
    for function in ("mean", "ucb", "lcb"):
        algorithm = search(PrioritySearch)
        algorithm._initialize_search_parameters(score_function=function, score_range=(0.0, 2.0))
        algorithm._prioritized = 100
        few, many, unknown = (ModuleCandidate(algorithm.agent) for _ in range(3))
        few.add_rollouts([{**blank, "score": 0.5}] * 2)
        many.add_rollouts([{**blank, "score": 0.5}] * 50)
        found[function] = [algorithm.compute_exploration_priority(each) for each in (few, many)]
        assert algorithm.compute_exploration_priority(unknown) == math.inf
    assert found["mean"] == [0.5, 0.5]
    assert found["ucb"][0] == pytest.approx(0.5 + 2 * math.sqrt(math.log(100) / 2))
    assert found["ucb"][0] > found["ucb"][1]
    assert found["lcb"][0] < found["lcb"][1]


def test_confidence_bounds_train() -> None:
    """A search by upper bounds runs, and comes to better values."""
    _, outcome = trained(num_steps=12, score_function="ucb", score_range=(0.0, 1.0), ucb_exploration_constant=0.1)
    assert outcome.score > outcome.start


# ---- several objectives


@pytest.mark.parametrize("mode", ["weighted", "pareto", "scalar"])
def test_rollouts_have_scores_by_objective(mode: str) -> None:
    """After `validate` each has the guide's `score_dict`, which the memory keeps besides the score."""
    config = ObjectiveConfig(
        mode=mode, weights={"near": 1.0, "size": 0.01}, minimize={"size"}, scalarize_dict="weighted"
    )
    algorithm, outcome = trained(guide=TwoScores(), objective_config=config, num_steps=3, batch_size=2)
    for name, _, results in algorithm.seen:
        for rollout in [each for rollouts in results.values() for each in rollouts] if name == "validate" else []:
            assert rollout["score_dict"].keys() == {"near", "size"}
    for _, candidate in algorithm.memory:
        assert all(
            {name for name, kept in each.items() if kept is not None} >= {"score", "score_dict"}
            for each in candidate.rollouts
        )
        assert candidate.mean_score_dict().keys() == {"near", "size"}
    assert type(algorithm.memory) is (ParetoHeapMemory if mode == "pareto" else HeapMemory)
    assert algorithm.objective_config is config
    assert outcome.best.number >= 0


# ---- examples


def test_a_validation_set_is_what_candidates_are_compared_on() -> None:
    """New and explored ones are judged on the same validation examples, none of them twice."""
    elsewhere = {"inputs": [10, 20], "infos": [18.0, 28.0]}
    algorithm, outcome = trained(validate_dataset=elsewhere, num_steps=3, validation_size=2)
    assert outcome.start == pytest.approx(0.3)
    for name, _, results in algorithm.seen:
        if name == "validate":
            assert all([each["x"] for each in rollouts] == [10, 20] for rollouts in results.values())
    assert all(candidate.num_rollouts == 2 for _, candidate in algorithm.memory)


def test_explored_candidates_need_not_be_judged_again() -> None:
    """They are then judged once, when they have no score, and go back into the memory."""
    algorithm, _ = trained(
        validate_dataset=data(), validate_exploration_candidates=False, num_steps=4, num_candidates=1
    )
    results = [results for name, _, results in algorithm.seen if name == "validate"]
    assert all(len(each) == 1 for each in results[1:])
    assert len(algorithm.memory) == len({each.number for each in algorithm._memories.candidates()}) >= 2


def test_tests_and_logs_come_as_often_as_asked() -> None:
    """The best candidate is tested before the first and after every other iteration; the budget does not pay for it."""
    algorithm, outcome = trained(
        test_dataset=data(), test_frequency=2, num_test_samples=2, num_steps=4, log_frequency=4
    )
    tested = [step for name, _, step in algorithm.logger.lines if name == "Test score"]
    assert tested == [0, 2, 4]
    logged = [step for name, _, step in algorithm.logger.lines if name == "Explored candidates"]
    assert logged == [4]
    assert outcome.held_out is not None
    _, without = trained(num_steps=4)
    assert without.evaluations == outcome.evaluations


def test_no_more_evaluations_are_made_than_allowed() -> None:
    """An iteration that would take more ends the run, and leaves the memory as it was before it."""
    for limit in (0, 3, 17, 40):
        algorithm, outcome = trained(num_steps=50, max_evaluations=limit, batch_size=3, num_candidates=3)
        assert outcome.evaluations <= limit
        assert "evaluations" in outcome.stopped
        assert algorithm.n_iters == outcome.steps
        assert len(algorithm.memory) >= min(3, len({each.key for each in outcome.archive if each.rollouts}))


# ---- several optimizers


def test_several_optimizers_take_turns() -> None:
    """With two of them and two proposals each gets one of every minibatch; with one proposal they alternate."""
    for proposals, steps, counts in [(2, 2, [2, 2]), (1, 4, [2, 2])]:
        agent = Adder()
        both = [Walk(agent.parameters(), seed=1), Walk(agent.parameters(), seed=2)]
        algorithm = PrioritySearch(agent, both, logger=Silent())
        algorithm.train(
            guide=Near(),
            train_dataset=data(),
            num_candidates=1,
            num_proposals=proposals,
            num_steps=steps,
            decouple_optimizers=False,
        )
        assert [each.steps for each in both] == counts
    with pytest.raises(ValueError, match="optimizer"):
        PrioritySearch(Adder(), [])


def test_each_candidate_has_an_optimizer_state_of_its_own_unless_they_share_one() -> None:
    """Decoupled, a candidate's optimizer has seen its own line alone; shared, all of them."""

    def drawn(**options: Any) -> int:
        algorithm, _ = trained(PrioritySearch, num_steps=5, num_candidates=3, **options)
        states = [state for each in algorithm._exploration.states.values() for state in each]
        return max(each["drawn"] for each in states)

    assert drawn(decouple_optimizers=True) <= 5
    assert drawn(decouple_optimizers=False) == 5


# ---- the same again


@pytest.mark.parametrize("options", [{}, {"num_batches": 2, "batch_size": 2}, {"validate_dataset": True}])
def test_one_thread_and_eight_give_the_same_run(options: dict[str, Any]) -> None:
    """A seed gives one run, however many rollouts are under way at once; another seed another."""
    uneven = {"inputs": [1, 2, 3, 4, 5], "infos": [7.0, 9.0, 8.0, 12.0, 10.0]}
    options = {name: uneven if value is True else value for name, value in options.items()}
    options["train_dataset"] = uneven
    found = [
        history(trained(num_threads=threads, num_steps=6, num_proposals=2, seed=seed, **options)[1])
        for threads, seed in [(1, 0), (8, 0), (8, 1)]
    ]
    assert found[0] == found[1]
    assert found[0] != found[2]


class Stopped(Exception):
    """What a process meets that is killed."""


@pytest.mark.parametrize("frequency", [0, None, 3])
@pytest.mark.parametrize("when", [1, 3, 6])
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path, when: int, frequency: Any) -> None:
    """In an iteration's midst, with a `run_dir`: a new search restores memories, optimizers and counts from there."""

    class Stopping(PrioritySearch):
        def validate(self, candidates, samples, verbose):
            results = super().validate(candidates, samples, verbose)
            if self.n_iters == when:
                raise Stopped
            return results

    options: Any = {
        "guide": Near(),
        "train_dataset": data(),
        "num_steps": 8,
        "num_candidates": 2,
        "num_proposals": 2,
        "batch_size": 2,
        "long_term_memory_size": 6,
        "memory_update_frequency": frequency,
    }
    whole = search(PrioritySearch)
    expected = whole.train(**options)
    with pytest.raises(Stopped):
        search(Stopping).train(**options, run_dir=tmp_path / "run")
    again = search(PrioritySearch)
    outcome = again.train(**options, run_dir=tmp_path / "run", resume=True)
    assert history(outcome) == history(expected)
    assert [[(score, each.number) for score, each in memory] for memory in again._memories.all] == [
        [(score, each.number) for score, each in memory] for memory in whole._memories.all
    ]


# ---- saving


def saved(folder: Path, **options: Any) -> Any:
    """The same, with a model that has a name, saved in a folder."""
    return trained(
        PrioritySearch,
        optimizer=lambda parameters: OptoPrimeV2(parameters, llm=DummyLLM(says_five), memory_size=2),
        save_frequency=1,
        save_path=folder,
        **options,
    )


def test_a_saved_search_is_loaded_and_resumed(tmp_path: Path) -> None:
    """`load` gives the number of the last iteration; `resume` goes on with the options, optimizer and guide it had."""
    algorithm, outcome = saved(tmp_path / "here", num_steps=3, num_proposals=2, batch_size=3)
    assert algorithm.n_iters == 3
    assert (tmp_path / "here" / "algo.pkl").read_text(encoding="utf-8").startswith('{\n  "format": "opto"')
    loaded = PrioritySearch.load(tmp_path / "here")
    assert loaded.n_iters == algorithm.n_iters - 1
    assert (loaded.num_candidates, loaded.num_proposals) == (2, 2)
    agent = Adder()
    second = loaded.resume(model=agent, train_dataset=data(), num_steps=5)
    assert loaded.n_iters == second.steps == 5
    assert value(second.archive[0]) == 1.0
    assert len(second.archive) > len(outcome.archive)
    assert agent.number.data == 5.0
    assert loaded.optimizer.memory.size == 2
    assert loaded.optimizer.llm.function is says_five


def test_resuming_a_finished_search_changes_nothing(tmp_path: Path) -> None:
    """Nothing is run, and the outcome is the same."""
    algorithm, outcome = saved(tmp_path, num_steps=3)
    again = PrioritySearch.load(tmp_path).resume(model=Adder(), train_dataset=data())
    assert (again.steps, again.evaluations, again.score) == (3, outcome.evaluations, outcome.score)
    third = algorithm.resume(train_dataset=data(), num_steps=4)
    assert third.steps == 4


def test_a_folder_is_there_before_the_first_iteration(tmp_path: Path) -> None:
    """What is stopped in the first iteration can be resumed, too."""

    class Stopping(PrioritySearch):
        def propose(self, samples, verbose, n_proposals):
            raise Stopped

    with pytest.raises(Stopped):
        trained(Stopping, optimizer=Walk, save_frequency=1, save_path=tmp_path, validate_dataset=data())
    loaded = PrioritySearch.load(tmp_path)
    assert loaded.n_iters == 0
    outcome = loaded.resume(model=Adder(), train_dataset=data())
    assert outcome.steps == 4
    assert outcome.score == trained(PrioritySearch, optimizer=Walk, validate_dataset=data())[1].score


def test_training_again_into_a_folder_begins_anew(tmp_path: Path) -> None:
    """As with any file that is saved again."""
    for steps in (3, 2):
        _, outcome = saved(tmp_path, num_steps=steps)
        assert outcome.steps == steps
    assert PrioritySearch.load(tmp_path).n_iters == 1


def test_datasets_are_saved_once_and_asked_for_where_they_cannot_be(tmp_path: Path) -> None:
    """That to train on is not saved again; the others are read from files, or asked for, also after another `save`."""
    examples, opaque = data(), {"inputs": [1, 2], "infos": [object(), object()]}
    saved(tmp_path / "here", num_steps=1, train_dataset=examples, validate_dataset=examples, test_dataset=data(5.0))
    assert [each.name for each in (tmp_path / "here" / "data").iterdir()] == ["test_dataset.jsonl"]
    loaded = PrioritySearch.load(tmp_path / "here")
    loaded.save(tmp_path / "there")
    again = PrioritySearch.load(tmp_path / "there").resume(model=Adder(), train_dataset=data(), num_steps=2)
    assert again.steps == 2
    saved(tmp_path / "opaque", num_steps=1, guide=says_something, validate_dataset=opaque)
    loaded = PrioritySearch.load(tmp_path / "opaque")
    with pytest.raises(ValueError, match="validate_dataset must be given again.*no text form"):
        loaded.resume(model=Adder(), train_dataset=data())


def says_something(query: Any, response: Any, reference: Any) -> float:
    """A guide that looks at no reference."""
    return float(response)


def test_a_damaged_search_is_named(tmp_path: Path) -> None:
    """Whatever is missing in its file."""
    from opto.errors import FileFormatError

    saved(tmp_path, num_steps=1)
    text = (tmp_path / "algo.pkl").read_text(encoding="utf-8")
    for word in ("n_iters", "options", "parameters"):
        (tmp_path / "algo.pkl").write_text(text.replace(f'"{word}"', '"other"'), encoding="utf-8")
        with pytest.raises(FileFormatError, match=r"algo\.pkl"):
            PrioritySearch.load(tmp_path).resume(model=Adder(), train_dataset=data())


def test_a_search_under_way_is_not_begun_anew(tmp_path: Path) -> None:
    """Its folder stays as it is."""
    from opto.errors import RecordInUseError
    from opto.trainer.saving.checkpoints import RunFolder

    saved(tmp_path, num_steps=1)
    files = {each: each.read_bytes() for each in (tmp_path / "run").iterdir()}
    with RunFolder(tmp_path / "run"), pytest.raises(RecordInUseError):
        saved(tmp_path, num_steps=1)
    assert {each: each.read_bytes() for each in files} == files


def test_what_cannot_be_written_must_be_given_again(tmp_path: Path) -> None:
    """An optimizer's model that is no function of the program's own; a guide that is local. Each error says so."""

    def local(query: Any, response: Any, reference: Any) -> float:
        return float(response == reference)

    algorithm, _ = trained(
        optimizer=lambda parameters: OptoPrimeV2(parameters, llm=local_model()),
        guide=local,
        save_frequency=1,
        save_path=tmp_path,
        num_steps=1,
    )
    loaded = PrioritySearch.load(tmp_path)
    with pytest.raises(ValueError, match="guide must be given again"):
        loaded.resume(model=Adder(), train_dataset=data())
    with pytest.raises(ValueError, match=r"optimizer must be given again.*llm"):
        loaded.resume(model=Adder(), train_dataset=data(), guide=Near())
    with pytest.raises(TypeError, match="train_dataset"):
        loaded.resume(model=Adder())
    agent = Adder()
    optimizer = OptoPrimeV2(agent.parameters(), llm=local_model())
    outcome = loaded.resume(model=agent, train_dataset=data(), guide=Near(), optimizer=optimizer, num_steps=1)
    assert outcome.steps == 1
    assert algorithm.n_iters == 1


def local_model() -> Any:
    """A model that no name leads to."""
    return DummyLLM(lambda messages, **options: says_five(messages))


def test_pickles_are_written_and_opened_only_where_allowed(tmp_path: Path) -> None:
    """With the word on both sides the program and all its parts come from the folder, shared as they were."""
    from opto.errors import FileFormatError

    trained(PrioritySearch, optimizer=Walk, save_frequency=1, save_path=tmp_path, allow_pickle=True, num_steps=2)
    with pytest.raises(FileFormatError, match="pickle"):
        PrioritySearch.load(tmp_path)
    loaded = PrioritySearch.load(tmp_path, allow_pickle=True)
    outcome = loaded.resume(train_dataset=data(), num_steps=3)
    assert outcome.steps == 3
    assert loaded.optimizer.parameters[0] is loaded.agent.number


def test_a_file_names_no_function_of_python_or_of_packages(tmp_path: Path) -> None:
    """A file that was changed to call something else is refused, and nothing is imported for it."""
    saved(tmp_path, num_steps=1)
    file = tmp_path / "algo.pkl"
    text = file.read_text(encoding="utf-8")
    name = f"{says_five.__module__}:says_five"
    assert name in text
    others = "subprocess:getoutput", "os:system", "antigravity:fly", "opto.cli:main", "_pytest.config:main"
    for other, why in (*((each, "refused") for each in others), ("tests.conftest_of_others:answer", "not imported")):
        file.write_text(text.replace(name, other), encoding="utf-8")
        with pytest.raises(ValueError, match=f"optimizer must be given again to resume.*{why}"):
            PrioritySearch.load(tmp_path).resume(model=Adder(), train_dataset=data())
    assert "antigravity" not in sys.modules


def test_agent_model_optimizer_and_algorithm_pickle() -> None:
    """Each comes back from `pickle.dumps`, also after training; the algorithm without the run of this process."""
    agent = Adder()
    llm = DummyLLM(says_five)
    optimizer = OptoPrimeV2(agent.parameters(), llm=llm)
    algorithm = PrioritySearch(agent, optimizer)
    for thing in (agent, llm, optimizer, algorithm):
        pickle.loads(pickle.dumps(thing))
    algorithm.train(guide=Near(), train_dataset=data(), num_steps=3, num_candidates=2)
    again = pickle.loads(pickle.dumps(algorithm))
    assert again.run is None
    assert [value(each) for _, each in again.memory] == [value(each) for _, each in algorithm.memory]
    assert again.memory.best[1].base_module is again.agent


# ---- bad input


@pytest.mark.parametrize(
    ("options", "kind", "word"),
    [
        ({"num_candidates": 0}, ValueError, "num_candidates"),
        ({"num_proposals": 1.5}, TypeError, "num_proposals"),
        ({"score_function": "median"}, ValueError, "score_function"),
        ({"memory_update_frequency": -1}, ValueError, "memory_update_frequency"),
        ({"ucb_exploration_constant": -1}, ValueError, "ucb_exploration_constant"),
        ({"objective_config": "pareto"}, TypeError, "objective_config"),
        ({"num_batches": 0}, ValueError, "num_batches"),
        ({"save_frequency": "always"}, TypeError, "save_frequency"),
        ({"pinned": (99,)}, ValueError, "pinned"),
        ({"speed": 3}, TypeError, "speed"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], kind: type[Exception], word: str) -> None:
    """Before anything is run."""
    with pytest.raises(kind, match=word):
        trained(**options)


def test_wrong_optimizers_are_named() -> None:
    """Also within a list."""
    agent = Adder()
    with pytest.raises(TypeError, match="optimizer"):
        PrioritySearch(agent, [Walk(agent.parameters()), "another"])
    with pytest.raises(TypeError, match="optimizer"):
        PrioritySearch(agent, None)
