"""The comparison: which trials there are, processes that run them, and the page that comes of it."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from benchmarks.common.crew import Crew, Job, begin
from benchmarks.common.systems import Python, Worker
from benchmarks.optimizers.report import Row, page
from benchmarks.optimizers.systems import OPTO, PEER
from tools.environments import ROOT
from tools.interpreters import preferred

COMPETENCES = (0.3, 0.6, 0.9)
PROBLEMS = ("numeric", "apart", "code", "text")
PAGE = ROOT / "docs" / "benchmarks" / "optimizers.md"
LIMIT = 240.0
"""Seconds for one optimizer on one problem at one competence."""

ABSENT = {
    "FewShot": "its parameter is a list of demonstrations, which none of these problems has.",
    "Preference": "it learns from which of two outputs a person prefers, which these problems do not say.",
    "Hybrid, more than one route": "each of these problems has one parameter; its rows are those of the "
    "optimizer that it routes to, Numeric for the number and OptoPrime for the others, told the score as well.",
    "Select on code and text": "it chooses among given values; for the number these are 41 on a grid.",
    "Numeric on code and text": "it searches numbers and declared choices only.",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; the exit status is non-zero only if opto itself could not be measured."""
    begin()
    chosen = _options().parse_args(arguments)
    interpreter = preferred((3, 11))
    pythons = {system: system.prepare(interpreter) for system in (OPTO, PEER)}
    own = pythons[OPTO]
    if isinstance(own, str):
        print(own)
        return 1
    started = time.monotonic()
    jobs, rows = [], []
    for system, python in pythons.items():
        if isinstance(python, str):
            rows += [Row(system.name, "OptoPrime", problem, None, [], python) for problem in chosen.problems]
        else:
            jobs += _jobs(python, chosen)
    results = _run(jobs, list(range(chosen.seeds)), chosen.workers)
    rows += [_row(job, results[job]) for job in jobs]
    text = page(rows, ABSENT, seeds=chosen.seeds, cap=_cap(), python=interpreter.name)
    print(f"\n{text}")
    print(f"{sum(len(row.trials) for row in rows):,} trials in {(time.monotonic() - started) / 60:.1f} minutes")
    if chosen.output is None and _is_whole(chosen):
        chosen.output = PAGE
    if chosen.output:
        chosen.output.parent.mkdir(parents=True, exist_ok=True)
        chosen.output.write_text(text, encoding="utf-8")
        print(f"written: {chosen.output}")
    return 0 if all(row.trials for row in rows if row.system == OPTO.name) else 1


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.optimizers")
    parser.add_argument("--seeds", type=int, default=30, help="how many seeds (30)")
    parser.add_argument("--competences", type=float, nargs="+", default=COMPETENCES, help="values of p")
    parser.add_argument("--problems", nargs="+", default=PROBLEMS)
    parser.add_argument("--optimizers", nargs="+", help="only those whose name begins so")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time for each system (2)")
    parser.add_argument(
        "--output", type=Path, help="file for the tables; by default docs/benchmarks/optimizers.md for a whole run"
    )
    return parser


def _is_whole(chosen: argparse.Namespace) -> bool:
    """Whether the run is the one whose tables are kept."""
    given = (chosen.seeds, chosen.optimizers, tuple(chosen.problems), tuple(chosen.competences))
    return given == (30, None, PROBLEMS, COMPETENCES)


def _cap() -> int:
    """The most steps of a trial, read where it is set: that module runs in the workers only."""
    for line in (ROOT / "benchmarks" / "optimizers" / "trials.py").read_text(encoding="utf-8").splitlines():
        if line.startswith("CAP = "):
            return int(line.removeprefix("CAP = "))
    raise AssertionError("trials.py sets no CAP")


def _jobs(python: Python, chosen: argparse.Namespace) -> list[Job]:
    with python.start() as worker:
        listing: dict[str, dict[str, Any]] = worker.ask("listing")
    return [
        Job(python, name, problem, competence)
        for name, about in listing.items()
        if not chosen.optimizers or name.startswith(tuple(chosen.optimizers))
        for problem in chosen.problems
        if problem in about["problems"]
        for competence in (chosen.competences if about["asks"] else [None])
    ]


def _run(jobs: list[Job], seeds: list[int], workers: int) -> dict[Job, list[dict[str, Any]] | str]:
    """The trials of every job, or why there are none."""

    def ask(worker: Worker, job: Job) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = worker.ask(
            "trials",
            limit=LIMIT,
            optimizer=job.name,
            problem=job.problem,
            competence=job.competence or 0.0,
            seeds=seeds,
        )
        return found

    return Crew(ask, _say).results(jobs, workers)


def _say(job: Job, result: list[dict[str, Any]] | str) -> None:
    p = "-" if job.competence is None else f"{job.competence:g}"
    what = result if isinstance(result, str) else f"{sum(bool(each['solved']) for each in result)}/{len(result)} solved"
    complaints = {} if isinstance(result, str) else {each["complaint"]: None for each in result if each["complaint"]}
    said = f" ({next(iter(complaints))[:100]})" if complaints else ""
    print(f"  [simulation] {job.python.system.name}: {job.name}, {job.problem}, p {p}: {what}{said}")


def _row(job: Job, result: list[dict[str, Any]] | str) -> Row:
    failed = isinstance(result, str)
    return Row(
        job.python.system.name,
        job.name,
        job.problem,
        job.competence,
        [] if isinstance(result, str) else result,
        str(result) if failed else "",
    )
