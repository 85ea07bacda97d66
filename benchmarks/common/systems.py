"""The systems that are measured, each in an environment of its own."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tools import environments
from tools.interpreters import Interpreter

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class System:
    """Something that traces.

    Attributes:
        name: how the report calls it.
        requirements: arguments of `pip install` for its environment.
        module: the file that holds its workloads, below `benchmarks/`.
        own_source: whether it is this repository's `opto` rather than an installed package.
        environment: name of its environment; by default that of the system.
    """

    name: str
    requirements: tuple[str, ...]
    module: str
    own_source: bool = False
    environment: str = ""

    def prepare(self, interpreter: Interpreter) -> Python | str:
        """Set its environment up; where that fails, the reason in one line."""
        folder = self.environment or f"bench-{self.name.split()[0]}"
        try:
            python = environments.ensure(folder, interpreter, *self.requirements)
        except SystemExit:
            return f"{' '.join(self.requirements)} cannot be installed here"
        return Python(self, python)


class WorkerError(RuntimeError):
    """A workload failed, or did not end in time."""


@dataclass(frozen=True)
class Python:
    """The interpreter of a system's environment."""

    system: System
    path: Path

    def variables(self) -> dict[str, str]:
        """The environment variables of a process that measures."""
        # LiteLLM would ask the network for prices while it is imported, which is not what is measured.
        variables = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "OMP_NUM_THREADS": "1"}
        variables["PYTHONHASHSEED"] = "0"  # a system that goes through a set of texts would give another run each time
        for name in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE"):  # or every import would compile its modules again
            variables.pop(name, None)
        if self.system.own_source:
            variables["PYTHONPATH"] = str(environments.ROOT)
        return variables

    def start(self) -> Worker:
        """A process that answers requests."""
        return Worker(self)

    def run(self, code: str) -> str:
        """What a fresh interpreter prints last for `code`."""
        done = subprocess.run(
            [str(self.path), "-W", "ignore", "-c", code],
            capture_output=True,
            text=True,
            env=self.variables(),
            cwd=environments.HOME,
            check=False,
        )
        if done.returncode:
            raise WorkerError(done.stderr.strip().splitlines()[-1])
        return done.stdout.strip().splitlines()[-1]


class Worker:
    """A running `worker.py`; use it as a context manager."""

    def __init__(self, python: Python) -> None:
        self.name = python.system.name
        self._complaints = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (closed by close)
        self._process = subprocess.Popen(
            [str(python.path), str(HERE / "worker.py"), str(HERE.parent / python.system.module)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            env=python.variables(),
            cwd=environments.HOME,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        assert self._process.stdout is not None
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()
        self._answer(120.0)

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line)
        self._lines.put("")

    def _answer(self, limit: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=limit)
        except queue.Empty:
            self.close()
            raise WorkerError(f"not done after {limit:.0f} s") from None
        if not line:
            raise WorkerError(f"{self.name} ended with status {self._process.wait()}{self._last_complaint()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, workload: str, limit: float = 300.0, **arguments: Any) -> Any:
        """The result of one workload.

        Raises:
            WorkerError: it raised, died, or took more than `limit` seconds; in the last case the process is ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"workload": workload, "arguments": arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(f"{self.name} is gone") from None
        answer = self._answer(limit)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer["result"]

    def _last_complaint(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().strip().splitlines()
        return f": {lines[-1]}" if lines else ""

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._complaints.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
