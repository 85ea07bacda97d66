"""Some processes at a time that work through the rows of a comparison."""

from __future__ import annotations

import io
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from benchmarks.common.systems import Python, Worker, WorkerError

__all__ = ["Crew", "Job", "begin"]

Result = TypeVar("Result")


def begin() -> None:
    """Show lines as they come, and end the workers with this process, also where it is told to end."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


@dataclass(frozen=True)
class Job:
    """One row to be measured.

    Attributes:
        name: of the optimizer or algorithm.
        competence: of the simulated model; None if none is asked.
    """

    python: Python
    name: str
    problem: str
    competence: float | None


class Crew(Generic[Result]):
    """Asks workers for the results of jobs; each thread has at most one worker of each system.

    Args:
        ask: asks a worker for the result of a job. Where it raises `WorkerError`, the words of that are the result, and
            the worker is ended.
        said: called with each job and its result, as soon as it is there.
    """

    def __init__(self, ask: Callable[[Worker, Job], Result], said: Callable[[Job, Result | str], None]) -> None:
        self.ask, self.said = ask, said

    def results(self, jobs: Iterable[Job], workers: int) -> dict[Job, Result | str]:
        """The results of all jobs, by some threads at a time."""
        waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        found: dict[Job, Result | str] = {}
        threads = [threading.Thread(target=self._work, args=(waiting, found), daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    def _work(self, waiting: queue.SimpleQueue[Job], found: dict[Job, Result | str]) -> None:
        running: dict[str, Worker] = {}
        try:
            while True:
                try:
                    job = waiting.get_nowait()
                except queue.Empty:
                    return
                found[job] = self._asked(job, running)
                self.said(job, found[job])
        finally:
            for worker in running.values():
                worker.close()

    def _asked(self, job: Job, running: dict[str, Worker]) -> Result | str:
        name = job.python.system.name
        try:
            worker = running.get(name) or running.setdefault(name, job.python.start())
            return self.ask(worker, job)
        except WorkerError as error:
            gone = running.pop(name, None)
            if gone is not None:
                gone.close()
            return " ".join(str(error).split())[:150].replace("|", "/")
