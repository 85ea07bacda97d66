"""Text of values for prompts: the same on every machine, interpreter, hash seed and run.

A prompt is the key under which an exchange is recorded, so nothing may enter it that depends on where or when the
program runs: no memory addresses, no order of a set, no directories, no caret lines of a traceback (interpreters differ
in them).
"""

from __future__ import annotations

import re
from typing import Any

from opto.trace.images import as_image
from opto.trace.nodes import Node

__all__ = ["canonical", "canonical_repr", "clean_text", "plain"]

_DEEPEST = 60
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+\b")
_TRACE_FILE = re.compile(r'File "[^"\n]*[/\\]([^"\n/\\]+)", line')
_CARETS = re.compile(r"^[ \t]*[\^~][\^~ \t]*(?:\n|\Z)", re.MULTILINE)
_SCALARS = frozenset({int, float, bool, type(None), complex})


def canonical(value: Any) -> str:
    """Text of a value as it stands in a prompt: a string as it is, anything else in canonical form."""
    kind = type(value)
    if kind is str:
        return clean_text(value)
    if kind in _SCALARS:
        return _scalar(value)
    if isinstance(value, Node):
        return canonical(value._data)
    if isinstance(value, str):
        return clean_text(str.__str__(value))
    if isinstance(value, (list, tuple, dict, set, frozenset)) or hasattr(kind, "__dataclass_fields__"):
        return canonical_repr(value)
    image = as_image(value)
    return _own_text(value, str) if image is None else str(image)


def canonical_repr(value: Any) -> str:
    """`repr` without addresses and with sets in order, also inside lists, tuples, dicts and dataclasses."""
    return _represent(value, ())


def clean_text(text: str) -> str:
    """The text without memory addresses and, in tracebacks, without directories and caret lines."""
    if " at 0x" in text:
        text = _ADDRESS.sub("", text)
    if 'File "' in text:
        text = _CARETS.sub("", _TRACE_FILE.sub(r'File "\1", line', text))
    return text


def plain(value: Any) -> Any:
    """The value itself when JSON can say it, else its canonical text; for events, which hold plain data only."""
    kind = type(value)
    if kind is str or kind is int or kind is float or kind is bool or value is None:
        return value
    if kind is dict and all(type(key) is str for key in value):
        return {key: plain(item) for key, item in value.items()}
    if kind is list:
        return [plain(item) for item in value]
    return canonical(value)


def _represent(value: Any, around: tuple[int, ...]) -> str:
    kind = type(value)
    if kind is str:
        return repr(value)
    if kind in _SCALARS:
        return _scalar(value)
    if isinstance(value, Node):
        return _represent(value._data, around)
    if id(value) in around or len(around) >= _DEEPEST:
        return "..."
    inside = (*around, id(value))
    writer = _container_writer(value)
    if writer is not None:
        return str(writer(value, inside))
    if kind.__module__ == "numpy" and getattr(value, "shape", None) == () and hasattr(value, "item"):
        return repr(value.item())
    image = as_image(value)
    return _own_text(value, repr) if image is None else str(image)


def _scalar(value: Any) -> str:
    try:
        return str(value)
    except ValueError:  # Python refuses to write integers of more than a few thousand digits
        return f"<int of {value.bit_length():,} bits>"


def _container_writer(value: Any) -> Any:
    """The function that writes this container, or None when the value writes itself."""
    method: Any = type(value).__repr__
    if isinstance(value, dict) and method is dict.__repr__:
        return _dict
    if isinstance(value, list) and method is list.__repr__:
        return _list
    if isinstance(value, tuple) and method is tuple.__repr__:
        return _tuple
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return _named_tuple
    if isinstance(value, (set, frozenset)):
        return _set
    fields = getattr(type(value), "__dataclass_fields__", None)
    if fields is not None and hasattr(method, "__wrapped__"):  # only a generated __repr__ is wrapped by dataclasses
        return _dataclass
    return None


def _dict(value: dict[Any, Any], inside: tuple[int, ...]) -> str:
    items = ", ".join(f"{_represent(k, inside)}: {_represent(v, inside)}" for k, v in dict.items(value))
    return f"{{{items}}}"


def _list(value: list[Any], inside: tuple[int, ...]) -> str:
    return f"[{', '.join([_represent(item, inside) for item in value])}]"


def _tuple(value: tuple[Any, ...], inside: tuple[int, ...]) -> str:
    items = [_represent(item, inside) for item in value]
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"


def _named_tuple(value: Any, inside: tuple[int, ...]) -> str:
    items = ", ".join(f"{name}={_represent(item, inside)}" for name, item in zip(value._fields, value, strict=False))
    return f"{type(value).__name__}({items})"


def _set(value: set[Any] | frozenset[Any], inside: tuple[int, ...]) -> str:
    ordered = sorted((type(item).__name__, _represent(item, inside)) for item in value)
    items = ", ".join(text for _, text in ordered)
    if type(value) is set:
        return f"{{{items}}}" if items else "set()"
    return f"{type(value).__name__}({{{items}}})" if items else f"{type(value).__name__}()"


def _dataclass(value: Any, inside: tuple[int, ...]) -> str:
    fields = type(value).__dataclass_fields__.values()
    items = (f"{field.name}={_represent(getattr(value, field.name, None), inside)}" for field in fields if field.repr)
    return f"{type(value).__qualname__}({', '.join(items)})"


def _own_text(value: Any, write: Any) -> str:
    """What the value says of itself, or its type when it cannot."""
    try:
        return clean_text(write(value))
    except Exception:  # a broken __repr__ is the user's, and must not cost them the step
        return f"<{type(value).__name__} object>"
