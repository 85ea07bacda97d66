# ruff: noqa: PLR1730, SIM110 (their text is what the optimizers are shown, so it holds no comment of ours)
"""Functions with mistakes, and test cases for each: pairs of arguments and the right result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def factorial(n: int) -> int:
    """The product of the whole numbers from 1 to n."""
    if n == 0:
        return 0
    return n * factorial(n - 1)


def total_up_to(n: int) -> int:
    """The sum of the whole numbers from 1 to n."""
    total = 0
    for number in range(1, n):
        total += number
    return total


def largest(numbers: list[int]) -> int:
    """The largest of some numbers."""
    best = numbers[0]
    for number in numbers:
        if number < best:
            best = number
    return best


def count_even(numbers: list[int]) -> int:
    """How many of the numbers are even."""
    count = 0
    for number in numbers:
        if number % 2 == 1:
            count += 1
    return count


def is_sorted(items: list[int]) -> bool:
    """Whether no item is smaller than the one before it."""
    for place in range(len(items)):
        if items[place] > items[place + 1]:
            return False
    return True


def common_divisor(first: int, second: int) -> int:
    """The greatest number that divides both."""
    while second != 0:
        first, second = second, first // second
    return second


CASES: dict[str, list[tuple[tuple[Any, ...], Any]]] = {
    "common_divisor": [((12, 18), 6), ((7, 5), 1), ((9, 3), 3), ((4, 0), 4), ((30, 45), 15)],
    "count_even": [(([1, 2, 4],), 2), (([],), 0), (([3, 5],), 0), (([2, 2, 2, 1],), 3)],
    "factorial": [((0,), 1), ((1,), 1), ((3,), 6), ((5,), 120)],
    "is_sorted": [
        (([1, 2, 2],), True),
        (([2, 1],), False),
        (([1],), True),
        (([1, 5, 3],), False),
        (([0, 4, 9],), True),
    ],
    "largest": [(([1, 3, 2],), 3), (([5],), 5), (([-4, -2],), -2), (([7, 1, 7, 8],), 8)],
    "total_up_to": [((1,), 1), ((3,), 6), ((0,), 0), ((10,), 55)],
}

FUNCTIONS: dict[str, tuple[Callable[..., Any], list[tuple[tuple[Any, ...], Any]]]] = {
    function.__name__: (function, CASES[function.__name__])
    for function in (factorial, total_up_to, largest, count_even, is_sorted, common_divisor)
}
