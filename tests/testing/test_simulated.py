"""The simulated model: it reads what optimizers ask, and answers well as often as it is told to."""

from __future__ import annotations

import ast
import copy
import os
import pickle
import random
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import opto.testing
from opto.errors import ExecutionError
from opto.optimizers import OPRO, LineSearch, OPROv2, OptoPrime, OptoPrimeMulti, OptoPrimeV2, TextGrad
from opto.testing import Simulated
from opto.testing.simulation import answer
from opto.testing.simulation.edits import mutants
from opto.testing.simulation.forms import SLIPS, Form, read_form, slipped
from opto.testing.simulation.limits import OverLimitError, limited
from opto.testing.simulation.numbers import verdict
from opto.testing.simulation.repair import repaired_code, stated_cases
from opto.testing.simulation.request import Task, Variable, read_task
from opto.trace import GRAPH, bundle, node

OPTIMIZERS = [OptoPrime, OptoPrimeV2, OptoPrimeMulti, OPRO, OPROv2, TextGrad]


def solved_after(optimizer: Any, run: Callable[[], tuple[Any, str | None]], cap: int = 40) -> int | None:
    """How many steps it takes until `run` has nothing to say; None if `cap` are not enough."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in range(cap + 1):
            output, said = run()
            if said is None:
                return step
            optimizer.zero_feedback()
            optimizer.backward(output, said)
            optimizer.step()
    return None


def number() -> tuple[list[Any], Callable[[], tuple[Any, str | None]]]:
    """A number, and a program that wants it near 7."""
    x = node(3.0, name="x", trainable=True)

    def run() -> tuple[Any, str | None]:
        output = x * 2.0 - x * 5.0 + 1.0  # falls as x rises; -20 at 7
        gap = -20.0 - output.data
        return output, None if abs(gap) < 1.5 else f"The output should be {'larger' if gap > 0 else 'smaller'}."

    return [x], run


def function() -> tuple[list[Any], Callable[[], tuple[Any, str | None]]]:
    """A function with a mistake, and a program that tests it."""

    @bundle(trainable=True)
    def factorial(n):
        """The product of the numbers from 1 to n."""
        if n == 0:
            return 0
        return n * factorial(n - 1)

    def run() -> tuple[Any, str | None]:
        for argument, expected in ((4, 24), (0, 1)):
            try:
                output = factorial(argument)
            except ExecutionError as error:
                return error.exception_node, f"factorial({argument}) failed, but it should return {expected}."
            if output.data != expected:
                return output, f"factorial({argument}) returned {output.data!r}, but it should return {expected}."
        return output, None

    return factorial.parameters(), run


def message() -> tuple[list[Any], Callable[[], tuple[Any, str | None]]]:
    """A text, and a program that wants it otherwise."""
    text = node("We will look into the matter of the client soon", name="text", trainable=True)

    @bundle()
    def send(text):
        """Send it."""
        return text

    def run() -> tuple[Any, str | None]:
        output = send(text)
        words = output.data
        if "refund" not in words:
            return output, 'The message should mention "refund".'
        if "client" in words:
            return output, 'Say "customer" instead of "client".'
        return output, None if len(words.split()) <= 8 else "The message should have at most 8 words."

    return [text], run


PROBLEMS = [number, function, message]


@pytest.fixture(autouse=True)
def _numbered_from_zero() -> None:
    """Names are part of the requests, and so of what is drawn for them: they must not depend on earlier tests."""
    GRAPH.clear()


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_competent(kind: Any, problem: Any) -> None:
    """With competence 1 it reads the requests of every optimizer well enough to solve each problem."""
    parameters, run = problem()
    memory = {"gradient_memory": 8} if kind is TextGrad else {"memory_size": 8}
    model = Simulated(1.0, seed=3)
    assert solved_after(kind(parameters, model, **memory), run) is not None
    assert all(answer.good for answer in model.answers)


@pytest.mark.parametrize("problem", [number, message])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_incompetent(kind: Any, problem: Any) -> None:
    """With competence 0 nothing is raised, no answer is good, and most is left unsolved: a wild guess may hit."""
    outcomes = []
    for seed in range(10):
        GRAPH.clear()
        parameters, run = problem()
        model = Simulated(0.0, seed=seed)
        outcomes.append(solved_after(kind(parameters, model), run, cap=6))
        assert model.answers
        assert not any(answer.good for answer in model.answers)
    assert outcomes.count(None) >= 6


def test_incompetent_code() -> None:
    """Code is hardly ever repaired by chance: an answer without competence is an edit at a random place."""
    outcomes = []
    for seed in range(5):
        parameters, run = function()
        outcomes.append(solved_after(OptoPrime(parameters, Simulated(0.0, seed=seed)), run, cap=4))
    assert outcomes.count(None) >= 4


@pytest.mark.parametrize("competence", [0.3, 0.6, 0.9])
def test_share_of_good_answers(competence: float) -> None:
    """Over 600 requests the share of good answers is the competence, within four standard errors."""
    model = Simulated(competence, seed=5)
    form = {"role": "system", "content": 'Answer in this form: {"reasoning": "why", "suggestion": {"name": "value"}}'}
    for place in range(600):
        model([form, {"role": "user", "content": f"#Variables\n(float) x0={place}.0\n#Feedback\nlarger\n"}])
    share = sum(answer.good for answer in model.answers) / 600
    assert abs(share - competence) < 4 * (competence * (1 - competence) / 600) ** 0.5
    assert {answer.flaw for answer in model.answers if not answer.good} > {"wrong value", "unchanged", "prose only"}


def requests_of(kind: Any) -> list[tuple[Any, Any]]:
    """What an optimizer asks in one step on the number."""
    seen: list[tuple[Any, Any]] = []

    def asked(messages: Any, **options: Any) -> str:
        seen.append((messages, options))
        return "no"

    parameters, run = number()
    solved_after(kind(parameters, asked), run, cap=1)
    return seen


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_reading(kind: Any) -> None:
    """In the requests of every optimizer it finds the value, what was said, and the form of the answer."""
    for messages, options in requests_of(kind):
        task, form = read_task(messages), read_form(messages, options)
        assert task.variables
        assert task.variables[0].is_number
        assert task.feedback
        assert form.kind in ("json", "tags", "prose")
        assert form.kind != "prose" or kind is TextGrad


def test_deterministic() -> None:
    """Equal seeds and requests give equal answers; an equal request later in a run is answered anew."""
    request = [{"role": "user", "content": "#Variables\n(float) x0=1.0\n#Feedback\nThe output should be larger.\n"}]
    one, other, third = Simulated(0.5, 1), Simulated(0.5, 1), Simulated(0.5, 2)
    first = [one(request).text for _ in range(20)]
    assert first == [other(request).text for _ in range(20)]
    assert first != [third(request).text for _ in range(20)]
    assert len(set(first)) > 1
    copied = pickle.loads(pickle.dumps(one))
    assert copied(request) == copy.deepcopy(one)(request) == one(request)


def test_reserved_places() -> None:
    """Concurrent equal requests are told apart by their reserved places, whichever is answered first."""
    request = [{"role": "user", "content": "#Variables\n(float) x0=1.0\n#Feedback\nlarger\n"}]
    model, again = Simulated(0.5, 1), Simulated(0.5, 1)
    first, second = model.reserve(request), model.reserve(request)
    late, early = model(request, **second).text, model(request, **first).text
    assert [early, late] == [again(request).text for _ in range(2)]


def test_labelled() -> None:
    """It says that it is a simulation, and that its tokens are estimates."""
    response = Simulated(1.0)([{"role": "user", "content": "Hello"}])
    assert response.model.startswith("simulated")
    assert "estimated" in response.id
    assert response.usage is not None
    assert response.usage.total_tokens > 0
    assert "simulation" in (Simulated.__doc__ or "").splitlines()[0]


@pytest.mark.parametrize("competence", [-0.1, 1.5, True, "0.5"])
def test_competence_is_a_probability(competence: Any) -> None:
    """Anything else than a probability is refused."""
    with pytest.raises(ValueError, match="competence must be a probability"):
        Simulated(competence)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("f(2) returned 3, but it should return 4.", [("f(2)", 4)]),
        ("f([1, 2], 'a)') == {'a': 1}", [("f([1, 2], 'a)')", {"a": 1})]),
        ("expected f(x) to be 3", []),
        ("f(1) returned 2. f(3) must be 9", [("f(3)", 9)]),
    ],
)
def test_stated_cases(said: str, expected: list[tuple[str, Any]]) -> None:
    """Test cases are read out of words: the call and what it should give."""
    assert [(case.call, case.expected) for case in stated_cases(said, "f")] == expected


def test_edits_do_not_depend_on_the_hash_seed() -> None:
    """The edits of code come in the same order in every process."""
    code = (
        "from opto.testing.simulation.edits import mutants\n"
        "print(mutants('def f(one, two, three, four):\\n    return one + two * three - four'))"
    )
    folder = str(Path(opto.testing.__file__).parents[2])
    shown = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": folder},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(shown) == 1


@pytest.mark.parametrize(
    ("value", "feedback", "rejected", "name"),
    [
        (3.0, "The output should be larger.", "4.5", "x"),
        (3, "The output should be larger.", "4", "count"),
        ("Hello you", 'It should mention "refund".', "'Hello refund you'", "text"),
        ("Hello you", 'It should mention "refund".', "Hello refund you", "text"),
    ],
)
def test_rejected_values_are_not_repeated(value: Any, feedback: str, rejected: str, name: str) -> None:
    """A value that the request rules out is not said again; a number is then looked for before it."""
    known = ast.literal_eval(rejected) if rejected[0] in "'0123456789" else rejected
    for seed in range(10):
        x = node(value, name=name, trainable=True)
        given: list[Any] = []
        check: Callable[[Any], float] = lambda values: given.append(values[x]) or 0.0  # noqa: B023, E731
        optimizer = LineSearch(OptoPrime([x], llm=Simulated(1.0, seed=seed)), check)
        optimizer.memory.add(
            {"values": {x.py_name: rejected}, "verdict": "the check gives 1, and 2 for the present one"}
        )
        optimizer.backward(x + x, feedback)
        optimizer.step()
        assert given == [value, x.data]
        assert x.data not in (value, known)
        if isinstance(value, float):
            assert value < x.data < known


def test_rejected_code_is_not_repeated() -> None:
    """Code that the request rules out is not proposed again, also where it shows only the ends of it."""
    source = "def f(n):\n    total = 0\n    for i in range(1, n):\n        total += i\n    return total"
    said = "f(3) returned 3, but it should return 6."
    first = Variable("__code0", "code", source)
    once = repaired_code(first, Task([first], said), random.Random(0))
    for shown in (once, repr(once), f"{once[:30]} ...({len(once) - 40} characters left out)... {once[-10:]}"):
        told = Task([first], said, rejected=[{"__code0": shown}])
        assert repaired_code(first, told, random.Random(0)) != once


def test_line_search_is_told_and_heard() -> None:
    """A step too far is not proposed twice: LineSearch needs about as many steps as its optimizer alone."""
    parameters, run = number()
    start = parameters[0].data

    def check(values: Any) -> float:
        parameters[0]._data, kept = values[parameters[0]], parameters[0]._data
        try:
            return -abs(-20.0 - run()[0].data)
        finally:
            parameters[0]._data = kept

    model = Simulated(1.0, seed=3)
    plain = solved_after(OptoPrime(parameters, model), run)
    parameters[0]._data = start
    searched = solved_after(LineSearch(OptoPrime(parameters, Simulated(1.0, seed=3)), check), run)
    assert plain is not None
    assert searched is not None
    assert searched <= plain + 2


def test_mutants() -> None:
    """Every small edit of code is code, and another than it."""
    source = "def f(n, m):\n    while n < m and n != 3:\n        n += 1\n    return range(n)"
    found = mutants(source)
    assert len(found) > 10
    for text in found:
        ast.parse(text)
    assert ast.unparse(ast.parse(source)) not in found
    assert mutants("def f(:") == ()


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    for a in 1, x:\n        if (y := a + 1) > 2: return a, y\n    é = 'ü' * (x + 1); return é, x",
        "def f(x):\n    match x + 1:\n        case 1 if x > 2: return x - 1\n        case _: return [x + 1, 'ab']",
        "@g(1 + 2)\ndef f(a=1, *b, c=2):\n    'é'\n    while a + 1 < 2: a += 1\n    with open(a) as x: yield x + 1",
    ],
)
def test_mutants_of_any_statement(source: str) -> None:
    """An edit is written as Python writes it, wherever it is, and differs from the code in one line."""
    lines = ast.unparse(ast.parse(source)).splitlines()
    found = mutants(source)
    assert len(found) > 20
    for text in found:
        assert ast.unparse(ast.parse(text)) == text
        assert sum(one != other for one, other in zip(lines, text.splitlines(), strict=True)) == 1


@pytest.mark.parametrize("source", ["while True: pass", "x = 3\nwhile True: x = x * x"])
def test_limits(source: str) -> None:
    """Made-up code that does not end, or whose numbers explode, is stopped."""
    with pytest.raises(OverLimitError, match="stopped"):
        limited(lambda: exec(compile(source, "<made up>", "exec"), {}) if "x" not in source else _run(source))


def _run(source: str) -> None:
    namespace: dict[str, Any] = {}
    body = "\n".join(f"    {line}" for line in source.splitlines())
    exec(compile(f"def f():\n{body}\nf()", "<made up>", "exec"), namespace)


@pytest.mark.parametrize("kind", [*SLIPS])
def test_slips_differ(kind: str) -> None:
    """A slip changes how an answer is written."""
    forms = {
        "json": Form("json", ("reasoning", "suggestion")),
        "tags": Form("tags", ("reasoning", "variable", "name", "value")),
        "tag": Form("tag", ("new",)),
        "fence": Form("fence"),
        "choice": Form("choice", ("reasoning", "best")),
        "prose": Form("prose"),
    }
    text = forms[kind].written({"x0": 3}, "It's too small, or so it seems.")
    names = set()
    for seed in range(60):
        changed, name = slipped(text, forms[kind], random.Random(seed))
        names.add(name)
        assert changed != text, name
    assert names == set(SLIPS[kind])


FENCED = """This is what a helper was told:
```
{value}
```

Here is what came of it:
```
# Example 1
## Component
{name}

## Trace
(float) c0=3
r1 = multiply(x=x, y=c0)
(float) c2=20
r3 = subtract(x=c2, y=r1)

## Feedback
{first}


# Example 2
## Component
{name}

## Feedback
{second}

```

Say what it should be told instead. Put that within ``` marks."""


def fenced(value: str, name: str, first: str, second: str) -> list[dict[str, str]]:
    """A request in which the value stands between backticks, and so should the answer."""
    return [{"role": "user", "content": FENCED.format(value=value, name=name, first=first, second=second)}]


def test_fenced_number() -> None:
    """A number between backticks is changed as the feedback of all examples demands, along the run that is shown."""
    messages = fenced("2.0", "x", "The output should be larger.", "The output should be larger.")
    said = answer(messages, {}, competence=1.0, seed=1)
    assert said.text.startswith("```\n")
    assert float(said.text.strip("`\n")) < 2.0  # the output falls as x rises
    assert read_task(messages).feedback.count("larger") == 2


def test_fenced_text() -> None:
    """A text between backticks gets what each example demands, as does code; bad answers have that form too."""
    messages = fenced("Our answer", "subject", 'The subject should mention "refund".', 'It should begin with "Re".')
    assert answer(messages, {}, competence=1.0, seed=1).text == "```\nRe Our refund answer\n```"
    source = "def twice(n):\n    return n + 2"
    messages = fenced(source, "twice", "twice(3) returned 5, but it should return 6.", "twice(1) should return 2.")
    assert answer(messages, {}, competence=1.0, seed=1).text == "```\ndef twice(n):\n    return n * 2\n```"
    assert any("```" in answer(messages, {}, competence=0.0, seed=seed).text for seed in range(5))


def test_demands_on_other_variables() -> None:
    """What begins with the name of another variable is not done to this one."""
    subject = node("Our answer", name="subject", trainable=True)
    body = node("We got your letter", name="body", trainable=True)
    optimizer = OptoPrime([subject, body], Simulated(1.0, seed=1))
    said = 'The subject should mention "refund". The body should mention "Friday". It should mention "order".'
    optimizer.backward(subject + body, said)
    optimizer.step()
    assert subject.data == "Our refund order answer"
    assert body.data == "We got your Friday order letter"


@pytest.mark.parametrize(
    ("said", "way"), [("It should be larger.", 1), ("too large", -1), ("fine", 0), ("larger\nsmaller\nlower", -1)]
)
def test_verdict(said: str, way: int) -> None:
    """More, less, or neither is read from words."""
    assert verdict(said) == way


def test_stands_alone() -> None:
    """The reading and answering need nothing of opto, so that other environments can use them."""
    folder = Path(opto.testing.__file__).parent
    code = f"import sys; sys.path.append({str(folder)!r}); import simulation; print('opto' in sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
