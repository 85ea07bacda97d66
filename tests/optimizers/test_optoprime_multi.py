"""Several candidates per step: how they are asked for, and how one of them is chosen."""

import copy
import json
import pickle

import pytest

from opto.errors import ReplayError, SuggestionWarning
from opto.llm import Recorded
from opto.optimizers import OptoPrimeMulti
from opto.optimizers.optoprime_multi import apportioned
from opto.runs import EventLog, listening
from opto.testing import Scripted
from opto.trace import node
from tests.optimizers.rounds import Rounds


def answer(parameter, value):
    """An answer that suggests one value."""
    return json.dumps({"reasoning": "", "suggestion": {parameter.py_name: value}})


def criticized(**options):
    """A number with feedback, and its optimizer."""
    x = node(1, trainable=True, name="x")
    optimizer = OptoPrimeMulti([x], **options)
    optimizer.backward(x + 1, "more")
    return x, optimizer


class TestGeneration:
    """How candidates are made."""

    def test_temperatures_rise_and_go_out_at_once(self):
        """All candidates are asked for in one round, from the lowest to the highest temperature."""
        x, optimizer = criticized(num_responses=4, temperature_min_max=(0.1, 0.7), judge=False)
        optimizer.llm = Rounds([4], lambda messages, options: answer(x, round(options["temperature"] * 10)))
        assert optimizer.step() == {x: 1}
        assert sorted(options["temperature"] for _, options in optimizer.llm.requests) == [0.1, 0.3, 0.5, 0.7]

    async def test_the_same_on_the_event_loop(self):
        """`astep` sends them together too."""
        x, optimizer = criticized(score=lambda values: values[x])
        optimizer.llm = Rounds([3], lambda messages, options: answer(x, 10 * options["temperature"]))
        assert await optimizer.astep() == {x: 10}

    def test_experts_take_turns(self):
        """Each expert is named in the system message of its request."""
        x, optimizer = criticized(
            generation_technique="multi_experts", experts_list=["a chemist", "a poet"], judge=False
        )
        optimizer.llm = Rounds([3], lambda messages, options: answer(x, 5))
        optimizer.step()
        last = sorted(messages[0]["content"].splitlines()[-1] for messages, _ in optimizer.llm.requests)
        assert [line.rpartition(" as ")[2] for line in last] == ["a chemist.", "a chemist.", "a poet."]

    def test_models_get_their_shares(self):
        """Candidates are shared out by weight."""
        asked = []

        def model(name):
            return lambda messages, **options: asked.append(name) or answer(x, 5)

        x, optimizer = criticized(
            generation_technique="multi_llm",
            llm_profiles=[model("small"), model("large")],
            llm_weights=[3, 1],
            num_responses=8,
        )
        optimizer.step()
        assert sorted(asked) == ["large"] * 2 + ["small"] * 6

    def test_shares_are_spread_evenly(self):
        """Nobody waits longer than need be."""
        assert apportioned(6, [2, 1]) == [0, 1, 0, 0, 1, 0]
        assert apportioned(3, [1, 0]) == [0, 0, 0]

    def test_models_by_profile(self, no_model_configured):
        """A name stands for a profile of the environment."""
        no_model_configured.setenv("OPTO_MODEL_SMALL", "ollama/tiny")
        _, optimizer = criticized(generation_technique="multi_llm", llm_profiles=["small"])
        assert "ollama/tiny" in optimizer._profile(0).name

    def test_refinement_is_a_conversation(self):
        """Each answer is put before the model to be improved."""
        x, optimizer = criticized(generation_technique="self_refinement", judge=False)
        optimizer.llm = Scripted([answer(x, 2), answer(x, 3), answer(x, 4)])
        optimizer.step()
        roles = [[message["role"] for message in messages] for messages, _ in optimizer.llm.requests]
        assert roles == [["system", "user"], *[["system", "user", "assistant", "user"]] * 2]
        assert json.loads(optimizer.llm.requests[2][0][2]["content"])["suggestion"] == {x.py_name: 3}

    def test_alternatives_are_told_what_there_is(self):
        """Each request lists all that was proposed before it."""
        x, optimizer = criticized(generation_technique="iterative_alternatives", judge=False)
        optimizer.llm = Scripted([answer(x, 2), answer(x, 3), answer(x, 4)])
        optimizer.step()
        shown = [messages[-1]["content"].count("Proposal ") for messages, _ in optimizer.llm.requests]
        assert shown == [0, 1, 2]
        assert all(messages[-1]["content"].count("Your response:") == 1 for messages, _ in optimizer.llm.requests)


class TestSelection:
    """How one is chosen."""

    def test_the_best_score(self):
        """The function sees the values of all trainable parameters."""
        seen = []
        x, y = node(1, trainable=True, name="x"), node(7, trainable=True, name="y")

        def score(values):
            seen.append(dict(values))
            return -abs(values[x] - 3)

        optimizer = OptoPrimeMulti([x, y], Scripted([answer(x, value) for value in (2, 3, 5)]), score=score)
        optimizer.backward(x + y, "more")
        assert optimizer.step() == {x: 3}
        assert seen == [{x: 2, y: 7}, {x: 3, y: 7}, {x: 5, y: 7}]

    def test_a_candidate_that_breaks_the_score_does_not_count(self):
        """It is on record; if all break it, the error is raised and nothing changes."""
        x, optimizer = criticized(score=lambda values: 1 / (values[x] - 2))
        optimizer.llm = Scripted([answer(x, value) for value in (2, 3, 3)] + [answer(x, 2)] * 3)
        log = EventLog()
        with listening(log):
            assert optimizer.step() == {x: 3}
        assert [each.data["reason"] for each in log.of("attempt") if each.data["outcome"] == "failed"] == [
            "ZeroDivisionError: division by zero"
        ]
        with pytest.raises(ZeroDivisionError), pytest.warns(match="changed after"):
            optimizer.step()
        assert x.data == 3

    def test_a_judge(self):
        """One more request shows the candidates, and its number counts."""
        x, optimizer = criticized()
        optimizer.llm = Scripted([*[answer(x, value) for value in (2, 3, 4)], 'Sure: {"reasoning": "", "best": 3}'])
        assert optimizer.step() == {x: 4}

    @pytest.mark.parametrize("verdict", ["I cannot say.", '{"best": 9}', ConnectionError("dead")])
    def test_a_judge_that_fails(self, verdict):
        """The first candidate stands."""
        x, optimizer = criticized(judge=Scripted([verdict] * 2))
        optimizer.llm = Scripted([answer(x, value) for value in (2, 3, 4)])
        assert optimizer.step() == {x: 2}

    def test_no_judge_for_equal_candidates(self):
        """Nothing is asked where there is nothing to choose."""
        x, optimizer = criticized()
        optimizer.llm = Scripted([answer(x, 5)] * 3)
        assert optimizer.step() == {x: 5}

    def test_a_mixture(self):
        """One more request merges the candidates, and its answer is read like any other."""
        x, optimizer = criticized(selection_technique="moa")
        optimizer.llm = Scripted([*[answer(x, value) for value in (2, 3, 4)], answer(x, "much"), answer(x, 6)])
        assert optimizer.step() == {x: 6}
        assert optimizer.llm.requests[3][0][1]["content"].count("Proposal ") == 3

    def test_a_mixture_that_cannot_be_used(self):
        """The first candidate stands."""
        x, optimizer = criticized(selection_technique="moa", retries=0)
        optimizer.llm = Scripted([*[answer(x, value) for value in (2, 3, 4)], "no idea"])
        assert optimizer.step() == {x: 2}

    def test_majority(self):
        """The values that most candidates agree on, as one candidate has them."""
        x, y = node(1, trainable=True, name="x"), node(1, trainable=True, name="y")

        def both(a, b):
            return json.dumps({"suggestion": {x.py_name: a, y.py_name: b}})

        optimizer = OptoPrimeMulti(
            [x, y], Scripted([both(2, 9), both(5, 7), both(5, 7), both(5, 8)]), num_responses=4,
            selection_technique="majority",
        )  # fmt: skip
        optimizer.backward(x + y, "more")
        assert optimizer.step() == {x: 5, y: 7}

    def test_a_selector_of_ones_own(self):
        """It gets the candidates and returns one of them."""
        x, optimizer = criticized(selector=lambda candidates: max(candidates, key=lambda each: each[x]))
        optimizer.llm = Scripted([answer(x, value) for value in (2, 8, 4)])
        assert optimizer.step() == {x: 8}

    def test_a_selector_that_returns_something_else(self):
        """It is told so, and nothing changes."""
        x, optimizer = criticized(selector=len)
        optimizer.llm = Scripted([answer(x, value) for value in (2, 8, 4)])
        with pytest.raises(TypeError, match="selector must return one of the candidates"):
            optimizer.step()
        assert x.data == 1


class TestFailures:
    """What goes wrong on the way."""

    def test_each_candidate_is_an_attempt(self):
        """With its number, also those that fail and those that are put right."""
        x, optimizer = criticized(judge=False)

        def model(messages, **options):
            if len(messages) > 2:
                return answer(x, 4)
            if options["temperature"] == 0:
                raise ConnectionError("dead")
            return "what?" if options["temperature"] == 0.5 else answer(x, 3)

        optimizer.llm = model
        log = EventLog()
        with listening(log):
            assert optimizer.step() == {x: 4}
        told = {(each.data["purpose"], each.data["candidate"], each.data["outcome"]) for each in log.of("attempt")}
        assert told == {
            ("propose", 0, "failed"),
            ("propose", 1, "failed"),
            ("propose", 2, "accepted"),
            ("repair", 1, "accepted"),
            ("select", 1, "accepted"),
        }

    def test_repairs_go_out_together(self):
        """Three bad answers are put right in one round."""
        x, optimizer = criticized(score=lambda values: values[x])
        optimizer.llm = Rounds([3, 3], lambda messages, options: "?" if len(messages) == 2 else answer(x, 5))
        assert optimizer.step() == {x: 5}
        assert optimizer.llm.finished

    def test_all_models_fail(self):
        """The first error is raised, and nothing changes."""
        x, optimizer = criticized(memory_size=3)
        optimizer.llm = Scripted([ConnectionError("dead")] * 6)
        with pytest.raises(ConnectionError):
            optimizer.step()
        assert x.data == 1
        assert len(optimizer.memory) == 0

    def test_a_bug_is_no_failure_of_a_model(self):
        """An error of the program's own code is raised, though other candidates would do."""

        class Own(OptoPrimeMulti):
            def construct_update_dict(self, suggestion):
                raise KeyError("a bug")

        x = node(1, trainable=True, name="x")
        optimizer = Own([x], Scripted([ConnectionError("dead"), ConnectionError("dead"), *[answer(x, 2)] * 2]))
        optimizer.backward(x + 1, "more")
        with pytest.raises(KeyError):
            optimizer.step()
        assert x.data == 1

    def test_an_answer_without_text(self):
        """It is a failure of its model alone."""
        x, optimizer = criticized(score=lambda values: values[x])
        empty = {"choices": [{"message": {"role": "assistant", "content": None}}]}
        optimizer.llm = Scripted([empty, answer(x, 2), answer(x, 3)])
        assert optimizer.step() == {x: 3}

    def test_no_answer_can_be_used(self):
        """A warning, and nothing changes."""
        x, optimizer = criticized(retries=0)
        optimizer.llm = Scripted(["?", "!", answer(x, "many")])
        with pytest.warns(SuggestionWarning):
            assert optimizer.step() == {}
        assert x.data == 1

    @pytest.mark.parametrize(
        "options",
        [
            {"num_responses": 0},
            {"temperature_min_max": (1, 0)},
            {"generation_technique": "magic"},
            {"selection_technique": "magic"},
            {"experts_list": []},
            {"generation_technique": "multi_llm"},
            {"llm_profiles": [len], "llm_weights": [-1]},
        ],
    )
    def test_bad_options(self, options):
        """The error names the option."""
        with pytest.raises(ValueError, match=r"|".join(["num_responses", "temperature_min_max", "technique", "experts",
                                                        "llm_profiles", "llm_weights"])):  # fmt: skip
            OptoPrimeMulti([node(1, trainable=True)], **options)


class TestRepeating:
    """Runs can be repeated and kept."""

    def test_record_and_replay(self, tmp_path):
        """Equal requests that go out together get their own answers again, in order."""

        def run(llm):
            x = node(1, trainable=True, name="replayed")
            optimizer = OptoPrimeMulti([x], llm, temperature_min_max=(1, 1), score=lambda values: values[x])
            optimizer.backward(x + 1, "more")
            log = EventLog()
            with listening(log):
                optimizer.step()
            chosen = [each.data["candidate"] for each in log.of("attempt") if each.data["purpose"] == "select"]
            return x.data, chosen

        from opto.trace import GRAPH

        GRAPH.clear()
        script = Scripted([json.dumps({"suggestion": {"replayed0": value}}) for value in (2, 9, 4)])
        recorded = run(Recorded(tmp_path / "run.json", script, mode="record"))
        for _ in range(3):
            GRAPH.clear()
            assert run(Recorded(tmp_path / "run.json")) == recorded
        GRAPH.clear()
        x = node(2, trainable=True, name="replayed")
        other = OptoPrimeMulti([x], Recorded(tmp_path / "run.json"))
        other.backward(x + 1, "more")
        with pytest.raises(ReplayError):
            other.step()

    def test_seed(self):
        """Each request gets a seed of its own, the same in every run."""

        def seeds():
            x, optimizer = criticized(seed=5, judge=False)
            optimizer.llm = Scripted([answer(x, 2)] * 3)
            optimizer.step()
            return [options["seed"] for _, options in optimizer.llm.requests]

        assert sorted(seeds()) == sorted(seeds())
        assert len(set(seeds())) == 3

    def test_pickle_and_deepcopy(self):
        """Both give an optimizer that works."""
        x, optimizer = criticized(judge=False)
        optimizer.llm = Scripted([answer(x, 2)] * 3)
        twin = copy.deepcopy(optimizer)
        assert twin.parameters[0] is x
        other = pickle.loads(pickle.dumps(optimizer))
        other.backward(other.parameters[0] + 1, "more")
        assert list(other.step().values()) == [2]
