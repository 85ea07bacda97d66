"""How the process of a worker is started, signalled and ended: a child, or a child of bubblewrap.

What bubblewrap starts is not our child: it may end, and its id go to another process, at any time. So it is held, and
signalled, by a descriptor of the kernel that means this process and no other.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from opto.sandbox import bubblewrap
from opto.sandbox.bubblewrap import Layout

__all__ = ["Child", "WrappedChild"]

# A short script, since Python compiles the script of a process anew each time, and modules once.
_SCRIPT = "import sys; sys.path[:0] = sys.argv[1].split(':'); from opto.sandbox.worker import main; main()"
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "1",  # an arena per thread would take 64 MB of address space each
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TZ": ":/etc/localtime",
}
_PIDFD_SEND_SIGNAL, _PIDFD_OPEN = 424, 434  # system calls of the same number on every architecture
_STARTING = 20.0

_library = ctypes.CDLL(None, use_errno=True)


class Child:
    """The process of a worker, started by this one.

    Args:
        start: where the worker finds opto and its packages.
        scratch: its own folder.

    Attributes:
        pid: its id, as this process knows it.
        process: the child of this process that it is, or is below.
    """

    walls = "landlock"

    def __init__(self, start: Sequence[str], scratch: str) -> None:
        self.process = self._spawn([], start, scratch, os.getpid())
        self.pid = self.process.pid

    def _spawn(
        self, wrapper: list[str], start: Sequence[str], scratch: str, parent: int, inherited: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        arguments = [os.pathsep.join(start), str(parent), self.walls]
        return subprocess.Popen(
            [*wrapper, sys.executable, "-I", "-S", "-c", _SCRIPT, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={**_ENVIRONMENT, "HOME": scratch, "TMPDIR": scratch},
            cwd="/",
            start_new_session=True,
            pass_fds=inherited,
        )

    def signal(self, number: int) -> bool:
        """Send it a signal; returns whether it was still there."""
        os.kill(self.pid, number)  # nobody else collects it, so the id is its own
        return True

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def ended_with(self, seconds: float) -> int | None:
        """Its exit status, that of a signal negative; None if it does not end within this time."""
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def forget(self) -> None:
        """Close what this process holds of it."""
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        if self.process.returncode is None:
            self.process.returncode = 0  # it is somebody else's child


class WrappedChild(Child):
    """The process of a worker, started by bubblewrap in namespaces of its own, where its id is 1.

    Args:
        start: where the worker finds opto and its packages.
        scratch: its own folder.
        layout: what it finds at which path.

    Raises:
        SandboxUnavailableError: there is no bubblewrap, or it cannot do that here.
    """

    walls = "bubblewrap"

    def __init__(self, start: Sequence[str], scratch: str, layout: Layout) -> None:
        reading, writing = os.pipe()
        try:
            # Of its parent the worker knows nothing: bubblewrap sees to it that it dies with it.
            wrapper = [bubblewrap.program(), *layout.arguments(writing)]
            self.process = self._spawn(wrapper, start, scratch, 0, [writing])
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._held = -1
        try:
            self.pid = _pid_from(reading)
            self._held = _system(_PIDFD_OPEN, self.pid, 0)
            if _parent_of(self.pid) != self.process.pid:
                raise OSError(errno.ESRCH, "it ended at once")
        except (OSError, ValueError) as error:
            self.process.kill()
            _, said = self.process.communicate()
            self.forget()
            reason = said.decode("utf-8", "replace").strip()[-2000:] or str(error)
            raise bubblewrap.refused(reason) from error
        finally:
            os.close(reading)

    def signal(self, number: int) -> bool:
        """Send it a signal; returns whether it was still there."""
        try:
            _system(_PIDFD_SEND_SIGNAL, self._held, number, 0, 0)
        except ProcessLookupError:
            return False
        return True

    def alive(self) -> bool:
        """Whether it still runs."""
        return not self._ends_within(0)

    def ended_with(self, seconds: float) -> int | None:
        """Its exit status, that of a signal negative; None if it does not end within this time."""
        code = super().ended_with(seconds)
        return code if code is None or code <= 128 else 128 - code  # how bubblewrap, like a shell, tells of a signal

    def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self._ends_within(None)
        super().ended_with(1)  # bubblewrap collects it, and ends
        super().end()

    def forget(self) -> None:
        """Close what this process holds of it."""
        super().forget()
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    def _ends_within(self, seconds: float | None) -> bool:
        poll = select.poll()
        poll.register(self._held, select.POLLIN)
        return bool(poll.poll(None if seconds is None else seconds * 1000))


def _pid_from(descriptor: int) -> int:
    """The id of the process, from what bubblewrap writes.

    Raises:
        OSError: it ended before that, or takes too long.
        ValueError: it wrote something else.
    """
    text, deadline = b"", time.monotonic() + _STARTING
    while b"}" not in text:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise TimeoutError(errno.ETIMEDOUT, "it takes too long")
        part = os.read(descriptor, 4096)
        if not part:
            raise OSError(errno.ESRCH, "it ended at once")
        text += part
    told = json.loads(text)
    pid = told.get("child-pid") if type(told) is dict else None
    if type(pid) is not int:
        raise ValueError(f"it did not tell the id of the process, but {text[:200]!r}")
    return pid


def _parent_of(pid: int) -> int:
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[1])


def _system(number: int, *arguments: int) -> int:
    """Make a system call that Python lacks where it was built on an old system.

    Raises:
        OSError: it fails.
    """
    result = _library.syscall(ctypes.c_long(number), *(ctypes.c_long(each) for each in arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)
