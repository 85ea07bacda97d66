"""What is plain data and what is not, and where in a value the part is that cannot cross a wall."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

__all__ = ["explanation", "has_fields", "is_plain_numpy", "is_plain_type", "kind_of", "state_of", "too_deep"]

_TYPE = re.compile(r"[<>|=][biufcSUMm][0-9]{1,9}(\[[0-9]{0,9}[A-Za-z]{1,8}\])?")
_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes, bytearray, memoryview})
_CONTAINERS = frozenset({list, tuple, dict, set, frozenset})


def is_plain_type(dtype: str) -> bool:
    """Whether a numpy dtype, as text, is one whose items are numbers, texts, bytes or times."""
    return _TYPE.fullmatch(dtype) is not None


def has_fields(cls: type) -> bool:
    """Whether a class is a dataclass itself, not only descended from one."""
    return "__dataclass_fields__" in cls.__dict__ and is_dataclass(cls)


def state_of(value: Any) -> dict[str, Any]:
    """The fields of an instance that have a value."""
    return {each.name: getattr(value, each.name) for each in fields(value) if hasattr(value, each.name)}


def _is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and (type(value) is numpy.ndarray or isinstance(value, numpy.generic))


def is_plain_numpy(value: Any) -> bool:
    """Whether a value is an array or scalar of numpy's that crosses."""
    return _is_array(value) and is_plain_type(value.dtype.str)


def explanation(value: Any, depth: int, root: str) -> str | None:
    """A sentence on the first part of the value that cannot cross."""
    open_ids: set[int] = set()
    stack: list[tuple[Any, str, Iterator[tuple[Any, str]]]] = []

    def enter(part: Any, path: str) -> str | None:
        cls = type(part)
        if cls in _PLAIN or is_plain_numpy(part):
            return None
        if id(part) in open_ids:
            return f"{path} contains itself ({cls.__name__}): only data without cycles can cross."
        if cls not in _CONTAINERS and not has_fields(cls):
            of = f" of dtype {part.dtype}" if _is_array(part) else ""
            return f"{path} is {kind_of(cls)}{of}, which cannot cross: only plain data does{_advice(part)}."
        if len(stack) >= depth:
            return f"{root} is nested deeper than {depth} levels, which cannot cross."
        open_ids.add(id(part))
        stack.append((part, path, iter(_parts(part, path))))
        return None

    message = enter(value, root)
    while stack and message is None:
        part, _, parts = stack[-1]
        step = next(parts, None)
        if step is None:
            open_ids.discard(id(part))
            stack.pop()
        else:
            message = enter(*step)
    return message


def too_deep(value: Any, depth: int, root: str) -> str | None:
    """A sentence if the value is nested too deep. Goes level by level, and only into containers."""
    level: list[Any] = [value]
    for _ in range(depth + 1):
        deeper: list[Any] = []
        for part in level:
            cls = type(part)
            if cls is dict:
                deeper += [each for pair in part.items() for each in pair if type(each) not in _PLAIN]
            elif cls in _CONTAINERS:
                deeper += [each for each in part if type(each) not in _PLAIN]
            elif has_fields(cls):
                deeper += state_of(part).values()
        level = deeper
        if not level:
            return None
    return f"{root} is nested deeper than {depth} levels, which cannot cross."


def _parts(value: Any, path: str) -> Iterable[tuple[Any, str]]:
    cls = type(value)
    if cls is dict:
        for key, part in value.items():
            yield key, f"the key {key!r:.60} of {path}"
            yield part, f"{path}[{key!r:.60}]"
    elif cls is list or cls is tuple:
        for index, part in enumerate(value):
            yield part, f"{path}[{index}]"
    elif cls is set or cls is frozenset:
        for part in value:
            yield part, f"an element of {path}"
    else:
        for name, part in state_of(value).items():
            yield part, f"{path}.{name}"


def kind_of(cls: type) -> str:
    """The class with its article."""
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _advice(value: Any) -> str:
    refusal = getattr(type(value), "__sandbox_refusal__", None)
    if refusal is not None:
        return f"; {refusal(value)}"
    if callable(value):
        return ". A function crosses by name, if it is offered with host="
    if isinstance(value, (*_CONTAINERS, int, float, str, bytes)):
        base = next(each for each in (bool, *_CONTAINERS, int, float, str, bytes) if isinstance(value, each))
        return f", and only of these very types. Convert it with {base.__name__}(...)"
    return ""
