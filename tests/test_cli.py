"""The command `opto`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import opto
from opto.cli import main
from tests.trainer.training_programs import environment, written


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the module of a person's program, and a run of it."""
    written(tmp_path)
    code = "import opto, person; opto.train(model=person.agent, num_steps=2, run_dir='run', **person.OPTIONS)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(tmp_path), check=True, timeout=60)
    return tmp_path


def test_resume(folder: Path) -> None:
    """It goes on with a run whose program is in the working folder, further than planned."""
    environ = environment(folder)
    environ["PYTHONPATH"] = str(Path(opto.__file__).parents[1])
    command = [sys.executable, "-m", "opto", "resume", "run", "--steps", "4", "--calls", "3"]
    ended = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert "the budget of 3 calls" in ended.stdout
    ended = subprocess.run(
        [*command[:-2], "--calls", "9"], cwd=folder, env=environ, capture_output=True, text=True, timeout=60
    )
    assert "4 steps are done: 4 steps" in ended.stdout


def test_what_cannot_be_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said in a line, and in the status."""
    assert main(["resume", str(tmp_path)]) == 1
    assert "holds no run" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["resume"])
    with pytest.raises(SystemExit):
        main(["resume", str(tmp_path), "--steps", "many"])
