"""Raising the walls, from inside: a process gives up for good what it will not need. Runs in the worker only.

    limits        memory, open files, file sizes, no core dumps
    Landlock      (through sandlock) reads below an allow-list, writes in one folder, no signals and no abstract sockets
                  to anybody outside, no tracing of anybody outside; not in a process that bubblewrap has put into
                  namespaces, where there is nothing else to read
    capabilities  none, also for root
    seccomp       system calls of an allow-list only

The parent process sends what text to run only after `raise_walls` has come back and its report has been checked.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

from opto.sandbox.seccomp import SUPPORTED, install_filter, machine

__all__ = ["die_with_parent", "raise_walls"]

_library = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process as soon as the thread that started it ends.

    Args:
        parent: the id of the process that started this one; 0 if that is outside of this one's namespace.

    Raises:
        OSError: that cannot be had, or it is too late.
    """
    _prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    if os.getppid() != parent:
        raise OSError(errno.ESRCH, "the parent process is gone")


def raise_walls(settings: dict[str, Any]) -> dict[str, Any]:
    """Raise every wall, and try them out.

    Args:
        settings: `walls` ("landlock" or "bubblewrap"), `readable` and `writable` (lists of paths), `memory`, `used`,
            `open_files`, `file_size` (numbers), `secret` (a file of the parent's, which must be out of reach from now
            on).

    Returns:
        What was seen: `python`, the version of this interpreter, and `probes`, for each attempt to get past a wall the
        number of the error that it failed with; or `error` and `wall`, if one cannot be raised.
    """
    steps: dict[str, Callable[[], Any]] = {
        "limits": lambda: _limit(settings),
        "privileges": lambda: _prctl(38, 1),  # PR_SET_NO_NEW_PRIVS
        "landlock": lambda: _confine(settings),
        "capabilities": _drop_capabilities,
        "seccomp": _filter,
    }
    if settings["walls"] != "landlock":
        del steps["landlock"]
    for wall, step in steps.items():
        try:
            step()
        except Exception as error:
            return {"wall": wall, "error": f"{type(error).__name__}: {error}"}
    return {"python": sys.version, "probes": _probe(settings["secret"])}


def _confine(settings: dict[str, Any]) -> None:
    import sandlock

    sandlock.confine(sandlock.Sandbox(fs_readable=settings["readable"], fs_writable=settings["writable"]))


def _filter() -> None:
    if machine() not in SUPPORTED:
        raise OSError(errno.ENOSYS, f"seccomp is not supported on {machine()}")
    install_filter()


def _prctl(option: int, value: int) -> None:
    arguments = (ctypes.c_ulong(each) for each in (value, 0, 0, 0))
    if _library.prctl(ctypes.c_int(option), *arguments):
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def _limit(settings: dict[str, Any]) -> None:
    limits = {
        resource.RLIMIT_AS: settings["used"] + settings["memory"],
        resource.RLIMIT_NOFILE: settings["open_files"],
        resource.RLIMIT_FSIZE: settings["file_size"],
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for which, value in limits.items():
        _, hard = resource.getrlimit(which)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))


def _drop_capabilities() -> None:
    header = struct.pack("<Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    if _library.capset(ctypes.c_char_p(header), ctypes.c_char_p(bytes(24))):
        raise OSError(ctypes.get_errno(), "capset failed")


def _probe(secret: str) -> dict[str, int]:
    def write() -> None:
        os.close(os.open(f"{secret}.new", os.O_WRONLY | os.O_CREAT, 0o600))

    attempts: dict[str, Callable[[], Any]] = {
        "read": lambda: os.close(os.open(secret, os.O_RDONLY)),
        "write": write,
        "network": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
        "process": _fork,
        "signal": lambda: os.kill(os.getppid(), 0),
        "mode": lambda: os.chmod(secret, 0o600),
    }
    seen = {}
    for name, attempt in attempts.items():
        try:
            attempt()
            seen[name] = 0
        except OSError as error:
            seen[name] = error.errno or -1
    return seen


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
