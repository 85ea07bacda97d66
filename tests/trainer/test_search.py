"""The loop of search, with real programs."""

from __future__ import annotations

import math
import os

import pytest

from opto.errors import BudgetExceededError, ModelError
from opto.llm import Budget, as_model
from opto.optimizers import Optimizer
from opto.optimizers.drivers import Request
from opto.runs import listening
from opto.trace import Module, bundle, node
from opto.trainer.algorithms.minibatch import BasicSearch, Minibatch
from opto.trainer.executors import process_pool
from opto.trainer.objectives import ObjectiveConfig
from opto.trainer.progress import Progress
from opto.trainer.search import Search
from tests.trainer.counting import DATA, Kept, Nudge, closeness, cutter

CALLS = []


def counted(query, response, reference):
    """The guide, counting its calls."""
    CALLS.append(response)
    return closeness(query, response, reference)


def searching(kind=BasicSearch, program=None, **options):
    """An algorithm for the program that cuts."""
    program = program or cutter()
    optimizer = Nudge(program.parameters())
    return kind(program, optimizer, logger=Kept(), **options)


def test_basic_search_finds_the_best():
    """Hill climbing goes on as long as it gets better; the program has the best values then."""
    search = searching()
    outcome = search.train(closeness, DATA, num_steps=8, batch_size=2)
    assert search.agent.limit.data == 4
    assert outcome.score == 1.0
    assert outcome.start == 0.25
    assert outcome.best.values == {search.agent.limit.py_name: 4}
    assert outcome.stopped == "8 steps are done"
    assert search.logger.entries[-1][:2] == ("Best score", 1.0)


def test_the_initial_values_are_scored_on_as_many_examples_as_others():
    """With a number of validation examples nothing is scored on all of them."""
    outcome = searching(validation=1).train(closeness, DATA, validate_dataset={**DATA}, num_steps=0)
    assert outcome.evaluations == 1
    assert len(outcome.best.table("validate")) == 1


def test_minibatch_takes_what_comes():
    """Every proposal is taken, evaluated or not."""
    search = searching(Minibatch)
    outcome = search.train(closeness, DATA, num_steps=2, batch_size=2)
    assert search.agent.limit.data == 3
    assert outcome.evaluations == 4
    assert all(each.status == "accepted" for each in outcome.archive)


def test_candidates_tell_where_they_came_from():
    """Parent, step, reason, verdict, difference and scores."""
    outcome = searching().train(closeness, DATA, num_steps=1, batch_size=2)
    child = outcome.archive[1]
    assert child.parents == (outcome.archive[0],)
    assert child.step == 1
    assert "reflection on 2 examples" in child.reason
    assert "on 4 examples" in child.verdict
    assert "+2" in child.diff()
    assert len(child.table("train")) == 4


def test_one_epoch_by_default():
    """Where nothing limits the run, the examples are gone through once."""
    assert searching().train(closeness, DATA, batch_size=2).steps == 2


def test_evaluations_are_never_passed():
    """The run ends before a pass that would take too many."""
    for most in range(14):
        outcome = searching().train(closeness, DATA, max_evaluations=most, batch_size=2)
        assert outcome.evaluations <= most
        assert outcome.stopped == "all evaluations are used up"


def test_target_and_patience():
    """A run ends when it is good enough, or does not get better."""
    outcome = searching().train(closeness, DATA, target_score=0.5, num_steps=20)
    assert outcome.stopped == "the target score 0.5 is reached"
    assert outcome.score >= 0.5
    outcome = searching().train(closeness, DATA, patience=3, num_steps=50)
    assert outcome.score == 1.0
    assert "3 steps" in outcome.stopped


def test_validation_and_test_examples():
    """Candidates are compared on the validation examples, and the held-out score is measured at the end only."""
    validation = {"inputs": ["abcdefgh"], "infos": ["abc"]}
    outcome = searching().train(
        closeness,
        DATA,
        validate_dataset=validation,
        test_dataset={"inputs": ["klmnopqr"], "infos": ["kl"]},
        num_steps=6,
    )
    assert outcome.best.table("validate").mean() == 1.0
    assert list(outcome.best.table("test")) == [0]
    assert all("test" not in each.scores for each in outcome.archive if each is not outcome.best)
    assert outcome.held_out is not None
    assert outcome.gap is not None


def test_budget_ends_the_run():
    """With the best so far."""

    class Asking(Nudge):
        def _propose(self):
            (reply,) = yield [Request([{"role": "user", "content": "which way?"}])]
            assert reply.text
            return {each: each.data + 1 for each in self.parameters if each.feedback}

    program = cutter()
    optimizer = Asking(program.parameters())
    optimizer.llm = as_model(lambda messages, **options: "up")
    outcome = BasicSearch(program, optimizer, logger=Kept()).train(
        closeness, DATA, num_steps=50, budget=Budget(calls=2)
    )
    assert outcome.steps == 2
    assert program.limit.data == 3
    assert "budget" in outcome.stopped
    assert outcome.usage.calls == 2


def test_model_that_fails_again_and_again():
    """One failing step is passed over; after three in a row the error is raised, and the best values stay."""
    answers = iter([ModelError("once"), "up", *[ModelError("for good")] * 9])

    class Asking(Optimizer):
        def _propose(self):
            (reply,) = yield [Request([{"role": "user", "content": "which way?"}])]
            assert reply.text
            return {each: each.data + 1 for each in self.parameters if each.feedback}

    def answer(messages, **options):
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    program = cutter()
    optimizer = Asking(program.parameters())
    optimizer.llm = as_model(answer)
    with pytest.raises(ModelError, match="for good"):
        BasicSearch(program, optimizer, logger=Kept()).train(closeness, DATA, num_steps=50)
    assert program.limit.data == 2


def test_error_of_a_guide():
    """It is raised, and the program has the best values so far."""
    search = searching()
    seen = []

    def guide(query, response, reference):
        seen.append(response)
        if len(seen) > 16:
            raise RuntimeError("guide")
        return closeness(query, response, reference)

    with pytest.raises(RuntimeError, match="guide"):
        search.train(guide, DATA, num_steps=50, retries=0)
    assert search.agent.limit.data == search.run.best.values[search.agent.limit.py_name] > 1


def test_program_that_fails():
    """A failed run has the lowest score, and its error goes back as feedback."""
    search = searching(program=cutter(51))
    outcome = search.train(closeness, DATA, num_steps=2, batch_size=2)
    assert outcome.start == 0.0
    assert outcome.archive[1].values[search.agent.limit.py_name] == 50
    assert outcome.score > 0


def test_several_proposals():
    """Each parent gets as many candidates as asked for."""
    outcome = searching().train(closeness, DATA, num_steps=2, num_proposals=3)
    assert len(outcome.archive) == 7


@pytest.mark.parametrize("threads", [1, 8])
def test_same_run_for_the_same_seed(threads):
    """Whatever the number of threads."""
    runs = [
        searching(num_threads=each).train(closeness, DATA, num_steps=6, batch_size=2, seed=3) for each in (1, threads)
    ]
    told = [
        [(list(each.values.values()), each.verdict, dict(each.table("train").items())) for each in run.archive]
        for run in runs
    ]
    assert told[0] == told[1]


def test_through_processes():
    """An executor may be one of processes."""
    with process_pool(2) as pool:
        search = searching()
        outcome = search.train(closeness, DATA, num_steps=2, batch_size=2, executor=pool)
    assert outcome.score > outcome.start


def test_program_that_cannot_be_copied():
    """One that reads parameters from around it runs with one candidate after the other."""
    limit = node(1, trainable=True, name="limit")

    @bundle()
    def cut(text, limit):
        """The first letters."""
        return text[:limit]

    class Reader(Module):
        def forward(self, text):
            return cut(text, limit)

    optimizer = Nudge([limit])
    outcome = BasicSearch(Reader(), optimizer, logger=Kept()).train(
        closeness, DATA, num_steps=5, num_proposals=2, batch_size=2
    )
    assert outcome.score == 1.0
    assert limit.data == 4


def test_several_objectives():
    """Dicts of scores are compared as the objective says."""

    def guide(query, response, reference):
        score, words = closeness(query, response, reference)
        return {"close": score, "length": float(len(response))}, words

    config = ObjectiveConfig(mode="weighted", scalarize_dict="weighted", weights={"close": 1.0})
    search = searching()
    outcome = search.train(guide, DATA, num_steps=6, objective_config=config)
    assert outcome.score == 1.0
    assert outcome.best.table("train").mean_dict() == {"close": 1.0, "length": 4.0}


def test_saved_and_gone_on_with(tmp_path):
    """A run that goes on from its folder ends as one that was never interrupted."""
    whole = searching()
    expected = whole.train(closeness, DATA, num_steps=7, batch_size=2, run_dir=tmp_path / "whole")
    first = searching()
    first.train(closeness, DATA, num_steps=3, batch_size=2, run_dir=tmp_path / "parts")
    second = searching()
    outcome = second.train(closeness, DATA, num_steps=7, batch_size=2, run_dir=tmp_path / "parts", resume=True)
    told = [
        [(each.number, list(each.values.values()), each.status, each.verdict, each.step) for each in run.archive]
        for run in (expected, outcome)
    ]
    assert told[0] == told[1]
    assert (outcome.evaluations, outcome.score) == (expected.evaluations, expected.score)
    assert second.optimizer.moves == whole.optimizer.moves
    assert second.agent.limit.data == whole.agent.limit.data


def test_program_that_was_trained_meanwhile(tmp_path):
    """The run has the values that it began with."""
    search = searching()
    search.train(closeness, DATA, num_steps=2, run_dir=tmp_path)
    outcome = searching(program=search.agent).train(closeness, DATA, num_steps=3, run_dir=tmp_path, resume=True)
    assert list(outcome.archive[0].values.values()) == [1]
    assert outcome.start == 0.25


def test_folder_in_use_and_folder_without_a_run(tmp_path):
    """A run is not written over, and one that is not there cannot be gone on with."""
    search = searching()
    search.train(closeness, DATA, num_steps=1, run_dir=tmp_path / "a")
    with pytest.raises(ValueError, match="holds a run"):
        searching().train(closeness, DATA, num_steps=1, run_dir=tmp_path / "a")
    with pytest.raises(ValueError, match="holds no run"):
        searching().train(closeness, DATA, num_steps=1, run_dir=tmp_path / "b", resume=True)


@pytest.mark.parametrize(("kind", "saved"), [(BasicSearch, False), (Minibatch, True)])
def test_run_that_failed_at_once(tmp_path, kind, saved):
    """Before or in its first step: the corrected call begins it anew, and nothing of the first one is left."""

    def wrong(query, response, reference):
        raise KeyError("a mistake")

    def program():
        made = cutter()
        made.limit._set(2)
        return made

    with pytest.raises(KeyError, match="a mistake"):
        searching(kind).train(wrong, DATA, num_steps=2, run_dir=tmp_path)
    assert (tmp_path / "state.json").exists() == saved
    outcome = searching(kind, program()).train(closeness, DATA, num_steps=2, run_dir=tmp_path)
    expected = searching(kind, program()).train(closeness, DATA, num_steps=2)
    assert str(outcome) == str(expected)
    assert str(searching(kind).train(closeness, DATA, num_steps=2, run_dir=tmp_path, resume=True)) == str(expected)


def test_one_run_at_a_time():
    """A second run of a program that is being trained is refused; when the first one has ended there may be another."""
    program, refused = cutter(), []

    def guide(query, response, reference):
        if not refused:
            with pytest.raises(ValueError, match=r"another run of this process trains its limit.*deepcopy") as caught:
                searching(program=program).train(closeness, DATA, num_steps=1)
            refused.append(caught)
        return closeness(query, response, reference)

    assert searching(program=program).train(guide, DATA, num_steps=3).score == 1.0
    assert refused
    assert searching(program=program).train(closeness, DATA, num_steps=1).steps == 1


def test_what_a_killed_step_left_behind(tmp_path):
    """Bytes after the committed ones are passed over."""
    searching().train(closeness, DATA, num_steps=2, batch_size=2, run_dir=tmp_path)
    with open(tmp_path / "candidates.jsonl", "ab") as file:
        file.write(b'{"half a li')
    outcome = searching().train(closeness, DATA, num_steps=3, batch_size=2, run_dir=tmp_path, resume=True)
    again = searching().train(closeness, DATA, num_steps=3, batch_size=2, run_dir=tmp_path, resume=True)
    assert outcome.score == again.score


def test_no_evaluation_is_paid_for_twice(tmp_path):
    """What the folder of an earlier, equal run has, is not run again."""
    CALLS.clear()
    searching().train(counted, DATA, num_steps=3, batch_size=2, run_dir=tmp_path)
    os.remove(tmp_path / "state.json")
    before = len(CALLS)
    searching().train(counted, DATA, num_steps=3, batch_size=2, run_dir=tmp_path)
    assert len(CALLS) - before == 6  # the rollouts for feedback, whose graphs are needed


def test_listeners_hear_of_candidates_in_flight():
    """How many are being proposed or judged; a display shows them."""
    heard, shown = [], Progress(mode="off")

    class Listener:
        def on_event(self, event):
            if event.kind == "candidates":
                heard.append((event.data["candidates_in_flight"], shown.status.candidates_in_flight))

    with shown, listening(shown), listening(Listener()):
        searching().train(closeness, DATA, num_steps=1, num_proposals=3)
    assert (3, 3) in heard
    assert heard[-1] == (0, 0)
    assert all(told == seen for told, seen in heard)


def test_listeners_hear_of_each_step():
    """One event for the beginning, one for each step and one for the end."""
    heard = []

    class Listener:
        def on_event(self, event):
            if event.kind == "training":
                heard.append(event.data)

    with listening(Listener()):
        searching().train(closeness, DATA, num_steps=3)
    assert [each["step"] for each in heard] == [0, 1, 2, 3, 3]
    assert heard[-1]["best"] == 1.0


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"num_step": 3}, TypeError, "num_step"),
        ({"num_steps": -1}, ValueError, "num_steps must be >= 0"),
        ({"num_steps": 1.5}, TypeError, "num_steps must be an int"),
        ({"batch_size": 0}, ValueError, "batch_size must be >= 1"),
        ({"confidence": 1.0}, ValueError, "confidence"),
        ({"target_score": math.nan}, ValueError, "target_score"),
        ({"on_leak": "panic"}, ValueError, "on_leak"),
        ({"pinned": "ab"}, TypeError, "pinned"),
        ({"score_range": (1, 0)}, ValueError, "score_range"),
        ({"validate_dataset": []}, ValueError, "validate_dataset"),
    ],
)
def test_wrong_options(options, error, words):
    """They are named before anything runs."""
    with pytest.raises(error, match=words):
        searching().train(closeness, DATA, **options)


def test_wrong_parts():
    """An agent that is no module, an optimizer that is none."""
    program = cutter()
    with pytest.raises(TypeError, match="agent must be a Module"):
        Search(lambda x: x, Nudge(program.parameters()))
    with pytest.raises(TypeError, match="optimizer must be an Optimizer"):
        Search(program, "OptoPrime")


def test_budget_error_inside_the_program():
    """A program that asks a model within the budget ends the run like its optimizer does."""
    model = as_model(lambda messages, **options: "x")

    @bundle()
    def ask(text, limit):
        """A model's word."""
        return model([{"role": "user", "content": text}]).text[:limit]

    class Asker(Module):
        def __init__(self):
            self.limit = node(1, trainable=True, name="limit")

        def forward(self, text):
            return ask(text, self.limit)

    program = Asker()
    outcome = BasicSearch(program, Nudge(program.parameters()), logger=Kept()).train(
        closeness, DATA, num_steps=9, budget=Budget(calls=7)
    )
    assert "budget" in outcome.stopped
    assert program.limit.data >= 1
    assert BudgetExceededError.__name__ not in outcome.stopped


def test_value_that_cannot_be_saved(tmp_path):
    """A parameter whose value has no text form is named before anything runs."""

    class Opaque:
        pass

    program = cutter()
    program.limit._data = Opaque()
    CALLS.clear()
    with pytest.raises(TypeError, match=r"run_dir cannot hold the value of the parameter 'limit\d*', Opaque"):
        searching(program=program).train(counted, DATA, num_steps=1, run_dir=tmp_path)
    assert not CALLS
