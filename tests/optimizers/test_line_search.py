"""LineSearch: a step is kept only if a check does not get worse."""

import copy
import json
import pickle
import re

import pytest

from opto.errors import OptoWarning
from opto.llm import Recorded
from opto.optimizers import OPRO, LineSearch, Optimizer, OptoPrime, Schedule, TextGrad, trying
from opto.optimizers.domains import Choices
from opto.optimizers.select import Select
from opto.runs import EventLog, listening
from opto.testing import Scripted
from opto.trace import GRAPH, bundle, node


def answer(parameter, value):
    """An answer that suggests one value."""
    return json.dumps({"reasoning": "", "suggestion": {parameter.py_name: value}})


def near(target, *, of):
    """A check: the closer to the target, the better."""
    return lambda values: -abs(values[of] - target)


class Jump(Optimizer):
    """Proposes given values, without a model."""

    def __init__(self, parameters, values):
        super().__init__(parameters)
        self.values = list(values)

    def _propose(self):
        return dict.fromkeys(self.parameters, self.values.pop(0))
        yield


class OldStyle(Optimizer):
    """As optimizers were written for the published packages."""

    def _step(self, *args, **kwargs):
        return dict.fromkeys(self.parameters, 5)


class TestKeeping:
    """Which steps are kept."""

    def test_better_equal_and_worse(self):
        """A step that does not get worse is kept; another one changes nothing."""
        x = node(0, trainable=True)
        optimizer = LineSearch(Jump([x], [4, 6, 9, 5]), near(5, of=x))
        assert [optimizer.step() for _ in range(4)] == [{x: 4}, {x: 6}, {}, {x: 5}]
        assert x.data == 5

    def test_the_present_values_are_checked_once(self):
        """A check may be dear; with `recheck` it is made anew in every step."""
        for recheck, seen in [(False, [0, 4, 9, 5]), (True, [0, 4, 4, 9, 4, 5])]:
            x = node(0, trainable=True)
            calls = []
            check = lambda values: calls.append(values[x]) or -abs(values[x] - 5)  # noqa: E731
            optimizer = LineSearch(Jump([x], [4, 9, 5]), check, recheck=recheck)
            for _ in range(3):
                optimizer.step()
            assert calls == seen

    def test_tolerance(self):
        """A little worse may be good enough."""
        x = node(5, trainable=True)
        assert LineSearch(Jump([x], [6]), near(5, of=x), tolerance=1).step() == {x: 6}

    def test_a_bool_as_check(self):
        """False after True is worse."""
        x = node(1, trainable=True)
        optimizer = LineSearch(Jump([x], [-1, 2]), lambda values: values[x] > 0)
        assert [optimizer.step(), optimizer.step()] == [{}, {x: 2}]

    def test_a_check_that_runs_the_program(self):
        """`trying` sets the values for the check alone."""
        x = node(1, trainable=True)

        @bundle()
        def program(x):
            return x * 2

        def check(values):
            with trying(values):
                return -abs(program(x).data - 10)

        optimizer = LineSearch(Jump([x], [9, 5]), check)
        assert [optimizer.step(), optimizer.step()] == [{x: 9}, {x: 5}]
        assert x.data == 5
        with pytest.raises(RuntimeError), trying({x: 77}):
            raise RuntimeError
        assert x.data == 5

    def test_values_that_do_not_change_are_not_checked(self):
        """There is nothing to compare."""
        x = node(1, trainable=True)
        assert LineSearch(Jump([x], [1]), lambda values: 1 / 0).step() == {x: 1}

    def test_shrinking(self):
        """A step of numbers is halved until it is good; whole numbers stay whole."""
        x, y = node(0, trainable=True), node(0.0, trainable=True)
        optimizer = LineSearch(Jump([x, y], [8]), lambda values: -abs(values[x] - 2), shrink=0.5)
        assert optimizer.step() == {x: 4, y: 4.0}
        assert type(x.data) is int

    def test_texts_are_not_shrunk(self):
        """Half a text is no text."""
        x = node("a", trainable=True)
        optimizer = LineSearch(Jump([x], ["bbb"]), lambda values: -len(values[x]), shrink=0.5)
        assert optimizer.step() == {}

    def test_bypassing(self):
        """Nothing is set."""
        x = node(0, trainable=True)
        assert LineSearch(Jump([x], [4]), near(5, of=x)).step(bypassing=True) == {x: 4}
        assert x.data == 0


class TestErrors:
    """Checks that raise."""

    def test_a_candidate_that_breaks_the_check(self):
        """It is worse than what works."""
        x = node(1, trainable=True)
        optimizer = LineSearch(Jump([x], [0, 2]), lambda values: 1 / values[x] if values[x] < 2 else 2)
        assert [optimizer.step(), optimizer.step()] == [{}, {x: 2}]
        assert len(optimizer.memory) == 0

    def test_a_repair(self):
        """Values that work are better than those that do not."""
        x = node(0, trainable=True)
        assert LineSearch(Jump([x], [2]), lambda values: 1 / values[x]).step() == {x: 2}

    def test_a_check_that_always_raises(self):
        """Its error is raised, and nothing changes."""
        x = node(0, trainable=True)
        with pytest.raises(KeyError):
            LineSearch(Jump([x], [2]), lambda values: {}["no"]).step()
        assert x.data == 0

    @pytest.mark.parametrize("said", ["good", float("nan"), None])
    def test_a_check_that_is_no_number(self, said):
        """The error says what it must be."""
        x = node(0, trainable=True)
        with pytest.raises((TypeError, ValueError), match=r"number|finite"):
            LineSearch(Jump([x], [2]), lambda values: said).step()

    def test_bad_options(self):
        """They are named."""
        x = node(0, trainable=True)
        with pytest.raises(TypeError, match="check must be a function"):
            LineSearch(Jump([x], []), 5)
        with pytest.raises(ValueError, match="shrink must lie between"):
            LineSearch(Jump([x], []), len, shrink=2)
        with pytest.raises(ValueError, match="retries must be >= 0"):
            LineSearch(Jump([x], []), len, retries=-1)
        with pytest.raises(TypeError, match="optimizer must be an Optimizer"):
            LineSearch([x], len)

    def test_the_model_fails(self):
        """Nothing changes."""
        x = node(0, trainable=True)
        optimizer = LineSearch(OptoPrime([x], Scripted([ConnectionError("dead")] * 2)), near(5, of=x))
        optimizer.backward(x + 1, "more")
        with pytest.raises(ConnectionError):
            optimizer.step()
        assert x.data == 0


class TestTelling:
    """The model hears of failures."""

    def test_in_the_next_step(self):
        """What was tried and what the check said stands in the request; after a kept step it is forgotten."""
        x = node(0, trainable=True, name="x")
        optimizer = LineSearch(OptoPrime([x], Scripted([answer(x, 50), answer(x, 5), answer(x, 5)])), near(5, of=x))
        for _ in range(3):
            optimizer.zero_feedback()
            optimizer.backward(x + 1, "more")
            optimizer.step()
        first, second, third = (messages[1]["content"] for messages, _ in optimizer.llm.requests)
        told = f"{x.py_name} = 50\n-> the check gives -45, and -5 for the present values"
        assert told not in first
        assert told in second
        assert second.count("Your response:") == 1
        assert "-> the check" not in third

    def test_at_once_with_retries(self):
        """The model is asked again within the step."""
        x = node(0, trainable=True, name="x")
        optimizer = LineSearch(OptoPrime([x], Scripted([answer(x, 50), answer(x, 5)])), near(5, of=x), retries=1)
        optimizer.backward(x + 1, "more")
        assert optimizer.step() == {x: 5}
        assert "-> the check" in optimizer.llm.requests[1][0][1]["content"]

    def test_repairs_keep_the_conversation(self):
        """The repair of an answer goes on from the request as it was sent."""
        x = node(0, trainable=True, name="x")
        optimizer = LineSearch(OptoPrime([x], Scripted([answer(x, 50), "?", answer(x, 5)])), near(5, of=x), retries=1)
        optimizer.backward(x + 1, "more")
        assert optimizer.step() == {x: 5}
        requests = [messages for messages, _ in optimizer.llm.requests]
        assert requests[2][:2] == requests[1]

    def test_textgrad_hears_of_it_where_it_rewrites(self):
        """Requests for criticism stay as they are."""
        x = node(0, trainable=True, name="x")
        block = f"<variable><name>{x.py_name}</name><value>%s</value></variable>"
        optimizer = LineSearch(TextGrad([x], Scripted(["up", block % 50, "up", block % 5])), near(5, of=x), retries=1)
        optimizer.backward(x + 1, "more")
        assert optimizer.step() == {x: 5}
        assert ["-> the check" in messages[1]["content"] for messages, _ in optimizer.llm.requests] == [
            False, False, False, True,
        ]  # fmt: skip

    def test_events(self):
        """Each check is an attempt, kept or not, under the name of the inner optimizer."""
        x = node(0, trainable=True, name="x")
        optimizer = LineSearch(Jump([x], [9, 50]), near(5, of=x))
        log = EventLog()
        with listening(log):
            optimizer.step()
            optimizer.step()
        told = [(each.data["outcome"], each.data["score"], each.data["score_before"]) for each in log.of("attempt")]
        assert told == [("accepted", -4, -5), ("rejected", -45, -4)]
        assert {(each.data["optimizer"], each.data["wrapper"]) for each in log.of("step")} == {("Jump", "LineSearch")}
        assert [each.data["step"] for each in log.of("step")] == [1, 2]


class TestComposing:
    """With other optimizers and wrappers."""

    async def test_async_around_a_schedule(self):
        """Wrappers nest, on the event loop too."""
        x = node(0, trainable=True, name="x")
        inner = Schedule(OptoPrime([x], Scripted([answer(x, 50), answer(x, 5)])), temperature=[0.1, 0.9])
        optimizer = LineSearch(inner, near(5, of=x), retries=1)
        optimizer.backward(x + 1, "more")
        assert await optimizer.astep() == {x: 5}
        assert [options["temperature"] for _, options in optimizer.llm.requests] == [0.1, 0.9]

    @pytest.mark.parametrize("asynchronous", [False, True])
    async def test_an_optimizer_of_the_old_style(self, asynchronous):
        """One that overrides `_step` is called by it."""
        x = node(0, trainable=True)
        optimizer = LineSearch(OldStyle([x]), near(5, of=x))
        assert (await optimizer.astep() if asynchronous else optimizer.step()) == {x: 5}
        assert (optimizer.steps, optimizer.optimizer.steps) == (1, 1)

    def test_what_the_wrapper_does_not_have(self):
        """Attributes of the inner optimizer are reached through it."""
        x = node(0, trainable=True, name="x")
        optimizer = LineSearch(OPRO([x], objective="Be quick."), near(5, of=x))
        optimizer.observe({x: 3}, 1.0)
        assert optimizer.best() == {x: 3}
        assert optimizer.objective == "Be quick."
        optimizer.objective = "Be slow."
        assert optimizer.optimizer.objective == "Be slow."
        with pytest.raises(AttributeError):
            optimizer.no_such_thing

    def test_around_a_sampler(self):
        """An optimizer that needs no model, and takes its feedback in another form, is wrapped as well."""
        x = node("a", trainable=True, name="x", constraint=Choices(["a", "b", "c"]))
        optimizer = LineSearch(Select([x], seed=1), lambda values: "abc".index(values[x]))
        for _ in range(6):
            before = x.data
            optimizer.zero_feedback()
            optimizer.backward(x + "", 0.5)
            optimizer.step()
            assert x.data >= before

    def test_projections(self):
        """The check sees what would be set."""
        from opto.trace.nodes import ParameterNode
        from opto.trace.projections import Projection

        class Even(Projection):
            def project(self, x):
                return x // 2 * 2

        seen = []
        x = ParameterNode(0, projections=[Even()])
        LineSearch(Jump([x], [5]), lambda values: seen.append(values[x]) or values[x]).step()
        assert seen == [0, 4]
        assert x.data == 4

    def test_state_copies_and_pickle(self, tmp_path):
        """The failures and the inner state are kept."""
        x = node(0, trainable=True, name="x")
        optimizer = LineSearch(OPRO([x], Scripted([answer(x, 50)])), abs_check)
        optimizer.backward(x + 1, 1.0)
        optimizer.step()
        assert len(optimizer.memory) == 1
        optimizer.save(tmp_path / "state.json")
        other = LineSearch(OPRO([x]), abs_check)
        other.load(tmp_path / "state.json")
        assert list(other.memory) == list(optimizer.memory)
        assert other.optimizer.best() == {x: 0}
        twin = copy.deepcopy(optimizer)
        assert twin.parameters[0] is x
        assert twin.llm is optimizer.llm
        assert twin.optimizer is not optimizer.optimizer
        assert list(pickle.loads(pickle.dumps(optimizer)).memory) == list(optimizer.memory)

    def test_record_and_replay(self, tmp_path):
        """A run with failures is repeated exactly."""

        def model(messages, **options):
            tried = len(re.findall("-> the check", messages[1]["content"]))
            return json.dumps({"suggestion": {"x0": 50 - 20 * tried}})

        def run(llm):
            GRAPH.clear()
            x = node(0, trainable=True, name="x")
            optimizer = LineSearch(OptoPrime([x], llm), near(5, of=x), retries=3)
            optimizer.backward(x + 1, "more")
            return optimizer.step(), [dict(past) for past in optimizer.memory]

        [first] = run(Recorded(tmp_path / "run.json", model, mode="record"))[0].values()
        [again] = run(Recorded(tmp_path / "run.json"))[0].values()
        assert first == again == 10


def abs_check(values):
    """A check that pickles."""
    return -sum(map(abs, values.values()))


def test_unknown_options_are_told_by_the_inner_optimizer():
    """A wrapper swallows none."""
    with pytest.warns(OptoWarning, match="does not use"):
        LineSearch(OptoPrime([node(1, trainable=True)], memroy_size=3), abs_check)
