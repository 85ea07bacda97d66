"""Worker processes kept warm: each belongs to one text, and one that has none yet is started ahead."""

from __future__ import annotations

import atexit
import os
import queue
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from opto.errors import SandboxError, SandboxUnavailableError
from opto.sandbox.limits import Settings
from opto.sandbox.process import WorkerProcess
from opto.sandbox.scratch import sweep

__all__ = ["Pool"]

_PATIENCE = 5.0


class Pool:
    """Workers with the same walls, for any number of threads. Belongs to the process that made it.

    Workers are started by one thread that lives as long as the pool: the kernel kills a worker when the thread that
    started it ends, which is how none of them outlives this process.

    Args:
        settings: the walls.
        idle: how many workers wait with a text; the one that was used longest ago goes first.
    """

    def __init__(self, settings: Settings, *, idle: int) -> None:
        self.pid = os.getpid()
        self._idle_most = idle
        self._state = _State(settings)
        self._lock = threading.Lock()
        self._idle: OrderedDict[int, tuple[Any, WorkerProcess]] = OrderedDict()
        self._spare: _Job | None = None
        weakref.finalize(self, _State.close, self._state)

    @property
    def walls(self) -> str | None:
        """What keeps the workers: "landlock" or "bubblewrap"; None as long as that is not known."""
        return self._state.walls

    def take(self, owner: Any) -> WorkerProcess | None:
        """A worker that has the text of this owner and waits, if there is one."""
        while True:
            with self._lock:
                found = next((key for key in reversed(self._idle) if self._idle[key][0] is owner), None)
                worker = None if found is None else self._idle.pop(found)[1]
            if worker is None or worker.alive():
                return worker
            self.discard(worker)

    def fresh(self) -> WorkerProcess:
        """A worker without a text.

        Raises:
            SandboxUnavailableError: its walls cannot be raised.
        """
        with self._lock:
            job, self._spare = self._spare, None
        worker: WorkerProcess = (job or self._start()).result()
        if not worker.alive():
            self.discard(worker)
            worker = self._start().result()
        with self._lock:
            if self._spare is None:
                self._spare = self._start()
        return worker

    def give(self, owner: Any, worker: WorkerProcess) -> None:
        """Keep a worker for the next call of its owner."""
        surplus = []
        with self._lock:
            self._idle[id(worker)] = owner, worker
            while len(self._idle) > self._idle_most:
                surplus.append(self._idle.popitem(last=False)[1][1])
        for each in surplus:
            self._state.do(lambda each=each: self._state.drop(each))  # type: ignore[misc]

    def discard(self, worker: WorkerProcess) -> None:
        """Do away with a worker."""
        self._state.drop(worker)

    def close(self) -> None:
        """Do away with all workers, those that are in use too."""
        with self._lock:
            self._idle.clear()
            self._spare = None
        self._state.close(wait=_PATIENCE)

    def forget(self) -> None:
        """In a forked child: let go of workers that belong to the parent process."""
        self._state.forget()

    def _start(self) -> _Job:
        return self._state.do(self._state.start)


class _State:
    """The workers of a pool; it outlives the pool until they are gone."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._starter: threading.Thread | None = None
        self._starting = threading.RLock()  # a pool may be finalized wherever memory is allocated
        self._pid = os.getpid()
        self.walls = settings.walls
        self._workers: set[WorkerProcess] = set()
        self._closed = False
        _states.add(self)

    def do(self, task: Callable[[], Any]) -> _Job:
        """Have the starter do something, after what it was given before."""
        job = _Job(task)
        with self._starting:
            if self._closed:
                job.fail(SandboxError("The runner was closed."))
                return job
            is_first = self._starter is None
            if self._starter is None:
                self._starter = threading.Thread(
                    target=_work, args=(self._jobs,), name="opto-sandbox-starter", daemon=True
                )
                self._starter.start()
            self._jobs.put(job)
            if is_first:
                self._jobs.put(_Job(sweep))  # while the first worker gets its text
        return job

    def start(self) -> WorkerProcess:
        if self.walls is not None:
            return self._start(self.walls)
        try:
            worker = self._start("landlock")
        except SandboxUnavailableError as error:
            if error.missing != "landlock":
                raise
            worker = self._start_without_landlock(error)
        self.walls = worker.walls
        return worker

    def _start_without_landlock(self, reason: SandboxUnavailableError) -> WorkerProcess:
        try:
            return self._start("bubblewrap")
        except SandboxUnavailableError as error:
            message = f"{reason} Nor does bubblewrap do in its place: {error}"
            raise SandboxUnavailableError(message, missing="landlock") from error

    def _start(self, walls: str) -> WorkerProcess:
        worker = WorkerProcess(self.settings, walls)
        self._workers.add(worker)
        try:
            worker.raise_walls()
            if self._closed:
                raise SandboxError("The runner was closed.")
        except BaseException:
            self.drop(worker)
            raise
        return worker

    def drop(self, worker: WorkerProcess) -> None:
        self._workers.discard(worker)
        worker.close()

    def close(self, wait: float = 0) -> None:
        """Do away with all workers; wait for one that is being started, which is done away with when it stands."""
        if os.getpid() != self._pid:
            self.forget()
            return
        with self._starting:
            self._closed = True
            self._jobs.put(None)
            starter = self._starter
        while self._workers:
            self._workers.pop().close()
        if wait and starter is not None and starter is not threading.current_thread():
            starter.join(wait)

    def forget(self) -> None:
        """In a forked child, where another thread may have held any lock: let go of the workers of its parent."""
        self._closed = True
        while self._workers:
            self._workers.pop().forget()


def _close_all() -> None:
    """At the end of the program: leave no folder of a worker that was just being started."""
    for state in list(_states):
        state.close(wait=_PATIENCE)


_states: weakref.WeakSet[_State] = weakref.WeakSet()
atexit.register(_close_all)


class _Job:
    """Something for the starter to do, and what came of it."""

    def __init__(self, task: Callable[[], Any]) -> None:
        self._task = task
        self._done = threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._value = self._task()
        except BaseException as error:
            self.fail(error)
        self._done.set()

    def fail(self, error: BaseException) -> None:
        self._error = error
        self._done.set()

    def result(self) -> Any:
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._value


def _work(jobs: queue.SimpleQueue[_Job | None]) -> None:
    """Do jobs, in the thread that all workers are children of."""
    while (job := jobs.get()) is not None:
        job.run()
        del job
