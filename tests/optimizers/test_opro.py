"""OPRO: values and scores, sorted, and no graph."""

import copy
import json
import pickle
import re

import pytest

from opto.errors import StaleValueWarning, UnreachedFeedbackWarning
from opto.llm import Recorded
from opto.optimizers import OPRO, OPROv2
from opto.optimizers.solutions import Solution, SolutionMemory
from opto.runs import EventLog, listening
from opto.testing import Scripted
from opto.trace import GRAPH, node
from tests.optimizers.rounds import Rounds


def answer(parameter, value):
    """An answer that suggests one value."""
    return json.dumps({"reasoning": "", "suggestion": {parameter.py_name: value}})


def climber(messages, **options):
    """Reads the solutions, and goes one step further than the best of them."""
    name, value = re.findall(r"^\(int\) (\w+)=(-?\d+)$", messages[1]["content"].split("#Solutions")[1], re.MULTILINE)[
        -1
    ]
    return json.dumps({"suggestion": {name: int(value) + 1}})


class TestMemory:
    """What is kept and in which order."""

    def test_the_best_in_ascending_order(self):
        """The worst leave first; those without a score count as the worst."""
        memory = SolutionMemory(3)
        for value, score in [(1, 5.0), (2, None), (3, 1.0), (4, 9.0), (5, 7.0)]:
            memory.add(Solution({"x": value}, score, count=1))
        assert [each.values["x"] for each in memory] == [1, 5, 4]
        assert memory.best.score == 9.0

    def test_equal_values_are_one_solution(self):
        """Their score is the mean."""
        memory = SolutionMemory(3)
        memory.add(Solution({"x": 1}, 2.0, "bad", 1))
        memory.add(Solution({"x": 1}, 5.0, "", 2))
        assert list(memory) == [Solution({"x": 1}, 4.0, "bad", 3)]

    def test_words_alone(self):
        """The last that was said is shown last."""
        memory = SolutionMemory(2)
        for value in (1, 2, 3):
            memory.add(Solution({"x": value}, None, "hm"))
        assert [each.values["x"] for each in memory] == [2, 3]
        assert memory.best is None

    @pytest.mark.parametrize("size", [0, -1])
    def test_size(self, size):
        """A memory of nothing would be no OPRO."""
        with pytest.raises(ValueError, match="memory_size must be >= 1"):
            OPRO([node(1, trainable=True)], memory_size=size)


class TestScoresFromBackward:
    """The program is run by the user, and its score sent back."""

    def test_climbing(self):
        """A model that reads the prompt finds the top, and `best` remembers it."""
        x = node(0, trainable=True, name="x")
        optimizer = OPRO([x], climber)
        for _ in range(8):
            optimizer.zero_feedback()
            optimizer.backward(x * 1, -abs(x.data - 5))
            optimizer.step()
        assert optimizer.best() == {x: 5}
        assert optimizer.memory.best.score == 0

    def test_solutions_ascend_in_the_prompt(self):
        """The best stands last, with its score; what was said stands beside it."""
        x = node(0, trainable=True, name="x")
        optimizer = OPRO([x], Scripted([answer(x, 1), answer(x, 2), answer(x, 3)]))
        for score, said in [(3.0, "good"), (1.0, "bad"), (2.0, "so so")]:
            optimizer.zero_feedback()
            optimizer.backward(x * 1, (score, said))
            optimizer.step()
        user = optimizer.llm.requests[-1][0][1]["content"]
        assert re.findall(r"^Solution \d, (.*)$", user, re.MULTILINE) == [
            "score 1; bad",
            "score 2; so so",
            "score 3; good",
        ]

    def test_words_and_several_outputs(self):
        """Numbers are averaged, words are shown."""
        x = node(0, trainable=True, name="x")
        optimizer = OPRO([x], Scripted([answer(x, 1)]))
        optimizer.backward(x * 1, 1.0)
        optimizer.backward(x * 2, 2.0)
        optimizer.backward(x * 3, "too small")
        optimizer.step()
        assert list(optimizer.memory) == [Solution({x.py_name: 0}, 1.5, "too small", 2)]

    def test_no_graph_in_the_prompt(self):
        """OPRO shows values and scores alone."""
        x = node(0, trainable=True, name="x")
        optimizer = OPRO([x], Scripted([answer(x, 1)]))
        optimizer.backward((x + 41) * 1, 1.0)
        optimizer.step()
        assert "add" not in optimizer.llm.requests[0][0][1]["content"]

    def test_proposals_are_tried_one_after_the_other(self):
        """Three proposals go out in one round and feed three steps; known values are not tried again."""
        x = node(0, trainable=True, name="x")
        answers = iter([answer(x, 4), answer(x, 0), answer(x, 6)])
        optimizer = OPRO([x], Rounds([3], lambda messages, options: next(answers)), num_proposals=3)
        tried = []
        for _ in range(2):
            optimizer.zero_feedback()
            optimizer.backward(x * 1, float(x.data))
            tried += optimizer.step().values()
        assert sorted(tried) == [4, 6]
        assert optimizer.llm.finished

    def test_without_feedback(self):
        """Nothing is asked."""
        with pytest.warns(UnreachedFeedbackWarning):
            assert OPRO([node(1, trainable=True)], Scripted([])).step() == {}

    def test_stale_values(self):
        """The score goes to the values that the forward pass read."""
        x = node(0, trainable=True, name="x")
        optimizer = OPRO([x], Scripted([answer(x, 7)]))
        output = x * 1
        x._data = 3
        optimizer.backward(output, 1.0)
        with pytest.warns(StaleValueWarning):
            optimizer.step()
        assert optimizer.best() == {x: 0}


class TestScoreFunction:
    """The optimizer scores by itself."""

    def test_the_best_known_is_set(self):
        """All proposals are scored; a step that finds nothing better changes nothing."""
        x = node(0, trainable=True, name="x")
        optimizer = OPRO(
            [x], Scripted([answer(x, value) for value in (3, 8, 5, 1, 2, 9)]), num_proposals=3,
            score=lambda values: -abs(values[x] - 5),
        )  # fmt: skip
        assert optimizer.step() == {x: 5}
        assert optimizer.step() == {}
        assert x.data == 5
        assert len(optimizer.memory) == 5

    def test_values_that_break_the_program(self):
        """They are remembered with the error."""
        x = node(1, trainable=True, name="x")
        optimizer = OPRO([x], Scripted([answer(x, 0)]), score=lambda values: 1 / values[x])
        assert optimizer.step() == {}
        assert [each.remark for each in optimizer.memory] == ["ZeroDivisionError: division by zero", ""]

    def test_known_values_are_not_scored_again(self):
        """A score may be dear."""
        seen = []
        x = node(0, trainable=True, name="x")
        optimizer = OPRO([x], Scripted([answer(x, 2)] * 2), score=lambda values: seen.append(values[x]) or values[x])
        optimizer.step()
        optimizer.step()
        assert seen == [0, 2]


class TestFailures:
    """Models and answers that fail."""

    def test_a_failing_model_changes_nothing(self):
        """Neither parameters nor memory, so the step can be taken again."""
        x = node(0, trainable=True, name="x")
        optimizer = OPRO([x], Scripted([ConnectionError("dead"), answer(x, 2)]), use_json_object_format=False)
        optimizer.backward(x * 1, 1.0)
        with pytest.raises(ConnectionError):
            optimizer.step()
        assert (x.data, len(optimizer.memory)) == (0, 0)
        assert optimizer.step() == {x: 2}
        assert [each.count for each in optimizer.memory] == [1]

    def test_one_proposal_of_three_fails(self):
        """The others count; each is an attempt on record."""
        x = node(0, trainable=True, name="x")
        optimizer = OPRO([x], Scripted([ConnectionError("dead"), "?", answer(x, 2)]), num_proposals=3, retries=0)
        optimizer.backward(x * 1, 1.0)
        log = EventLog()
        with listening(log):
            assert optimizer.step() == {x: 2}
        assert sorted(each.data["candidate"] for each in log.of("attempt")) == [0, 1, 2]

    def test_a_bad_answer_is_put_right(self):
        """As in OptoPrime: the reason goes back once."""
        x = node(0, trainable=True, name="x")
        optimizer = OPRO([x], Scripted([answer(x, "many"), answer(x, 2)]))
        optimizer.backward(x * 1, 1.0)
        assert optimizer.step() == {x: 2}


class TestKeeping:
    """State, copies, replay."""

    def test_state(self, tmp_path):
        """A saved optimizer goes on where it was, its waiting proposals too."""
        x = node(0, trainable=True, name="x")
        optimizer = OPRO([x], Scripted([answer(x, 4), answer(x, 6)]), num_proposals=2)
        optimizer.backward(x * 1, 1.0)
        optimizer.step()
        optimizer.save(tmp_path / "opro.json")
        other = OPRO([x], Scripted([]), num_proposals=2)
        other.load(tmp_path / "opro.json")
        assert list(other.memory) == list(optimizer.memory)
        other.zero_feedback()
        other.backward(x * 1, 2.0)
        assert len(other.step()) == 1
        twin = copy.deepcopy(other)
        assert twin.best() == other.best() != optimizer.best()
        assert len(pickle.loads(pickle.dumps(other)).memory) == 2

    def test_record_and_replay(self, tmp_path):
        """The same run asks the same questions."""

        def run(llm):
            GRAPH.clear()
            x = node(0, trainable=True, name="x")
            optimizer = OPRO([x], llm, num_proposals=2, score=lambda values: -abs(values[x] - 3))
            for _ in range(3):
                optimizer.step()
            return optimizer.state_dict()

        first = run(Recorded(tmp_path / "run.json", climber, mode="record"))
        assert run(Recorded(tmp_path / "run.json")) == first
        assert first["memory"][-1]["values"] == {"x0": 3}

    def test_observed_values(self):
        """What is known beforehand can be told."""
        x, y = node(0, trainable=True, name="x"), node(1, trainable=True, name="y")
        optimizer = OPRO([x, y])
        optimizer.observe({x: 5}, 2.5)
        assert optimizer.best() == {x: 5, y: 1}


async def test_v2_has_tags():
    """Values stand in tags, in the prompt and in the answer."""
    x = node("a", trainable=True, name="text", description="A greeting.")
    reply = f'<reasoning>r</reasoning><variable><name>{x.py_name}</name><value>b "c"</value></variable>'
    optimizer = OPROv2([x], Scripted([reply]))
    optimizer.backward(x + "!", 1.0)
    await optimizer.astep()
    assert x.data == 'b "c"'
    user = optimizer.llm.requests[0][0][1]["content"]
    assert f'<variable name="{x.py_name}" type="str">' in user.split("# Solutions")[1]
    assert "A greeting." in user
    assert "response_format" not in optimizer.llm.requests[0][1]
