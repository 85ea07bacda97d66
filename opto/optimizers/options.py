"""Checks that the options of several optimizers share."""

from __future__ import annotations

from typing import Any

__all__ = ["checked_count", "checked_not_negative"]


def checked_count(argument: str, count: Any, *, least: int | None = 1) -> int:
    """A whole number as given.

    Raises:
        TypeError: it is none; a bool is none either.
        ValueError: it is less than `least`.
    """
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{argument} must be an int, got {count!r}.")
    if least is not None and count < least:
        raise ValueError(f"{argument} must be >= {least}, got {count}.")
    return count


def checked_not_negative(argument: str, number: Any) -> float:
    """A number as given, as a float.

    Raises:
        ValueError: it is none, NaN or below 0.
    """
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not number >= 0:
        raise ValueError(f"{argument} must be a number >= 0, got {number!r}.")
    return float(number)
