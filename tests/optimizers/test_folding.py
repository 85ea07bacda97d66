"""Repeated calls become loops that stand for exactly those calls."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opto.optimizers import OptoPrime, folding
from opto.optimizers.folding import Loop, fold, item_lines, regular_order, results
from opto.optimizers.problem import Call
from opto.trace import GRAPH, bundle, node


@pytest.fixture(autouse=True)
def fresh_names():
    """Names count from 0 in each test."""
    GRAPH.clear()


@bundle()
def answer(question, prompt):
    """An answer."""
    return question * prompt


@bundle()
def check(text, expected):
    """Whether it is right."""
    return text - expected


@bundle()
def batch(*texts):
    """All of them."""
    return sum(texts)


def folded(outputs, *parameters):
    """The folded code of what the parameters see of the outputs."""
    optimizer = OptoPrime(list(parameters))
    for output in outputs:
        optimizer.backward(output, "no")
    graph = optimizer.summarize().graph
    levels = {call.result: level for level, call in graph}
    items = fold(regular_order([call for _, call in graph], levels))
    return "\n".join(map(item_lines, items))


def expanded(text):
    """What the folded code stands for, call by call: the loops are run."""
    lines = [line for line in text.splitlines() if line]

    def run(start, indent, values, out):
        place = start
        while place < len(lines):
            line = lines[place]
            depth = (len(line) - len(line.lstrip())) // 4
            if depth < indent:
                break
            loop = re.fullmatch(r"for (\w+) in range\((\d+)\):", line.strip())
            if loop:
                for turn in range(int(loop.group(2))):
                    end = run(place + 1, indent + 1, {**values, loop.group(1): turn}, out)
                place = end
            else:
                out.append(re.sub(r"\{([^}]*)\}", lambda found: str(eval(found.group(1), {}, values)), line.strip()))
                place += 1
        return place

    out = []
    run(0, 0, {}, out)
    return out


def test_samples_become_one_loop():
    """The same calls on each sample are one turn of a loop."""
    prompt = node(2, trainable=True, name="prompt")
    assert folded([check(answer(n, prompt), n) for n in range(9)], prompt) == (
        "for k in range(9):\n"
        "    answer{k} = answer(question=question{k}, prompt=prompt0)\n"
        "    check{k} = check(text=answer{k}, expected=expected{k})"
    )


def test_loops_in_loops():
    """Samples that are chains themselves."""
    rate = node(2, trainable=True, name="rate")
    outputs = []
    for n in range(3):
        state = answer(float(n), rate)
        for _ in range(10):
            state = answer(state, rate)
        outputs.append(state)
    assert folded(outputs, rate) == (
        "for k in range(3):\n"
        "    answer{k} = answer(question=question{k}, prompt=rate0)\n"
        "    for j in range(10):\n"
        "        answer{k+3*j+3} = answer(question=answer{k+3*j}, prompt=rate0)"
    )


def test_many_arguments():
    """A call of many arguments shows the first and the last ones, and how many are left out."""
    prompt = node(2, trainable=True, name="prompt")
    text = folded([batch(*[answer(n, prompt) for n in range(40)])], prompt)
    assert text.splitlines()[0] == "for k in range(40):"
    assert "args_5=answer5, ...(28 arguments left out)..., args_34=answer34" in text


def test_what_does_not_repeat_stays():
    """No loop for two turns, nor for calls of different shapes."""
    calls = [Call.made(f"f{n}", "f", (("x", f"x{n}"),)) for n in range(2)]
    assert fold(calls)[0].call is calls[0]
    assert len(fold([Call("what is this"), Call("what is this"), Call("what is this")])) == 3


NAMES = st.sampled_from(["a", "b", "f1x", "n_"])
BODIES = st.lists(st.tuples(NAMES, st.lists(st.tuples(NAMES, st.integers(0, 3), st.integers(0, 9)), max_size=3)))


@st.composite
def programs(draw):
    """Calls with repeated parts between parts that do not repeat."""
    calls = []
    for _ in range(draw(st.integers(1, 4))):
        body = draw(BODIES)
        for turn in range(draw(st.integers(1, 6))):
            for function, arguments in body:
                names = tuple(
                    (f"p{n}", f"{base}{start + step * turn}") for n, (base, step, start) in enumerate(arguments)
                )
                calls.append(Call.made(f"r{len(calls)}", function, names))
    return calls


@settings(max_examples=300)
@given(programs())
def test_a_fold_stands_for_its_calls(calls):
    """Running the loops gives the same calls in the same order, and none is lost."""
    items = fold(calls)
    assert expanded("\n".join(map(item_lines, items))) == [str(call) for call in calls]
    assert [name for item in items for name, _ in results(item)] == [call.result for call in calls]


@settings(max_examples=100)
@given(programs())
def test_the_order_stays_valid(calls):
    """No call comes before one that it needs."""
    levels = {call.result: n for n, call in enumerate(calls)}
    ordered = regular_order(calls, levels)
    assert sorted(ordered) == sorted(calls)


def test_the_work_is_linear(monkeypatch):
    """Comparisons grow as the calls do, also where nothing repeats for long."""
    compared = []
    plain = folding._Pass._repeats
    monkeypatch.setattr(folding._Pass, "_repeats", lambda *args: compared.append(1) or plain(*args))
    counts = []
    for size in (2000, 4000):
        numbers = [(n * n) % 7 + (n * n * n) % 11 for n in range(size)]  # shapes in an order with short repetitions
        calls = [Call.made(f"r{n}", f"f{number % 3}", ()) for n, number in enumerate(numbers)]
        compared.clear()
        fold(calls)
        counts.append(len(compared))
    assert counts[1] < 2.5 * counts[0] < 2.5 * 12 * 2000


def test_turns_from_the_ends():
    """The first and the last turn of a loop are its ends."""
    [loop] = fold([Call.made(f"f{n}", "f", (("x", f"x{n}"),)) for n in range(5)])
    assert isinstance(loop, Loop)
    assert results(loop) == [("f0", 0), ("f1", 1), ("f2", 2), ("f3", 1), ("f4", 0)]
