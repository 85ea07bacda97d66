"""The processes in which the Monty interpreter runs: pools of them, started when first needed."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any, ClassVar

from opto.errors import MissingExtraError, SandboxUnavailableError

__all__ = ["Workers"]

# How many calls may be under way at once, host functions that call further code included.
_MOST_PROCESSES = 64
_LONGEST_WAIT = 60.0
_GRACE = 5.0


class Workers:
    """Two pools of worker processes, for calls from plain and from async code.

    A call has a worker for itself. Workers have nothing of the environment, are kept warm, replaced when they die, and
    end with this object or with the process.

    Args:
        seconds: how long a call may run. A worker that does not stop by itself is killed some time after.
    """

    # The package keeps threads that do not survive a fork, so whichever instance started them, no child can go on.
    _process: ClassVar[int | None] = None

    def __init__(self, seconds: float) -> None:
        self._options = {
            "min_processes": 1,
            "max_processes": _MOST_PROCESSES,
            "checkout_timeout": _LONGEST_WAIT,
            "request_timeout": seconds + _GRACE,
        }
        self._pool: Any = None
        self._async_pool: Any = None
        self._lock = threading.Lock()

    def pool(self) -> Any:
        """The pool for plain code.

        Raises:
            MissingExtraError: the package is not installed.
            SandboxUnavailableError: its program is missing, or it cannot be used in this process.
        """
        _check_fork()
        with self._lock:
            if self._pool is None:
                monty = _package()
                pool = self._started(monty.Monty(**self._options))
                weakref.finalize(self, _close, pool, os.getpid())
                self._pool = pool
        return self._pool

    async def async_pool(self) -> Any:
        """The pool for async code; see `pool`."""
        _check_fork()
        if self._async_pool is None:
            monty = _package()
            pool = monty.AsyncMonty(**{**self._options, "min_processes": 0})
            try:
                await pool.__aenter__()
            except OSError as error:
                raise _no_program(error) from error
            Workers._process = os.getpid()
            self._async_pool = self._async_pool or pool
        return self._async_pool

    @staticmethod
    def _started(pool: Any) -> Any:
        try:
            pool.__enter__()
        except OSError as error:
            raise _no_program(error) from error
        Workers._process = os.getpid()
        return pool


def _package() -> Any:
    try:
        import pydantic_monty
    except ImportError as error:
        raise MissingExtraError("pydantic-monty", "monty", "the runner Monty") from error
    return pydantic_monty


def _check_fork() -> None:
    if Workers._process not in (None, os.getpid()):
        raise SandboxUnavailableError(
            "Monty was used before this process was forked, and its threads do not survive a fork. Start the process "
            "by 'spawn' or 'forkserver', or use Monty first in the child.",
            missing="threads",
        )


def _no_program(error: OSError) -> SandboxUnavailableError:
    return SandboxUnavailableError(
        f"The program `monty`, which runs the code, cannot be started: {error}. Install it: pip install "
        "'opto-trace[monty]'",
        missing="monty",
    )


def _close(pool: Any, process: int) -> None:
    if os.getpid() == process:
        pool.__exit__(None, None, None)
