"""Tests of benchmarks.trainer_scale."""

from __future__ import annotations

import copy

import pytest

from benchmarks import trainer_scale
from benchmarks.trainer_scale import Findings, Improving, Watch, grown, made_module, run
from opto.trainer.algorithms.minibatch import BasicSearch


def test_least_of_the_windows():
    """The least time of a step, over the windows between two steps."""
    watch = Watch()
    watch.times = [float(number) for number in range(20)] + [19 + 0.5 * number for number in range(1, 21)]
    assert watch.least() == 0.5
    assert watch.least(0, 20) == 1.0
    assert watch.least(19, 21) == 0.5


def test_growth():
    """What a series grows by in its second half."""
    assert grown([0, 100, 101, 102, 103]) == 1.0


def test_findings():
    """Both lists, and the ratios of what is not flat."""
    findings = Findings()
    findings.note("time", "A", 1.2)
    findings.note("time", "B", 2)
    findings.note("memory", "B", 0.9)
    assert str(findings) == ("Flat, at most 1.5 times what it was: time: A; memory: B. Not flat: time: B (2.00).")
    assert str(Findings()).endswith("Not flat: nothing.")


def test_every_candidate_is_better():
    """Each step brings a candidate that is accepted, also by copies of the optimizer."""
    agent = made_module()
    optimizer = Improving(agent.parameters())
    assert copy.deepcopy(optimizer).numbers is optimizer.numbers
    watch = Watch(candidates=5)
    outcome = run("BasicSearch", BasicSearch, 20, watch, num_steps=10)
    assert [len(outcome.archive.accepted), len(watch.times), outcome.steps] == [6, 6, 5]


def test_the_whole(capsys: pytest.CaptureFixture[str]):
    """Both tables, with a line for each algorithm, and the summary; what is missing is named."""
    trainer_scale.CASES["Missing"] = trainer_scale.Case()
    try:
        trainer_scale.main(["--candidates", "20", "--sizes", "20,40", "--only", "Minibatch,BasicSearch,Missing"])
    finally:
        del trainer_scale.CASES["Missing"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Not in opto.trainer.algorithms, and so not measured: Missing."
    assert sum(line.startswith("| Minibatch | 20 |") for line in lines) == 1
    assert sum(line.startswith("| BasicSearch | 21 | 20 |") for line in lines) == 1
    assert "what a step writes" in lines[-1]
