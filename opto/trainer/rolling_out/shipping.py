"""Programs on their way to workers that share no memory with this process, and results on their way back.

A program goes as one pickle, made by `cloudpickle` so that functions of the main module and lambdas can travel. The
graph of a result comes back without the program's parameters: in their place stand their positions, and here they are
the very parameters of the program again, so that feedback sent through the graph reaches them.
"""

from __future__ import annotations

import functools
import io
import pickle
from collections.abc import Callable, Sequence
from typing import Any

from opto.errors import MissingExtraError
from opto.trainer.rolling_out.work import Report, perform

__all__ = ["Shipped", "packed", "perform_shipped", "received"]

_KEPT_PROGRAMS = 32


def packed(value: Any) -> bytes:
    """A pickle of anything, functions by value where another process could not import them.

    Raises:
        MissingExtraError: cloudpickle is not installed.
        TypeError: it holds something that cannot be sent.
    """
    cloudpickle = _cloudpickle()
    try:
        return bytes(cloudpickle.dumps(value))
    except Exception as error:
        raise TypeError(
            f"{type(value).__name__} cannot be sent to another process: {error}. Keep what cannot be pickled out of "
            "the program's attributes, or use threads."
        ) from error


class Shipped:
    """A program in the form in which it is sent, with the parameters that it has here.

    Args:
        content: `(agent, guide, forward)`.
        parameters: those of the program, in an order that is the same wherever it is unpacked.
    """

    def __init__(self, content: Any, parameters: Sequence[Any]) -> None:
        self.parameters = tuple(parameters)
        self.data = packed((content, self.parameters))


def perform_shipped(program: bytes, job: bytes, run: Callable[..., Any], timeout: float | None, attempt: str) -> bytes:
    """In a worker: `run(content, *arguments of the job)`, reported as bytes for `received`.

    Args:
        program: `Shipped.data`; the last few are kept unpacked.
        job: the packed arguments.
        run: a function that the worker can import.
        timeout: as for `perform`.
        attempt: a text of its own for each attempt. Dask takes equal calls for one, and would answer a second attempt,
            or another sample, with the result of the first.
    """
    content, parameters = _unpacked(program)
    report = perform(lambda: run(content, *pickle.loads(job)), timeout)
    try:
        return _without_parameters(report, parameters)
    except Exception as error:  # what a program returns or raises need not be picklable
        if report.error is not None:
            told: Exception = RuntimeError(f"{type(report.error).__name__}: {report.error}")
        else:
            told = TypeError(f"what the program returned cannot be sent back: {error}")
        return _without_parameters(Report(None, told, report.seconds, passing=report.passing), ())


def received(data: bytes, shipped: Shipped) -> Report:
    """The report in bytes from a worker, about the parameters that are here."""
    unpickler = _Relinking(io.BytesIO(data))
    unpickler.parameters = shipped.parameters
    report = unpickler.load()
    assert isinstance(report, Report)
    return report


@functools.lru_cache(maxsize=_KEPT_PROGRAMS)
def _unpacked(program: bytes) -> Any:
    return pickle.loads(program)


class _Relinking(pickle.Unpickler):
    parameters: tuple[Any, ...] = ()

    def persistent_load(self, position: Any) -> Any:
        return self.parameters[position]


def _without_parameters(report: Report, parameters: Sequence[Any]) -> bytes:
    positions = {id(each): position for position, each in enumerate(parameters)}

    class Detaching(_cloudpickle().Pickler):  # type: ignore[misc]
        def persistent_id(self, value: Any) -> int | None:
            return positions.get(id(value))

    file = io.BytesIO()
    Detaching(file).dump(report)
    return file.getvalue()


def _cloudpickle() -> Any:
    try:
        import cloudpickle
    except ImportError as error:
        raise MissingExtraError("cloudpickle", "processes", "Running rollouts in other processes") from error
    return cloudpickle
