"""Worker processes kept warm: each belongs to one text, and one that has none yet is started ahead."""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from opto.errors import SandboxError
from opto.sandbox.limits import Settings
from opto.sandbox.process import WorkerProcess

__all__ = ["Pool"]


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
        self._starter: threading.Thread | None = None
        self._starting = threading.Lock()
        self._lock = threading.Lock()
        self._idle: OrderedDict[int, tuple[Any, WorkerProcess]] = OrderedDict()
        self._spare: _Job | None = None
        weakref.finalize(self, _State.close, self._state)

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
            self._state.jobs.put(_Job(lambda each=each: self._state.drop(each)))  # type: ignore[misc]

    def discard(self, worker: WorkerProcess) -> None:
        """Do away with a worker."""
        self._state.drop(worker)

    def close(self) -> None:
        """Do away with all workers, those that are in use too."""
        with self._lock:
            self._idle.clear()
            self._spare = None
        self._state.close()
        self._starter = None

    def forget(self) -> None:
        """In a forked child: let go of workers that belong to the parent process."""
        self._state.close()

    def _start(self) -> _Job:
        job = _Job(self._state.start)
        with self._starting:
            if self._starter is None:
                self._starter = threading.Thread(
                    target=_work, args=(self._state.jobs,), name="opto-sandbox-starter", daemon=True
                )
                self._starter.start()
        self._state.jobs.put(job)
        return job


class _State:
    """The workers of a pool; it outlives the pool until they are gone."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._pid = os.getpid()
        self._workers: set[WorkerProcess] = set()
        self._closed = False

    def start(self) -> WorkerProcess:
        worker = WorkerProcess(self.settings)
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

    def close(self) -> None:
        self._closed = True
        while self._workers:
            worker = self._workers.pop()
            if os.getpid() == self._pid:
                worker.close()
            else:
                worker.forget()
        self.jobs.put(None)


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
