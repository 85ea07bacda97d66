"""Tests of opto.sandbox.pool, with real processes."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from opto.errors import SandboxError
from opto.sandbox import Subprocess

KILLED = """
import os, signal, sys
from opto.sandbox import Subprocess
runner = Subprocess(walls=sys.argv[1])
f = runner.compile("import os\\ndef f(): return os.getcwd()", "f", {})
print(f(), *(worker.pid for worker in [runner.pool().fresh(), runner.pool().fresh()]), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
PID = "import os\ndef f(): return os.getpid()"


def descriptors() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def runs(pid: int) -> bool:
    """Whether there is a process of this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_few_workers_wait(walled: Subprocess) -> None:
    """The one that was used longest ago goes first, and comes back when it is needed."""
    with Subprocess(idle=2) as runner:
        functions = [runner.compile(PID, "f", {}) for _ in range(3)]
        first, second, third = (each() for each in functions)
        assert functions[2]() == third
        assert functions[1]() == second
        assert functions[0]() != first


def test_without_waiting_workers_each_call_has_a_fresh_one(walled: Subprocess) -> None:
    """With idle=0, nothing lasts from one call to the next."""
    with Subprocess(idle=0) as runner:
        f = runner.compile("count = 0\ndef f():\n    global count\n    count += 1\n    return count", "f", {})
        assert [f(), f()] == [1, 1]


def test_closing_leaves_nothing_behind(walled: Subprocess) -> None:
    """No process, no open file, no folder; a call after that starts anew."""
    gc.collect()
    before = descriptors()
    runner = Subprocess()
    where = runner.compile("import os\ndef f(): return os.getpid(), os.getcwd()", "f", {})
    pid, folder = where()
    runner.close()
    assert not runs(pid)
    assert not os.path.exists(os.path.dirname(folder))
    assert descriptors() == before
    assert where()[0] != pid
    runner.close()


def test_a_closed_pool_starts_nothing(walled: Subprocess) -> None:
    """A call that comes too late is told so, and does not wait for ever."""
    runner = Subprocess()
    pool = runner.pool()
    pool.fresh()
    runner.close()
    for _ in range(2):
        with pytest.raises(SandboxError, match="was closed"):
            pool.fresh()


def test_a_program_that_ends_at_once_leaves_nothing_behind(walled: Subprocess, tmp_path: Path) -> None:
    """Not even the folder of a worker that is just being started ahead."""
    text = "from opto.sandbox import Subprocess\nSubprocess().compile('def f(): pass', 'f', {})"
    subprocess.run([sys.executable, "-c", text], check=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert os.listdir(tmp_path) == []


def test_a_forgotten_runner_is_closed(walled: Subprocess) -> None:
    """When nothing refers to it any more."""
    runner = Subprocess()
    f: Any = runner.compile(PID, "f", {})
    pid = f()
    del f, runner
    gc.collect()
    assert not runs(pid)


def test_a_worker_that_was_killed_is_replaced(walled: Subprocess) -> None:
    """Between calls without a word; during one with an error."""
    f = walled.compile(PID, "f", {})
    pid = f()
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert f() != pid
    with Subprocess(host={"kill": lambda pid: os.kill(pid, signal.SIGKILL)}) as runner:
        text = "import os\ndef f(die):\n    if die: kill(os.getpid())\n    return 'well'"
        g = runner.compile(text, "f", {})
        with pytest.raises(SandboxError, match="crash: SIGKILL"):
            g(True)
        assert g(False) == "well"


def test_workers_live_longer_than_the_thread_that_asked_for_them(walled: Subprocess) -> None:
    """Though the kernel kills them with the thread that started them: that is another one."""
    made: list[Any] = []
    thread = threading.Thread(target=lambda: made.append(walled.compile(PID, "f", {})))
    thread.start()
    thread.join()
    pid = made[0]()
    thread = threading.Thread(target=made[0])
    thread.start()
    thread.join()
    assert made[0]() == pid


@pytest.mark.parametrize("walls", ["landlock", "bubblewrap"])
def test_what_a_killed_program_leaves_is_removed(
    request: pytest.FixtureRequest, walls: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workers by the kernel, its folders by the pool that is made next."""
    request.getfixturevalue({"landlock": "walled", "bubblewrap": "wrapped"}[walls])
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where no other program's pool sweeps
    monkeypatch.setattr(tempfile, "tempdir", None)
    answer = subprocess.run([sys.executable, "-c", KILLED, walls], capture_output=True, text=True, check=False)
    assert answer.returncode == -signal.SIGKILL
    folder, *pids = answer.stdout.split()
    home = os.path.dirname(folder)
    deadline = time.monotonic() + 10
    while any(runs(int(pid)) for pid in pids) and time.monotonic() < deadline:
        os.sched_yield()
    assert not any(runs(int(pid)) for pid in pids)
    assert os.path.isdir(home)
    with Subprocess(walls=walls) as runner:
        runner.compile(PID, "f", {})
        while os.path.exists(home) and time.monotonic() < deadline:
            os.sched_yield()
    assert not os.path.exists(home)
