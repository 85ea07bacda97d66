"""Text of a value with its middle left out, at a cost that is bounded by what is shown and not by the value's size.

What is left out is said in its place: `...(12,345 characters left out)...`, `...(998 items left out)...`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from opto.optimizers.canonical import canonical, clean_text

__all__ = ["UNLIMITED", "cut", "cut_value", "exceeds", "left_out"]

UNLIMITED = 1 << 62
"""No text has so many characters."""

_SLACK = 40
"""A text is whole up to this many characters above its limit: the note would take as much."""

_DEEPEST = 60
_SMALLEST = 8


def cut(text: str, limit: int, *, of: int = 0) -> str:
    """A text in about `limit` characters, three quarters of them its head and the rest its tail.

    Args:
        text: any text.
        limit: characters to keep, at least 1.
        of: characters of the text that are missing in `text` already, in its middle.
    """
    if len(text) <= limit + _SLACK and not of:
        return text
    tail = limit // 4
    head = min(limit - tail, len(text))
    tail = min(tail, len(text) - head)
    return f"{text[:head]} {left_out(len(text) - head - tail + of, 'characters')} {text[len(text) - tail :]}"


def cut_value(value: Any, limit: int) -> str:
    """`canonical(value)` where that has about `limit` characters or less, else its head and tail.

    Containers lose items from the middle, and long items their own middle.
    """
    kind = type(value)
    if kind is int or kind is float or kind is bool or value is None:
        text = canonical(value)
        return text if len(text) <= limit + _SLACK else cut(text, limit)
    if isinstance(value, str):
        return _cut_string(value, limit)
    if _is_plain_container(value):
        return _container(value, limit, ())
    return cut(canonical(value), limit)


def exceeds(value: Any, limit: int) -> bool:
    """Whether a value has more than `limit` characters and items in its strings and containers: not all are looked at.

    Its text is longer then, unless it holds much that prompts leave out, such as addresses.
    """
    size = 0
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            size += len(each)
        elif _is_plain_container(each):
            size += len(each)
            if size <= limit:
                waiting.extend(each)
                if type(each) is dict:
                    waiting.extend(each.values())
        if size > limit:
            return True
    return False


def left_out(count: int, what: str) -> str:
    """The words that stand where something is missing."""
    return f"...({count:,} {what} left out)..."


def _cut_string(value: str, limit: int) -> str:
    text = str.__str__(value)
    if len(text) <= 2 * (limit + _SLACK):
        return cut(clean_text(text), limit)
    # Only the ends are looked at; what cleaning takes away there is made good by twice the length.
    ends = clean_text(text[:limit]), clean_text(text[len(text) - limit :])
    return cut(ends[0] + ends[1], limit, of=len(text) - 2 * limit)


def _is_plain_container(value: Any) -> bool:
    kind = type(value)
    return kind is list or kind is tuple or kind is dict


def _item(value: Any, limit: int, around: tuple[int, ...]) -> str:
    """The text of a value inside a container."""
    if type(value) is str:
        if len(value) <= limit + _SLACK:
            return repr(value)
        half = max(limit // 2, 1)
        return cut(repr(value[:half])[:-1] + repr(value[-half:])[1:], limit, of=len(value) - 2 * half)
    inner = getattr(value, "_data", value) if hasattr(type(value), "py_name") else value
    if _is_plain_container(inner):
        if id(inner) in around or len(around) >= _DEEPEST:
            return "..."
        return _container(inner, limit, around)
    return cut(canonical([inner])[1:-1], limit)


def _container(value: Any, limit: int, around: tuple[int, ...]) -> str:
    opening, closing = ("[", "]") if type(value) is list else ("(", ")") if type(value) is tuple else ("{", "}")
    if limit < _SMALLEST and value:
        return f"{opening}{left_out(len(value), 'items')}{closing}"
    around = (*around, id(value))
    found = list(_until(_texts(value, limit, around), limit + _SLACK))
    if len(found) == len(value) and sum(map(len, found)) + 2 * len(found) <= limit + _SLACK:
        return f"{opening}{', '.join(found)}{',' if type(value) is tuple and len(found) == 1 else ''}{closing}"
    head = list(_until(iter(found[:-1]), limit * 3 // 4)) or [cut(found[0], limit * 3 // 4)]
    rest = len(value) - len(head)
    tail = list(islice(_texts(value, limit // 4, around, backwards=True), rest and 1))
    if tail and len(tail[0]) <= limit // 4:
        tail = list(islice(_until(_texts(value, limit // 4, around, backwards=True), limit // 4), rest)) or tail
    rest -= len(tail)
    return f"{opening}{', '.join([*head, *([left_out(rest, 'items')] if rest else []), *tail[::-1]])}{closing}"


def _texts(value: Any, limit: int, around: tuple[int, ...], *, backwards: bool = False) -> Iterator[str]:
    if type(value) is dict:
        for key, item in reversed(value.items()) if backwards else value.items():
            yield f"{_item(key, limit, around)}: {_item(item, limit, around)}"
    else:
        for item in reversed(value) if backwards else value:
            yield _item(item, limit, around)


def _until(texts: Iterable[str], limit: int) -> Iterator[str]:
    """The first texts, up to and with the one that makes them longer than `limit` characters together."""
    total = 0
    for text in texts:
        yield text
        total += len(text) + 2
        if total > limit:
            return
