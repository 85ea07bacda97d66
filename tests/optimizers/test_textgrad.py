"""TextGrad: criticism passed back call by call, in as many rounds as the graph is deep."""

import copy
import pickle
import re

import pytest

from opto.errors import ExecutionError, ModelResponseError, SuggestionWarning, UnreachedFeedbackWarning
from opto.llm import Recorded
from opto.optimizers import TextGrad
from opto.optimizers.textual_gradients import joined
from opto.runs import EventLog, listening
from opto.testing import Scripted
from opto.trace import GRAPH, bundle, node
from tests.optimizers.rounds import Rounds


@bundle()
def ask(prompt, question):
    """Answers the question as the prompt says."""
    return f"{prompt} {question}"


@bundle()
def check(answer, rule):
    """Checks an answer by a rule."""
    return f"{answer}; {rule}"


def reader(messages, options=None, **_):
    """Criticizes inputs by their name, and rewrites a variable by what was said of it."""
    user = messages[1]["content"]
    target = re.search(r"^Write the criticism of the input (\S+)\.$", user, re.MULTILINE)
    if target:
        said = re.search(r"Criticism of what it returned:\n(.*)\n\nWrite", user, re.DOTALL)[1]
        return f"{target[1]}<{said.replace('- ', '')}>"
    name = re.search(r'<variable name="([^"]+)"', user)[1]
    said = re.findall(r"^- (.*)$", user.split("Criticism:")[1].split("\n\n")[0], re.MULTILINE)
    return f"<reasoning>r</reasoning><variable><name>{name}</name><value>{' & '.join(said)}</value></variable>"


def kinds(requests):
    """Which requests were for gradients ("g") and which for updates ("u"), in order."""
    return "".join("g" if "Write the criticism" in messages[1]["content"] else "u" for messages, _ in requests)


class TestBackward:
    """How criticism travels."""

    def test_along_a_chain(self):
        """Each call is asked about with the criticism of its result, from the output on."""
        GRAPH.clear()
        prompt = node("Be brief.", trainable=True, name="prompt")
        optimizer = TextGrad([prompt], Rounds([1, 1, 1], reader))
        optimizer.backward(check(ask(prompt, "Why?"), "short"), "too long")
        assert optimizer.step() == {prompt: "prompt0<ask0<too long>>"}
        first = optimizer.llm.requests[0][0][1]["content"]
        assert "check0 = check(answer=ask0, rule=" in first
        assert "Checks an answer by a rule." in first
        assert "- too long" in first

    @pytest.mark.parametrize("depth", [1, 5, 12])
    def test_rounds_are_the_depth(self, depth):
        """A graph of depth d takes d rounds and one for the update, however wide it is."""
        width = 4
        parameters = [node(f"p{number}", trainable=True) for number in range(width)]
        columns = list(parameters)
        for _ in range(depth - 1):
            columns = [ask(each, "x") for each in columns]
        outputs = [check(each, "y") for each in columns]
        optimizer = TextGrad(parameters, Rounds([width] * (depth + 1), reader))
        for output in outputs:
            optimizer.backward(output, "bad")
        assert len(optimizer.step()) == width
        assert optimizer.llm.finished

    def test_ways_of_different_length(self):
        """A node waits until all that it went into have criticized it, and is asked about once."""
        prompt = node("p", trainable=True, name="p")
        near = ask(prompt, "near")
        far = ask(ask(prompt, "a"), "b")
        output = check(near, far)
        optimizer = TextGrad([prompt], Rounds([2, 2, 1, 1], reader))
        optimizer.backward(output, "bad")
        [value] = optimizer.step().values()
        assert value.count("&") == 1
        assert optimizer.llm.finished

    def test_a_shared_node_collects_from_all_its_children(self):
        """What is passed on from it holds the criticism of both."""
        prompt = node("p", trainable=True, name="p")
        shared = ask(prompt, "q")
        first, second = check(shared, "1"), check(shared, "2")
        optimizer = TextGrad([prompt], Rounds([2, 1, 1], reader))
        optimizer.backward(first, "too long", retain_graph=True)
        optimizer.backward(second, "too dry")
        optimizer.step()
        last = next(messages[1]["content"] for messages, _ in optimizer.llm.requests if "q" in messages[1]["content"]
                    and "ask" in messages[1]["content"].split("The call: ")[1][:5])  # fmt: skip
        said = last.split("Criticism of what it returned:")[1]
        assert "too long" in said
        assert "too dry" in said

    def test_nodes_off_the_path_are_not_asked_about(self):
        """Calls that lead to no parameter cost nothing."""
        prompt = node("p", trainable=True, name="p")
        aside = ask(ask(node("fixed"), "a"), "b")
        optimizer = TextGrad([prompt], Rounds([1, 1], reader))
        optimizer.backward(check(prompt, aside), "bad")
        optimizer.step()
        assert kinds(optimizer.llm.requests) == "gu"

    def test_identity_passes_criticism_on(self):
        """A node that only hands on a value takes neither a request nor a round."""
        prompt = node("p", trainable=True, name="p")
        optimizer = TextGrad([prompt], Rounds([1, 1], reader))
        optimizer.backward(ask(prompt.clone(), "q").clone(), "bad")
        optimizer.step()
        assert optimizer.llm.finished

    def test_feedback_on_a_parameter_itself(self):
        """It is its criticism."""
        prompt = node("p", trainable=True, name="p")
        optimizer = TextGrad([prompt], Rounds([1], reader))
        optimizer.backward(prompt, "rude")
        assert optimizer.step() == {prompt: "rude"}

    def test_feedback_on_an_inner_node_too(self):
        """It joins what comes from further on."""
        prompt = node("p", trainable=True, name="p")
        inner = ask(prompt, "q")
        output = check(inner, "r")
        optimizer = TextGrad([prompt], Rounds([1, 1, 1], reader))
        optimizer.backward(inner, "rude", retain_graph=True)
        optimizer.backward(output, "long")
        optimizer.step()
        assert re.search(r"- rude\n- ask\d+<long>", optimizer.llm.requests[1][0][1]["content"])

    def test_an_error_as_output(self):
        """A call that raised is criticized like any other."""

        @bundle()
        def divide(x):
            """One by x."""
            return 1 / x

        x = node(0, trainable=True, name="x")
        optimizer = TextGrad([x], Scripted(["not 0", f"<variable><name>{x.py_name}</name><value>2</value></variable>"]))
        with pytest.raises(ExecutionError) as caught:
            divide(x)
        optimizer.backward(caught.value.exception_node, "It raises.")
        assert optimizer.step() == {x: 2}
        assert "divide(x=x" in optimizer.llm.requests[0][0][1]["content"]
        assert "One by x." in optimizer.llm.requests[0][0][1]["content"]

    def test_trainable_code(self):
        """The source of a function is criticized by the calls of it."""

        @bundle(trainable=True)
        def tone(text):
            """Says it."""
            return text

        code = tone.parameter
        reply = (
            f"<variable><name>{code.py_name}</name><value>def tone(text):\n    return text.upper()</value></variable>"
        )
        optimizer = TextGrad([code], Scripted(["louder", reply]))
        optimizer.backward(tone("hello"), "too quiet")
        optimizer.step()
        assert tone("hello").data == "HELLO"


class TestUpdate:
    """How parameters are rewritten."""

    def test_constraints_examples_and_momentum(self):
        """They stand in the prompt of the update."""
        prompt = node("p", trainable=True, name="p", description="A system prompt.")
        optimizer = TextGrad(
            [prompt], reader, constraints=["At most ten words."], in_context_examples=["Be kind."],
            gradient_memory=1, log=True,
        )  # fmt: skip
        for said in ("alpha", "beta", "gamma"):
            optimizer.zero_feedback()
            optimizer.backward(ask(prompt, "q"), said)
            optimizer.step()
        user = optimizer.log[-1]["user_prompt"]
        assert "- At most ten words." in user
        assert "Be kind." in user
        assert "A system prompt." in user
        now, past = user.split("Criticism of earlier values")
        assert "gamma" in now
        assert "beta" in past
        assert "alpha" not in user
        assert optimizer.gradients[prompt.py_name][0].endswith("<gamma>")

    def test_each_answer_changes_its_own_parameter_only(self):
        """A value for another one does not count, and is put right."""
        x, y = node("x", trainable=True, name="x"), node("y", trainable=True, name="y")

        def model(messages, **options):
            if "Write the criticism" in messages[1]["content"]:
                return "bad"
            name = x.py_name if len(messages) == 2 or f'"{x.py_name}"' in messages[1]["content"] else y.py_name
            return f"<variable><name>{name}</name><value>new</value></variable>"

        optimizer = TextGrad([x, y], model)
        optimizer.backward(check(x, y), "bad")
        log = EventLog()
        with listening(log):
            assert optimizer.step() == {x: "new", y: "new"}
        assert [each.data["outcome"] for each in log.of("attempt")] == ["accepted", "failed", "accepted"]

    def test_a_value_that_does_not_suit(self):
        """It is warned of; the other parameters are changed."""
        x, y = node(1, trainable=True, name="x"), node("y", trainable=True, name="y")
        optimizer = TextGrad([x, y], reader, retries=0)
        optimizer.backward(check(x, y), "bad")
        with pytest.warns(SuggestionWarning):
            changed = optimizer.step()
        assert list(changed) == [y]
        assert x.data == 1

    def test_without_feedback(self):
        """Nothing is asked."""
        with pytest.warns(UnreachedFeedbackWarning):
            assert TextGrad([node("p", trainable=True)], Scripted([])).step() == {}

    def test_frozen_parameters(self):
        """They are neither criticized nor changed."""
        x, y = node("x", trainable=True, name="x"), node("y", trainable=True, name="y")
        y.trainable = False
        optimizer = TextGrad([x, y], Rounds([1, 1], reader))
        optimizer.backward(check(x, y), "bad")
        assert list(optimizer.step()) == [x]


class TestFailures:
    """Models that fail midway."""

    @pytest.mark.parametrize("fails_at", [0, 1, 2, 3])
    def test_nothing_changes(self, fails_at):
        """Whichever request fails, parameters and memory are as they were, and the step can be taken again."""
        x, y = node("x", trainable=True, name="x"), node("y", trainable=True, name="y")
        count = iter(range(100))

        def model(messages, **options):
            if next(count) == fails_at:
                raise ConnectionError("dead")
            return reader(messages)

        optimizer = TextGrad([x, y], model, gradient_memory=2)
        optimizer.backward(check(x, y), "bad")
        with pytest.raises(ConnectionError):
            optimizer.step()
        assert (x.data, y.data, len(optimizer.memory)) == ("x", "y", 0)
        assert len(optimizer.step()) == 2

    def test_an_empty_criticism(self):
        """There is nothing to pass on, so the step fails."""
        x = node("x", trainable=True, name="x")
        optimizer = TextGrad([x], Scripted(["<think>hm</think> "]))
        optimizer.backward(ask(x, "q"), "bad")
        with pytest.raises(ModelResponseError, match="empty answer"):
            optimizer.step()
        assert x.data == "x"


class TestKeeping:
    """Replay, copies and state."""

    def test_record_and_replay(self, tmp_path):
        """A run with wide rounds is repeated exactly."""

        def run(llm):
            GRAPH.clear()
            parameters = [node(f"p{number}", trainable=True, name="p") for number in range(5)]
            optimizer = TextGrad(parameters, llm, gradient_memory=1)
            for _ in range(2):
                optimizer.zero_feedback()
                for each in parameters:
                    optimizer.backward(check(ask(each, "q"), "r"), "bad")
                optimizer.step()
            return [each.data for each in parameters]

        first = run(Recorded(tmp_path / "run.json", reader, mode="record"))
        assert run(Recorded(tmp_path / "run.json")) == first

    async def test_async(self):
        """The rounds are the same on the event loop."""
        parameters = [node("p", trainable=True) for _ in range(3)]
        optimizer = TextGrad(parameters, Rounds([3, 3], reader))
        for each in parameters:
            optimizer.backward(ask(each, "q"), "bad")
        assert len(await optimizer.astep()) == 3

    def test_state_and_copies(self):
        """The momentum is kept."""
        x = node("x", trainable=True, name="x")
        optimizer = TextGrad([x], reader, gradient_memory=2)
        optimizer.backward(x, "bad")
        optimizer.step()
        other = TextGrad([x], reader, gradient_memory=2)
        other.load_state_dict(optimizer.state_dict())
        assert list(other.memory) == [{x.py_name: ["bad"]}]
        assert list(copy.deepcopy(optimizer).memory) == list(other.memory)
        assert list(pickle.loads(pickle.dumps(optimizer)).memory) == list(other.memory)


def test_long_criticism_is_cut_with_a_word():
    """What does not fit is counted."""
    assert joined(["aaaa", "bbbb", "cccc"], 8) == "- aaaa\n- bbbb\n(1 more were left out)"
    assert joined(["aaaa"], 1) == "- aaaa"
