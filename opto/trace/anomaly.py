"""The debug mode that finds inputs changed in place: compares what a body was given, before and after each line.

Only imported values that pickle can tell apart are compared; what it cannot, is compared by its text.
"""

from __future__ import annotations

import contextlib
import functools
import linecache
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

from opto.errors import MutatedInputWarning
from opto.trace.context import AMBIENT

__all__ = ["compared", "watching"]


def watching(function: Callable[..., Any], call: Any) -> Callable[..., Any]:
    """`function`, compared line by line while it runs."""

    @functools.wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Any:
        watch = _Watch(call, function)
        before = sys.gettrace()
        sys.settrace(watch.on_call)
        try:
            return function(*args, **kwargs)
        finally:
            sys.settrace(before)
            watch.compare()

    return watched


@contextlib.contextmanager
def compared(call: Any) -> Iterator[None]:
    """Compare before and after only: for bodies that give way to others while they run."""
    ambient = AMBIENT.get()
    if ambient is None or not ambient.detect_anomaly:
        yield
        return
    watch = _Watch(call, None)
    try:
        yield
    finally:
        watch.compare()


class _Watch:
    """The inputs of one call as they were last seen."""

    def __init__(self, call: Any, function: Callable[..., Any] | None) -> None:
        self._call = call
        self._seen = {name: _print_of(value) for name, value in self._inputs()}
        self._code = getattr(function, "__code__", None)
        self._line: tuple[CodeType, int] | None = None

    def _inputs(self) -> list[tuple[str, Any]]:
        return [
            (name, value)
            for name, value in zip(self._call.names, self._call.values)
            if not isinstance(value, (int, float, str, bytes, bool, type(None)))
        ]

    def on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Follow the body and what it calls, but none of opto's own frames."""
        return None if "opto.trace" in frame.f_globals.get("__name__", "") else self.on_line

    def on_line(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Compare after each line: the line that ran last is the one to blame."""
        self.compare()
        if event == "line":
            self._line = frame.f_code, frame.f_lineno
        return self.on_line

    def compare(self) -> None:
        """Warn of each input that changed since the last look."""
        for name, value in self._inputs():
            now = _print_of(value)
            if now != self._seen[name]:
                self._seen[name] = now
                warnings.warn(
                    f"{self._call.module.name} changed its input {name!r} in place{self._where()}: the graph shows the changed "
                    "value, which is not what the function got. Change a copy and return it.",
                    MutatedInputWarning,
                    stacklevel=2,
                )

    def _where(self) -> str:
        if self._line is None:
            return ""
        code, number = self._line
        text = linecache.getline(code.co_filename, number).strip()
        return f" on line {number} of {code.co_filename}, `{text}`" if text else f" on line {number}"


def _print_of(value: Any) -> Any:
    """Something that differs when the value does."""
    try:
        return pickle.dumps(value)
    except Exception:  # whatever a foreign object raises: its text is the next best
        return repr(getattr(value, "__dict__", value))
