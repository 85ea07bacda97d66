"""Tests of opto.sandbox.scratch."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from opto.errors import LimitExceededError
from opto.sandbox import Subprocess
from opto.sandbox.scratch import make, remove, size_of, sweep


def nested(folder: Path, depth: int) -> None:
    """Make folders inside each other, with a file in each, deeper than a path can be long."""
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        for _ in range(depth):
            Path("file").write_text("x")
            os.mkdir("n" * 100)
            os.chdir("n" * 100)
    finally:
        os.chdir(before)
        os.close(before)


def test_size_counts_bytes_and_names(tmp_path: Path) -> None:
    """Below folders, too; and stops at enough."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(bytes(10_000))
    size = size_of(str(tmp_path), 10**9)
    assert 10_000 + 2 * 4096 <= size <= 10_000 + 4 * 4096
    assert size_of(str(tmp_path), 100) > 100


def test_what_is_too_deep_is_too_much(tmp_path: Path) -> None:
    """What cannot be looked into counts as more than enough."""
    nested(tmp_path, 60)
    assert size_of(str(tmp_path), 10**9) == 10**9 + 1
    remove(str(tmp_path))


@pytest.mark.parametrize("depth", [0, 3, 60, 1500])
def test_anything_is_removed(tmp_path: Path, depth: int) -> None:
    """However deep it is."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    nested(folder, depth)
    (folder / "closed").mkdir()
    (folder / "closed" / "inner").mkdir(mode=0)
    (folder / "closed").chmod(0)
    remove(str(folder))
    assert not folder.exists()


def test_hidden_files_are_found_out(walled: Subprocess) -> None:
    """Code that goes deeper than paths reach is stopped, and its folder removed."""
    text = (
        "import os\ndef f():\n    home = os.getcwd()\n    for i in range(1500):\n"
        "        os.mkdir('n' * 100)\n        os.chdir('n' * 100)\n    return home"
    )
    with Subprocess() as runner, pytest.raises(LimitExceededError, match="or hid what it wrote") as caught:
        runner.compile(text, "f", {})()
    assert caught.value.limit == "scratch"


def test_only_folders_of_processes_that_are_gone_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those of living ones, of processes that cannot be seen from here, nor what is no folder of ours."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = Path(make())
    system, pid, started = own.name.removeprefix("opto-sandbox-").split("-")[:3]
    assert int(pid) == os.getpid()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    kept = {
        own.name,
        f"opto-sandbox-{'0' * 12}-{gone.pid}-1-x",  # of another system that shares the folder
        "opto-sandbox-mine",
        f"opto-sandbox-{system}-{gone.pid}-1-file",
        f"opto-sandbox-{system}-{gone.pid}-1-link",
        "target",
    }
    for name in (*kept, f"opto-sandbox-{system}-{gone.pid}-1-x", f"opto-sandbox-{system}-{pid}-{int(started) - 1}-x"):
        if name.endswith("file"):
            (tmp_path / name).write_text("")
        elif name.endswith("link"):
            (tmp_path / name).symlink_to("target")
        else:
            (tmp_path / name / "scratch").mkdir(parents=True, exist_ok=True)
    sweep()
    assert {path.name for path in tmp_path.iterdir()} == kept
    assert (tmp_path / "target" / "scratch").is_dir()
    if os.geteuid() == 0:  # of another user, whom root could take it from
        other = tmp_path / f"opto-sandbox-{system}-{gone.pid}-1-other"
        other.mkdir()
        os.chown(other, 65534, 65534)
        sweep()
        assert other.is_dir()
