"""One worker process, seen from the program: started, checked, talked to, watched, and done away with."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from opto.errors import LimitExceededError, SandboxError, SandboxUnavailableError
from opto.sandbox import wire
from opto.sandbox.bubblewrap import Layout, refused
from opto.sandbox.checking import check_report
from opto.sandbox.children import Child, WrappedChild
from opto.sandbox.crossing import pack, unpack
from opto.sandbox.limits import Budget, Settings
from opto.sandbox.scratch import make, remove, size_of

__all__ = ["Wait", "WorkerProcess"]

_SLICE = 0.05
_STARTING = 20.0


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
    """A process behind walls that waits for a text; to be closed.

    Args:
        settings: how much it may take.
        walls: what keeps it: "landlock" or "bubblewrap".

    Attributes:
        pid: its id.
        listening: the descriptors that it may have written to.
        bindings: what the names of its text mean, once it has one.
    """

    bindings: Any = None

    def __init__(self, settings: Settings, walls: str) -> None:
        self.settings = settings
        self.walls = walls
        self._closed = False
        self._home = make()
        self._scratch = os.path.join(self._home, "scratch")
        os.mkdir(self._scratch, 0o700)
        self._layout: Layout | None = None
        try:
            if walls == "bubblewrap":
                self._layout = Layout(settings.reach, self._scratch, writable=bool(settings.scratch))
                self._child: Child = WrappedChild(settings.reach.start, self._scratch, self._layout)
            else:
                self._child = Child(settings.reach.start, self._scratch)
        except BaseException:
            remove(self._home)
            raise
        self.pid = self._child.pid
        process = self._child.process
        streams = [each for each in (process.stdin, process.stdout, process.stderr) if each]
        self.to_worker, self.from_worker, self.printing = (each.fileno() for each in streams)
        for each in streams:
            os.set_blocking(each.fileno(), False)
        self.listening = [self.from_worker, self.printing]
        self._poll = self._polling()
        self._clock = ((~self.pid) << 3) | 2  # how Linux names the CPU clock of a process
        self._used = 0.0

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
            "walls": self.walls,
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
            _alone(self.exchange(b"", budget))  # it says that it is ready
            told["used"] = self._address_space()
            kind, payload = _alone(self.exchange(wire.frame(wire.SETTINGS, pack(told)), budget))
            seen = unpack(payload) if kind == wire.WALLS else None
        except SandboxError as error:
            said = bytes(budget.output[-2000:]).decode("utf-8", "replace").strip()
            if said.startswith("bwrap: "):
                raise refused(said) from error
            raise SandboxUnavailableError(
                f"Subprocess could not start a worker with {sys.executable}: {error} {said}", missing="interpreter"
            ) from error
        check_report(self.walls, self.pid, seen, self._layout)
        self._child.signal(signal.SIGSTOP)

    def _address_space(self) -> int:
        """The bytes of memory that it has in use, in the sense of the limit on them."""
        with open(f"/proc/{self.pid}/statm", "rb") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")

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
        code = self._child.ended_with(1)
        if code is None:
            return SandboxError("The code closed the connection of its sandbox.")
        self._drain(budget)
        if code == -signal.SIGXCPU:
            return self._too_much_cpu()
        if -code in set(signal.Signals):
            return SandboxError(f"The code made its process crash: {signal.Signals(-code).name}.")
        return SandboxError(f"The code ended its process, with exit status {code}.")

    # ---- between calls

    def begin(self) -> None:
        """Let it run, for one call."""
        self._used = self.cpu_used()
        self._child.signal(signal.SIGCONT)

    def settle(self, budget: Budget) -> bool:
        """After an answer: check what it took, and freeze it until the next call.

        Returns:
            Whether it can be used again: nothing of the call still runs in it.

        Raises:
            LimitExceededError: it took too much.
        """
        try:
            if not self._child.signal(signal.SIGSTOP):
                return False
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
        try:
            return time.clock_gettime(self._clock)
        except OSError:  # it has ended, which the next word with it will show
            return self._used

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
        return not self._closed and self._child.alive()

    def close(self) -> None:
        """Kill it, and remove what it wrote."""
        if self._closed:
            return
        self._closed = True
        self._child.end()
        self.forget()
        remove(self._home)

    def forget(self) -> None:
        """Close this process's side only: what a forked child does, to which the worker does not belong."""
        self._closed = True
        self._child.forget()


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
