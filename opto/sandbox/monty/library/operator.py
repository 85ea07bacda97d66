"""Operators as functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = [
    "add",
    "and_",
    "attrgetter",
    "concat",
    "contains",
    "countOf",
    "eq",
    "floordiv",
    "ge",
    "getitem",
    "gt",
    "indexOf",
    "invert",
    "is_",
    "is_not",
    "itemgetter",
    "le",
    "lshift",
    "lt",
    "mod",
    "mul",
    "ne",
    "neg",
    "not_",
    "or_",
    "pos",
    "pow",
    "rshift",
    "setitem",
    "sub",
    "truediv",
    "truth",
    "xor",
]


def add(a: Any, b: Any, /) -> Any:
    """`a + b`."""
    return a + b


def sub(a: Any, b: Any, /) -> Any:
    """`a - b`."""
    return a - b


def mul(a: Any, b: Any, /) -> Any:
    """`a * b`."""
    return a * b


def truediv(a: Any, b: Any, /) -> Any:
    """`a / b`."""
    return a / b


def floordiv(a: Any, b: Any, /) -> Any:
    """`a // b`."""
    return a // b


def mod(a: Any, b: Any, /) -> Any:
    """`a % b`."""
    return a % b


def pow(a: Any, b: Any, /) -> Any:  # noqa: A001 - the name of the standard library
    """`a ** b`."""
    return a**b


def and_(a: Any, b: Any, /) -> Any:
    """`a & b`."""
    return a & b


def or_(a: Any, b: Any, /) -> Any:
    """`a | b`."""
    return a | b


def xor(a: Any, b: Any, /) -> Any:
    """`a ^ b`."""
    return a ^ b


def lshift(a: Any, b: Any, /) -> Any:
    """`a << b`."""
    return a << b


def rshift(a: Any, b: Any, /) -> Any:
    """`a >> b`."""
    return a >> b


def concat(a: Any, b: Any, /) -> Any:
    """`a + b`."""
    return a + b


def eq(a: Any, b: Any, /) -> Any:
    """`a == b`."""
    return a == b


def ne(a: Any, b: Any, /) -> Any:
    """`a != b`."""
    return a != b


def lt(a: Any, b: Any, /) -> Any:
    """`a < b`."""
    return a < b


def le(a: Any, b: Any, /) -> Any:
    """`a <= b`."""
    return a <= b


def gt(a: Any, b: Any, /) -> Any:
    """`a > b`."""
    return a > b


def ge(a: Any, b: Any, /) -> Any:
    """`a >= b`."""
    return a >= b


def is_(a: Any, b: Any, /) -> Any:
    """`a is b`."""
    return a is b


def is_not(a: Any, b: Any, /) -> Any:
    """`a is not b`."""
    return a is not b


def neg(a: Any, /) -> Any:
    """`-a`."""
    return -a


def pos(a: Any, /) -> Any:
    """`+a`."""
    return +a


def invert(a: Any, /) -> Any:
    """`~a`."""
    return ~a


def not_(a: Any, /) -> Any:
    """`not a`."""
    return not a


def truth(a: Any, /) -> Any:
    """`bool(a)`."""
    return bool(a)


def contains(a: Any, b: Any, /) -> bool:
    """`b in a`."""
    return b in a


def getitem(a: Any, b: Any, /) -> Any:
    """`a[b]`."""
    return a[b]


def setitem(a: Any, b: Any, c: Any, /) -> None:
    """`a[b] = c`."""
    a[b] = c


def countOf(a: Iterable[Any], b: Any, /) -> int:  # noqa: N802 - the name of the standard library
    """How many items are `b`."""
    return sum([1 for each in a if each is b or each == b])


def indexOf(a: Iterable[Any], b: Any, /) -> int:  # noqa: N802 - the name of the standard library
    """The place of the first item that is `b`."""
    for place, each in enumerate(a):
        if each is b or each == b:
            return place
    raise ValueError("sequence.index(x): x not in sequence")


def itemgetter(item: Any, /, *items: Any) -> Callable[[Any], Any]:
    """A function that gives an item, or a tuple of several."""
    if not items:
        return lambda each: each[item]
    wanted = (item, *items)
    return lambda each: tuple([each[one] for one in wanted])


def attrgetter(name: str, /, *names: str) -> Callable[[Any], Any]:
    """A function that gives an attribute, dots and all, or a tuple of several."""

    def follow(each: Any, path: str) -> Any:
        for part in path.split("."):
            each = getattr(each, part)
        return each

    if not names:
        return lambda each: follow(each, name)
    wanted = (name, *names)
    return lambda each: tuple([follow(each, one) for one in wanted])
