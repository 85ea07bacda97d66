"""The side-by-side of optimizers: every one takes part or is said not to, and a small run gives a table."""

from __future__ import annotations

import importlib.util
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import opto.optimizers
from benchmarks.common.intervals import bootstrap
from benchmarks.optimizers.comparison import ABSENT, _cap
from benchmarks.optimizers.report import Row, page

ROOT = Path(__file__).resolve().parents[2]

ASK = """
import json, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, "benchmarks/optimizers")
import own
jobs = json.loads(sys.argv[1])
print(json.dumps([own.WORKLOADS["listing"](), [own.WORKLOADS["trials"](**job) for job in jobs]]))
"""


def asked(*jobs: dict[str, Any]) -> tuple[dict[str, Any], list[list[dict[str, Any]]]]:
    """The listing, and the trials of some jobs, from a process of their own."""
    command = [sys.executable, "-c", ASK, json.dumps(jobs)]
    done = subprocess.run(command, cwd=ROOT, env=_variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    listing, trials = json.loads(done.stdout.splitlines()[-1])
    return listing, trials


def _variables() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_two_seeds() -> None:
    """Every optimizer that is there takes part or is said not to, and two seeds of each run to their end."""
    listing, _ = asked()
    there = {
        each.__name__
        for name in opto.optimizers.__all__
        if inspect.isclass(each := getattr(opto.optimizers, name)) and issubclass(each, opto.optimizers.Optimizer)
    } - {"Optimizer"}
    named = " ".join([*listing, *ABSENT])
    assert {name for name in there if name not in named} == set()
    jobs = [
        {"optimizer": name, "problem": problem, "competence": 0.9, "seeds": [0, 1]}
        for name, about in listing.items()
        for problem in about["problems"]
        if name not in ("Numeric", "Hybrid") or importlib.util.find_spec("optuna")
    ]
    _, found = asked(*jobs)
    for job, trials in zip(jobs, found, strict=True):
        assert len(trials) == 2, job
        assert all(trial["errors"] == 0 for trial in trials), (job, trials)
        assert all(trial["steps"] <= _cap() for trial in trials)
        assert (trials[0]["calls"] > 0) == listing[job["optimizer"]]["asks"] or job["optimizer"] == "Hybrid"


def test_repeatable() -> None:
    """The same seeds give the same counts."""
    job = {"optimizer": "OptoPrime", "problem": "numeric", "competence": 0.6, "seeds": [3]}
    _, ((first,), (second,)) = asked(job, job)
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_bootstrap() -> None:
    """An interval holds the mean, has no width without spread, and shrinks with more values."""
    assert bootstrap([2.0, 2.0]).low == bootstrap([2.0, 2.0]).high == 2.0
    few, many = bootstrap([0.0, 1.0] * 5), bootstrap([0.0, 1.0] * 500)
    assert few.low < 0.5 < few.high
    assert many.high - many.low < few.high - few.low
    with pytest.raises(ValueError, match="at least one number"):
        bootstrap([])


def test_page_is_labelled() -> None:
    """The page says what it is, at its head and over every table, and why a row is empty."""
    trial = {"solved": True, "steps": 2, "calls": 3, "tokens": 900, "seconds": 0.1, "errors": 0, "complaint": ""}
    rows = [
        Row("opto", "OptoPrime", "code", 0.6, [trial, {**trial, "solved": False, "complaint": "ValueError: no"}]),
        Row("peer", "OPRO", "code", 0.6, [], "cannot be installed"),
    ]
    text = page(rows, {"FewShot": "why not"}, seeds=2, cap=9, python="3.11")
    assert "**A simulation.**" in text
    assert all("(simulation)" in line for line in text.splitlines() if line.startswith("## Code"))
    assert "| OptoPrime | 0.6 | 1/2 | 2.0 (2.0 to 2.0) |" in text
    assert "does not run: cannot be installed" in text
    assert "- FewShot: why not" in text
    assert "`ValueError: no`" in text
