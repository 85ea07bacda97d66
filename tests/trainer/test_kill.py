"""A run that is killed at any moment goes on as if it had not been, and pays again for what was in flight only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainer.killed_run import STEPS, WORKERS

ROOT = Path(__file__).parents[2]


def run(folder, kill_at=None):
    """Start the run in a process; kill it when it has begun so many things. Whether it came to its end."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-W", "error", "-m", "tests.trainer.killed_run", str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as child:
        assert child.stdout is not None
        for number, _ in enumerate(child.stdout, 1):
            if number == kill_at:
                child.send_signal(signal.SIGKILL)
                break
    return child.returncode == 0


def executed(folder):
    """What was executed in all lives of a run."""
    return sorted((folder / "executed").read_text().splitlines())


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The folder of a run that nobody killed."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert run(folder)
    return folder


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("kills", [(2, 1, 7), (6, 5, 9), (11, 14)])
def test_a_killed_run_comes_to_the_same_end(tmp_path, uninterrupted, kills):
    """Prompts, suggestions, scores and the count of new evaluations are those of the uninterrupted run."""
    folder = tmp_path / "run"
    for each in kills:
        assert not run(folder, kill_at=each)
    assert run(folder)
    wanted = json.loads((uninterrupted / "result.json").read_text())
    assert json.loads((folder / "result.json").read_text()) == wanted
    assert [fresh for _, fresh, _ in wanted] == [5] * STEPS
    whole, paid = executed(uninterrupted), executed(folder)
    assert len(whole) <= len(paid) <= len(whole) + WORKERS * len(kills)
