"""OptoPrime in its JSON form: prompts, answers, options, as published."""

import json

import pytest

from opto.errors import ReplayError, SuggestionError, SuggestionWarning, UnreachedFeedbackWarning
from opto.optimizers import OptoPrime, OptoPrimeV1
from opto.optimizers.optoprime import ProblemInstance
from opto.runs import EventLog, listening
from opto.testing import Scripted
from opto.trace import GRAPH, bundle, node


@pytest.fixture(autouse=True)
def fresh_names():
    """Names count from 0 in each test."""
    GRAPH.clear()


def suggesting(**values):
    """An answer with these new values."""
    return json.dumps({"reasoning": "r", "answer": "", "suggestion": values})


def ready(*answers, value=1, **options):
    """An optimizer of `int0` whose output `int0 + 1` has feedback."""
    x = node(value, trainable=True)
    optimizer = OptoPrime([x], Scripted(answers), **options)
    optimizer.backward(x + 1, "larger, please")
    return x, optimizer


class TestStep:
    """From feedback to new values."""

    def test_a_suggestion_is_applied(self):
        """One request, one new value."""
        x, optimizer = ready(suggesting(int0=5))
        assert optimizer.step() == {x: 5}
        assert x.data == 5

    async def test_astep(self):
        """The same on the event loop."""
        x, optimizer = ready(suggesting(int0=5))
        assert await optimizer.astep() == {x: 5}
        assert x.data == 5

    def test_what_is_asked(self):
        """Two messages and the published options."""
        _, optimizer = ready(suggesting(int0=5), max_tokens=99)
        optimizer.step()
        [(messages, options)] = optimizer.llm.requests
        assert [message["role"] for message in messages] == ["system", "user"]
        assert options == {"max_tokens": 99, "response_format": {"type": "json_object"}}

    def test_without_response_format(self):
        """A model that cannot promise JSON is not asked to."""
        _, optimizer = ready(suggesting(int0=5), use_json_object_format=False)
        optimizer.step()
        assert optimizer.llm.requests[0][1] == {"max_tokens": 4096}

    def test_a_refused_response_format(self):
        """A model that refuses the option is asked again without it."""
        x, optimizer = ready(TypeError("unexpected keyword 'response_format'"), suggesting(int0=5))
        assert optimizer.step() == {x: 5}
        assert "response_format" not in optimizer.llm.requests[1][1]

    def test_terminate(self):
        """The word anywhere in the answer ends it without a change."""
        x, optimizer = ready("All is well: TERMINATE")
        assert optimizer.step() == {}
        assert x.data == 1
        assert len(optimizer.llm.requests) == 1

    def test_an_empty_suggestion_is_an_answer(self):
        """A model may say that nothing should change, and is not asked again."""
        for answer in (suggesting(), '{"reasoning": "fine", "answer": "yes"}'):
            _, optimizer = ready(answer)
            assert optimizer.step() == {}
            assert len(optimizer.llm.requests) == 1

    def test_a_step_without_feedback(self):
        """Nothing is asked; a warning says what is missing."""
        optimizer = OptoPrime([node(1, trainable=True)], Scripted([]))
        with pytest.warns(UnreachedFeedbackWarning, match="Call optimizer.backward"):
            assert optimizer.step() == {}

    def test_parameters_without_feedback_do_not_disturb(self):
        """Only what has feedback is shown."""
        x, idle = node(1, trainable=True), node(2, trainable=True, name="idle")
        optimizer = OptoPrime([x, idle], Scripted([suggesting(int0=5)]))
        optimizer.backward(x + 1, "more")
        summary = optimizer.summarize()
        assert list(summary.variables) == ["int0"]
        assert optimizer.step() == {x: 5}

    def test_a_parameter_of_another_optimizer_is_an_input(self):
        """What this optimizer may not change is not offered."""
        x, other = node(1, trainable=True), node(2, trainable=True, name="other")
        optimizer = OptoPrime([x], Scripted([]))
        optimizer.backward(x + other, "more")
        summary = optimizer.summarize()
        assert list(summary.variables) == ["int0"]
        assert list(summary.inputs) == ["other0"]

    def test_code_is_replaced(self):
        """The next call runs the new text."""

        @bundle(trainable=True)
        def f(x):
            """Doubles x."""
            return x * 3

        optimizer = OptoPrime(f.parameters(), Scripted([suggesting(__code0="def f(x):\n    return x * 2")]))
        optimizer.backward(f(5), "should be 10")
        optimizer.step()
        assert f(5).data == 10

    def test_verbose(self, capsys):
        """Prompt and answer, or the answer alone, are printed on demand."""
        _, optimizer = ready(suggesting(), suggesting())
        optimizer.step(verbose="output")
        assert "#Variables" not in capsys.readouterr().out
        optimizer.step(verbose=True)
        printed = capsys.readouterr().out
        assert "#Variables" in printed
        assert '"suggestion"' in printed


class TestPrompt:
    """What the model reads."""

    def test_the_problem(self):
        """All sections, with the values under their names."""
        x = node(1, trainable=True, description="a count")
        optimizer = OptoPrime([x])
        optimizer.backward((x + 1) * 2, "more")
        problem = optimizer.problem_instance(optimizer.summarize())
        assert isinstance(problem, ProblemInstance)
        assert problem.code == "add0 = add(x=int0, y=int1)\nmultiply0 = multiply(x=add0, y=int2)"
        assert problem.variables == "(int) int0=1"
        assert problem.constraints == "(int) int0: a count"
        assert problem.inputs == "(int) int1=1\n(int) int2=2"
        assert problem.others == "(int) add0=2"
        assert problem.outputs == "(int) multiply0=4"
        assert problem.feedback == "more"
        assert problem.documentation.startswith("[add] ")
        assert problem.instruction == optimizer.objective

    def test_every_section_is_explained(self):
        """The system message speaks of each heading, and of each key of the answer."""
        _, optimizer = ready()
        system, user = optimizer.construct_prompt(optimizer.summarize())
        for heading in optimizer.prompt_symbols.values():
            assert heading in system
            assert f"{heading}\n" in user
        for key in ('"reasoning"', '"answer"', '"suggestion"'):
            assert f"{key}:" in system
        assert user.endswith("Your response:")

    def test_objective(self):
        """A program's own objective stands in the instruction."""
        _, optimizer = ready(objective="Make it even.")
        assert "#Instruction\nMake it even.\n" in optimizer.construct_prompt(optimizer.summarize())[1]

    def test_json_keys(self):
        """Renamed keys are asked for and read; a dropped one is not spoken of."""
        keys = {"reasoning": "why", "answer": None, "suggestion": "new"}
        x, optimizer = ready('{"why": "r", "new": {"int0": 5}}', json_keys=keys)
        assert optimizer.step() == {x: 5}
        system = optimizer.log[0]["system_prompt"]
        assert '"answer":' not in system
        assert '"why":' in system
        assert '"new":' in system

    def test_json_keys_belong_to_one_optimizer(self):
        """Another optimizer is not changed by them."""
        ready(json_keys={"suggestion": "new"})
        assert ready()[1].json_keys["suggestion"] == "suggestion"

    @pytest.mark.parametrize("keys", [{"suggestion": None}, {"reasoning": 5}])
    def test_wrong_json_keys(self, keys):
        """A name must be a text, and the suggestion must have one."""
        with pytest.raises(TypeError, match="json_keys"):
            ready(json_keys=keys)
        with pytest.raises(ValueError, match="json_keys has the keys"):
            ready(json_keys={"sugestion": "s"})

    def test_highlight_variables(self):
        """The prompt ends by naming the variables."""
        x, y = node(1, trainable=True), node("a", trainable=True)
        optimizer = OptoPrime([x, y], highlight_variables=True)
        optimizer.backward(x * y, "more")
        user = optimizer.construct_prompt(optimizer.summarize())[1]
        assert user.endswith("What are your suggestions on variables int0, str0?")

    def test_prompt_symbols(self):
        """Headings can be renamed, one by one, in both messages."""
        _, optimizer = ready(prompt_symbols={"variables": "#Parameters"})
        system, user = optimizer.construct_prompt(optimizer.summarize())
        assert "#Variables" not in system + user
        assert "#Parameters\n(int) int0=1" in user
        assert "#Parameters:" in system

    def test_replace_symbols(self):
        """Also when two headings change places."""
        optimizer = ready()[1]
        symbols = {"inputs": "#Others", "others": "#Inputs"}
        assert optimizer.replace_symbols("#Inputs and #Others", symbols) == "#Others and #Inputs"

    def test_mask(self):
        """A step can hide sections."""
        _, optimizer = ready(suggesting(int0=5))
        optimizer.step(mask=["#Code", "#Inputs"])
        user = optimizer.log[0]["user_prompt"]
        assert "add0 = " not in user
        assert "#Code\n\n#Documentation" in user

    def test_include_example(self):
        """A solved problem stands before the real one, in the same form."""
        _, optimizer = ready(include_example=True, json_keys={"answer": None})
        user = optimizer.construct_prompt(optimizer.summarize())[1]
        assert user.count("#Variables\n") == 2
        example = user[user.index("Your response:\n{") + len("Your response:\n") : user.index("\n}") + 2]
        assert set(json.loads(example)) == {"reasoning", "suggestion"}

    def test_memory(self):
        """Past values and feedbacks are shown, oldest first, as many as asked for."""
        x = node(0, trainable=True)
        optimizer = OptoPrime([x], Scripted([suggesting(int0=k) for k in (1, 2, 3)]), memory_size=2)
        for k in range(3):
            optimizer.zero_feedback()
            optimizer.backward(x + 1, f"feedback {k}")
            optimizer.step()
        first, second, third = (entry["user_prompt"] for entry in optimizer.log)
        assert "tried before" not in first
        assert second.index("feedback 0") < second.index("feedback 1")
        assert "(int) int0=0" in second
        assert len(optimizer.memory) == 2
        assert "feedback 0" in third

    def test_remember(self):
        """What was said of other values is shown like past values; equal remarks once, and those of others not."""
        x, optimizer = ready(suggesting(int0=5), memory_size=2)
        optimizer.remember({x: 9, node(3, trainable=True): 4}, ["too large", "too large", "# Feedback"])
        optimizer.step()
        prompt = optimizer.log[0]["user_prompt"]
        assert prompt.index("(int) int0=9") < prompt.index("too large") < prompt.index("(int) int0=1")
        assert prompt.count("too large") == 1
        assert "int0=4" not in prompt
        assert optimizer.state_dict()["memory"][0]["variables"] == "(int) int0=9"

    def test_a_failed_step_is_not_remembered(self):
        """What was never tried is no experience."""
        _, optimizer = ready(TimeoutError("slow"), suggesting(int0=5), memory_size=2)
        with pytest.raises(TimeoutError):
            optimizer.step()
        assert len(optimizer.memory) == 0
        optimizer.step()
        assert len(optimizer.memory) == 1

    def test_logs_keep_the_last_entries(self):
        """Logs are bounded, and the exchanges are JSON."""
        x = node(0, trainable=True)
        optimizer = OptoPrime([x], lambda messages, **options: suggesting(), log_size=3)
        optimizer.backward(x + 1, "more")
        for _ in range(5):
            optimizer.step()
        assert len(optimizer.log) == len(optimizer.summary_log) == 3
        assert set(json.loads(json.dumps(optimizer.log))[0]) == {"system_prompt", "user_prompt", "response"}
        assert set(optimizer.summary_log[0]) == {"problem_instance", "summary"}

    def test_log_can_be_off(self):
        """Nothing is kept then."""
        _, optimizer = ready(suggesting(int0=5), log=False)
        optimizer.step()
        assert optimizer.log is None
        assert optimizer.summary_log is None

    def test_a_loop_asks_the_same_each_time(self):
        """A program that does the same thing again is shown in the same words."""
        x = node(1, trainable=True)
        optimizer = OptoPrime([x], lambda messages, **options: suggesting())
        for _ in range(3):
            optimizer.zero_feedback()
            optimizer.backward((x + 1) * 2, {"b", "a"})
            optimizer.step()
        assert len({entry["user_prompt"] for entry in optimizer.log}) == 1


class TestReading:
    """The published helpers."""

    @pytest.mark.parametrize(
        ("response", "suggestion"),
        [
            ('{"reasoning": "r", "suggestion": {"int0": 5}}', {"int0": 5}),
            ('{"int0": 5}', {"int0": 5}),
            ('{"suggestion": "int0", "reasoning": "r"}', {"suggestion": "int0", "reasoning": "r"}),
            ('```json\n{"suggestion": {"int0": 5}}\n```', {"int0": 5}),
            ('Here: {"suggestion": {"int0": 5}} done', {"int0": 5}),
            ('<think>{"suggestion": {"int0": 1}}</think>{"suggestion": {"int0": 5}}', {"int0": 5}),
            ('{"suggestion": {"__code0": "", "int0": 5}}', {"int0": 5}),
            ('{"suggestion": {"__code0": "  ", "str0": ""}}', {"str0": ""}),
            ("Dummy response", {}),
            ("", {}),
        ],
    )
    def test_extract_llm_suggestion(self, response, suggestion):
        """The object under the key, or the whole object, out of whatever is around it."""
        assert ready()[1].extract_llm_suggestion(response) == suggestion

    def test_construct_update_dict(self):
        """Values take the type of the present ones; what cannot be converted stays; unknown names do not count."""
        parameters = [node(value, trainable=True) for value in (1, 1.5, "a", True, None, 2)]
        optimizer = OptoPrime(parameters)
        whole, real, text, truth, nothing, broken = parameters
        update = optimizer.construct_update_dict(
            {
                "int:0": "2",
                "float0": "2",
                "str0": 3,
                "bool0": "False",
                "NoneType0": "x",
                "int1": "many",
                "nobody0": 1,
            }
        )
        assert update == {whole: 2, real: 2.0, text: "3", truth: False, nothing: "x", broken: "many"}
        assert update[truth] is False

    def test_code_is_formatted(self):
        """Source is laid out by black, unless that is turned off."""
        x = node("text", trainable=True)
        assert OptoPrime([x]).construct_update_dict({"str0": "def f(x): return x"})[x] == "def f(x):\n    return x\n"
        kept = OptoPrime([x], format_code=False).construct_update_dict({"str0": "def f(x): return x"})[x]
        assert kept == "def f(x): return x"


class TestBadAnswers:
    """Whatever a model answers, parameters are unchanged or well, and the attempt is on record."""

    HALF = '{"reasoning": "r", "suggestion": {"int0": 5, "str0": "half of a te'

    def attempts(self, optimizer, **options):
        log = EventLog()
        with listening(log):
            result = optimizer.step(**options)
        return result, [event.data for event in log.of("attempt")]

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            ("Dummy response", "no suggestion could be read"),
            ("", "no suggestion could be read"),
            ("[1, 2, 3]", "no suggestion could be read"),
            ('{"suggestion": {"int0": "many"}}', "int0 must be of type int, got str 'many'"),
            ('{"suggestion": {"int0": 2.5}}', "int0 must be of type int, got float 2.5"),
            ('{"suggestion": {"int0": true}}', "int0 must be of type int, got bool"),
            ('{"suggestion": {"int0": null}}', "int0 must be of type int, got NoneType"),
            ('{"suggestion": {"x": 5}}', "values for x, but the variables are int0"),
            ('{"suggestion": [5]}', "values for suggestion, but the variables are int0"),
        ],
    )
    def test_a_bad_answer_given_twice(self, answer, reason):
        """The answer goes back once with the reason; then the parameter stays, with a warning."""
        x, optimizer = ready(answer, answer)
        with pytest.warns(SuggestionWarning, match="not applied"):
            result, attempts = self.attempts(optimizer)
        assert result == {}
        assert x.data == 1
        assert [attempt["purpose"] for attempt in attempts] == ["propose", "repair"]
        assert all(attempt["outcome"] in ("failed", "rejected") for attempt in attempts)
        assert all(reason in attempt["reason"] for attempt in attempts)
        repair = optimizer.llm.requests[1][0]
        assert [message["role"] for message in repair] == ["system", "user", "assistant", "user"]
        assert repair[2]["content"] == answer
        assert reason in repair[3]["content"]

    def test_an_answer_that_breaks_off_twice(self):
        """What is whole in it counts; the rest is told."""
        x, optimizer = ready(self.HALF, self.HALF)
        with pytest.warns(SuggestionWarning, match="breaks off"):
            result, attempts = self.attempts(optimizer)
        assert result == {x: 5}
        assert [attempt["outcome"] for attempt in attempts] == ["failed", "failed"]

    def test_a_second_answer_that_is_good(self):
        """What the model mends is applied, without a warning."""
        x, optimizer = ready("Dummy response", suggesting(int0=5))
        result, attempts = self.attempts(optimizer)
        assert result == {x: 5}
        assert [attempt["outcome"] for attempt in attempts] == ["failed", "accepted"]

    def test_no_retries(self):
        """The second chance can be turned off."""
        _, optimizer = ready("Dummy response", retries=0)
        with pytest.warns(SuggestionWarning):
            assert optimizer.step() == {}
        assert len(optimizer.llm.requests) == 1

    def test_a_second_request_that_fails(self):
        """The first answer stands as far as it was good; the error is on record."""
        x, y = node(1, trainable=True), node("a", trainable=True, name="text", constraint=str.islower)
        optimizer = OptoPrime([x, y], Scripted([suggesting(int0=5, text0="LOUD"), TimeoutError("slow")]))
        optimizer.backward(x * y, "more")
        with pytest.warns(SuggestionWarning, match="text0 breaks islower"):
            result, attempts = self.attempts(optimizer)
        assert result == {x: 5}
        assert attempts[1]["reason"] == "TimeoutError: slow"

    def test_a_replay_that_lacks_the_second_exchange(self):
        """A replay never goes another way than the run: it fails loudly instead of keeping half an answer."""
        x, optimizer = ready("Dummy response", ReplayError("not on record"), memory_size=1)
        with pytest.raises(ReplayError):
            optimizer.step()
        assert x.data == 1
        assert len(optimizer.memory) == 0

    def test_good_values_beside_bad_ones(self):
        """Each parameter is judged by itself, or all together if asked."""
        for all_or_nothing in (False, True):
            GRAPH.clear()
            x, y = node(1, trainable=True), node(1.5, trainable=True)
            answers = [suggesting(int0=5, float0="fast")] * 2
            optimizer = OptoPrime([x, y], Scripted(answers), all_or_nothing=all_or_nothing)
            optimizer.backward(x * y, "more")
            with pytest.warns(SuggestionWarning, match="float0 must be"):
                result = optimizer.step()
            assert result == ({} if all_or_nothing else {x: 5})
            assert y.data == 1.5

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            ("def f(x):\n    return x *", "does not compile"),
            ("def g(x):\n    return x", "must define the function f"),
        ],
    )
    def test_code_that_cannot_run(self, code, reason):
        """It is not applied, and the old code still runs."""

        @bundle(trainable=True)
        def f(x):
            return x

        optimizer = OptoPrime(f.parameters(), Scripted([suggesting(__code0=code)] * 2))
        optimizer.backward(f(5), "no")
        with pytest.warns(SuggestionWarning, match=reason):
            assert optimizer.step() == {}
        assert f(5).data == 5

    @pytest.mark.parametrize("error", [TimeoutError("slow"), ConnectionError("dead")])
    def test_a_model_that_fails(self, error):
        """The error is raised; the attempt is on record; nothing changes."""
        x, optimizer = ready(error, error)
        log = EventLog()
        with listening(log), pytest.raises(type(error)):
            optimizer.step()
        assert x.data == 1
        [attempt] = log.of("attempt")
        assert attempt.data["outcome"] == "failed"
        assert str(error) in attempt.data["reason"]
        assert log.of("step")[0].data["outcome"] == "failed"

    def test_an_answer_cut_at_max_tokens(self):
        """Even if it happens to parse, an answer that was cut is not trusted."""
        cut = {"choices": [{"message": {"content": suggesting(int0=5)}, "finish_reason": "length"}]}
        x, optimizer = ready(cut, suggesting(int0=6))
        assert optimizer.step() == {x: 6}

    def test_errors_instead_of_warnings(self):
        """With ignore_extraction_error off, a bad suggestion is an exception."""
        x, optimizer = ready("Dummy response", "Dummy response", ignore_extraction_error=False)
        with pytest.raises(SuggestionError, match="could not|no suggestion"):
            optimizer.step()
        assert x.data == 1


def test_both_names():
    """The first form has two names."""
    assert OptoPrimeV1 is OptoPrime
