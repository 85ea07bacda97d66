"""Tests of opto.optimizers.records: recording real steps, and replaying them."""

import asyncio
import json
import threading
from contextvars import copy_context

import pytest

import opto
import opto.runs
from opto.errors import MissingExtraError, ModelError, ModelTimeoutError, ReplayDifferenceError, SuggestionWarning
from opto.llm import FromCallable, Model
from opto.optimizers import Optimizer, OptoPrime, OptoPrimeV2
from opto.optimizers.drivers import Request
from opto.runs import EventLog, listening
from opto.testing import Scripted
from opto.trace import GRAPH, node


class Counting(Model):
    """Answers with rising numbers for the variable that it is shown; fails and rambles when told."""

    def __init__(self, failures=None):
        self.failures, self.asked = failures or {}, 0

    def complete(self, messages, **options):
        self.asked += 1
        failure = self.failures.get(self.asked)
        if isinstance(failure, Exception):
            raise failure
        name = messages[1]["content"].split("(int) ")[1].split("=")[0]
        return failure or json.dumps({"reasoning": "up", "answer": "", "suggestion": {name: self.asked}})


def train(model, steps=4, start=1, factor=2):
    """A loop of training; failures of the model are noted and passed over."""
    x = node(start, trainable=True, name="x")
    optimizer = OptoPrime([x], model)
    seen = []
    for _ in range(steps):
        optimizer.zero_feedback()
        optimizer.backward(x * factor, 0.5 * x.data)
        try:
            optimizer.step()
        except ModelError as error:
            seen.append((type(error).__name__, isinstance(error, TimeoutError), str(error), error.transient))
        seen.append(x.data)
    return seen


class Unreachable(Counting):
    """A model that nobody may ask."""

    @property
    def name(self):
        return "Counting"

    def complete(self, messages, **options):
        raise AssertionError("a model was asked during a replay")


@pytest.fixture
def recorded(tmp_path):
    """A run of four steps, and what the program returned."""
    with opto.record(tmp_path / "run"):
        result = train(Counting())
    return opto.runs.read(tmp_path / "run"), result


def test_a_step_on_record(recorded):
    """All that a step consists of can be read."""
    run, result = recorded
    assert result == [1, 2, 3, 4]
    assert [step.outcome for step in run.steps] == ["applied"] * 4
    step = run.steps[1]
    [name] = run.parameters
    assert run.parameters[name] == [1, 1, 2, 3, 4]
    assert (step.old, step.new, step.feedback, step.score) == ({name: 1}, {name: 2}, 0.5, 0.5)
    assert [each.op for each in step.graph] == [None, None, "multiply"]
    assert step.graph[-1].inputs == {"x": name, "y": "int0"}
    assert step.rendered.startswith("#Instruction")
    assert step.rendered in step.exchanges[0].messages[1]["content"]
    assert step.attempts[0]["values"] == {name: 2}
    assert step.seconds > 0
    assert run.totals.requests == 4
    assert run.rows()[1][f"new.{name}"] == 2


def test_a_replay_asks_no_model(recorded):
    """It gives the same result, also after other nodes were made, and names go on as if it had not been."""
    run, result = recorded
    node(0, name="x")
    before = GRAPH.numbers()
    assert opto.replay(run, lambda: train(Unreachable())) == result
    assert opto.replay(run.path, lambda: train(Unreachable())) == result
    assert all(GRAPH.numbers()[base] >= number for base, number in before.items())


@pytest.mark.filterwarnings("ignore::opto.errors.SuggestionWarning")
def test_failures_are_replayed(tmp_path):
    """Errors keep their name, family and message, and rejected answers are rejected again."""
    failures = {
        1: ModelTimeoutError("too slow"),
        3: "no suggestion",
        4: ModelError("broken", transient=True, status=500),
        5: "nor here",
    }
    with opto.record(tmp_path):
        result = train(Counting(failures), steps=6)
    assert any(isinstance(each, tuple) and each[1] for each in result)
    assert opto.replay(tmp_path, lambda: train(Unreachable(), steps=6)) == result
    run = opto.runs.read(tmp_path)
    assert run.totals.failed_requests == 2
    assert "ModelTimeoutError: too slow" in run.steps[0].errors


@pytest.mark.parametrize(
    ("change", "kind", "step", "text"),
    [
        ({"start": 7}, "problem", 1, "+roots.x0: 7"),
        ({"factor": 3}, "problem", 1, "+roots.int0: 3"),
        ({"steps": 3}, "problem", 4, "-step: 4"),
        ({"steps": 5}, "problem", 5, "+step: 5"),
    ],
)
def test_the_first_difference_is_named(recorded, change, kind, step, text):
    """Which step, which kind of event, and both sides."""
    GRAPH.clear()
    run, _ = recorded
    with pytest.raises(ReplayDifferenceError) as caught:
        opto.replay(run, lambda: train(Unreachable(), **change))
    error = caught.value
    assert (error.kind, error.optimizer, error.step) == (kind, "OptoPrime", step)
    assert text.replace("x0", next(iter(run.parameters))) in error.difference
    assert not isinstance(error, ModelError)


def test_another_prompt_is_a_difference(recorded):
    """The text that differs is shown."""
    run, _ = recorded

    def other():
        x = node(1, trainable=True, name="x")
        optimizer = OptoPrime([x], Unreachable(), objective="Do as you like.")
        optimizer.backward(x * 2, 0.5)
        optimizer.step()

    with pytest.raises(ReplayDifferenceError, match=r"(?s)\+Do as you like\."):
        opto.replay(run, other)


def test_the_programs_own_calls(tmp_path):
    """What a program asks a model by itself is recorded and replayed; a wrapper is told of once."""

    def program(answers):
        model = FromCallable(lambda messages, **options: next(answers))
        outer = FromCallable(lambda messages, **options: model(messages).text + "!")
        question = [{"role": "user", "content": "Well?"}]
        return [model(question).text, outer(question).text, model(question).text]

    with opto.record(tmp_path):
        result = program(iter("abc"))
    run = opto.runs.read(tmp_path)
    assert result == ["a", "b!", "c"] == [call.text for call in run.calls]
    assert opto.replay(run, lambda: program(iter([]))) == result
    with pytest.raises(ReplayDifferenceError, match="ended without a call"):
        opto.replay(run, list)


class Ask(Optimizer):
    """Asks several times at once."""

    def __init__(self, parameters, llm):
        super().__init__(parameters)
        self.llm = llm

    def _propose(self):
        replies = yield [Request([{"role": "user", "content": "a number"}]) for _ in range(4)]
        return {self.parameters[0]: [reply.text for reply in replies]}


def test_equal_requests_at_once(tmp_path):
    """They get their answers back in their order, in threads and on the event loop."""
    count = iter(range(100))

    def program(model, asynchronous):
        x = node([], trainable=True)
        optimizer = Ask([x], model)
        (asyncio.run(optimizer.astep()) if asynchronous else optimizer.step())
        return x.data

    for asynchronous in (False, True):
        folder = tmp_path / str(asynchronous)
        with opto.record(folder):
            result = program(lambda messages, **options: str(next(count)), asynchronous)
        again = opto.replay(folder, lambda: program(lambda messages, **options: "wrong", not asynchronous))
        assert again == result
        assert len(set(result)) == 4


def test_several_optimizers_in_threads(tmp_path):
    """Each is held against its own events, whatever the order among them."""

    def program(make):
        parameters = [node(1, trainable=True, name=f"p{number}_") for number in range(4)]
        optimizers = [
            kind([each], make()) for each, kind in zip(parameters, [OptoPrime, OptoPrime, OptoPrime, OptoPrime])
        ]
        for optimizer in optimizers:  # the first step in order, so that each is known by its place
            optimizer.backward(optimizer.parameters[0] * 2, "more")
            optimizer.step()

        def go(optimizer):
            for _ in range(5):
                optimizer.zero_feedback()
                optimizer.backward(optimizer.parameters[0] * 2, "more")
                optimizer.step()

        threads = [threading.Thread(target=copy_context().run, args=(go, each)) for each in optimizers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [each.data for each in parameters]

    with opto.record(tmp_path):
        result = program(Counting)
    assert {step.which for step in opto.runs.read(tmp_path).steps} == {0, 1, 2, 3}
    assert opto.replay(tmp_path, lambda: program(Unreachable)) == result


def test_an_error_of_the_program_is_raised(recorded):
    """Unless there was a difference before, which then caused it."""
    run, _ = recorded

    def broken():
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        opto.replay(run, broken)


def test_proposals_applied_by_hand(tmp_path):
    """`propose` and `update` are on record as a step, too."""
    x = node(1, trainable=True, name="x")
    with opto.record(tmp_path):
        optimizer = OptoPrime([x], Counting())
        optimizer.backward(x * 2, "more")
        optimizer.update(optimizer.propose())
    [step] = opto.runs.read(tmp_path).steps
    assert (step.outcome, step.old, step.new) == ("applied", {x.py_name: 1}, {x.py_name: 1})


def test_a_record_of_two_sessions(tmp_path):
    """They are read as one, and replayed one at a time."""
    for _ in range(2):
        with opto.record(tmp_path):
            train(Counting())
    run = opto.runs.read(tmp_path)
    assert len(run.steps) == 8
    with pytest.raises(ValueError, match="must have one session"):
        opto.replay(run, list)
    assert opto.replay(run.sessions[1], lambda: train(Unreachable())) == [1, 2, 3, 4]


def test_a_record_ends_with_its_block(tmp_path):
    """Also when it ends by an error, which passes."""

    def interrupted():
        with opto.record(tmp_path):
            train(Counting())
            raise KeyError("mine")

    with pytest.raises(KeyError):
        interrupted()
    assert len(opto.runs.read(tmp_path).steps) == 4


def test_keys_are_not_written(tmp_path):
    """Options that hold secrets are left out."""
    with opto.record(tmp_path):
        Counting()([{"role": "system", "content": ""}, {"role": "user", "content": "(int) x=1"}], api_key="sk-secret")
    assert b"sk-secret" not in (tmp_path / "events.jsonl").read_bytes()


def test_an_optimizer_without_a_model_is_on_record(tmp_path):
    """Its graph, feedback and values."""

    class Increment(Optimizer):
        def _propose(self):
            yield from ()
            return {each: each.data + 1 for each in self.parameters}

    x = node(1, trainable=True, name="x")
    with opto.record(tmp_path):
        optimizer = Increment([x])
        optimizer.backward(x * 2, 3)
        optimizer.step()
    [step] = opto.runs.read(tmp_path).steps
    assert (step.feedback, step.new, len(step.graph)) == (3, {x.py_name: 2}, 3)


def test_long_values_and_large_graphs_are_bounded(tmp_path):
    """A record does not grow with the size of a value or of a graph."""
    x = node("long " * 100_000, trainable=True, name="x")
    log = EventLog()

    class Keep(Optimizer):
        def _propose(self):
            yield from ()
            return {}

    y = x
    for _ in range(6000):
        y = y + ""
    with listening(log):
        optimizer = Keep([x])
        optimizer.backward(y, "less")
        optimizer.step()
    data = log.of("problem")[0].data
    assert data["left_out"] == 1000
    assert all(len(value) < 2100 for value in data["roots"].values() if isinstance(value, str))


def test_a_frame_needs_pandas(recorded, monkeypatch):
    """Without it the error names the extra."""
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"opto-trace\[pandas\]"):
        recorded[0].to_frame()


def test_a_frame(recorded):
    """A row for each step."""
    pytest.importorskip("pandas")
    frame = recorded[0].to_frame()
    assert list(frame["outcome"]) == ["applied"] * 4


def test_tags(tmp_path):
    """The second form of OptoPrime is recorded and replayed as well."""
    answers = iter(range(5, 10))

    def program(ask):
        x = node(1, trainable=True, name="x")

        def model(messages, **options):
            return f"<reasoning>r</reasoning><variable><name>{x.py_name}</name><value>{ask()}</value></variable>"

        optimizer = OptoPrimeV2([x], model)
        for _ in range(3):
            optimizer.zero_feedback()
            optimizer.backward(x * 2, "more")
            optimizer.step()
        return x.data

    with opto.record(tmp_path):
        assert program(lambda: next(answers)) == 7
    assert opto.replay(tmp_path, lambda: program(lambda: "wrong")) == 7
    assert opto.runs.read(tmp_path).steps[0].rendered.startswith("# Instruction")


def test_a_warning_of_a_rejected_answer_is_the_same(tmp_path):
    """What warned when it was recorded warns when it is replayed."""
    with opto.record(tmp_path), pytest.warns(SuggestionWarning):
        train(Counting({1: "nothing", 2: "nothing"}), steps=1)
    with pytest.warns(SuggestionWarning):
        opto.replay(tmp_path, lambda: train(Unreachable(), steps=1))


def test_feedback_that_is_a_list_is_no_list_of_outputs(tmp_path):
    """What was said of one output may be a list; it has no score."""
    with opto.record(tmp_path / "run"):
        x = node(1, trainable=True, name="listed")
        optimizer = OptoPrime([x], Scripted(['{"suggestion": {"listed0": 2}}']))
        optimizer.backward(x + 1, [0.5, None])
        optimizer.step()
    (step,) = opto.runs.read(tmp_path / "run").steps
    assert step.score is None
    assert opto.runs.read(tmp_path / "run").rows()[0]["score"] is None
