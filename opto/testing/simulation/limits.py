"""Running code that somebody made up: it ends where it runs on without end, or where its numbers grow without bound."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["OverLimitError", "limited"]

_MOST_BITS = 10_000


class OverLimitError(Exception):
    """The code executed more instructions than it may, or made a number that is too large."""


def limited(action: Callable[[], Any], most_steps: int = 20_000) -> Any:
    """What the action returns.

    Only the instructions of code that was made from text count, which has no file; what it calls in modules does not.
    They are counted one by one, since a loop on a single line never comes to another line.

    Raises:
        OverLimitError: from within that code, where a limit is passed.
    """
    left = most_steps

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith("<"):
            return None
        frame.f_trace_opcodes = True
        left -= 1
        if left < 0:
            raise OverLimitError(f"stopped after {most_steps} instructions")
        for value in frame.f_locals.values() if left % 16 == 0 else ():
            if type(value) is int and value.bit_length() > _MOST_BITS:
                raise OverLimitError(f"stopped at a number of more than {_MOST_BITS} bits")
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        return action()
    finally:
        sys.settrace(before)
