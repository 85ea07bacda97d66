"""Some processes at a time that work through a list of jobs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from benchmarks.common.systems import Python, Worker, WorkerError

__all__ = ["Crew"]

Job = TypeVar("Job")
Result = TypeVar("Result")


class Crew(Generic[Job, Result]):
    """Asks workers for the results of jobs; each thread has at most one worker of each system.

    Args:
        python: the environment in which a job is done.
        ask: asks a worker for the result of a job. Where it raises `WorkerError`, the words of that are the result, and
            the worker is ended.
        said: called with each job and its result, as soon as it is there.
    """

    def __init__(
        self,
        python: Callable[[Job], Python],
        ask: Callable[[Worker, Job], Result],
        said: Callable[[Job, Result | str], None],
    ) -> None:
        self.python, self.ask, self.said = python, ask, said

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
        python = self.python(job)
        name = python.system.name
        try:
            worker = running.get(name) or running.setdefault(name, python.start())
            return self.ask(worker, job)
        except WorkerError as error:
            gone = running.pop(name, None)
            if gone is not None:
                gone.close()
            return " ".join(str(error).split())[:150].replace("|", "/")
