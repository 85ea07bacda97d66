"""The comparison: which runs there are, processes that do them, and the page and the picture that come of it."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.crew import Crew, Job, begin
from benchmarks.common.systems import Python, Worker
from benchmarks.trainer.curves import Record, band
from benchmarks.trainer.picture import drawn
from benchmarks.trainer.report import MAIN, Key, best, main_competence, page, with_reach
from benchmarks.trainer.systems import OPTO, PEER
from tools.environments import ROOT
from tools.interpreters import Interpreter, preferred

SEEDS = {MAIN: 20, 0.3: 5}
"""How many seeds there are for each value of p."""

PAGE = ROOT / "docs" / "benchmarks" / "trainer.md"
DRAWING = ROOT / "docs" / "images" / "bench_trainer.svg"
RUNS = ROOT / "build" / "bench-trainer" / "runs.json"
LIMIT = 600.0
"""Seconds for all seeds of one algorithm on one problem at one competence."""

_COLORED = 3
"""How many algorithms of opto, the best ones, have a colour in the picture."""

_PLACES = 30
"""At how many places a curve is drawn."""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; the exit status is non-zero only if opto itself could not be measured."""
    begin()
    chosen = _options().parse_args(arguments)
    interpreter = preferred((3, 11))
    started = time.monotonic()
    if chosen.redraw:
        content = json.loads(chosen.runs.read_text(encoding="utf-8"))
    else:
        measured = _measured(chosen, interpreter)
        if isinstance(measured, str):
            print(measured)
            return 1
        content = measured
        chosen.runs.parent.mkdir(parents=True, exist_ok=True)
        chosen.runs.write_text(json.dumps(content, indent=0), encoding="utf-8")
        print(f"written: {chosen.runs}")
    _publish(content, chosen, interpreter)
    print(f"{len(content['records']):,} runs in {(time.monotonic() - started) / 60:.1f} minutes")
    return 0 if any(each["system"] == OPTO.name for each in content["records"]) else 1


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.trainer")
    parser.add_argument("--seeds", type=int, help=f"how many seeds for every value of p ({SEEDS})")
    parser.add_argument("--competences", type=float, nargs="+", default=[*SEEDS], help="values of p")
    parser.add_argument("--problems", nargs="+", help="only these")
    parser.add_argument("--algorithms", nargs="+", help="only those whose name begins so")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time for each system (2)")
    parser.add_argument("--runs", type=Path, default=RUNS, help="file for the figures of every run")
    parser.add_argument("--redraw", action="store_true", help="run nothing: write the page from that file")
    parser.add_argument("--output", type=Path, help="folder for page and picture; by default docs for a whole run")
    return parser


# ---- measuring


def _measured(chosen: argparse.Namespace, interpreter: Interpreter) -> dict[str, Any] | str:
    """Everything that the page is made from; where opto cannot be measured, the reason."""
    pythons = {system: system.prepare(interpreter) for system in (OPTO, PEER)}
    own = pythons[OPTO]
    if isinstance(own, str):
        return own
    with own.start() as worker:
        about = worker.ask("listing")
    problems = {
        name: each for name, each in about["problems"].items() if name in (chosen.problems or about["problems"])
    }
    jobs, failures = [], []
    for system, python in pythons.items():
        if isinstance(python, str):
            failures += [[[system.name, system.name, name, p], python] for name in problems for p in chosen.competences]
        else:
            jobs += _jobs(python, problems, chosen)
    results = _run(jobs, chosen)
    failures += [[[*_key(job)], result] for job, result in results.items() if isinstance(result, str)]
    records = [record for job in jobs if not isinstance(results[job], str) for record in _named(job, results[job])]
    return {
        "problems": problems,
        "sizes": {**about["sizes"], "seeds": _seeds_in_words(chosen)},
        "whole": _is_whole(chosen),
        "records": records,
        "failures": failures,
    }


def _is_whole(chosen: argparse.Namespace) -> bool:
    """Whether the run is the one whose tables are kept."""
    given = (chosen.seeds, chosen.algorithms, chosen.problems, chosen.competences)
    return given == (None, None, None, [*SEEDS])


def _seeds(chosen: argparse.Namespace, competence: float) -> int:
    return chosen.seeds or SEEDS.get(competence, SEEDS[MAIN])


def _seeds_in_words(chosen: argparse.Namespace) -> str:
    counts = {p: _seeds(chosen, p) for p in chosen.competences}
    first, *others = counts.items()
    return f"{first[1]}" + "".join(f" (at p {p:g}: {count})" for p, count in others if count != first[1])


def _jobs(python: Python, problems: Sequence[str] | dict[str, Any], chosen: argparse.Namespace) -> list[Job]:
    with python.start() as worker:
        names = worker.ask("listing")["algorithms"]
    return [
        Job(python, name, problem, competence)
        for name in names
        if not chosen.algorithms or name.startswith(tuple(chosen.algorithms))
        for problem in problems
        for competence in chosen.competences
    ]


def _run(jobs: list[Job], chosen: argparse.Namespace) -> dict[Job, list[dict[str, Any]] | str]:
    """The runs of every job, or why there are none."""

    def ask(worker: Worker, job: Job) -> list[dict[str, Any]]:
        return [
            worker.ask(
                "run",
                limit=LIMIT,
                algorithm=job.name,
                problem=job.problem,
                competence=job.competence,
                seed=seed,
            )
            for seed in range(_seeds(chosen, _key(job)[3]))
        ]

    return Crew(ask, _say).results(jobs, chosen.workers)


def _say(job: Job, result: list[dict[str, Any]] | str) -> None:
    if isinstance(result, str):
        what = result
    else:
        what = f"true score {sum(each['curve'][-1][1] for each in result) / len(result):.3f} at the end"
    print(f"  [simulation] {job.python.system.name}: {job.name}, {job.problem}, p {job.competence:g}: {what}")


def _key(job: Job) -> Key:
    """What the row is called in the files."""
    return job.python.system.name, job.name, job.problem, job.competence or 0.0


def _named(job: Job, result: Any) -> list[dict[str, Any]]:
    place = dict(zip(("system", "algorithm", "problem", "competence"), _key(job), strict=True))
    return [{**place, "seed": seed, **each} for seed, each in enumerate(result)]


# ---- publishing


def _publish(content: dict[str, Any], chosen: argparse.Namespace, interpreter: Interpreter) -> None:
    """Print the page; write it and the picture where they are wanted."""
    records = with_reach(content["records"], content["problems"])
    failures = {tuple(key): reason for key, reason in content["failures"]}
    folder = chosen.output
    page_path, drawing_path = (PAGE, DRAWING) if folder is None else (folder / PAGE.name, folder / DRAWING.name)
    wanted = folder is not None or content["whole"]
    picture = None
    if wanted:
        for path in (page_path, drawing_path):
            path.parent.mkdir(parents=True, exist_ok=True)
        drawing_path.write_text(drawn(panels(records, content["problems"])), encoding="utf-8")
        picture = drawing_path.name if folder else f"../images/{drawing_path.name}"
    text = page(records, failures, content["problems"], content["sizes"], picture=picture, python=interpreter.name)
    print(f"\n{text}")
    if wanted:
        page_path.write_text(text, encoding="utf-8")
        print(f"written: {page_path}")


def panels(records: Sequence[Record], problems: dict[str, Any]) -> list[dict[str, Any]]:
    """What is drawn: the curves for each problem at one competence, each curve once. The best algorithms are `colored`,
    the best of each system `strong`, with intervals.
    """
    competence = main_competence(records)
    shown = [each for each in records if each["competence"] == competence]
    strong = {best(shown, True), best(shown, False)}
    ranked = _ranked(shown, strong)
    own = [key for key in ranked if key[0] == OPTO.name]
    colored = {*own[:_COLORED], *[key for key in ranked if key[0] != OPTO.name][:1]}
    found = []
    for name, about in problems.items():
        lines: list[dict[str, Any]] = []
        for key, runs in ranked.items():
            curves = [e["curve"] for e in runs if e["problem"] == name]
            if not curves:
                continue
            figures = vars(band(curves, range(0, about["budget"] + 1, max(1, about["budget"] // _PLACES))))
            if any(each["mean"] == figures["mean"] for each in lines):
                continue
            marks = {"own": key[0] == OPTO.name, "colored": key in colored, "strong": key[1] in strong}
            line = {"name": key[1], **marks, **figures}
            lines.append(line if marks["strong"] else {k: v for k, v in line.items() if k not in ("low", "high")})
        if lines:
            found.append({"title": f"{name}, p {competence:g} (simulation)", "target": about["target"], "lines": lines})
    return found


def _ranked(records: Sequence[Record], first: Collection[str | None]) -> dict[tuple[str, str], list[Record]]:
    """The runs by algorithm, the given ones first, then those that need the fewest evaluations; none that did in every
    run as one before it.
    """
    groups: dict[tuple[str, str], list[Record]] = {}
    for each in records:
        groups.setdefault((each["system"], each["algorithm"]), []).append(each)

    def place(key: tuple[str, str]) -> tuple[bool, float]:
        return key[1] not in first, sum(float(each["for good"]) for each in groups[key]) / len(groups[key])

    found: dict[tuple[str, str], list[Record]] = {}
    for key in sorted(groups, key=place):
        curves = [each["curve"] for each in groups[key]]
        if curves not in [[each["curve"] for each in runs] for runs in found.values()]:
            found[key] = groups[key]
    return found
