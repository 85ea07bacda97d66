"""The side-by-side of training algorithms: its problems, its figures, and a small run of what it compares."""

from __future__ import annotations

import copy
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.trainer.comparison import panels
from benchmarks.trainer.curves import at, band, kept, paired, reached
from benchmarks.trainer.picture import drawn
from benchmarks.trainer.report import best, last_line, page, with_reach

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks" / "trainer"
KINDS = ["numeric", "function", "text", "noisy", "two objectives"]


@pytest.fixture(scope="module")
def problems() -> Iterator[Any]:
    """The problems, from modules that are found in their folder alone."""
    before, path = set(sys.modules), [*sys.path]
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("problem_set").PROBLEMS
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(FOLDER)):
                del sys.modules[name]


@pytest.fixture
def meter(problems: Any) -> Any:
    """Makes the meter of a problem."""
    return importlib.import_module("training_problem").Meter


def asked(module: str, *jobs: dict[str, Any]) -> list[dict[str, Any]]:
    """The outcomes of some runs, from a process of their own."""
    code = f"""
import json, sys
import {module}
print(json.dumps([{module}.WORKLOADS["run"](**job) for job in json.loads(sys.argv[1])]))
"""
    found: list[dict[str, Any]] = told(code, json.dumps(jobs))
    return found


def told(code: str, *arguments: str) -> Any:
    """What a program prints as JSON that finds the modules of the workloads, in a process of its own."""
    begun = f"import sys, warnings\nwarnings.simplefilter('ignore')\nsys.path.insert(0, {str(FOLDER)!r})\n"
    variables = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "PYTHONHASHSEED": "0",
    }
    command = [sys.executable, "-c", begun + code, *arguments]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# ---- problems


@pytest.mark.parametrize("kind", KINDS)
def test_problems(problems: Any, kind: str) -> None:
    """No example is in two parts, the first values fall short of the target, and the same seed gives the same."""
    for seed in range(6):
        problem, again = problems[kind](seed), problems[kind](seed)
        parts = [problem.train, problem.validation, problem.held_out]
        names = [each.name for part in parts for each in part]
        assert len(set(names)) == len(names) == sum(map(len, parts))
        assert 0 < problem.true_score(problem.start()) < problem.target
        assert again.true_score(again.start()) == problem.true_score(problem.start())


def test_function_can_be_right(problems: Any) -> None:
    """Without its mistakes every function is right, and each mistake shows in every part."""
    broken = importlib.import_module("broken").BROKEN
    for seed, each in enumerate(broken):
        problem = problems["function"](seed)
        assert problem.true_score({each.name: each.right}) == 1.0
        for source in each.single:
            for part in (problem.train, problem.validation, problem.held_out):
                assert min(problem.run({each.name: source}, example).score for example in part) == 0.0, each.name


def test_number_can_be_right(problems: Any) -> None:
    """One number solves all examples of a graph."""
    for seed in range(4):
        problem = problems["numeric"](seed)
        assert max(problem.true_score({"x": 0.5 + 0.01 * place}) for place in range(800)) == 1.0


def test_numbers_as_texts(problems: Any) -> None:
    """A number may be a text as Python writes it; anything else is told to be none, and scores nothing."""
    problem = problems["numeric"](0)
    example = problem.train[0]
    assert problem.run({"x": " 3.5\n"}, example) == problem.run({"x": 3.5}, example)
    for text in ("about 3", "", "nan", "{'value': None}"):
        run = problem.run({"x": text}, example)
        assert run.score == 0.0
        assert "ValueError" in run.feedback


def test_made_up_code(problems: Any) -> None:
    """Code that does not compile, defines something else or does not end scores nothing, and is told what is right."""
    problem = problems["function"](0)
    name = problem.parameters[0].name
    for source in ("def f(", "x = 1", f"def {name}(age, day):\n    while True: pass", "The values look fine."):
        run = problem.run({name: source}, problem.train[0])
        assert run.score == 0.0
        assert "It failed" in run.feedback
        assert "should return" in run.feedback


def test_remarks_by_part(problems: Any) -> None:
    """A part is told what is said of it and of everything, and nothing of another part."""
    run = problems["text"](0).run(problems["text"](0).start(), problems["text"](0).train[0])
    subject, body = run.verdict.words("subject"), run.verdict.words("body")
    assert {subject, body} - {"Nothing is to be said of this part."}
    assert "body" not in subject
    assert "subject" not in body
    assert all(words in run.feedback for words in (subject, body) if "Nothing" not in words)


def test_objectives(problems: Any) -> None:
    """The score of two objectives is their weighted mean, and a long message is told how short it should be."""
    problem = problems["two objectives"](0)
    values = {"subject": "word " * 30, "body": "word " * 30}
    run = problem.run(values, problem.train[0])
    scores = run.verdict.scores
    assert run.score == pytest.approx(0.7 * scores["quality"] + 0.3 * scores["brevity"])
    assert scores["brevity"] < 0.5
    assert "at most" in run.feedback


# ---- the meter


def test_noise(problems: Any, meter: Any) -> None:
    """A score has other noise each time, the same for the same seed, and stays from 0 to 1; the true score has none."""
    problem = problems["noisy"](0)
    values, example = problem.start(), problem.train[0]
    scores = [meter(problem, 1).run(values, example).score for _ in range(2)]
    assert scores[0] == scores[1]
    one = meter(problem, 1)
    seen = [one.run(values, example).score for _ in range(200)]
    assert len(set(seen)) > 20
    assert min(seen) >= 0.0
    assert max(seen) <= 1.0
    assert meter(problem, 2).run(values, example).score != seen[0]
    assert problem.true_score(values) == problem.true_score(values)


def test_meter(problems: Any, meter: Any) -> None:
    """Evaluations are counted, by copies too; what is believed best is noted once, with the count of then."""
    problem = problems["text"](0)
    one = meter(problem, 0)
    copy.deepcopy(one).run(problem.start(), problem.train[0])
    one.believe({"a": 1})
    one.counted()
    one.believe({"a": 1})
    one.believe({"a": 2})
    assert one.incumbents == [(1, {"a": 1}), (2, {"a": 2})]


# ---- figures

CURVE = [(0, 0.2), (10, 0.5), (30, 0.9), (40, 0.7)]


def test_curve() -> None:
    """A curve holds its value until the next one; the target counts as reached when it was first touched in time."""
    assert [at(CURVE, place) for place in (0, 9, 10, 29, 30, 99)] == [0.2, 0.2, 0.5, 0.5, 0.9, 0.7]
    assert reached(CURVE, 0.9, 100) == 30
    assert reached(CURVE, 0.9, 29) is None
    assert reached(CURVE, 0.95, 100) is None


def test_kept() -> None:
    """A target that is left again does not count before it is reached for good; what comes late does not count."""
    assert kept(CURVE, 0.9, 100) is None
    assert kept(CURVE, 0.9, 35) == 30
    assert kept(CURVE, 0.6, 100) == 30
    assert kept([*CURVE, (50, 0.9)], 0.9, 100) == 50


def test_band() -> None:
    """The mean lies within its interval, which has no width where all runs agree."""
    found = band([CURVE, [(0, 0.2), (20, 1.0)], [(0, 0.2)]], [0, 10, 30])
    assert found.mean == pytest.approx([0.2, 0.3, 0.7])
    assert found.low[0] == pytest.approx(found.high[0])
    assert found.low[2] < found.mean[2] < found.high[2]


def record(system: str, algorithm: str, seed: int, until: int) -> dict[str, Any]:
    """A run that reaches the target after some evaluations."""
    place = {"system": system, "algorithm": algorithm, "problem": "text", "competence": 0.6, "seed": seed}
    return {**place, "curve": [[0, 0.1], [until, 1.0]], "calls": 3, "tokens": 90, "seconds": 0.1}


ABOUT = {"text": {"target": 0.95, "budget": 100}}
SIZES = {"budget": 100, "train": 3, "validation": 2, "held_out": 4, "cases": "4, 2, 4", "seeds": 4}


def test_unreached_counts_as_the_budget() -> None:
    """A run that reaches the target late or never counts as the whole budget."""
    early, late = with_reach([record("opto", "A", 0, 40), record("opto", "A", 1, 140)], ABOUT)
    assert (early["until"], early["reached"]) == (40, True)
    assert (late["until"], late["reached"]) == (100, False)
    assert (early["for good"], early["kept"]) == (40, True)
    left = with_reach([{**record("opto", "A", 0, 40), "curve": [[0, 0.1], [40, 1.0], [60, 0.2]]}], ABOUT)[0]
    assert (left["until"], left["for good"], left["reached"], left["kept"]) == (40, 100, True, False)
    assert early["mean"] == pytest.approx((39 * 0.1 + 61) / 100)


def test_page() -> None:
    """The page says that it is a simulation, why a row is empty, and closes with the best of both systems."""
    runs = [record("opto", name, seed, until + seed) for name, until in (("A", 20), ("B", 60)) for seed in range(4)]
    runs += [record("gepa 1", "gepa", seed, 50 + seed) for seed in range(4)]
    records = with_reach(runs, ABOUT)
    failures = {("gepa 1", "gepa (merge)", "text", 0.6): "no luck"}
    text = page(records, failures, ABOUT, SIZES, picture="curves.svg", python="3.11")
    assert "**A simulation.**" in text
    assert all("(simulation)" in line for line in text.splitlines() if line.startswith("## "))
    assert "| A | 4/4 | 21.5 " in text
    assert "does not run: no luck" in text
    assert "](curves.svg)" in text
    last = text.splitlines()[-1]
    assert last == last_line(records)
    assert "opto's best, A, against gepa's best, gepa," in last
    assert "On each problem fewer than any variant of gepa: A. " in last
    assert "For good: 21.5 " in last
    assert last.endswith("-30.0 (-30.0 to -30.0): opto needs fewer.")
    assert (best(records, True), best(records, False)) == ("A", "gepa")


def test_best_on_each_problem() -> None:
    """The best of opto needs fewer evaluations than its peer on each problem, though another needs fewer in all."""
    about = {**ABOUT, "noisy": {"target": 0.95, "budget": 100}}
    figures = {("opto", "A"): (2, 60), ("opto", "B"): (30, 40), ("opto", "C"): (40, 45), ("g", "g"): (50, 50)}
    runs = [
        {**record(*key, seed, until), "problem": problem}
        for key, (on_text, on_noisy) in figures.items()
        for problem, until in (("text", on_text), ("noisy", on_noisy))
        for seed in range(3)
    ]
    records = with_reach(runs, about)
    assert best(records, True) == "B"
    assert "opto's best, B, against gepa's best, g," in last_line(records)
    assert "any variant of gepa: B, C. " in last_line(records)
    assert best([each for each in records if each["algorithm"] in "Ag"], True) == "A"


def test_last_line_is_not_biased() -> None:
    """The last line says so where the peer needs fewer, where nothing is clear, and where one did not run."""
    mine = [record("opto", "A", seed, 50) for seed in range(4)]
    assert "gepa needs fewer" in last_line(with_reach([*mine, *(record("g", "g", s, 20) for s in range(4))], ABOUT))
    mixed = [record("g", "g", seed, 20 + 60 * (seed % 2)) for seed in range(4)]
    assert "no clear difference" in last_line(with_reach([*mine, *mixed], ABOUT))
    assert "not compared" in last_line(with_reach(mine, ABOUT))


def test_paired() -> None:
    """Runs are compared on the same problem, competence and seed."""
    mine = with_reach([record("opto", "A", seed, 20 + seed) for seed in range(3)], ABOUT)
    theirs = with_reach([record("g", "g", seed, 50) for seed in (2, 1)], ABOUT)
    assert sorted(paired(mine, theirs, "until")) == [-29.0, -28.0]


def test_panels() -> None:
    """The picture has every algorithm's curve, and intervals for the best of each system."""
    runs = [record("opto", name, seed, until + seed) for name, until in (("A", 20), ("B", 60)) for seed in range(4)]
    runs += [record("g", "gepa", seed, 50) for seed in range(4)]
    [panel] = panels(with_reach(runs, ABOUT), ABOUT)
    assert [(line["name"], "low" in line) for line in panel["lines"]] == [("A", True), ("gepa", True), ("B", False)]
    assert all(line["colored"] for line in panel["lines"])
    runs += [{**each, "algorithm": "A again"} for each in runs[:4]]
    assert panels(with_reach(runs, ABOUT), ABOUT) == [panel]


def test_picture() -> None:
    """Every curve of a panel is in the picture, and the legend names those that have a colour."""
    runs = [record("opto", name, seed, 10 * place) for place, name in enumerate("<ABCD") for seed in range(2)]
    runs += [record("g", "gepa", seed, 50) for seed in range(2)]
    picture = ElementTree.fromstring(drawn(panels(with_reach(runs, ABOUT), ABOUT)))
    name = "{http://www.w3.org/2000/svg}"
    curves = picture.findall(f".//{name}polyline")
    assert len(curves) == 6
    assert len({each.get("stroke") for each in curves}) == 5
    words = [each.text for each in picture.iter(f"{name}text")]
    assert {"text, p 0.6 (simulation)", "<", "A", "B", "gepa", "others of opto", "the target"} <= {*words}
    assert not {"C", "D", "others of gepa"} & {*words}


# ---- runs


def test_loop_by_hand() -> None:
    """With a perfect model opto's loop reaches every target within the budget, and the same seed gives the same run."""
    jobs = [
        {"algorithm": "OptoPrime by hand", "problem": kind, "competence": 1.0, "seed": seed}
        for kind in KINDS
        for seed in (0, 1)
    ]
    jobs.append({"algorithm": "OptoPrime by hand", "problem": "noisy", "competence": 0.5, "seed": 2})
    *perfect, once, twice = asked("contestants", *jobs, jobs[-1])
    for job, found in zip(jobs, perfect, strict=False):
        assert found["evaluations"] <= 240
        assert found["curve"][0][0] == 0
        assert found["calls"] > 0
        if job["problem"] != "function":  # whose test cases do not tell every mistake
            assert max(score for _, score in found["curve"]) >= 0.9, job
    assert {**once, "seconds": 0} == {**twice, "seconds": 0}


ALGORITHMS = ["GEPA", "BasicSearch", "BasicSearch (4, screened)", "UCBSearch", "Beam", "Minibatch"]
FAMILY = ["PrioritySearch", "SequentialSearch", "BeamSearch", "StreamingPrioritySearch", "ParetobasedPS", "POLCA"]


def test_algorithms() -> None:
    """Every training algorithm keeps to the budget, which it counts as the meter does, and gets better."""
    jobs = [{"algorithm": name, "problem": "text", "competence": 0.9, "seed": 1} for name in [*ALGORITHMS, *FAMILY]]
    for job, found in zip(jobs, asked("contestants", *jobs), strict=True):
        assert found["evaluations"] <= 240, job
        assert found["curve"][-1][1] > found["curve"][0][1], job
        assert found["candidates"] > 1, job


def test_algorithms_repeat_themselves() -> None:
    """The same seed gives the same run, also where scores are noisy and several proposals are asked for at once."""
    names = ["GEPA", "UCBSearch", "POLCA"]
    jobs = [{"algorithm": name, "problem": "noisy", "competence": 0.5, "seed": 3} for name in names]
    found = asked("contestants", *jobs, *jobs)
    for first, second in zip(found[:3], found[3:], strict=True):
        assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_failing_code_is_told_what_is_right() -> None:
    """A program that raises returns what failed, of which the judge says the same as to gepa."""
    code = """
import json, sys
from contest import PROBLEMS
from training_problem import Meter
from traced import METER, Judge, Program
problem = PROBLEMS["function"](0)
METER.set(Meter(problem, 0))
program, example = Program(problem), problem.train[0]
name = problem.parameters[0].name
source = problem.parameters[0].start
broken = source.splitlines()[0] + "\\n    return 1 // 0\\n"
program.nodes()[name]._data = broken
output = program(example.name)
score, words = Judge()(example.name, output.data)
output.backward(words)
said = problem.run({name: broken}, example).feedback
print(json.dumps([score, words, said, len(program.nodes()[name].feedback)]))
"""
    score, words, said, reached_by = told(code)
    assert score == 0.0
    assert "ZeroDivisionError" in words
    assert words == said
    assert reached_by == 1


def test_peers() -> None:
    """Gepa counts as many metric calls as there were evaluations, in each of its variants, and learns something."""
    pytest.importorskip("gepa", reason="it has an environment of its own: make bench-trainer")
    names = ["gepa", "gepa (merge)", "gepa (merge, cache)", "gepa (all components, merge, cache)"]
    kinds = [kind for kind in KINDS if kind != "function"]  # which takes a while
    jobs = [{"algorithm": name, "problem": kind, "competence": 0.9, "seed": 0} for name in names for kind in kinds]
    for job, found in zip(jobs, asked("peers", *jobs), strict=True):
        assert found["curve"][-1][1] > found["curve"][0][1], job
        assert all(count <= 240 for count, _ in found["curve"])
