"""How many ordinary programs each runner runs: HumanEval and sanitized MBPP, solutions with their tests.

    python -m benchmarks.programs [DATA] [--runners in-process,subprocess,monty] [--only human-eval] [--seconds S]

DATA is a folder with `human-eval/HumanEval.jsonl` and `mbpp/sanitized-mbpp.json`, which are not part of this project;
without it, `../shared/data`. Each program is one text: the canonical solution, its tests, and a function `run` that
runs them. A runner compiles the text and calls `run`; the program passes if neither raises. Every runner gets the same
texts.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opto.sandbox import InProcess

__all__ = ["Program", "Result", "human_eval", "main", "mbpp", "run_all"]


@dataclass(frozen=True)
class Program:
    """One text to run.

    Attributes:
        name: the name of its task.
        text: Python that defines `run`.
    """

    name: str
    text: str


@dataclass(frozen=True)
class Result:
    """What came of the programs with one runner.

    Attributes:
        passed: how many passed.
        failed: the names of the others, with the reasons.
        seconds: how long all of them took.
    """

    passed: int
    failed: dict[str, str]
    seconds: float


def human_eval(folder: Path) -> Iterator[Program]:
    """The programs of HumanEval."""
    for line in (folder / "human-eval" / "HumanEval.jsonl").read_text(encoding="utf-8").splitlines():
        task = json.loads(line)
        solution = task["prompt"] + task["canonical_solution"]
        text = f"{solution}\n{task['test']}\n\ndef run():\n    check({task['entry_point']})\n"
        yield Program(task["task_id"], text)


def mbpp(folder: Path) -> Iterator[Program]:
    """The programs of sanitized MBPP."""
    for task in json.loads((folder / "mbpp" / "sanitized-mbpp.json").read_text(encoding="utf-8")):
        imports, tests = "\n".join(task["test_imports"]), "\n".join(task["test_list"])
        text = f"{imports}\n{task['code']}\n\ndef run():\n{textwrap.indent(tests, '    ')}\n"
        yield Program(f"MBPP/{task['task_id']}", text)


def run_all(runner: Any, programs: list[Program]) -> Result:
    """Run every program with a `CodeRunner`. What they print is dropped."""
    start = time.perf_counter()
    failed: dict[str, str] = {}
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Python says of invalid escapes
        for program in programs:
            try:
                runner.compile(program.text, "run", {})()
            except Exception as error:
                failed[program.name] = _reason(error)
    return Result(len(programs) - len(failed), failed, time.perf_counter() - start)


def _reason(error: BaseException) -> str:
    cause = error.__cause__ if type(error).__name__ == "CodeError" and error.__cause__ is not None else error
    lines = " ".join(str(cause).split())
    return f"{type(cause).__name__}: {lines}"[:300]


def _runners(seconds: float) -> dict[str, Callable[[], Any]]:
    def subprocess() -> Any:
        from opto.sandbox.subprocess import Subprocess

        return Subprocess(seconds=seconds)

    def monty() -> Any:
        from opto.sandbox.monty import Monty

        return Monty(seconds=seconds)

    return {"in-process": InProcess, "subprocess": subprocess, "monty": monty}


def main(arguments: list[str] | None = None) -> None:
    """Print how many programs pass, and what becomes of the others."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser = argparse.ArgumentParser(prog="benchmarks.programs", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", nargs="?", type=Path, default=beside, help="the folder with the programs")
    parser.add_argument("--runners", default="in-process,subprocess,monty", help="which runners, with commas between")
    parser.add_argument("--only", choices=("human-eval", "mbpp"), help="one of the collections")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long a program may run in a sandbox")
    options = parser.parse_args(arguments)
    known = _runners(options.seconds)
    for name in options.runners.split(","):
        if name not in known:
            parser.error(f"--runners: {name!r} is none of {', '.join(known)}")
    for collection, programs in (("human-eval", human_eval), ("mbpp", mbpp)):
        if options.only in (None, collection):
            if not (options.data / collection).is_dir():
                parser.error(f"there is no folder {collection} in {options.data}")
            _report(
                collection, list(programs(options.data)), {name: known[name] for name in options.runners.split(",")}
            )


def _report(collection: str, programs: list[Program], runners: dict[str, Callable[[], Any]]) -> None:
    print(f"{collection}: {len(programs)} programs")
    for name, make in runners.items():
        result = run_all(make(), programs)
        print(f"  {name:12} {result.passed:4} pass   {result.seconds:7.1f} s", flush=True)
        for program, reason in result.failed.items():
            print(f"    {program}: {reason}")


if __name__ == "__main__":
    main()
