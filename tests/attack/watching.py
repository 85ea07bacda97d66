"""The first process of a run: waits for the stage, however it ends, and collects what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any


def watch(stage: int, spec: dict[str, Any], report: int) -> None:
    """Wait for the end of the stage; tell how it ended, what it took, and what it left."""
    deadline = time.monotonic() + spec["deadline"]
    end, usage = "hung", None
    while time.monotonic() < deadline:
        pid, status, usage = os.wait4(stage, os.WNOHANG | os.WUNTRACED)
        if pid and os.WIFSTOPPED(status):
            end = "stopped"
            break
        if pid:
            end = (
                f"killed by signal {os.WTERMSIG(status)}"
                if os.WIFSIGNALED(status)
                else f"exit {os.WEXITSTATUS(status)}"
            )
            break
        time.sleep(0.005)
    if end in ("hung", "stopped"):
        # Its processes first: they are found by their parent.
        for pid in descendants(stage):
            _kill(pid)
        _kill(stage)
        _, _, usage = os.wait4(stage, 0)
    # A worker that is being killed, or that starts and finds its parent gone, has a moment to end by itself.
    patience = time.monotonic() + 2.5
    while (left := [pid for pid in descendants(os.getpid()) if _state(pid) not in ("Z", "")]) and (
        time.monotonic() < patience and end not in ("hung", "stopped")
    ):
        time.sleep(0.05)
    for _ in range(20):
        for pid in descendants(os.getpid()):
            _kill(pid)
    told = {"end": end, "left": len(left), "peak": usage.ru_maxrss if usage else 0}
    os.write(report, (json.dumps(told) + "\n").encode())


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _state(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def descendants(ancestor: int) -> list[int]:
    """All processes below `ancestor`."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    children.setdefault(int(file.read().rpartition(")")[2].split()[1]), []).append(int(name))
            except OSError:
                pass
    found, waiting = [], [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def ticks(ancestor: int) -> float:
    """The CPU seconds that the processes below `ancestor` have used."""
    total = 0
    for pid in descendants(ancestor):
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / os.sysconf("SC_CLK_TCK")
