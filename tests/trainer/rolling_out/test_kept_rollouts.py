"""Rollouts from a journal are what they were: the same names, prompts and feedback at the same parameters."""

from __future__ import annotations

import dataclasses
import json
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opto.errors import UnreachedFeedbackWarning
from opto.llm import FromCallable
from opto.optimizers import OptoPrime, OptoPrimeV2, TextGrad
from opto.testing import Scripted
from opto.trace import GRAPH, ExecutionError, Map, Module, ParameterNode, Seq, bundle, model, name_scope, node
from opto.trace import operators as ops
from opto.trainer.executors import LoopExecutor, process_pool
from opto.trainer.rolling_out.step_journal import StepJournal
from opto.trainer.rollouts import Evaluator, Request
from opto.trainer.sampler import Sampler
from tests.trainer.programs import async_shouter, exact, shouter

MADE = []  # the examples that programs were run on
UNIT = node("cm", name="unit")  # a node that all rollouts share
TEACHER = FromCallable(lambda messages, **options: messages[-1]["content"][::-1])


@bundle()
def measured(text, unit):
    """The text with a unit."""
    return f"{text} {unit}"


@bundle(traceable_code=True)
def inside(a, b):
    """Computes with nodes."""
    return (a + b) * 2


@bundle()
def joined(*parts, sep=" ", **more):
    """All parts, joined."""
    return sep.join(str(each) for each in (*parts, *more.values()))


@bundle(trainable=True)
def policy(x):
    """What to say."""
    return f"<{x}>"


@bundle()
def broken(x):
    """Fails."""
    raise KeyError(f"nothing for {x}")


class Made(Module):
    """A module that notes what it is run on."""

    def forward(self, x):
        MADE.append(x)
        return self.run(x)


class Operators(Made):
    def __init__(self):
        self.a = node(3, trainable=True, name="a", description="a number")
        self.parts = [node("x", trainable=True), {"deep": node(1.5, trainable=True)}]

    def run(self, x):
        y = self.a + len(x)
        z = y * y - self.parts[1]["deep"]
        return ops.format(self.parts[0] + "{}/{}", z, [y, z])


class Bundles(Made):
    def __init__(self):
        self.prompt = node("Sei h\u00f6flich \u2014 \U0001f600\nline two", trainable=True, name="prompt")
        self.policy = policy

    @bundle()
    def say(self, x):
        """Says it."""
        return str(x) + "!"

    @bundle(trainable=True)
    def think(self, x, depth=2):
        """Thinks."""
        return x * depth

    def run(self, x):
        return self.say(measured(self.think(self.policy(joined(self.prompt, x, sep="-", tail=x))), UNIT))


class Nested(Made):
    def __init__(self):
        self.part = Operators()
        self.other = node(2, trainable=True, name="other")
        self.hidden = node(5, trainable=True, name="hidden")

    @bundle(traceable_code=True, allow_external_dependencies=True)
    def deep(self, x):
        """Has a parameter inside."""
        return inside(x, self.hidden) + 1

    def run(self, x):
        return joined(self.part(x), inside(self.other, len(x)), self.deep(self.other))


class Containers(Made):
    def __init__(self):
        self.words = Seq(node("a", trainable=True), node("b", trainable=True))
        self.table = Map({"k": node("v", trainable=True)})
        self.twins = [Bundles(), Bundles()]
        self.fixed = node([1, (2, 3), {"\ud800": {4}}], name="fixed")

    def run(self, x):
        first = joined(*self.words, self.table["k"], self.fixed)
        pair = ops.make_tuple(first, self.twins[0].say(x), self.twins[1].say(x))
        return joined([self.words[0], x], {"w": self.words[1]}, pair, (self.twins[1].prompt, 1))


class Asking(Made):
    def __init__(self):
        self.system = node("Be brief.", trainable=True, name="system")
        self.llm = FromCallable(lambda messages, **options: f"ok {messages[-1]['content']}")

    def run(self, x):
        return ops.call_llm(self.llm, self.system, x) + ops.call_llm(TEACHER, self.system, x, temperature=0.5)


class Arrays(Made):
    def __init__(self):
        self.weights = node(numpy.array([1.0, 2.0, float("nan")]), trainable=True, name="weights")

    def run(self, x):
        return self.weights * numpy.float32(2) + node(float("inf")) + (1 + 2j)


class Failing(Made):
    """Fails in a bundle, an operator, trainable code and a nested graph, as the example says."""

    def __init__(self):
        self.a = node("a", trainable=True, name="a")
        self.code = policy

    def run(self, x):
        if x == "bundle":
            return broken(self.a + x)
        if x == "operator":
            return self.code(self.a) / 0
        if x == "key":
            return node({"k": 1})[self.a]
        return inside(self.a, broken(x))


class Returning(Made):
    """Gives a parameter, several nodes, or no node at all."""

    def __init__(self):
        self.a = node("a", trainable=True, name="a")

    def run(self, x):
        return {"parameter": self.a, "pair": (self.a + x, [self.a]), "text": "plain"}.get(x, self.a + x)


@model
class Decorated:
    """A class that became a module."""

    def __init__(self):
        self.tone = node("warm", trainable=True, description="how it sounds", constraint="one word")
        self.frozen = ParameterNode("cold", trainable=False, name="frozen", constraint=range(3, 9).__class__(3))

    @bundle()
    def speak(self, x):
        """Speaks."""
        return f"{self} {x}"

    def forward(self, x):
        MADE.append(x)
        return joined(self.tone, self.frozen, x)


GLOBAL = node("global", trainable=True, name="everywhere")


def plain(x):
    """A function as a program; its parameter is a global variable."""
    MADE.append(x)
    return joined(GLOBAL, UNIT, x)


class Speaker:
    """Not a module."""

    def __init__(self):
        self.volume = 3

    @bundle(trainable=True)
    def speak(self, x):
        """Speaks."""
        MADE.append(x)
        return x.upper()


class Scoped(Made):
    """Names its nodes in scopes of its own."""

    def __init__(self):
        self.a = node("a", trainable=True, name="a")

    def run(self, x):
        with name_scope("inner"):
            y = self.a + x
        return measured(y, UNIT)


def programs():
    """Programs by name, with the examples to run them on."""
    some = ["one", "two words", "\u00fc\u2028\x00 " + "long " * 50]
    fails = ["bundle", "operator", "key", "inner"]
    kinds = (Operators, Bundles, Nested, Containers, Asking, Arrays, Scoped, shouter, async_shouter)
    found = {kind.__name__: (kind, some) for kind in kinds}
    found["Failing"] = Failing, fails
    found["Returning"] = Returning, ["parameter", "pair", "text", "else"]
    found["function"] = (lambda: plain), some
    found["bound bundle"] = (lambda: _SPEAKER.speak), some
    found["bundle"] = (lambda: policy), some
    return found


_SPEAKER = Speaker()


def scored(query, response, reference):
    """A guide that scores anything."""
    return float(len(str(response)) % 7), f"\u201c{response!r}\u201d for {query!r}"


def seen(agent, rollouts):
    """All that an optimizer sees of rollouts, as text; feedback is sent through them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnreachedFeedbackWarning)  # some outputs come from no parameter
        return _seen(agent, rollouts)


def _seen(agent, rollouts):
    texts = []
    parameters = agent.parameters() if hasattr(agent, "parameters") else [GLOBAL]
    for kind in (OptoPrime, OptoPrimeV2, TextGrad):
        optimizer = kind(parameters, Scripted([]))
        optimizer.zero_feedback()
        for each in rollouts:
            target = each.target
            for output in target if isinstance(target, tuple) else [target]:
                if hasattr(output, "backward"):
                    optimizer.backward(output, each.feedback, retain_graph=True)
        texts.append([[entry.name for entry in parameter.feedback] for parameter in parameters])
        if hasattr(optimizer, "summarize"):
            summary = optimizer.summarize()
            texts += [str(optimizer.problem_instance(summary)), optimizer.construct_prompt(summary)]
        else:
            try:
                optimizer.propose()
            except Exception:
                texts.append(sorted(optimizer.llm.requests, key=repr))  # threads send them in any order
    for each in rollouts:
        texts += [each.score, each.feedback, repr(each.target)]
        texts += [told(each.target)]
    return cleaned(texts)


def cleaned(texts):
    """What objects say of themselves, without addresses."""
    return json.loads(re.sub(r" at 0x[0-9a-f]+", "", json.dumps(texts, default=repr)))


def told(target):
    """What nodes say of themselves."""
    from opto.trace.dependencies import ancestors
    from opto.trace.nodes import Node

    if not isinstance(target, Node):
        return repr(target)
    words = []
    for each in ancestors([target]):
        info = dict(each.info) if isinstance(each.info, dict) else {"info": each.info}
        info.pop("fun", None)
        shown = (each.name, each.level, each.trainable, each.description, each.op_name, sorted(each.inputs))
        words.append([type(each).__name__, *map(str, shown), repr(each._read), sorted(map(str, info.items()))])
    return words


def begun(make):
    """A program made as at the beginning of a process."""
    GRAPH.clear()
    return make()


def run(agent, xs, path, guide=scored, executor=None, **options):
    """The rollouts, with their journal."""
    MADE.clear()
    journal = StepJournal(path)
    with Evaluator(executor=executor or partial(ThreadPoolExecutor, 1)) as evaluator:
        found = list(evaluator.rollouts([Request(agent, x) for x in xs], guide, journal=journal, **options))
    journal.close()
    return found, journal


def lines(path):
    """The rollouts in a journal."""
    return [line for line in path.read_bytes().split(b"\n") if line.startswith(b'{"key":')]


@pytest.mark.parametrize("name", list(programs()))
def test_a_rollout_comes_back_as_it_was(tmp_path, name):
    """From a journal, in whole or in part, prompts and feedback are those of an uninterrupted run."""
    make, xs = programs()[name]
    path = tmp_path / "step.jsonl"
    agent = begun(make)
    first, journal = run(agent, xs, path)
    assert (journal.unkept, journal.rollouts_taken) == (0, 0)
    assert len(lines(path)) == len(xs)
    wanted = seen(agent, first)

    agent = begun(make)
    again, journal = run(agent, xs, path)
    assert (MADE, journal.rollouts_taken, journal.unkept) == ([], len(xs), 0)
    assert seen(agent, again) == wanted

    whole = path.read_bytes()
    path.write_bytes(whole.replace(lines(path)[1] + b"\n", b"") + b'{"key":"torn')
    agent = begun(make)
    again, journal = run(agent, xs, path)
    assert (journal.rollouts_taken, len(lines(path))) == (len(xs) - 1, len(xs))
    assert seen(agent, again) == wanted


CALLS = ["add", "make_list", "joined", "inside", "eq", "cond"]


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "make_list", "joined", "inside", "eq", "cond"]), *[st.integers(0, 9)] * 3)
    ),
    st.one_of(st.text(), st.integers(), st.floats(), st.lists(st.one_of(st.text(), st.none(), st.booleans()))),
)
def test_any_graph_comes_back_as_it_was(tmp_path_factory, calls, x):
    """Whatever is computed from whatever: values, names, inputs and what was read are the same."""

    class Program(Module):
        def __init__(self):
            self.a, self.b = node(7, trainable=True, name="a"), node("b", trainable=True, name="b")

        def forward(self, x):
            pool = [self.a, self.b, node(x, name="x"), node((x, {1: [x]}))]
            for name, *places in calls:
                first, second, third = (pool[place % len(pool)] for place in places)
                try:
                    if name in ("joined", "inside"):
                        pool.append({"joined": joined, "inside": inside}[name](first, second))
                    elif name == "make_list":
                        pool.append(ops.make_list(first, second, third))
                    else:
                        pool.append(
                            getattr(ops, name)(*([first, second, third] if name == "cond" else [first, second]))
                        )
                except ExecutionError as error:
                    pool.append(error.exception_node)
            return pool[-1]

    path = tmp_path_factory.mktemp("journal") / "step.jsonl"
    agent = begun(Program)
    first, journal = run(agent, [x, x], path)
    assert journal.unkept == 0
    words, shown = cleaned([told(each.target) for each in first]), seen(agent, first)
    agent = begun(Program)
    again, journal = run(agent, [x, x], path)
    assert journal.rollouts_taken == 2
    assert cleaned([told(each.target) for each in again]) == words
    assert seen(agent, again) == shown


@pytest.mark.parametrize("where", ["threads", "loop", "processes"])
def test_from_every_executor(tmp_path, where):
    """Rollouts of threads, loops and other processes are kept, and feedback reaches the parameters here."""
    executor = {"threads": None, "loop": LoopExecutor, "processes": partial(process_pool, 2)}[where]
    path = tmp_path / "step.jsonl"
    xs = ["a", "b", "bad", "c"]
    agent = begun(shouter)
    first, journal = run(agent, xs, path, executor=executor)
    assert journal.unkept == 0
    wanted = seen(agent, first)
    agent = begun(shouter)
    again, journal = run(agent, xs, path)
    assert journal.rollouts_taken == 4
    assert seen(agent, again) == wanted
    assert [agent.mark in each.target.parents for each in again] == [True] * 4


def test_the_words_of_functions_come_back(tmp_path):
    """`info` of a node is what it was; the function itself comes back where a loaded module has it by name."""
    agent = Bundles()
    [first], _ = run(agent, ["x"], tmp_path / "step.jsonl")
    [again], _ = run(agent, ["x"], tmp_path / "step.jsonl")
    target, before = again.target, first.target
    assert target.info.keys() == before.info.keys()
    for name in ("fun", "fun_name", "doc", "signature", "source", "line_number", "file", "external_dependencies"):
        assert target.info[name] == before.info[name], name
    assert target.info["inputs"]["kwargs"]["x"] is target.parents[1]
    assert target.parents[0].data is agent


def test_a_program_that_raised_has_its_marked_source(tmp_path):
    """The text of an error, its traceback and the comment in the source are those of the run that failed."""
    agent = Failing()
    [first], _ = run(agent, ["bundle"], tmp_path / "step.jsonl")
    [again], _ = run(agent, ["bundle"], tmp_path / "step.jsonl")
    assert again.score is None
    assert again.feedback == first.feedback
    assert "# <-- " in again.feedback or "KeyError" in again.feedback
    assert again.target.info["traceback"] == first.target.info["traceback"]


@dataclasses.dataclass
class Opaque:
    """Has no text form."""

    value: int = 0


class Odd(Module):
    """Returns what cannot be kept, as the example says."""

    def __init__(self):
        self.a = node("a", trainable=True, name="a")

    def forward(self, x):
        MADE.append(x)
        if x == "value":
            return self.a + node(Opaque(), name="o").getattr("value").len() if False else joined(self.a, Opaque())
        if x == "secret":
            return self.a + ("sk-" + "a1B2c3D4e5F6g7H8" * 3)
        if x == "outside":
            return joined(self.a, node("x"), _OUTSIDE[0])
        if x == "backwarded":
            y = self.a + "x"
            y.backward("done", retain_graph=False)
            return y
        return self.a + x


_OUTSIDE = [node("in a list", name="hidden")]  # where nobody looks for a node


@pytest.mark.parametrize("x", ["value", "secret", "outside", "backwarded"])
def test_what_cannot_be_kept_is_made_again(tmp_path, x):
    """A value without a text form, a key, a node of nobody knows whose, feedback inside: no error, and counted."""
    path = tmp_path / "step.jsonl"
    for _ in range(2):
        found, journal = run(Odd(), [x, "fine"], path)
        assert journal.unkept == 1
        assert MADE == ([x, "fine"] if not journal.rollouts_taken else [x])
        assert len(lines(path)) == 1
        assert b"a1B2c3D4" not in path.read_bytes()
        assert found[1].target.data == "afine"


def test_an_example_without_a_text_form_is_linked(tmp_path):
    """What a program was given is not written, so it may be anything, and keys in it are not read by anybody."""
    secret = "sk-" + "a1B2c3D4e5F6g7H8" * 5
    xs = [Opaque(5), secret]

    def program(x):
        MADE.append(x)
        return joined(GLOBAL, len(str(x)), node(x, name="x").eq(x))

    for taken in (0, 2):
        found, journal = run(program, xs, tmp_path / "step.jsonl", guide=exact)
        assert (journal.rollouts_taken, journal.unkept) == (taken, 0)
        assert found[0].target.parents[2].parents[0].data is xs[0]
    assert b"a1B2c3D4" not in (tmp_path / "step.jsonl").read_bytes()


def test_a_program_that_cannot_be_told_from_others_is_made_again(tmp_path):
    """Without a fingerprint there is no error, and nothing is kept."""

    class Connected(Module):
        def __init__(self):
            self.items = (each for each in "abc")
            self.a = node("a", trainable=True)

        def copy(self):
            return self

        def forward(self, x):
            return self.a + x

    agent = Connected()
    _, journal = run(agent, ["x"], tmp_path / "step.jsonl")
    assert (journal.unkept, lines(tmp_path / "step.jsonl")) == (1, [])


def test_equal_requests_have_rollouts_of_their_own(tmp_path):
    """The n-th equal request gets the n-th rollout, in the order of the requests, whatever was faster."""

    class Random(Module):
        def __init__(self):
            self.a = node("a", trainable=True)

        def forward(self, x):
            MADE.append(x)
            return self.a + str(len(MADE))

    path = tmp_path / "step.jsonl"
    first, _ = run(Random(), ["x", "y", "x", "x"], path)
    again, journal = run(Random(), ["x", "y", "x", "x", "x"], path)
    assert [each.target.data for each in first] == ["a1", "a2", "a3", "a4"]
    assert [each.target.data for each in again] == ["a1", "a2", "a3", "a4", "a1"]
    assert journal.rollouts_taken == 4


def test_another_program_guide_or_value_has_other_rollouts(tmp_path):
    """What is taken was made by the same program with the same values, and judged by the same guide."""
    path = tmp_path / "step.jsonl"
    run(Returning(), ["x"], path)
    changed = Returning()
    changed.a._set("b")
    for agent, guide in ((changed, scored), (Operators(), scored), (Returning(), exact)):
        _, journal = run(agent, ["x"], path, guide=guide)
        assert journal.rollouts_taken == 0
    _, journal = run(Returning(), ["x"], path)
    assert journal.rollouts_taken == 1


def test_timeouts_and_dead_workers_are_kept_too(tmp_path):
    """A rollout that was given up for good is not waited for again; its exception node reaches all parameters."""
    import threading

    class Slow(Module):
        def __init__(self):
            self.a = node("a", trainable=True)

        def forward(self, x):
            MADE.append(x)
            threading.Event().wait(None if x == "slow" else 0)
            return self.a + x

    path = tmp_path / "step.jsonl"

    def rollouts():
        MADE.clear()
        journal = StepJournal(path)
        agent = Slow()
        with Evaluator(timeout=0.2, retries=0) as evaluator:
            found = list(evaluator.rollouts([Request(agent, x) for x in ("slow", "y")], scored, journal=journal))
        journal.close()
        found[0].target.backward("too slow")
        assert len(agent.a.feedback) == 1
        return [(each.score, each.feedback, str(each.target.data)) for each in found], journal.rollouts_taken

    first = rollouts()
    assert first[1] == 0
    assert rollouts() == (first[0], 2)
    assert MADE == []


def test_with_forward_and_samplers(tmp_path):
    """What `forward` makes of the example is kept; a `Sampler` hands the journal on, also for parts of a minibatch."""

    class Loader:
        def sample(self):
            return ["a", "b", "c"], [1, 2, 3]

    def forward(agent, x, guide, info):
        MADE.append(x)
        return agent(x) + str(info), 1.0, {"all": [1, ("\u00e9", None)]}

    for made in (["a", "b", "c"], []):
        MADE.clear()
        journal = StepJournal(tmp_path / "step.jsonl")
        agent = Operators()
        sampler = Sampler(Loader(), scored, forward=forward, subbatch_size=2)
        batches, _ = sampler.sample([agent], journal=journal)
        journal.close()
        assert [x for x in MADE if x in made] == [x for x in made for _ in range(2)]
        rollouts = [each for batch in batches for each in batch]
        assert [each.feedback for each in rollouts] == [{"all": [1, ("\u00e9", None)]}] * 3
        rollouts[2].target.backward("x")
        assert agent.a.feedback


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    """A journal that cannot be written is an error of the run, not of the program."""
    from opto.runs.own_lines import OwnLines

    def full(self, lines):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(OwnLines, "append", full)
    with pytest.raises(OSError, match="No space"):
        run(Operators(), ["x"], tmp_path / "step.jsonl")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"nodes":[[', b'"nodes":[[["x"],'),
        (b"parameter 0", b"parameter 9"),
        (b'"__rollout/', b'7,"__rollout/'),
        (b'"add"', b'"ad"'),
    ],
)
def test_a_damaged_graph_is_made_again(tmp_path, old, new):
    """A line that says something impossible costs a rollout, and nothing else."""
    path = tmp_path / "step.jsonl"
    run(Operators(), ["x"], path)
    damaged = path.read_bytes().replace(old, new)
    assert damaged != path.read_bytes()
    path.write_bytes(damaged)
    _, journal = run(Operators(), ["x"], path)
    assert journal.rollouts_taken == 0
    assert "x" in MADE
