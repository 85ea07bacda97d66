"""Responses that are code, judged by tests in a sandbox."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from opto.errors import SandboxUnavailableError
from opto.sandbox import InProcess, Subprocess
from opto.trainer.guides import UnitTests
from opto.trainer.guides.assertions import parsed_tests

TESTS = """
import math

def test_small():
    assert add(1, 2) == 3

def test_large():
    for number in range(3):
        assert add(10 ** 6, number) > 10 ** 6 + number - 1, f"too small for {number}"

def helper():
    return math.inf

def test_infinite():
    assert math.isinf(add(helper(), 1))
"""
walls = pytest.mark.skipif(sys.platform != "linux", reason="the walls are those of Linux")


@pytest.fixture
def inside() -> UnitTests:
    """Tests whose code is that of this file, run without walls."""
    return UnitTests(TESTS, runner=InProcess())


def test_code_that_passes(inside: UnitTests) -> None:
    """All tests pass: 1.0."""
    assert inside.get_feedback("q", "def add(a, b):\n    return a + b") == (1.0, "Correct. All tests passed.")
    assert inside.metric("q", "Here it is:\n```python\ndef add(a, b):\n    return a + b\n```\nGood luck!") == 1.0


def test_code_that_fails_is_told_which_test_and_why(inside: UnitTests) -> None:
    """The share that passes, and the message of each test that does not."""
    score, feedback = inside.get_feedback("q", "def add(a, b):\n    return a - b")
    assert score == pytest.approx(1 / 3)
    assert feedback.splitlines() == [
        "1 of 3 tests passed.",
        "test_small failed: AssertionError: add(1, 2) == 3 does not hold: the left side is -1, the right side is 3",
        "test_large failed: AssertionError: too small for 1",
    ]
    assert UnitTests(TESTS, runner=InProcess(), all_or_nothing=True).metric("q", "def add(a, b): return a - b") == 0.0


def test_errors_are_told_by_their_type(inside: UnitTests) -> None:
    """An exception of the code is the failure of the test."""
    score, feedback = inside.get_feedback("q", "def add(a, b):\n    raise KeyError('x')")
    assert score == 0.0
    assert "test_small failed: KeyError: 'x'" in feedback
    assert "test_infinite failed: AssertionError" in inside.get_feedback("q", "def add(a, b): return 0")[1]


@pytest.mark.parametrize(
    ("response", "message"),
    [
        ("def add(a, b:", "no valid Python"),
        ("", "must be Python source"),
        (5, "must be Python source"),
        ("raise ValueError('at once')", "cannot be tested: at once"),
        ("import sys\nadd = lambda a, b: sys.exit(3)", "test_small failed: SystemExit: 3"),
        ("def add(a, b):\n    return '''", "no valid Python"),
    ],
)
def test_what_is_no_code_scores_nothing(inside: UnitTests, response: Any, message: str) -> None:
    """The feedback says why; nothing raises."""
    score, feedback = inside.get_feedback("q", response)
    assert score == 0.0
    assert message in feedback


def test_statements_are_tests() -> None:
    """A list of assertions, also as the reference."""
    guide = UnitTests(runner="in-process")
    tests = ["assert f(1) == 1", "assert f(2)", "x = f(3)\nassert x in (1, 2), 'no'"]
    assert guide.get_feedback("q", "def f(n): return n % 2", tests) == (
        pytest.approx(2 / 3),
        "2 of 3 tests passed.\ntest_2 failed: AssertionError: f(2) does not hold",
    )
    assert guide.get_feedback("q", "f = abs", ["assert f(-1) == 1"])[1] == "Correct. The test passed."
    many = guide.get_feedback("q", "def f(n): return 0", ["assert f(1) == 1"] * 9)[1]
    assert many.endswith("... and 4 more failed.")


@pytest.mark.parametrize(
    ("tests", "error", "message"),
    [
        ("x = 1", ValueError, "at least one function"),
        ("def test_a(b): pass", ValueError, "test_a must take no arguments"),
        ("async def test_a(): pass", ValueError, "must be a plain function"),
        ("def test_a(:", ValueError, "must be Python"),
        (["assert ("], ValueError, "must be Python"),
        ([1], TypeError, "source text, or a list"),
        (5, TypeError, "source text, or a list"),
    ],
)
def test_wrong_tests_are_named(tests: Any, error: type[Exception], message: str) -> None:
    """At once where they are given, else when they come as the reference."""
    with pytest.raises(error, match=message):
        UnitTests(tests)
    with pytest.raises(error, match=message):
        UnitTests(runner="in-process").get_feedback("q", "x = 1", tests)


def test_a_wrong_runner_is_named() -> None:
    """By its name, or by what it lacks."""
    with pytest.raises(ValueError, match="runner must be one of"):
        UnitTests(runner="vm")
    with pytest.raises(TypeError, match="runner must have a method compile"):
        UnitTests(runner=5)  # type: ignore[arg-type]


def test_assertions_evaluate_each_side_once() -> None:
    """The tests mean what they meant: nothing is computed twice, and messages of one's own stay."""
    tests = parsed_tests("def test_a():\n    assert calls.append(1) is None\n    assert len(calls) == 2, 'once'")
    namespace: dict[str, Any] = {"calls": []}
    exec(tests.text, namespace)
    with pytest.raises(AssertionError, match="^once$"):
        namespace[tests.call]("test_a")
    assert namespace["calls"] == [1]


def test_what_the_runner_lacks_is_no_score() -> None:
    """Where no wall can be raised the guide raises; it does not judge."""

    class Unavailable:
        def compile(self, source: str, name: str, namespace: Any) -> Any:
            raise SandboxUnavailableError("no walls here", missing="linux")

    with pytest.raises(SandboxUnavailableError):
        UnitTests(runner=Unavailable()).get_feedback("q", "x = 1", ["assert x"])


@walls
def test_a_test_that_hangs_fails_alone() -> None:
    """Behind walls: time is up for one test, and the others are run."""
    with Subprocess(seconds=0.5, cpu_seconds=30) as runner:
        guide = UnitTests(["assert f(1) == 1", "assert f(2) == 2", "assert f(3) == 3"], runner=runner)
        code = "def f(n):\n    while n == 2: pass\n    return n"
        score, feedback = guide.get_feedback("q", code)
    assert score == pytest.approx(2 / 3)
    assert "test_2 failed: The code took more than the 0.5 seconds" in feedback


@walls
def test_code_that_hangs_before_the_tests_scores_nothing() -> None:
    """Behind walls: the definition of the code has its time, too."""
    with Subprocess(seconds=0.5, cpu_seconds=30) as runner:
        score, feedback = UnitTests(["assert x"], runner=runner).get_feedback("q", "x = 1\nwhile True: pass")
    assert score == 0.0
    assert "more than the 0.5 seconds" in feedback


@walls
def test_code_cannot_reach_files(tmp_path: Path) -> None:
    """Behind walls, by default: a secret of the program stays one."""
    secret = tmp_path / "secret.txt"
    secret.write_text("hidden")
    score, feedback = UnitTests().get_feedback("q", f"text = open({str(secret)!r}).read()", ["assert text"])
    assert score == 0.0
    assert "hidden" not in feedback
    assert "Permission denied" in feedback


def test_the_guide_pickles_copies_and_saves(tmp_path: Path, inside: UnitTests) -> None:
    """The runner is shared by copies, and not written."""
    assert inside.copy().runner is inside.runner
    named = UnitTests(TESTS, runner="in-process", all_or_nothing=True)
    named.save(tmp_path / "guide.json")
    other = pickle.loads(pickle.dumps(UnitTests(runner="in-process")))
    other.load(tmp_path / "guide.json")
    assert other.metric("q", "def add(a, b): return a - b") == 0.0
    assert other.runner == "in-process"
