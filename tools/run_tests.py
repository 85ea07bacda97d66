"""Run the tests on every interpreter found, two at a time, and close with one line for all.

Usage: python3 -m tools.run_tests [--python COMMAND] [arguments of pytest]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tools import environments, interpreters
from tools.interpreters import Interpreter

TIME_LIMIT = 1200.0  # seconds for the suite on one interpreter; a hang ends there


class Outcome(NamedTuple):
    """What the suite gave on one interpreter."""

    interpreter: Interpreter
    passed: int
    failed: int
    skipped: int
    seconds: float
    output: str

    @property
    def line(self) -> str:
        """The outcome as one row of the summary."""
        counts = _counts(self.passed, self.failed, self.skipped)
        return f"Python {self.interpreter.name}: {counts} in {self.seconds:.0f} s"


def run(interpreter: Interpreter, arguments: list[str]) -> Outcome:
    """Set up an environment for `interpreter` and run the suite in it, shown when it ends."""
    started = time.monotonic()
    try:
        python = environments.ensure(f"test-{interpreter.name}", interpreter, "-e", ".[test]")
    except SystemExit as error:
        return Outcome(interpreter, 0, 1, 0, time.monotonic() - started, str(error))
    report = environments.HOME / f"report-{interpreter.name}.xml"
    report.unlink(missing_ok=True)
    cache = environments.HOME / f"cache-{interpreter.name}"
    command = [str(python), "-m", "pytest", "-q", f"--junitxml={report}", "-o", f"cache_dir={cache}", *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=environments.ROOT,
            env=_variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )
        output, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as error:
        said = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else error.stdout or ""
        output, status = f"{said}\nstopped after {TIME_LIMIT:.0f} s", -1
    counts = _read_report(str(report))
    # A crash, a hang or a suite that found nothing to run is a failure even if no test says so.
    failed = counts["failed"] or int(status != 0)
    return Outcome(interpreter, counts["passed"], failed, counts["skipped"], time.monotonic() - started, output)


def _variables() -> dict[str, str]:
    """The environment variables of a suite.

    Every interpreter found is on PATH under its usual name, for tests that compare them, and compiled modules are kept,
    since many tests start a process.
    """
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    variables["PATH"] = os.pathsep.join([str(environments.HOME / "interpreters"), variables.get("PATH", os.defpath)])
    return variables


def _link_interpreters() -> None:
    """Make `.venv/interpreters/python3.N` for each interpreter found."""
    folder = environments.HOME / "interpreters"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for each in interpreters.find().values():
        (folder / f"python{each.name}").symlink_to(each.path)


def _read_report(path: str) -> dict[str, int]:
    try:
        suites = xml.etree.ElementTree.parse(path).getroot().iter("testsuite")
        totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
        for suite in suites:
            for key in totals:
                totals[key] += int(suite.get(key, 0))
    except (OSError, xml.etree.ElementTree.ParseError):
        return {"passed": 0, "failed": 0, "skipped": 0}
    failed = totals["failures"] + totals["errors"]
    return {"passed": totals["tests"] - failed - totals["skipped"], "failed": failed, "skipped": totals["skipped"]}


def _counts(passed: int, failed: int, skipped: int) -> str:
    return f"{passed} passed, {failed} failed, {skipped} skipped"


def _chosen(command: str) -> list[Interpreter]:
    if not command:
        return list(interpreters.find().values()) or [interpreters.preferred()]
    found = interpreters.probe(command)
    if found is None:
        versions = [each for each in interpreters.find().values() if command in (each.name, f"python{each.name}")]
        if not versions:
            raise SystemExit(f"PYTHON={command} is not a working CPython 3.10 to 3.14.")
        return versions
    return [found]


def main(arguments: list[str]) -> int:
    """Run the suite as asked; returns the exit status."""
    command = ""
    if arguments[:1] == ["--python"]:
        command, arguments = arguments[1], arguments[2:]
    chosen = _chosen(command)
    _link_interpreters()
    print("Testing on Python", ", ".join(each.name for each in chosen), flush=True)
    outcomes = []
    with ThreadPoolExecutor(max_workers=min(len(chosen), max(2, (os.cpu_count() or 2) // 2))) as pool:
        for outcome in pool.map(lambda each: run(each, arguments), chosen):
            print(f"\n--- Python {outcome.interpreter.name} ---\n{outcome.output.strip()}", flush=True)
            outcomes.append(outcome)
    print()
    for outcome in outcomes:
        print(outcome.line)
    passed, failed, skipped = (sum(getattr(each, key) for each in outcomes) for key in ("passed", "failed", "skipped"))
    print(f"tests: {_counts(passed, failed, skipped)}")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
