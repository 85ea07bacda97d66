"""What the errors of rollouts mean: failures of the program, or of the run."""

from __future__ import annotations

from typing import Any

from opto.errors import ExecutionError, RolloutTimeoutError, WorkerError
from opto.trace.bundle import bundle
from opto.trainer.rolling_out.naming import provisional
from opto.trainer.rolling_out.programs import parameters_in

__all__ = ["failure_of", "told", "unfinished"]


def failure_of(error: BaseException | None) -> str | None:
    """What kind of failure of the program an error is, None for no error.

    Raises:
        BaseException: it is none: the run cannot go on as if nothing had happened.
    """
    if error is None:
        return None
    if isinstance(error, ExecutionError):
        return "error"
    if isinstance(error, RolloutTimeoutError):
        return "timeout"
    if isinstance(error, WorkerError):
        return "worker"
    raise error


def told(error: BaseException) -> str:
    """A failure as feedback."""
    return str(error.exception_node.create_feedback("full")) if isinstance(error, ExecutionError) else str(error)


def unfinished(program: Any, error: BaseException) -> Any:
    """An exception node for a run that left no graph; feedback to it reaches all parameters of the program."""

    @bundle()
    def unfinished(*parameters: Any) -> None:
        """A run of the program that did not end."""
        raise error

    try:
        with provisional():
            unfinished(*parameters_in(program))
    except ExecutionError as failed:
        return failed.exception_node
    raise AssertionError
