"""Whole prompts within their tokens: instructions, past attempts, the problem, and repairs."""

import json
import warnings

import pytest

from opto.errors import PromptTooLongError, SuggestionWarning
from opto.llm import LiteLLM, Model
from opto.llm.tokens import count_tokens
from opto.optimizers import OPRO, OPROv2, OptoPrime, OptoPrimeV2, TextGrad
from opto.optimizers.canonical import canonical
from opto.optimizers.prompt_limits import PromptLimits
from opto.trace import GRAPH, bundle, node


@pytest.fixture(autouse=True)
def fresh_names():
    """Names count from 0 in each test."""
    GRAPH.clear()


class Keeping(Model):
    """Keeps the messages, and gives the answers it was given, the last one again and again."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []

    def complete(self, messages, **options):
        self.requests.append(messages)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def answer(**values):
    """A good answer."""
    return json.dumps({"reasoning": "", "answer": "", "suggestion": values})


def run(optimizer, x, length=300):
    """A step on a long chain."""
    y = x * 1.0
    for _ in range(length):
        y = y + x
    optimizer.zero_feedback()
    optimizer.backward(y, "too small")
    return optimizer.step()


@pytest.mark.parametrize("optimizer_class", [OptoPrime, OptoPrimeV2])
@pytest.mark.parametrize("most", [5000, 9000, 200_000])
def test_a_prompt_keeps_its_limit(optimizer_class, most):
    """Everything counted: both messages with their marks, and what a repair adds to them."""
    x = node(2.0, trainable=True, name="x")
    model = Keeping("nonsense " * 300, "more nonsense " * 300)
    optimizer = optimizer_class([x], model, max_prompt_tokens=most, memory_size=5, include_example=True)
    for _ in range(4):
        with pytest.warns(SuggestionWarning):
            run(optimizer, x)
    assert len(model.requests) == 8
    assert all(count_tokens(messages) <= most for messages in model.requests)
    assert ("for k in range(" in model.requests[0][1]["content"]) == (most < 200_000)


def test_the_past_gives_way_first():
    """The oldest attempts go before anything of the present problem does, and that is said."""
    x = node("a" * 1200, trainable=True, name="x")
    model = Keeping(answer())
    optimizer = OptoPrime([x], model, max_prompt_tokens=6500, memory_size=9, retries=0)
    for n in range(9):
        y = x + "b"
        optimizer.zero_feedback()
        optimizer.backward(y, f"feedback {n}")
        optimizer.step()
    last = model.requests[-1][1]["content"]
    past, _, present = last.partition("The present problem:")
    assert "a" * 1200 in present
    assert "feedback 7" in past
    assert "feedback 1" not in past
    assert "earlier attempts left out" in past


def test_too_little_is_an_error_that_helps():
    """It tells how many tokens would do, and they do; the parameters and the memory are as before."""
    x = node(2.0, trainable=True, name="x")
    optimizer = OptoPrime([x], Keeping(answer(x0=3.0)), max_prompt_tokens=100, memory_size=3)
    with pytest.raises(PromptTooLongError, match="max_prompt_tokens") as caught:
        run(optimizer, x)
    assert x.data == 2.0
    assert len(optimizer.memory) == 0
    optimizer.max_prompt_tokens = int(caught.value.needed * 10 / 9) + 1
    run(optimizer, x)
    assert x.data == 3.0


@pytest.mark.parametrize("wrong", [0, -1])
def test_a_limit_is_positive(wrong):
    """A limit of nothing is a mistake."""
    with pytest.raises(ValueError, match="max_prompt_tokens"):
        OptoPrime([node(1, trainable=True)], max_prompt_tokens=wrong)
    with pytest.raises(TypeError, match="max_prompt_tokens"):
        OptoPrime([node(1, trainable=True)], max_prompt_tokens="many")


def test_the_window_of_a_known_model_is_the_default():
    """A long problem is made to fit the window that LiteLLM knows, less the answer."""
    x = node(2.0, trainable=True, name="x")
    optimizer = OptoPrime([x], LiteLLM("gpt-4"))
    y = x * 1.0
    for _ in range(2000):
        y = y + x
    optimizer.backward(y, "too small")
    system, user = optimizer.construct_prompt(optimizer.summarize())
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    assert 2000 < count_tokens(messages, "gpt-4") <= 8192 - 4096


def test_other_models_have_no_limit():
    """A model that LiteLLM does not know reads the whole problem."""
    x = node(2.0, trainable=True, name="x")
    model = Keeping(answer())
    run(OptoPrime([x], model), x)
    assert "add299 = add(" in model.requests[0][1]["content"]


@pytest.mark.parametrize("value", [["a", "b" * 20_000, "c"], {"a": [[1, 2, "b" * 9_000], 3]}, "b" * 20_000])
def test_without_a_limit_values_are_whole(value):
    """However long they are beside the rest of a short problem."""
    x = node(value, trainable=True, name="x")
    model = Keeping(answer())
    optimizer = OptoPrime([x], model)
    optimizer.backward(x, "too small")
    optimizer.step()
    assert f"x0={canonical(value)}\n" in model.requests[0][1]["content"]


def test_without_a_limit_the_note_counts_right():
    """The second form cuts long inputs by itself, and says how much of them is missing."""
    x = node(2.0, trainable=True, name="x")
    model = Keeping(answer(x0=3.0))
    optimizer = OptoPrimeV2([x], model)
    optimizer.backward(draft("p" * 30_000, x, "mild"), "too small")
    optimizer.step()
    assert "(28000 characters left out)" in model.requests[0][1]["content"]


def test_a_step_looks_at_no_feedback_that_it_does_not_need():
    """What each of many parameters has got stays as `backward` left it: their joined graph is all that is read."""
    x = node(2.0, trainable=True, name="x")
    run(OptoPrime([x], Keeping(answer())), x, length=3)
    assert isinstance(x._feedback, list)


LONG = " ".join(f"word{number}" for number in range(3000))


def long_ago(text):
    """A text whose head and tail can be told from its middle."""
    return f"HEAD{text}TAIL"


@pytest.mark.parametrize("optimizer_class", [OPRO, OPROv2])
@pytest.mark.parametrize("most", [2600, 4000, 9000])
def test_opro_keeps_its_limit(optimizer_class, most):
    """The worst solutions go first and the best last, and what is missing is said; a repair stays within the limit."""
    x = node("a" * 300, trainable=True, name="x")
    model = Keeping("nonsense " * 400)
    optimizer = optimizer_class([x], model, memory_size=50, max_prompt_tokens=most)
    for score in range(40):
        optimizer.observe({x: f"{score} " + "b" * 300}, score)
    optimizer.backward(x + "!", (50.0, "the remark"))
    with pytest.warns(SuggestionWarning):
        optimizer.step()
    assert len(model.requests) == 2
    assert all(count_tokens(messages) <= most for messages in model.requests)
    user = model.requests[0][1]["content"]
    assert "score 50; the remark" in user
    shown = [number for number in range(40) if f", score {number}\n" in user]
    assert shown == list(range(40 - len(shown), 40))
    assert f"({40 - len(shown)} worse solutions left out)" in user
    assert len(shown) > 10 or most < 9000


@pytest.mark.parametrize("optimizer_class", [OPRO, OPROv2])
def test_opro_cuts_long_values_and_says_so(optimizer_class):
    """Values and remarks keep head and tail, the names of all variables stay; too little is an error that helps."""
    x = node(long_ago(LONG), trainable=True, name="x")
    y = node(long_ago(LONG), trainable=True, name="y", description=long_ago(LONG))
    model = Keeping("<variable><name>y0</name><value>new</value></variable>")
    optimizer = optimizer_class([x, y], model, max_prompt_tokens=3000)
    optimizer.backward(x + y, (1.0, long_ago(LONG)))
    optimizer.step()
    assert y.data == "new"
    assert count_tokens(model.requests[0]) <= 3000
    user = model.requests[0][1]["content"]
    assert user.count("characters left out") >= 4
    assert all(word in user for word in ("HEAD", "TAIL", "x0", "y0", "score 1"))
    optimizer.max_prompt_tokens = 300
    optimizer.zero_feedback()
    optimizer.backward(x + y, (1.0, long_ago(LONG)))
    with pytest.raises(PromptTooLongError, match="max_prompt_tokens") as caught:
        optimizer.step()
    optimizer.max_prompt_tokens = caught.value.needed
    optimizer.step()
    assert count_tokens(model.requests[-1]) <= optimizer.max_prompt_tokens


@bundle()
def draft(prompt, source, tone):
    """Writes a draft."""
    return f"{prompt} {source} {tone}"


def criticizing(messages, **options):
    """Criticizes at length, and does not rewrite anything."""
    return long_ago(LONG) if "Write the criticism" in messages[1]["content"] else "nonsense " * 400


@pytest.mark.parametrize("most", [2600, 6000, 30_000])
def test_textgrad_keeps_its_limit(most):
    """Requests for criticism, updates and repairs: values keep head and tail, and what is missing is said."""
    prompt = node(long_ago(LONG), trainable=True, name="prompt", description="A prompt.")
    requests = []
    optimizer = TextGrad(
        [prompt],
        lambda messages, **options: requests.append(messages) or criticizing(messages),
        max_prompt_tokens=most,
        value_limit=50_000,
        gradient_memory=3,
        in_context_examples=[LONG],
    )
    for _ in range(3):
        optimizer.zero_feedback()
        optimizer.backward(draft(draft(prompt, LONG, "dry"), LONG, "dry"), long_ago(LONG))
        with pytest.warns(SuggestionWarning):
            optimizer.step()
    assert len(requests) == 3 * 4
    assert all(count_tokens(messages) <= most for messages in requests)
    first, update = requests[0][1]["content"], requests[2][1]["content"]
    assert "Write the criticism of the input draft" in first
    for text in (first, update):
        assert "left out" in text
        assert "HEAD" in text
        assert "TAIL" in text
    assert '<variable name="prompt0"' in update
    assert "more were left out" in requests[10][1]["content"]


def test_textgrad_with_many_inputs():
    """The input that is asked about stays, others go, and that is said."""
    parts = [node(f"part {number} " * 20, name="part") for number in range(300)]
    prompt = node("p", trainable=True, name="prompt")

    @bundle()
    def join(*parts):
        """Joins its inputs."""
        return "".join(parts)

    requests = []
    optimizer = TextGrad(
        [prompt],
        lambda messages, **options: (
            requests.append(messages) or "bad <variable><name>prompt0</name><value>q</value></variable>"
        ),
        max_prompt_tokens=4000,
    )
    optimizer.backward(join(*parts, prompt), "bad")
    assert optimizer.step() == {prompt: "q"}
    assert all(count_tokens(messages) <= 4000 for messages in requests)
    assert 'name="prompt0"' in requests[0][1]["content"]
    assert "values left out" in requests[0][1]["content"]


def test_textgrad_with_too_little():
    """The error tells how many tokens would do."""
    prompt = node("p", trainable=True, name="prompt")
    optimizer = TextGrad([prompt], criticizing, max_prompt_tokens=200)
    optimizer.backward(draft(prompt, LONG, "dry"), LONG)
    with pytest.raises(PromptTooLongError, match="max_prompt_tokens") as caught:
        optimizer.step()
    optimizer.max_prompt_tokens = caught.value.needed + 500  # the update may need a little more than the criticism
    with pytest.warns(SuggestionWarning):
        optimizer.step()


@pytest.mark.parametrize("optimizer_class", [OPRO, TextGrad])
def test_the_counter_of_the_model_counts(optimizer_class):
    """A model that counts its tokens itself is believed."""

    class Words(Keeping):
        def count_tokens(self, text):
            return len(text.split())

    x = node(LONG, trainable=True, name="x")
    model = Words("<reasoning>no</reasoning>", '{"suggestion": {"x0": "y"}}')
    optimizer = optimizer_class([x], model, max_prompt_tokens=900, retries=0, ignore_extraction_error=True)
    optimizer.backward(x, (1.0, LONG))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SuggestionWarning)
        optimizer.step()
    assert all(count_tokens(messages, model) <= 900 for messages in model.requests)
    assert sum(len(message["content"]) for message in model.requests[0]) > 3000


def test_no_repair_where_nothing_fits_behind():
    """A limit that leaves no room for an answer and its reasons means that it is not sent back."""
    limits = PromptLimits(100, 10, None, repairs=True)
    messages = [{"role": "system", "content": "s" * 40}, {"role": "user", "content": "u" * 30}]
    assert limits.repair(messages, "a" * 500, "r" * 500) is None
    assert "left out" in PromptLimits(400, 10, None, repairs=True).repair(messages, "a" * 500, "r" * 500)[0]
