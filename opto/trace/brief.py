"""A short text for any value, at a cost that is bounded by its length and not by the size of the value."""

from __future__ import annotations

import dataclasses
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

__all__ = ["brief", "shortened"]

_LEVELS = 6
_SORTED_SETS = 32
_SHOWN_ARRAY = 32
_LONG_INT_BITS = 1024
# Their one piece is within the limit already, and holds the note.
_CUT_THEMSELVES = (str, bytes, bytearray)
_PLAIN_REPR: Any = object.__repr__
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def brief(value: Any, limit: int) -> str:
    """Show a value in about `limit` characters, with a note on how much was left out.

    Text of several lines is shown as it is, everything else in the manner of `repr`. Large containers, arrays and
    numbers are never written out in full, addresses are left out, and a `repr` that raises is reported, not raised.

    Args:
        value: any object.
        limit: how many characters of it to show; the note comes on top.
    """
    if isinstance(value, str) and "\n" in value[: limit + 1]:
        return shortened(value, limit)
    text = ""
    try:
        for piece in _pieces(value, limit, _LEVELS):
            text += piece
            if len(text) > limit and not isinstance(value, _CUT_THEMSELVES):
                return f"{text[:limit]}{_note(value, len(text) - limit)}"
    except Exception as error:
        return f"<{type(value).__qualname__}, whose repr raises {type(error).__name__}>"
    return text


def shortened(text: str, limit: int) -> str:
    """Keep the first `limit` characters of a text and say how many follow."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… (+{len(text) - limit:,} characters)"


def _note(value: Any, cut: int) -> str:
    if isinstance(value, (list, tuple, set, frozenset, deque, dict)):
        return f"… ({len(value):,} items)"
    return f"… (+{cut:,} characters)" if cut > 0 else "…"


def _pieces(value: Any, limit: int, levels: int) -> Iterator[str]:
    """The text of a value in pieces, each of them short, so that the reader can stop at any time."""
    cls = type(value)
    if isinstance(value, str):
        yield _text(str(value[:limit]), len(value) - limit)
    elif isinstance(value, (bytes, bytearray)):
        yield _text(bytes(value[:limit]), len(value) - limit)
    elif isinstance(value, int) and value.bit_length() > _LONG_INT_BITS:
        yield f"<int of {value.bit_length():,} bits>"
    elif isinstance(value, dict):
        yield from _dict_pieces(value, limit, levels)
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        yield from _sequence_pieces(value, limit, levels)
    elif hasattr(cls, "py_name"):
        yield f"<{value.py_name}>"  # a node inside a value: its own picture shows what it holds
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from _fields_pieces(value, limit, levels)
    elif cls.__module__.partition(".")[0] in ("numpy", "torch") and getattr(value, "size", 0) is not None:
        yield _array(value)
    elif getattr(cls, "__repr__", None) is _PLAIN_REPR:
        yield f"<{cls.__qualname__}>"
    else:
        yield _ADDRESS.sub("", repr(value))


def _text(head: str | bytes, rest: int) -> str:
    return f"{head!r}… (+{rest:,} {'characters' if isinstance(head, str) else 'bytes'})" if rest > 0 else repr(head)


def _sequence_pieces(value: Any, limit: int, levels: int) -> Iterator[str]:
    cls = type(value)
    opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]") if cls is list else ("{", "}")
    items = value
    if isinstance(value, (set, frozenset)):
        items = _sorted(value)
        if not value or cls is not set:
            opening, closing = (f"{cls.__name__}({{", "})") if value else (f"{cls.__name__}(", ")")
    elif cls not in (list, tuple):
        opening, closing = f"{cls.__name__}([", "])"
    yield opening
    yield from _joined((_pieces(item, limit, levels - 1) for item in items), levels)
    yield f",{closing}" if cls is tuple and len(value) == 1 else closing


def _sorted(value: Any) -> Any:
    """A small set in order, so that a picture does not change with the hashes; a large one as it comes."""
    if len(value) > _SORTED_SETS:
        return value
    try:
        return sorted(value)
    except TypeError:
        return value


def _dict_pieces(value: dict[Any, Any], limit: int, levels: int) -> Iterator[str]:
    cls = type(value)
    opening, closing = ("{", "}") if cls is dict else (f"{cls.__name__}({{", "})")

    def pair(key: Any, item: Any) -> Iterator[str]:
        yield from _pieces(key, limit, levels - 1)
        yield ": "
        yield from _pieces(item, limit, levels - 1)

    yield opening
    yield from _joined((pair(key, item) for key, item in value.items()), levels)
    yield closing


def _fields_pieces(value: Any, limit: int, levels: int) -> Iterator[str]:
    def field(name: str) -> Iterator[str]:
        yield f"{name}="
        yield from _pieces(getattr(value, name), limit, levels - 1)

    yield f"{type(value).__qualname__}("
    yield from _joined((field(each.name) for each in dataclasses.fields(value) if each.repr), levels)
    yield ")"


def _joined(parts: Iterator[Iterator[str]], levels: int) -> Iterator[str]:
    if levels <= 0:
        yield "…"
        return
    for index, part in enumerate(parts):
        if index:
            yield ", "
        yield from part


def _array(value: Any) -> str:
    """A small array in full, a large one by its shape and dtype."""
    size = value.numel() if callable(value.size) else value.size
    if size <= _SHOWN_ARRAY:
        return " ".join(repr(value).split())
    return f"<{type(value).__name__} of shape {tuple(value.shape)}, {value.dtype}>"
