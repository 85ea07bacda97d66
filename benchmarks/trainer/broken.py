"""Functions that are right, and the mistakes that are made in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

__all__ = ["BROKEN", "Broken"]


@dataclass(frozen=True)
class Broken:
    """A function with mistakes.

    Attributes:
        right: the source without mistakes.
        mistakes: pairs: what the right source says once, and what is written there instead.
        arguments: of the cases that there can be.
    """

    name: str
    about: str
    right: str
    mistakes: tuple[tuple[str, str], ...]
    arguments: Sequence[tuple[Any, ...]]

    @property
    def source(self) -> str:
        """The function with all its mistakes."""
        text = self.right
        for said, instead in self.mistakes:
            text = text.replace(said, instead)
        return text

    @property
    def single(self) -> list[str]:
        """The function with one mistake, for each of them."""
        return [self.right.replace(said, instead) for said, instead in self.mistakes]


_TICKET = '''def ticket(age: int, day: int) -> int:
    """What a ticket costs: nothing below 4, half for those below 16, less from 65 on, and 2 less on day 3."""
    price = 16
    if age < 4:
        return 0
    if age < 16:
        price = 8
    if age >= 65:
        price = 11
    if day == 3:
        price = price - 2
    return price
'''

_DAYS = '''def days(year: int, month: int) -> int:
    """How many days a month has."""
    if month == 2:
        if year % 400 == 0:
            return 29
        if year % 100 == 0:
            return 28
        return 29 if year % 4 == 0 else 28
    if month > 7:
        month = month + 1
    return 30 + month % 2
'''

_QUADRANT = '''def quadrant(x: int, y: int) -> int:
    """The quadrant of a point, 1 to 4 against the clock; 0 on an axis."""
    if x == 0 or y == 0:
        return 0
    if x > 0 and y > 0:
        return 1
    if x < 0 and y > 0:
        return 2
    return 3 if x < 0 else 4
'''

_TRIANGLE = '''def triangle(a: int, b: int, c: int) -> int:
    """How many sides are equal: 3, 2, or 1 if all differ; 0 if the sides make no triangle."""
    if a + b <= c or a + c <= b:
        return 0
    if b + c <= a:
        return 0
    if a == b and b == c:
        return 3
    if a == b or b == c:
        return 2
    return 2 if a == c else 1
'''

_POSTAGE = '''def postage(weight: int, far: bool) -> int:
    """What a parcel costs: 3, and 2 for each kilogram above the first; twice as much if it goes far, at most 20."""
    price = 3
    if weight > 1:
        price = price + 2 * (weight - 1)
    if far:
        price = price * 2
    if price > 20:
        price = 20
    return price
'''

_GRADE = '''def grade(points: int, late: int) -> int:
    """1 from 90 points on, 2 from 75 on, 3 from 50 on, else 4; 5 points less from 1 day late on."""
    if late > 0:
        points = points - 5
    if points >= 90:
        return 1
    if points >= 75:
        return 2
    return 3 if points >= 50 else 4
'''

BROKEN = [
    Broken(
        "ticket",
        "what a ticket costs",
        _TICKET,
        (("age < 16", "age <= 16"), ("age >= 65", "age > 65"), ("price - 2", "price + 2")),
        [*product([0, 3, 4, 5, 10, 15, 17, 30, 64, 66, 80], [1, 3, 5]), *product([16, 65], range(1, 8))],
    ),
    Broken(
        "days",
        "how many days a month has",
        _DAYS,
        (("month > 7", "month > 8"), ("else 28", "else 27"), ("% 400 == 0", "% 400 != 0")),
        [*product([1900, 1999, 2000, 2001, 2004, 2100], range(1, 13)), *((year, 2) for year in range(2005, 2020))],
    ),
    Broken(
        "quadrant",
        "the quadrant of a point",
        _QUADRANT,
        (("x == 0 or", "x == 0 and"), ("return 2", "return 1"), ("3 if x < 0", "3 if x > 0")),
        [*product([-4, -2, -1, 0, 1, 3, 5], repeat=2)],
    ),
    Broken(
        "triangle",
        "how many sides of a triangle are equal",
        _TRIANGLE,
        (("b + c <= a", "b - c <= a"), ("== b or", "== b and"), ("if a == c", "if a != c")),
        [*product([2, 3, 4, 6], repeat=3)],
    ),
    Broken(
        "postage",
        "what a parcel costs",
        _POSTAGE,
        (("weight > 1", "weight > 3"), ("price * 2", "price + 2"), ("price = 20", "price = 21")),
        [*product(range(16), [True, False]), *product(range(20, 30), [False])],
    ),
    Broken(
        "grade",
        "the grade for a number of points",
        _GRADE,
        (("points - 5", "points + 5"), (">= 75", ">= 74"), ("points >= 50", "points > 50")),
        [*product([45, 49, 50, 51, 54, 55, 56, 60, 73, 74, 75, 78, 79, 80, 89, 90, 94, 95], range(4))],
    ),
]
