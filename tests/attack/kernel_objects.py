"""Secrets in what the kernel keeps beside files: a System V segment, a POSIX queue, a key of the session."""

from __future__ import annotations

import ctypes
import os
import platform
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)
_libc.shmat.restype = ctypes.c_void_p
_libc.syscall.restype = ctypes.c_long


def plant(targets: dict[str, Any], secrets: dict[str, str]) -> None:
    """Plant each where the kernel has it; `remove` takes away what outlives the process."""
    if platform.machine() != "x86_64":  # the numbers below are those of its system calls
        return
    number = _libc.shmget(targets["sysv"], 4096, 0o1600)
    address = _libc.shmat(number, None, 0)
    if number >= 0 and address not in (None, 2**64 - 1):
        ctypes.memmove(address, secrets["sysv"].encode(), len(secrets["sysv"]))
    attributes = (ctypes.c_long * 8)(0, 1, 512, 0)
    queue = _libc.syscall(
        ctypes.c_long(240),
        targets["queue"].encode(),
        ctypes.c_long(os.O_RDWR | os.O_CREAT),
        ctypes.c_long(0o600),
        attributes,
    )
    if queue >= 0:
        data = secrets["queue"].encode()
        _libc.syscall(ctypes.c_long(242), ctypes.c_long(queue), data, ctypes.c_long(len(data)), ctypes.c_long(0), None)
        os.close(queue)
    data = secrets["key"].encode()
    session = ctypes.c_long(-3)
    _libc.syscall(ctypes.c_long(250), ctypes.c_long(1), None)  # a session keyring of its own
    _libc.syscall(ctypes.c_long(248), b"user", targets["key"].encode(), data, ctypes.c_long(len(data)), session)


def remove(targets: dict[str, Any]) -> None:
    """Take away what outlives the process."""
    number = _libc.shmget(targets["sysv"], 0, 0)
    if number >= 0:
        _libc.shmctl(number, 0, None)
    if platform.machine() == "x86_64":
        _libc.syscall(ctypes.c_long(241), targets["queue"].encode())
