"""Whether the walls of a worker stand: what it says of them, and what the kernel says. Runs in the program."""

from __future__ import annotations

import errno
import sys
from typing import Any

from opto.errors import SandboxUnavailableError
from opto.sandbox.bubblewrap import Layout

__all__ = ["check_report", "check_system"]

_REFUSED = dict.fromkeys(("network", "process", "signal", "mode"), errno.EPERM)
_PROBES = {
    "landlock": {"read": errno.EACCES, "write": errno.EACCES, **_REFUSED},
    "bubblewrap": {"read": errno.ENOENT, "write": errno.EROFS, **_REFUSED},
}
"""The error with which each attempt of a worker has to fail."""

_STATUS = {"Seccomp": "2", "NoNewPrivs": "1", "CapEff": "0" * 16, "CapPrm": "0" * 16, "Threads": "1"}
_NEEDS = {
    "landlock": "Linux 6.7 or newer with Landlock (among the names in /sys/kernel/security/lsm)",
    "seccomp": "seccomp, on x86_64 or aarch64",
}


def check_system() -> None:
    """Raise if no worker can be started on this system at all.

    Raises:
        SandboxUnavailableError: it is not Linux, or this process does not know its own interpreter.
    """
    if not sys.platform.startswith("linux"):
        raise SandboxUnavailableError(
            f"Subprocess needs Linux, for Landlock and seccomp; this is {sys.platform}. Use Monty, or a container.",
            missing="linux",
        )
    if not sys.executable:
        raise SandboxUnavailableError(
            "Subprocess needs a Python interpreter, and sys.executable names none: set it.", missing="interpreter"
        )


def check_report(walls: str, pid: int, seen: Any, layout: Layout | None) -> None:
    """Check that every wall stands.

    Args:
        walls: "landlock" or "bubblewrap".
        pid: the process.
        seen: what it reports.
        layout: what it may see, where it is in namespaces of its own.

    Raises:
        SandboxUnavailableError: one does not.
    """
    if type(seen) is not dict or "error" in seen:
        told = seen if type(seen) is dict else {"error": "it gave no report", "wall": ""}
        missing = told["wall"] if told["wall"] in _NEEDS else "walls"
        needs = _NEEDS.get(missing, " and ".join(_NEEDS[each] for each in ("landlock", "seccomp")))
        raise SandboxUnavailableError(
            f"Subprocess could not raise its walls: {told['error']}. It needs {needs}.", missing=missing
        )
    if seen["python"] != sys.version:
        raise SandboxUnavailableError(
            f"The worker has another Python than this process, {seen['python']!r} and not {sys.version!r}: "
            f"{sys.executable} does not find its own libraries.",
            missing="interpreter",
        )
    failed = [name for name, error in _PROBES[walls].items() if seen["probes"].get(name) != error]
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    failed += [name for name, value in _STATUS.items() if status.get(name) != value]
    if layout is not None:
        try:
            failed += layout.differences(pid)
        except OSError as error:
            failed.append(f"namespaces: {error}")
    if failed:
        raise SandboxUnavailableError(
            f"Subprocess raised its walls, but they do not hold here ({', '.join(failed)}). The code was not run.",
            missing=failed[0],
        )
