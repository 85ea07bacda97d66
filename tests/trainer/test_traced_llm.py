"""A language model as a traced program."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

from opto.errors import BudgetExceededError, ExecutionError
from opto.features.flows.compose import TracedLLM
from opto.llm import LLM, Budget, Cached, Recorded
from opto.optimizers import OptoPrime
from opto.testing import ModelServer, Scripted
from opto.trace import Module, bundle, node
from opto.trace.images import Image
from opto.trainer.guide import as_guide
from opto.trainer.rollouts import Evaluator, Request


def feedback_of(parameter: Any) -> list[str]:
    """The feedback that reached a parameter, by whichever of its children."""
    found = [graph.user_feedback for graphs in parameter.feedback.values() for graph in graphs]
    return list(dict.fromkeys(found))


def test_a_response_depends_on_the_system_prompt_and_the_query() -> None:
    """Both are inputs of its node, which is named after the model; the request has both."""
    model = Scripted(["Yes."])
    clerk = TracedLLM("Answer in one word.", model, model_name="clerk")
    answer = clerk("Is water wet?")
    assert (answer.data, answer.name.partition(":")[0]) == ("Yes.", "clerk_response")
    prompt, query = answer.parents
    assert prompt is clerk.system_prompt
    assert (query.name.partition(":")[0], query.data) == ("clerk_user_query", "Is water wet?")
    system, user = model.requests[0][0]
    assert system == {"role": "system", "content": "Answer in one word."}
    assert user == {"role": "user", "content": "Is water wet?"}


def test_names_are_those_of_the_class_unless_told() -> None:
    """A subclass gives its name to its nodes."""

    class Poet(TracedLLM):
        pass

    poet = Poet("Rhyme.", Scripted(["cat"]))
    assert poet("hat").name.partition(":")[0] == "Poet_response"
    assert poet.system_prompt.name.partition(":")[0] == "Poet_system_prompt"


def test_a_trainable_system_prompt_is_the_parameter() -> None:
    """Feedback on a response reaches it, and an optimizer changes what the model is told."""
    model = Scripted(["yes", "YES"])
    clerk = TracedLLM("Answer.", model, trainable=True)
    assert clerk.parameters() == [clerk.system_prompt]
    name = clerk.system_prompt.py_name
    optimizer = OptoPrime(clerk.parameters(), llm=Scripted([f'{{"suggestion": {{"{name}": "Shout."}}}}']))
    optimizer.zero_feedback()
    optimizer.backward(clerk("Wet?"), "Use capitals.")
    optimizer.step()
    clerk("Wet?")
    assert model.requests[1][0][0]["content"] == "Shout."
    assert TracedLLM("Answer.", model).parameters() == []


def test_without_a_system_prompt_none_is_sent() -> None:
    """The request holds the query alone; as a parameter the prompt begins empty."""
    model = Scripted(["a", "b"])
    TracedLLM(llm=model)("q")
    first = TracedLLM(llm=model, trainable=True)
    first("q")
    assert [len(messages) for messages, _ in model.requests] == [1, 1]
    assert first.parameters()[0].data == ""


def test_nodes_are_taken_as_they_are() -> None:
    """A node as system prompt or query is an input itself, so programs can be put together."""
    style = node("Be brief.", trainable=True)
    first = TracedLLM(style, Scripted(["draft"]), trainable=True, model_name="first")
    second = TracedLLM(style, Scripted(["final"]), model_name="second")
    answer = second(first("topic"))
    answer.backward("too long")
    assert first.system_prompt is second.system_prompt is style
    assert feedback_of(style) == ["too long"]
    assert answer.parents[1].name.startswith("first_response")
    plain = node("Be kind.")
    assert TracedLLM(plain, Scripted([])).system_prompt is plain
    assert TracedLLM(plain, Scripted([]), trainable=True).parameters()[0].data == "Be kind."


@pytest.mark.parametrize("on", [False, True])
def test_earlier_turns_are_sent_with_a_history_only(on: bool) -> None:
    """With it, the second request goes on with the conversation; without it, each stands alone."""
    model = Scripted(["Hi Ann.", "Ann."])
    chat = TracedLLM("Be kind.", model, chat_history_on=on)
    chat("I am Ann.")
    second = chat("Who am I?")
    said = [(each["role"], each["content"]) for each in model.requests[1][0]]
    earlier = [("user", "I am Ann."), ("assistant", "Hi Ann.")] if on else []
    assert said == [("system", "Be kind."), *earlier, ("user", "Who am I?")]
    assert len(second.parents) == (4 if on else 2)
    assert len(chat.chat_history) == (2 if on else 0)


def test_feedback_on_a_later_response_reaches_what_earlier_turns_came_from() -> None:
    """The history is part of the graph: a parameter behind the first query alone hears of the third response."""
    name = node("Ann", trainable=True, name="name")

    @bundle()
    def greet(name):
        """Say who it is."""
        return f"I am {name}."

    chat = TracedLLM("Be kind.", Scripted(["Hi.", "Yes?", "Ann."]), chat_history_on=True, trainable=True)
    chat(greet(name))
    chat("Hello?")
    chat("Who am I?").backward("Say it louder.")
    assert feedback_of(name) == ["Say it louder."]
    graphs = [graph for graphs in chat.system_prompt.feedback.values() for graph in graphs]
    met = {each.data for graph in graphs for _, each in graph.graph if "TracedLLM_response" in each.name}
    assert met == {"Hi.", "Yes?", "Ann."}


def test_clearing_the_history_begins_a_new_conversation() -> None:
    """What was said is neither sent nor in the graph any more."""
    model = Scripted(["1", "2"])
    chat = TracedLLM(llm=model, chat_history_on=True)
    chat("a")
    chat.chat_history.clear()
    assert len(chat("b").parents) == 2
    assert len(model.requests[1][0]) == 1
    assert repr(chat.chat_history) == "<ChatHistory of 1 turns>"


def test_a_failing_model_is_a_node_to_send_feedback_to() -> None:
    """Its error is an `ExecutionError`; the failed turn is not remembered."""
    model = Scripted([TimeoutError("busy"), "better"])
    chat = TracedLLM("Try.", model, chat_history_on=True, trainable=True, model_name="chat")
    with pytest.raises(ExecutionError, match="busy") as caught:
        chat("q")
    caught.value.exception_node.backward("be shorter")
    assert feedback_of(chat.system_prompt) == ["be shorter"]
    assert len(chat.chat_history) == 0
    assert chat("q").data == "better"


async def test_the_async_form_gives_the_same_graph() -> None:
    """`acall` awaits the model; names, inputs and history are those of a call."""
    asked = []

    async def answer(messages: Any, **options: Any) -> str:
        asked.append(messages)
        return f"answer {len(asked)}"

    chat = TracedLLM("Be kind.", answer, chat_history_on=True, model_name="chat")
    await chat.acall("a")
    second = await chat.acall("b")
    assert second.data == "answer 2"
    assert second.name.startswith("chat_response:")
    assert [each.data for each in second.parents] == ["Be kind.", "b", "a", "answer 1"]
    assert [len(each) for each in asked] == [2, 4]


def test_a_copy_has_a_history_of_its_own() -> None:
    """It goes on with the same turns and the same prompt and model; the original does not see its new ones."""
    model = Scripted(["1", "2"])
    chat = TracedLLM("Be kind.", model, chat_history_on=True, trainable=True)
    first = chat("a")

    class Around(Module):
        def __init__(self) -> None:
            self.chat = chat

    for twin in (chat.copy(), Around().copy().chat):
        assert twin.system_prompt is chat.system_prompt
        assert twin.llm is model
        assert [each for _, each in twin.chat_history] == [first]
    answer = twin("b")
    assert answer.parents[-1] is first
    assert (len(twin.chat_history), len(chat.chat_history)) == (2, 1)


def test_a_deep_copy_has_nothing_in_common_but_the_model() -> None:
    """Its prompt is its own, and feedback on its responses does not reach the original through the history."""
    chat = TracedLLM("Be kind.", Scripted(["1", "2"]), chat_history_on=True, trainable=True)
    chat("a")
    twin = copy.deepcopy(chat)
    twin("b").backward("more")
    assert twin.llm is chat.llm
    assert feedback_of(twin.system_prompt) == ["more"]
    assert feedback_of(chat.system_prompt) == []
    assert len(chat.chat_history) == 1


def test_pickles_keep_the_conversation() -> None:
    """A copy from a pickle goes on with it."""
    chat = TracedLLM("Be kind.", Scripted(["1", "2"]), chat_history_on=True, trainable=True)
    chat("a")
    twin = pickle.loads(pickle.dumps(chat))
    answer = twin("b")
    assert [each.data for each in answer.parents] == ["Be kind.", "b", "a", "1"]
    answer.backward("more")
    assert feedback_of(twin.system_prompt) == ["more"]


def test_the_system_prompt_is_saved_and_loaded(tmp_path: Path) -> None:
    """It round-trips, also within another module; a conversation is no parameter."""
    chat = TracedLLM("Be kind.", Scripted(["1"]), chat_history_on=True, trainable=True)
    chat("a")

    class Around(Module):
        def __init__(self, chat: Any) -> None:
            self.chat = chat

    other = TracedLLM("Be rude.", Scripted([]), chat_history_on=True, trainable=True)
    Around(chat).save(tmp_path / "program.json")
    Around(other).load(tmp_path / "program.json")
    assert other.system_prompt.data == "Be kind."
    chat.system_prompt._set("Be fair.")
    chat.save(tmp_path / "chat.json")
    other.load(tmp_path / "chat.json")
    assert other.state_dict() == {"system_prompt": "Be fair."}
    assert len(other.chat_history) == 0


def test_a_budget_a_cache_and_a_recording_hold(tmp_path: Path) -> None:
    """A budget refuses the next call, and an answer that was kept or recorded is not asked for again."""
    with ModelServer() as server:
        plain = LLM("openai/any", api_base=server.url, api_key="none")
        recorded = Recorded(tmp_path / "exchanges.json", Cached(plain, tmp_path / "cache"), mode="auto")
        for _ in range(2):
            assert TracedLLM("Echo.", Cached(plain, tmp_path / "cache"))("hello").data == "hello"
            assert TracedLLM("Echo.", recorded)("hello").data == "hello"
        asked = len(server.requests)
        with Budget(calls=1):
            echo = TracedLLM("Echo.", plain)
            assert echo("once").data == "once"
            with pytest.raises(ExecutionError) as caught:
                echo("twice")
        assert isinstance(caught.value.__cause__, BudgetExceededError)
    assert asked <= 2
    replayed = TracedLLM("Echo.", Recorded(tmp_path / "exchanges.json"))
    assert replayed("hello").data == "hello"


def test_examples_do_not_see_each_others_turns() -> None:
    """An evaluation runs each example on a copy, which goes on with the conversation as it was."""
    seen = []

    def answer(messages: Any, **options: Any) -> str:
        seen.append(len(messages))
        return "ok"

    chat = TracedLLM("Be kind.", answer, chat_history_on=True, trainable=True)
    chat("hello")
    with Evaluator(workers=1) as evaluator:
        found = list(evaluator.evaluations([Request(chat, x) for x in "abc"], as_guide(lambda q, r, i: r == "ok")))
    assert [each.score for each in found] == [1.0, 1.0, 1.0]
    assert seen == [2, 4, 4, 4]
    assert len(chat.chat_history) == 1


@pytest.mark.parametrize(
    ("query", "content"),
    [
        (5, "5"),
        ([{"type": "text", "text": "look"}], [{"type": "text", "text": "look"}]),
        (
            Image("https://example.com/a.png"),
            [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}],
        ),
    ],
)
def test_queries_other_than_texts(query: Any, content: Any) -> None:
    """Parts go as they are, images by their address, anything else as text."""
    model = Scripted(["ok"])
    TracedLLM(llm=model)(query)
    assert model.requests[0][0] == [{"role": "user", "content": content}]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"system_prompt": 3}, TypeError, "system_prompt must be a text, a node or None, got 3"),
        ({"model_name": "a:b"}, ValueError, "a:b"),
        ({"model_name": ""}, ValueError, "non-empty"),
        ({"llm": "gpt-4o"}, TypeError, "did you mean LLM"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    """Each is named, with its value."""
    with pytest.raises(error, match=words):
        TracedLLM(**{"llm": Scripted([]), **arguments})


def test_the_model_of_the_environment_is_the_default(no_model_configured: pytest.MonkeyPatch) -> None:
    """It is neither called nor connected to before the first query."""
    no_model_configured.setenv("OPTO_MODEL", "openai/some-model")
    assert "some-model" in TracedLLM("Be kind.").llm.name
