"""The traceback of an exception as text, each part of it once however deeply bundled functions call each other.

Python's own formatter prints the text of every exception in a chain. That of an `ExecutionError` holds the traceback
below it, so with each call around it the text would double.
"""

from __future__ import annotations

import os
import traceback
from typing import Any

from opto.errors import ExecutionError

__all__ = ["traceback_of"]

_HEADER = "Traceback (most recent call last):\n"
_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
_HERE = os.path.dirname(os.path.abspath(__file__))
# The frames of a runner, too, so that a traceback from behind a wall reads like one from this process.
_OWN = (_HERE + os.sep, os.path.join(os.path.dirname(_HERE), "sandbox", ""))


def traceback_of(error: BaseException) -> str:
    """What Python prints of an exception, with no frames of opto's, and without the `ExecutionError`s on the way."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        known = _known(current)
        if known is not None:  # it tells all that came before, too
            before, _, after = known.rpartition(_HEADER)
            parts.append(f"{before}{_HEADER}{_frames(current)}{after}")
            break
        parts.append(f"{_HEADER}{_frames(current)}{_last_lines(current)}")
        if current.__cause__ is not None:
            parts.append(_CAUSE)
            current = current.__cause__
        else:
            current = None if current.__suppress_context__ else current.__context__
            parts.append(_CONTEXT if current is not None and id(current) not in seen else "")
    return "".join(reversed(parts))


def _known(error: BaseException) -> str | None:
    if not isinstance(error, ExecutionError):
        return None
    info: Any = error.exception_node.info
    return (info or {}).get("traceback")


def _frames(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    written = [frame for frame in frames if not frame.filename.startswith(_OWN)]
    return "".join(traceback.StackSummary.from_list(written or frames[:1]).format())


def _last_lines(error: BaseException) -> str:
    """The class and the message, as Python writes them."""
    if isinstance(error, SyntaxError):
        return "".join(traceback.format_exception_only(type(error), error))
    kind = type(error)
    name = (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
    try:
        message = str(error)
    except Exception:  # whatever a foreign __str__ raises
        message = "<exception str() failed>"
    notes = "".join(f"{note}\n" for note in getattr(error, "__notes__", ()))
    return f"{name}: {message}\n{notes}" if message else f"{name}\n{notes}"
