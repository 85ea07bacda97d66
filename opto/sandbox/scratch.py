"""The folder that code in a sandbox may write to: how full it is, and how it is removed whatever the code left there.

A program that is killed cannot remove its folders; the next one does. Their names say whose they are: of which system
start and namespace of processes, which process in it, and when that started (ids come back).

Such code can nest folders deeper than a path is long or Python recurses, and make some that nobody may enter.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import stat
import tempfile

__all__ = ["make", "remove", "size_of", "sweep"]

_PREFIX = "opto-sandbox-"
_NAMED = re.compile(rf"{_PREFIX}([0-9a-f]{{12}})-(\d+)-(\d+)-.+")
_NAME = 4096
_LONG = 3000


def make() -> str:
    """A new folder for a worker of this process."""
    pid = os.getpid()
    return tempfile.mkdtemp(prefix=f"{_PREFIX}{_system()}-{pid}-{_started(pid)}-")


def sweep() -> None:
    """Remove folders of this user whose processes no longer live, of those that could be seen from here."""
    base = tempfile.gettempdir()
    for name, _ in _entries(base):
        named = _NAMED.fullmatch(name)
        if named is None or named[1] != _system() or _started(int(named[2])) == int(named[3]):
            continue
        path = os.path.join(base, name)
        with contextlib.suppress(OSError):
            found = os.lstat(path)
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
                remove(path)


@functools.cache
def _system() -> str:
    """What tells the processes of this start of this system, in this namespace, from all others."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        text = f"{file.read()} {os.readlink('/proc/self/ns/pid')}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _started(pid: int) -> int:
    """When a process started, in ticks of the kernel; -1 if it does not live."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] in (b"Z", b"X") else int(fields[19])


def size_of(folder: str, enough: int) -> int:
    """The bytes that a folder holds, with 4 KB for each name. Stops where it is enough.

    A part that cannot be looked into is more than enough: it is not by accident that it cannot.
    """
    total, waiting = 0, [folder]
    while waiting and total <= enough:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    total += _NAME + entry.stat(follow_symlinks=False).st_size
                    if total > enough:
                        break
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except FileNotFoundError:  # removed while we look
            continue
        except OSError:
            return enough + 1
    return total


def remove(folder: str) -> None:
    """Remove a folder and all below it, when nobody writes there any more.

    Where a path gets long, the folder at its end is moved up.
    """
    waiting, number = [folder], 0
    emptied: list[str] = []
    while waiting:
        current = waiting.pop()
        with contextlib.suppress(OSError):
            os.chmod(current, 0o700)
        for name, is_folder in _entries(current):
            path = os.path.join(current, name)
            with contextlib.suppress(OSError):
                if not is_folder:
                    os.unlink(path)
                elif len(path) < _LONG:
                    waiting.append(path)
                else:
                    number += 1
                    up = os.path.join(folder, f".opto-{number}")
                    os.chmod(path, 0o700)  # to move a folder, one must be able to change where its `..` leads
                    os.rename(path, up)
                    waiting.append(up)
        emptied.append(current)
    for each in reversed(emptied):
        with contextlib.suppress(OSError):
            os.rmdir(each)


def _entries(folder: str) -> list[tuple[str, bool]]:
    """The names in a folder, and whether each is a folder itself."""
    try:
        with os.scandir(folder) as entries:
            return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError:
        return []
