"""A sample of the hostile programs, by every runner and without a wall; `make attack` runs them all."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opto.errors import SandboxUnavailableError
from opto.sandbox import Subprocess
from tests.attack.effects import Run
from tests.attack.harness import ROOT, here, run
from tests.attack.programs import Attack, attacks
from tests.attack.table import Row

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the walls of Subprocess are those of Linux")

SAMPLE = (
    "read_home_file",
    "change_mode",
    "parents_proc_environ",
    "unix_abstract",
    "fork",
    "one_large_block",
    "busy_loop",
    "replace_builtins",
    "half_an_answer_then_death",
    "signal_by_owner_of_a_pipe",
    "reduce_runs_code",
    "line_of_a_foreign_file",
)
# Those that Monty can run at least in part, and those whose control is quick.
BY_MONTY = ("read_home_file", "parents_proc_environ", "busy_loop", "reduce_runs_code")
WITHOUT_LANDLOCK = ("read_home_file", "parents_proc_environ", "unix_abstract", "fork", "signal_by_owner_of_a_pipe")
CONTROLLED = (
    "read_home_file",
    "unix_abstract",
    "fork",
    "replace_builtins",
    "signal_by_owner_of_a_pipe",
    "reduce_runs_code",
)


def _has_bubblewrap() -> bool:
    try:
        with Subprocess(walls="bubblewrap") as runner:
            runner.compile("def f(): pass", "f", {})
    except SandboxUnavailableError:
        return False
    return True


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    """The programs of the sample, each run by each runner at once."""
    pytest.importorskip("sandlock")
    pytest.importorskip("msgpack")
    pytest.importorskip("pydantic_monty")
    chosen = [attack for attack in attacks() if attack.name in SAMPLE]
    has_bubblewrap = _has_bubblewrap()
    with ThreadPoolExecutor(4) as pool:

        def runs(attack: Attack) -> dict[str, Run | None]:
            kinds = {"subprocess": "subprocess"}
            if attack.name in WITHOUT_LANDLOCK and has_bubblewrap:
                kinds["bubblewrap"] = "bubblewrap"
            if attack.name in BY_MONTY:
                kinds["monty"] = "monty"
            if attack.name in CONTROLLED:
                kinds["control"] = attack.control
            return {name: run(attack, kind, here()) for name, kind in kinds.items()}

        return {attack.name: Row(attack, found) for attack, found in zip(chosen, pool.map(runs, chosen), strict=True)}


@pytest.mark.parametrize(
    ("runner", "name"),
    [
        *(("subprocess", name) for name in SAMPLE),
        *(("bubblewrap", name) for name in WITHOUT_LANDLOCK),
        *(("monty", name) for name in BY_MONTY),
    ],
)
def test_a_hostile_program_has_no_effect_behind_a_wall(rows: dict[str, Row], runner: str, name: str) -> None:
    """No effect of any kind is seen, and what stopped the program is no accident."""
    row = rows[name]
    if runner == "bubblewrap" and runner not in row.runs:
        pytest.skip("there is no bubblewrap on this system, or it may not do its work")
    assert row.verdict(runner) == "held", row.runs[runner]


@pytest.mark.parametrize("name", CONTROLLED)
def test_the_same_program_wins_without_a_wall(rows: dict[str, Row], name: str) -> None:
    """So the program is able to do what it tries, and the judge sees it."""
    assert rows[name].control == "won", rows[name].runs["control"]


def test_a_program_without_a_wall_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it writes into its working and temporary folders goes with the run; ours are others."""
    monkeypatch.chdir(tmp_path)
    attack = next(each for each in attacks() if each.name == "module_in_the_working_folder")
    before = sorted(os.listdir(ROOT))
    found = run(attack, "plain", here())
    assert "dropped" in found.effects
    assert os.listdir(tmp_path) == []
    assert sorted(os.listdir(ROOT)) == before


def test_there_are_enough_programs_in_every_family() -> None:
    """At least eighty in all, and a reason wherever a program has no control."""
    found = attacks()
    assert len(found) >= 80
    assert len({attack.source for attack in found}) == len(found)
    assert all(attack.reason for attack in found if attack.control == "none")
    assert all(attack.aim or attack.control == "none" for attack in found)
