"""Writing: from a value to the tree that JSON can hold, and from the tree to readable text.

The walk keeps a stack of its own, so that the depth of a value is no limit. What lies deeper than a JSON parser can
follow goes to a table of rows.
"""

from __future__ import annotations

import json
import math
import pickle
import re
import reprlib
from collections.abc import Generator
from typing import Any

from opto.runs.codec.forms import PAIRS, Form, Unordered, to_base64
from opto.runs.codec.registry import form_of

__all__ = ["Encoder", "in_one_line", "layout"]

# What is nested deeper goes to a row of its own: far below a parser's limit, far above what people write by hand.
_DEPTH = 48
# Containers that fit in this many characters stay on one line.
_WIDTH = 88
# Beyond about 1,200 digits an integer is written in hexadecimal, which Python reads at any length and in linear time.
_DECIMAL_BITS = 4000

_Steps = Generator[tuple[Any, Any], Any, Any]

_DEEPER: Any = object()  # what `_leaf` gives for a value that has parts
_PAIR = re.compile("(?<=[\ud800-\udbff])(?=[\udc00-\udfff])")
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Lines(list[str]):
    """The lines of a text, which are laid out one below the other even where they are short."""


class _Frame:
    """A container that is being written: its parts so far, and the one that is being written now."""

    __slots__ = ("form", "step", "steps", "value")

    def __init__(self, value: Any, form: Form | None, steps: _Steps) -> None:
        self.value, self.form, self.steps = value, form, steps
        self.step: Any = None


class Encoder:
    """Turns one value into a tree that JSON can write, walking it with a stack of its own.

    Each container is a generator that yields its parts, receives their encoded forms, and returns its own.
    """

    def __init__(self, root: str, allow_pickle: bool) -> None:
        self.rows: list[Any] = []
        self._root = root
        self._allow_pickle = allow_pickle
        self._stack: list[_Frame] = []
        self._open: set[int] = set()

    def encode(self, value: Any) -> Any:
        """Give the tree of a value, and fill `rows` with what it mentions."""
        encoded = _leaf(value)
        if encoded is not _DEEPER:
            return encoded
        self._enter(value)
        encoded = None
        while self._stack:
            frame = self._stack[-1]
            try:
                frame.step, part = frame.steps.send(encoded)
            except StopIteration as stop:
                encoded = self._leave(frame, stop.value)
                continue
            encoded = _leaf(part)
            if encoded is _DEEPER:
                self._enter(part)
                encoded = None
        return encoded

    def _enter(self, value: Any) -> None:
        if id(value) in self._open:
            raise ValueError(f"{self._path()} contains itself ({type(value).__name__}); a cycle has no text form.")
        form, steps = self._steps(value)
        self._open.add(id(value))
        self._stack.append(_Frame(value, form, steps))

    def _leave(self, frame: _Frame, encoded: Any) -> Any:
        self._stack.pop()
        self._open.discard(id(frame.value))
        if not self._stack or len(self._stack) % _DEPTH:
            return encoded
        self.rows.append(encoded)
        return {"!row": len(self.rows) - 1}

    def _steps(self, value: Any) -> tuple[Form | None, _Steps]:
        cls = type(value)
        if cls is list or cls is Unordered:
            return None, _list_steps(value)
        if cls is dict:
            if _is_object(value):
                return None, _object_steps(value)
            return PAIRS, _form_steps(PAIRS, value)
        form = form_of(value)
        if form is None:
            form = Form("pickle", self._pickle, _DEEPER)
        return form, _form_steps(form, value)

    def _pickle(self, value: Any) -> dict[str, str]:
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        if not self._allow_pickle:
            raise TypeError(
                f"{self._path()} is of type {name}, which has no text form. Give the type one with "
                f"opto.runs.codec.register_codec, or store the value as a pickle with allow_pickle=True."
            )
        try:
            data = _pickled(value)
        except Exception as error:
            raise TypeError(f"{self._path()} is of type {name}, which cannot be pickled: {error}") from error
        return {"type": name, "data": to_base64(data)}

    def _path(self) -> str:
        """Where the walk is, as an expression: `parameters['policy'].items[3]`."""
        return self._root + _path_of(self._stack)


def _pickled(value: Any) -> bytes:
    try:
        return pickle.dumps(value, protocol=4)
    except Exception:
        # Local functions and classes, which cloudpickle stores by value; an optional package.
        try:
            import cloudpickle  # type: ignore[import-untyped, unused-ignore]
        except ImportError:
            pass
        else:
            return bytes(cloudpickle.dumps(value, protocol=4))
        raise


def _leaf(value: Any) -> Any:
    """The encoded form of a value without parts, or `_DEEPER`."""
    if value is None:
        return None
    cls = type(value)
    if cls is str:
        return value if "\n" not in value and value.isascii() else _text(value)
    if cls is bool:
        return value
    if cls is int:
        return value if value.bit_length() <= _DECIMAL_BITS else {"!int": hex(value)}
    if cls is float:
        return value if value - value == 0 else {"!float": _special(value)}
    return _DEEPER


def _special(value: float) -> str:
    """The name of a float that JSON has no number for; a nan has a sign too."""
    return "-nan" if math.isnan(value) and math.copysign(1, value) < 0 else repr(value)


def _text(value: str) -> Any:
    if not value.isascii() and _PAIR.search(value):
        return {"!text": _PAIR.split(value)}
    return {"!lines": _Lines(value.split("\n"))} if "\n" in value else value


def _list_steps(items: list[Any]) -> _Steps:
    encoded = []
    for index, item in enumerate(items):
        part = _leaf(item)
        encoded.append(part if part is not _DEEPER else (yield index, item))
    if type(items) is Unordered:
        encoded.sort(key=layout)
    return encoded


def _object_steps(items: dict[str, Any]) -> _Steps:
    encoded = {}
    for key, item in items.items():
        part = _leaf(item)
        encoded[key] = part if part is not _DEEPER else (yield key, item)
    return encoded


def _form_steps(form: Form, value: Any) -> _Steps:
    payload = form.encode(value)
    part = _leaf(payload)
    if part is _DEEPER:
        if form_of(payload) is form:
            raise TypeError(f"the codec {form.tag!r} must give plain data, but gave {type(payload).__name__} again.")
        part = yield None, payload
    return {f"!{form.tag}": part}


def _is_object(value: dict[Any, Any]) -> bool:
    """Whether JSON can write this dict as an object that is read back as what it is."""
    for key in value:
        if type(key) is not str or not (key.isascii() or not _PAIR.search(key)):
            return False
    return len(value) != 1 or not next(iter(value)).startswith("!")


def _path_of(stack: list[_Frame]) -> str:
    path = []
    frames = iter(stack)
    after_codec = False
    for frame in frames:
        form, step = frame.form, frame.step
        if form is not None and form.tag == "dict":
            path.append(_pair_path(frame, next(frames, None), next(frames, None)))
        elif type(frame.value) is dict:
            path.append(f".{step}" if after_codec and step.isidentifier() else f"[{reprlib.repr(step)}]")
        elif type(frame.value) is list:
            path.append(f"[{step}]")
        elif type(frame.value) is Unordered:
            path.append("{...}")
        after_codec = form is not None and form.registered
    if len(path) > 40:
        path[20:-20] = [f" ... {len(path) - 40} steps ... "]
    return "".join(path)


def _pair_path(frame: _Frame, pairs: _Frame | None, pair: _Frame | None) -> str:
    """The path through a dict that is written as pairs, by the key and not by the position of the pair."""
    if pairs is None or pair is None:
        return ""
    key = reprlib.repr(pair.value[0])
    return f"[{key}]" if pair.step == 1 else f".key({key})"


def layout(tree: Any, *, broken: bool = False) -> str:
    """Give the JSON text of an encoded tree: short parts on one line, else each on its own, which reads well as a diff.

    Args:
        tree: what an `Encoder` gave.
        broken: put even a short tree on several lines.
    """
    if isinstance(tree, dict):
        opening, closing = "{", "}"
        parts = [f"{in_one_line(key)}: {layout(part)}" for key, part in tree.items()]
    elif isinstance(tree, list):
        opening, closing = "[", "]"
        parts = [layout(part) for part in tree]
    else:
        return in_one_line(tree)
    flat = ", ".join(parts)
    if not (broken or type(tree) is _Lines) and len(flat) <= _WIDTH and "\n" not in flat:
        return f"{opening}{flat}{closing}"
    if isinstance(tree, dict) and len(parts) == 1:
        return f"{{{parts[0]}}}"
    body = ",\n".join(parts).replace("\n", "\n  ")
    return f"{opening}\n  {body}\n{closing}"


def in_one_line(tree: Any) -> str:
    """The JSON text of a tree; it keeps what is not ASCII, except for surrogates, which no file could hold."""
    quoted = json.dumps(tree, ensure_ascii=False, separators=(",", ":"))
    return quoted if quoted.isascii() else _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)
