"""Which failures of a model may pass by themselves, and how long the provider asks to wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from opto.errors import ModelError

__all__ = ["is_transient", "is_transient_status", "retry_after", "seconds_to_wait"]

_TRANSIENT = frozenset({408, 409, 425, 429})


def is_transient_status(status: int) -> bool:
    """Whether a request that failed with this HTTP status may succeed when it is sent again."""
    return status in _TRANSIENT or status >= 500


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed when it is sent again.

    A `ModelError` says so itself. Of other exceptions, which a callable given as a model may raise, a broken
    connection, a time-out and an HTTP status (the attribute `status_code` of most clients) count.
    """
    if isinstance(error, ModelError):
        return error.transient
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return is_transient_status(status)
    return isinstance(error, (ConnectionError, TimeoutError))


def seconds_to_wait(error: BaseException) -> float | None:
    """The seconds that the provider asks to wait, None where it does not ask."""
    if isinstance(error, ModelError):
        return error.retry_after
    return retry_after(getattr(getattr(error, "response", None), "headers", None))


def retry_after(headers: Mapping[str, Any] | None, *, now: Callable[[], float] = time.time) -> float | None:
    """The seconds that a Retry-After header asks for, in either of its forms; None without one."""
    value = None if headers is None else headers.get("retry-after", headers.get("Retry-After"))
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(str(value)).timestamp() - now())
    except ValueError:
        return None
