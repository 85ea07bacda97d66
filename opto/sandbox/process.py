"""One worker process, seen from the program: started, checked, talked to, watched, and done away with."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from opto.errors import LimitExceededError, SandboxError, SandboxUnavailableError
from opto.sandbox import wire
from opto.sandbox.crossing import pack, unpack
from opto.sandbox.limits import Budget, Settings
from opto.sandbox.scratch import remove, size_of

__all__ = ["Wait", "WorkerProcess", "check_system"]

_PROBES = {"read": 13, "write": 13, "network": 1, "process": 1, "signal": 1, "mode": 1}  # EACCES and EPERM
# A short script, since Python compiles the script of a process anew each time, and modules once.
_SCRIPT = "import sys; sys.path[:0] = sys.argv[1].split(':'); from opto.sandbox.worker import main; main()"
_SLICE = 0.05
_STARTING = 20.0
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "1",  # an arena per thread would take 64 MB of address space each
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TZ": ":/etc/localtime",
}


@dataclass
class Wait:
    """Wait until one of a worker's descriptors is ready.

    Attributes:
        worker: whose.
        writing: also for the wire to take in more.
        seconds: at most so long.
    """

    worker: WorkerProcess
    writing: bool
    seconds: float


class WorkerProcess:
    """A process behind walls that waits for a text. Made by `start`; to be closed.

    Attributes:
        pid: its id.
        listening: the descriptors that it may have written to.
        bindings: what the names of its text mean, once it has one.
    """

    bindings: Any = None

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._closed = False
        self._home = tempfile.mkdtemp(prefix="opto-sandbox-")
        self._scratch = os.path.join(self._home, "scratch")
        os.mkdir(self._scratch, 0o700)
        try:
            self._process = self._spawn()
        except BaseException:
            remove(self._home)
            raise
        self.pid = self._process.pid
        self._streams = [each for each in (self._process.stdin, self._process.stdout, self._process.stderr) if each]
        self.to_worker, self.from_worker, self.printing = (each.fileno() for each in self._streams)
        for each in self._streams:
            os.set_blocking(each.fileno(), False)
        self.listening = [self.from_worker, self.printing]
        self._poll = self._polling()
        self._clock = ((~self.pid) << 3) | 2  # how Linux names the CPU clock of a process
        self._used = 0.0

    def _spawn(self) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(self.settings.reach.start)
        environment = {**_ENVIRONMENT, "HOME": self._scratch, "TMPDIR": self._scratch}
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _SCRIPT, path, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment,
            cwd="/",
            start_new_session=True,
        )

    # ---- its walls

    def raise_walls(self) -> None:
        """Have it raise its walls, and check that they stand.

        Raises:
            SandboxUnavailableError: one does not.
        """
        settings = self.settings
        secret = os.path.join(self._home, "secret")
        with open(secret, "x", encoding="ascii") as file:
            file.write("out of reach")
        writable = [self._scratch] if settings.scratch else []
        limits = settings.crossing
        told = {
            "readable": settings.reach.paths,
            "writable": [*writable, "/dev/null"],
            "memory": settings.memory,
            "open_files": settings.open_files,
            "file_size": settings.scratch,
            "scratch": self._scratch,
            "search": settings.reach.search,
            "secret": secret,
            "crossing": {"size": limits.size, "depth": limits.depth, "count": limits.count},
        }
        budget = Budget(settings)
        budget.deadline = time.monotonic() + _STARTING
        try:
            kind, payload = _alone(self.exchange(wire.frame(wire.SETTINGS, pack(told)), budget))
            seen = unpack(payload)
        except SandboxError as error:
            said = bytes(budget.output[-2000:]).decode("utf-8", "replace").strip()
            raise SandboxUnavailableError(
                f"Subprocess could not start a worker with {sys.executable}: {error} {said}", missing="interpreter"
            ) from error
        self._check(kind, seen)
        os.kill(self.pid, signal.SIGSTOP)

    def _check(self, kind: int, seen: Any) -> None:
        if kind != wire.WALLS or "error" in seen:
            error = seen.get("error", "it gave no report")
            raise SandboxUnavailableError(
                f"Subprocess could not raise its walls: {error}. It needs Linux 6.7 or newer with Landlock (among the "
                "names in /sys/kernel/security/lsm) and seccomp, on x86_64 or aarch64.",
                missing="landlock",
            )
        failed = [name for name, error in _PROBES.items() if seen["probes"].get(name) != error]
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        expected = {"Seccomp": "2", "NoNewPrivs": "1", "CapEff": "0" * 16, "CapPrm": "0" * 16, "Threads": "1"}
        failed += [name for name, value in expected.items() if status.get(name) != value]
        if failed:
            raise SandboxUnavailableError(
                f"Subprocess raised its walls, but they do not hold here ({', '.join(failed)}). The code was not run.",
                missing=failed[0],
            )

    # ---- talking to it

    def exchange(self, message: bytes, budget: Budget) -> Generator[Wait, None, tuple[int, bytes]]:
        """Send a message and give the kind and the payload of the one that comes back; yields what to wait for.

        Raises:
            LimitExceededError: a limit was hit.
            SandboxError: the process ended, or does not keep to the form of messages.
        """
        yield from self._write(message, budget)
        header = yield from self._read(wire.HEADER.size, budget)
        length, kind = wire.HEADER.unpack(header)
        allowed = self.settings.crossing.size
        if length > allowed:
            raise LimitExceededError(
                f"What the code returned takes {length:,} bytes, and {allowed:,} may cross at once.",
                limit="size",
                allowed=allowed,
            )
        payload = yield from self._read(length, budget)
        return kind, bytes(payload)

    def _write(self, message: bytes, budget: Budget) -> Generator[Wait, None, None]:
        view = memoryview(message)
        while True:
            try:
                view = view[os.write(self.to_worker, view) :]
            except BlockingIOError:
                pass
            except BrokenPipeError:
                raise self._ended(budget) from None
            if not view:
                return
            yield self._wait(budget, writing=True)

    def _read(self, length: int, budget: Budget) -> Generator[Wait, None, bytearray]:
        data = bytearray()
        while len(data) < length:
            part = _read_now(self.from_worker, min(length - len(data), 1 << 20))
            if part is None:
                yield self._wait(budget, writing=False)
            elif part:
                data += part
            else:
                raise self._ended(budget)
        return data

    def _wait(self, budget: Budget, *, writing: bool) -> Wait:
        self._drain(budget)
        return Wait(self, writing, min(budget.left(), _SLICE))

    def poll(self, wait: Wait) -> None:
        """Wait in this thread."""
        poll = self._poll
        if wait.writing:
            poll = self._polling()
            poll.register(self.to_worker, select.POLLOUT)
        if not poll.poll(wait.seconds * 1000):
            self.check()

    def _polling(self) -> select.poll:
        poll = select.poll()
        for descriptor in self.listening:
            poll.register(descriptor, select.POLLIN)
        return poll

    def _drain(self, budget: Budget) -> None:
        while self.printing in self.listening:
            data = _read_now(self.printing, 1 << 16)
            if data is None:
                return
            if not data:  # closed, which would look ready for ever
                self.listening.remove(self.printing)
                self._poll = self._polling()
                return
            budget.printed(data)

    def _ended(self, budget: Budget) -> SandboxError:
        """What to say of a process that hung up."""
        try:
            self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return SandboxError("The code closed the connection of its sandbox.")
        self._drain(budget)
        code = self._process.returncode
        if code == -signal.SIGXCPU:
            return self._too_much_cpu()
        if code < 0:
            return SandboxError(f"The code made its process crash: {signal.Signals(-code).name}.")
        return SandboxError(f"The code ended its process, with exit status {code}.")

    # ---- between calls

    def begin(self) -> None:
        """Let it run, for one call."""
        self._used = self.cpu_used()
        os.kill(self.pid, signal.SIGCONT)

    def settle(self, budget: Budget) -> bool:
        """After an answer: check what it took, and freeze it until the next call.

        Returns:
            Whether it can be used again: nothing of the call still runs in it.

        Raises:
            LimitExceededError: it took too much.
        """
        try:
            os.kill(self.pid, signal.SIGSTOP)
            self._drain(budget)
            self.check()
            alone = os.stat(f"/proc/{self.pid}/task").st_nlink == 3  # "." and ".." and the one thread
        except OSError:  # it has ended since
            return False
        return alone and _read_now(self.from_worker, 1) is None

    def check(self) -> None:
        """Raise if it has taken too much of something by now; for a call that takes long."""
        if self.cpu_used() - self._used > self.settings.cpu_seconds:
            raise self._too_much_cpu()
        if self.settings.scratch:
            self.check_scratch()

    def cpu_used(self) -> float:
        """The CPU seconds that it has taken in all."""
        return time.clock_gettime(self._clock)

    def check_scratch(self) -> None:
        """Raise if its folder holds too much."""
        allowed = self.settings.scratch
        if size_of(self._scratch, allowed) > allowed:
            raise LimitExceededError(
                f"The code wrote more than the {allowed:,} bytes that its folder may hold, or hid what it wrote; "
                "raise it with scratch=.",
                limit="scratch",
                allowed=allowed,
            )

    def _too_much_cpu(self) -> LimitExceededError:
        allowed = self.settings.cpu_seconds
        return LimitExceededError(
            f"The code took more than the {allowed:g} CPU seconds that it may; raise it with cpu_seconds=.",
            limit="cpu_seconds",
            allowed=allowed,
        )

    # ---- its end

    def alive(self) -> bool:
        """Whether the process still runs."""
        return not self._closed and self._process.poll() is None

    def close(self) -> None:
        """Kill it, and remove what it wrote."""
        if self._closed:
            return
        self._closed = True
        self._process.kill()
        self._process.wait()
        self.forget()
        remove(self._home)

    def forget(self) -> None:
        """Close this process's side only: what a forked child does, to which the worker does not belong."""
        self._closed = True
        for stream in self._streams:
            with contextlib.suppress(OSError):
                stream.close()
        if self._process.returncode is None:
            self._process.returncode = 0  # it is somebody else's child


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


def _read_now(descriptor: int, length: int) -> bytes | None:
    """What can be read without waiting: nothing at the end, None if there is nothing yet."""
    try:
        return os.read(descriptor, length)
    except BlockingIOError:
        return None


def _alone(steps: Generator[Wait, None, tuple[int, bytes]]) -> tuple[int, bytes]:
    """Run an exchange to its end in this thread."""
    try:
        while True:
            wait = next(steps)
            wait.worker.poll(wait)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
