"""The demonstration replays on this interpreter, whatever the hash seed, and fails loudly when something changed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples.demo import answer_questions, repair_code
from examples.demo.__main__ import PARTS, main
from examples.demo.answers import RECORDINGS
from opto.llm import Recorded

_ROOT = Path(__file__).parents[2]
_REPLAYED = [part for part in PARTS if part != "classify"]


def _environment(seed: str) -> dict[str, str]:
    models = ("OPTO_", "TRACE_", "DEFAULT_LITELLM")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(models)}
    return {**kept, "PYTHONHASHSEED": seed, "PYTHONPATH": str(_ROOT), "COLUMNS": "100"}


@pytest.fixture(autouse=True)
def _no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _environment("0").keys() ^ os.environ.keys():
        monkeypatch.delenv(name, raising=False)


def test_replays_under_two_hash_seeds(tmp_path: Path) -> None:
    """Two runs with different hash seeds succeed and show the same, save for the seconds."""
    command = [sys.executable, "-m", "examples.demo", *_REPLAYED, "--pictures", str(tmp_path)]
    runs = [
        subprocess.Popen(command, env=_environment(seed), cwd=_ROOT, stdout=subprocess.PIPE, text=True)
        for seed in ("1", "2")
    ]
    shown = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], shown
    first, second = (re.sub(r"done in .* s|0:\d\d:\d\d", "", text) for text in shown)
    assert first == second
    assert "replayed" in first
    assert "What was gained" in first


@pytest.mark.parametrize("role", [*_REPLAYED, "questions-program"])
def test_every_exchange_is_from_a_model(role: str) -> None:
    """Each role has a record that says who answered."""
    recorded = Recorded(RECORDINGS / f"{role}.json")
    assert recorded.count > 0
    assert "language model" in recorded.answered_by


def test_code_is_repaired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The part on code ends with all tests of all four functions passed."""
    assert main(["code", "--pictures", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    for problem in repair_code.PROBLEMS:
        total = len(problem.cases)
        assert re.search(
            rf"{problem.function.__name__} \({problem.bug}\): \d of {total} tests -> {total} of {total}", shown
        )


def test_changed_data_fails_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A question that was not asked when the record was made stops the replay, and the difference is shown."""
    monkeypatch.setattr(answer_questions, "HELD_OUT", (("How many days has a week?", "7"),))
    assert main(["questions", "--pictures", str(tmp_path)]) == 1
    shown = capsys.readouterr().out
    assert "The replay failed" in shown
    assert "How many days has a week?" in shown


def test_part_without_local_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the local model is not installed its part says so, the others run, and the exit status tells."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    assert main(["classify", "numbers", "--pictures", str(tmp_path)]) == 1
    shown = capsys.readouterr().out
    assert "This part is not available" in shown
    assert "opto-trace[local]" in shown
    assert "distance to the unknown target" in shown
