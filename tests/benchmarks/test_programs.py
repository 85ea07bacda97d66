"""Tests of benchmarks.programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import programs
from opto.sandbox import InProcess, Monty


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two small collections; one program of each is wrong."""
    tasks = [
        {
            "task_id": f"HumanEval/{number}",
            "prompt": "def add(a, b):\n",
            "canonical_solution": f"    print(a)\n    return a + b * {number}\n",
            "test": "def check(candidate):\n    assert candidate(1, 2) == 3, 'no sum'\n",
            "entry_point": "add",
        }
        for number in (1, 2)
    ]
    (tmp_path / "human-eval").mkdir()
    lines = "".join(f"{json.dumps(task)}\n" for task in tasks)
    (tmp_path / "human-eval" / "HumanEval.jsonl").write_text(lines, encoding="utf-8")
    mbpp = [
        {
            "task_id": 3,
            "code": "def f(x):\n  return x",
            "test_imports": ["import math"],
            "test_list": ["assert f(math.inf) == math.inf"],
        },
        {
            "task_id": 4,
            "code": "def f(x):\n  yield x",
            "test_imports": [],
            "test_list": ["assert list(f(1)) == [1]", "assert f"],
        },
    ]
    (tmp_path / "mbpp").mkdir()
    (tmp_path / "mbpp" / "sanitized-mbpp.json").write_text(json.dumps(mbpp), encoding="utf-8")
    return tmp_path


def test_a_program_passes_if_nothing_is_raised(data: Path) -> None:
    """What fails is listed with its reason."""
    result = programs.run_all(InProcess(), list(programs.human_eval(data)))
    assert (result.passed, result.failed) == (1, {"HumanEval/2": "AssertionError: no sum"})
    assert programs.run_all(InProcess(), list(programs.mbpp(data))).passed == 2


def test_each_runner_has_its_rows(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report says which passed, and why the others did not."""
    programs.main([str(data), "--runners", "in-process,monty", "--only", "mbpp"])
    printed = capsys.readouterr().out
    assert "mbpp: 2 programs" in printed
    assert "in-process      2 pass" in printed
    assert "monty           1 pass" in printed
    assert "MBPP/4: UnsupportedFeatureError: The code needs yield expressions" in printed
    assert "human-eval" not in printed


def test_what_a_program_prints_is_dropped(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would stand between the rows."""
    programs.run_all(Monty(), list(programs.human_eval(data)))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("arguments", [["--runners", "nobody"], ["/nowhere"]])
def test_wrong_arguments_end_the_program(arguments: list[str]) -> None:
    """Rather than give an empty table."""
    with pytest.raises(SystemExit):
        programs.main(arguments)
