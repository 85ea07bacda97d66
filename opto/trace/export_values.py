"""Values as source, and telling opto's own objects from the program's, without importing what defines them."""

from __future__ import annotations

import ast
import functools
import math
from collections import UserDict, UserList
from typing import Any

__all__ = ["holds_node", "is_bundle", "is_node", "is_opto", "literal", "raw", "same"]


def is_node(value: Any) -> bool:
    """Whether this is a node of a graph."""
    return not isinstance(value, type) and hasattr(value, "_data") and hasattr(type(value), "backward")


def is_bundle(value: Any) -> bool:
    """Whether this is a bundled function."""
    return getattr(type(value), "_is_bundle", False) is True


def is_opto(value: Any) -> bool:
    """Whether this is a function, class or module of opto, or a partial application of one."""
    if isinstance(value, functools.partial):
        return is_opto(value.func)
    if is_node(value) or is_bundle(value):
        return False
    name = getattr(value, "__module__", None) or getattr(value, "__name__", None) or ""
    return isinstance(name, str) and name.split(".")[0] == "opto"


def holds_node(value: Any) -> bool:
    """Whether this is a node, or a list, tuple, set or dict with one somewhere inside."""
    if is_node(value):
        return True
    if isinstance(value, (list, tuple, set, frozenset, UserList)):
        return any(map(holds_node, value))
    if isinstance(value, (dict, UserDict)):
        return any(holds_node(each) for pair in value.items() for each in pair)
    return False


def raw(value: Any) -> Any:
    """The value without nodes; opto's sequences and maps become lists and dicts."""
    if is_node(value):
        return raw(value._data)
    if isinstance(value, UserList):
        return [raw(each) for each in value]
    if isinstance(value, UserDict):
        return {raw(key): raw(each) for key, each in value.items()}
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(raw(each) for each in value)
    if type(value) is dict:
        return {raw(key): raw(each) for key, each in value.items()}
    return value


def literal(value: Any, written: ast.expr | None = None) -> str | None:
    """Source of an expression that gives the value, or None where there is none.

    Args:
        value: the value, which may hold nodes.
        written: the expression that first gave it. Where that is a literal and no string, a string is taken for source,
            as an optimizer may have answered `"5"` for a number.
    """
    value = raw(value)
    return value.strip() if isinstance(value, str) and _stands_for_another(value, written) else _literal(value)


def same(one: Any, other: Any) -> bool:
    """Whether two values come out as the same source."""
    return one is other or (literal(one) is not None and literal(one) == literal(other))


def _stands_for_another(text: str, written: ast.expr | None) -> bool:
    if not isinstance(written, (ast.Constant, ast.UnaryOp, ast.List, ast.Dict, ast.Tuple, ast.Set)):
        return False
    if isinstance(written, ast.Constant) and isinstance(written.value, str):
        return False
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _literal(value: Any) -> str | None:
    kind = type(value)
    if kind in (int, str, bytes, bool, type(None), type(...)):
        return "..." if value is ... else repr(value)
    if kind is float:
        return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
    if kind is complex:
        return repr(value)
    if kind is dict:
        pairs = [(_literal(key), _literal(each)) for key, each in value.items()]
        return None if any(None in pair for pair in pairs) else f"{{{', '.join(f'{k}: {v}' for k, v in pairs)}}}"
    if kind not in (list, tuple, set, frozenset):
        return None
    items = [_literal(each) for each in value]
    if None in items:
        return None
    if kind in (set, frozenset):
        text = f"{{{', '.join(sorted(map(str, items)))}}}" if items else "set()"
        return text if kind is set else f"frozenset({text if items else ''})"
    text = ", ".join(map(str, items))
    return f"[{text}]" if kind is list else f"({text},)" if len(items) == 1 else f"({text})"
