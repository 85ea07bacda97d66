"""The debug mode that finds inputs changed in place: compares what a body was given, before and after each line.

Values are compared by a print of all that they hold; what pickle cannot take apart counts as one with itself.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import linecache
import pickle
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from opto.errors import MutatedInputWarning
from opto.trace.containers import RESERVED
from opto.trace.context import AMBIENT
from opto.trace.error_comments import is_library
from opto.trace.nodes import Node

__all__ = ["compared", "watching"]


def watching(function: Callable[..., Any], call: Any) -> Callable[..., Any]:
    """`function`, compared line by line while it runs."""

    @functools.wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Any:
        watch = _Watch(call)
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
    watch = _Watch(call)
    try:
        yield
    finally:
        watch.compare()


class _Watch:
    """The inputs of one call as they were last seen, and the line that each traced function is at."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._seen = {name: _print_of(value) for name, value in self._inputs()}
        self._lines: list[tuple[str, int]] = []

    def _inputs(self) -> list[tuple[str, Any]]:
        return [
            (name, value)
            for name, value in zip(self._call.names, self._call.values, strict=True)
            if not isinstance(value, (int, float, str, bytes, bool, type(None)))
        ]

    def on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Follow the body and what it calls, but no frames of opto's or a library's: their caller is to blame."""
        if frame.f_globals.get("__name__", "").startswith("opto.") or is_library(frame.f_code.co_filename):
            return None
        self._lines.append((frame.f_code.co_filename, frame.f_lineno))
        return self.on_line

    def on_line(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Compare after each line: the line that ran last is the one to blame."""
        self.compare()
        if event == "line":
            self._lines[-1] = frame.f_code.co_filename, frame.f_lineno
        elif event == "return":
            self._lines.pop()
        return self.on_line

    def compare(self) -> None:
        """Warn of each input that changed since the last look."""
        for name, value in self._inputs():
            now = _print_of(value)
            if now != self._seen[name]:
                self._seen[name] = now
                warnings.warn(
                    f"{self._call.body.name} changed its input {name!r} in place{self._where()}: the graph shows the "
                    "changed value, which is not what the function got. Change a copy and return it.",
                    MutatedInputWarning,
                    stacklevel=2,
                )

    def _where(self) -> str:
        if not self._lines:
            return ""
        filename, number = self._lines[-1]
        text = linecache.getline(filename, number).strip()
        return f" on line {number} of {filename}, `{text}`" if text else f" on line {number}"


def _print_of(value: Any) -> bytes:
    """Something that differs when the value does."""
    written = io.BytesIO()
    try:
        _Printer(written, pickle.HIGHEST_PROTOCOL).dump(value)
    except Exception:  # whatever a foreign object raises: its text is the next best
        return repr(getattr(value, "__dict__", value)).encode()
    return hashlib.blake2b(written.getbuffer()).digest()


class _Printer(pickle.Pickler):
    """Writes what a value holds, for comparison only: nobody reads it."""

    def reducer_override(self, value: Any) -> Any:
        if value is _itself:
            return NotImplemented
        if isinstance(value, Node):  # not its past
            return _itself, (id(value), value._data)
        if isinstance(value, (type, types.ModuleType, types.FunctionType)) or getattr(value, "_is_bundle", False):
            return _itself, (id(value),)
        try:
            reduced = value.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        except Exception:
            return _itself, (id(value),)
        state = reduced[2] if isinstance(reduced, tuple) and len(reduced) > 2 else None
        if isinstance(state, dict) and any(isinstance(name, str) and name.startswith(RESERVED) for name in state):
            # What opto keeps with an object is no change of it.
            own = {name: each for name, each in state.items() if not str(name).startswith(RESERVED)}
            return (*reduced[:2], own, *reduced[3:])
        return reduced


def _itself(*what: Any) -> None:
    """Stands for a value that is told by its identity."""
