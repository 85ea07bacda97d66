"""Running code that somebody made up: it ends where it runs on without end, or where its numbers grow without bound."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["OverLimitError", "limited"]

_MOST_BITS = 10_000


class OverLimitError(Exception):
    """The code executed more lines than it may, or made a number that is too large."""


def limited(action: Callable[[], Any], most_lines: int = 3000) -> Any:
    """What the action returns.

    Only the lines of code that was made from text count, which has no file; what it calls in modules does not.

    Raises:
        OverLimitError: from within that code, where a limit is passed.
    """
    left = most_lines

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith("<"):
            return None
        left -= 1
        if left < 0:
            raise OverLimitError(f"stopped after {most_lines} lines")
        for value in frame.f_locals.values():
            if type(value) is int and value.bit_length() > _MOST_BITS:
                raise OverLimitError(f"stopped at a number of more than {_MOST_BITS} bits")
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        return action()
    finally:
        sys.settrace(before)
