"""How the outcome of the suite is counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools import environments, interpreters, run_tests
from tools.interpreters import Interpreter

REPORT = '<testsuites><testsuite tests="9" failures="1" errors="1" skipped="2"/></testsuites>'


def test_report_is_counted(tmp_path: Path) -> None:
    """Failures and errors both count as failed, and what is neither failed nor skipped has passed."""
    path = tmp_path / "report.xml"
    path.write_text(REPORT, encoding="utf-8")
    assert run_tests._read_report(str(path)) == {"passed": 5, "failed": 2, "skipped": 2}


@pytest.mark.parametrize("text", [None, "", "<testsuites>"])
def test_lost_report(tmp_path: Path, text: str | None) -> None:
    """A report that is missing or cut off counts nothing; the exit status of pytest then makes it a failure."""
    path = tmp_path / "report.xml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert run_tests._read_report(str(path)) == {"passed": 0, "failed": 0, "skipped": 0}


def test_crash_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that dies before it writes a report has failed once, and the closing line says so."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho crashed\nexit 139\n", encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(environments, "HOME", tmp_path)
    monkeypatch.setattr(environments, "ensure", lambda *arguments: python)
    outcome = run_tests.run(Interpreter((3, 12), str(python)), [])
    assert (outcome.passed, outcome.failed, outcome.output) == (0, 1, "crashed\n")
    assert outcome.line.startswith("Python 3.12: 0 passed, 1 failed, 0 skipped in ")


def test_closing_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line adds up all interpreters, and one failure anywhere fails the run."""
    chosen = [Interpreter((3, minor), "python") for minor in (10, 11)]
    outcomes = {each: run_tests.Outcome(each, 7, each.version[1] - 10, 1, 1.0, "") for each in chosen}
    monkeypatch.setattr(run_tests, "_chosen", lambda command: chosen)
    monkeypatch.setattr(run_tests, "_link_interpreters", lambda: None)
    monkeypatch.setattr(run_tests, "run", lambda interpreter, arguments: outcomes[interpreter])
    assert run_tests.main([]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "tests: 14 passed, 1 failed, 2 skipped"


def test_suites_find_every_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each interpreter that was found is on the PATH of the suites under its usual name."""
    monkeypatch.setattr(environments, "HOME", tmp_path)
    found = Interpreter((3, 12), "/some/where/python3")
    monkeypatch.setattr(interpreters, "find", lambda: {found.version: found})
    run_tests._link_interpreters()
    first = Path(run_tests._variables()["PATH"].split(os.pathsep)[0])
    assert [(link.name, os.readlink(link)) for link in first.iterdir()] == [("python3.12", "/some/where/python3")]
