"""What a failure of a model means: whether it may pass by itself, how long to wait, whether it may be charged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from opto.errors import ModelError, ModelResponseError, ModelTimeoutError

__all__ = ["charge_of_failure", "is_transient", "is_transient_status", "retry_after", "seconds_to_wait"]

_UNSENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ClientConnectorError"})
"""Exceptions of HTTP clients before a connection stands."""

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


def charge_of_failure(error: BaseException) -> Literal["unsent", "none", "unknown"]:
    """Whether the provider may charge for a request that failed.

    Returns:
        "unsent" when the request did not leave, "none" when an error came back for it, and "unknown" otherwise: after a
        time-out, a cut connection, an answer that cannot be read, an interruption, an exception of unknown meaning.
    """
    chain = list(_chain(error))
    if any(isinstance(link, ConnectionRefusedError) or type(link).__name__ in _UNSENT for link in chain):
        return "unsent"
    status = getattr(error, "status" if isinstance(error, ModelError) else "status_code", None)
    if isinstance(status, int) and status >= 400:
        return "none"
    if isinstance(error, (ModelTimeoutError, ModelResponseError)) or not isinstance(error, ModelError):
        return "unknown"
    return "unknown" if error.transient else "unsent"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
