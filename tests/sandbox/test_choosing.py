"""Tests of opto.sandbox.choosing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def run(value: str) -> subprocess.CompletedProcess[str]:
    """Ask a fresh process which runner it uses."""
    script = "from opto.sandbox import current_runner; print(type(current_runner()).__name__)"
    environment = {**os.environ, "OPTO_SANDBOX": value}
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("value", "expected"), [("", "InProcess"), ("subprocess", "Subprocess"), ("in-process", "InProcess")]
)
def test_the_environment_chooses(value: str, expected: str) -> None:
    """OPTO_SANDBOX names the runner of a process where the program says nothing."""
    assert run(value).stdout.strip() == expected


def test_a_wrong_word_in_the_environment_is_an_error() -> None:
    """It is never taken for in-process."""
    answer = run("subproces")
    assert answer.returncode != 0
    assert "OPTO_SANDBOX must be one of in-process, subprocess, monty, got 'subproces'" in answer.stderr
