"""What numbers among the options of strategies must be."""

from __future__ import annotations

__all__ = ["count", "not_negative"]


def count(name: str, number: int, least: int = 1) -> int:
    """The number, which is an int of at least so much.

    Raises:
        ValueError: it is not; the message names the option.
    """
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise ValueError(f"{name} must be an int >= {least}, got {number!r}.")
    return number


def not_negative(name: str, number: float) -> float:
    """The number, which is not below 0.

    Raises:
        ValueError: it is; the message names the option.
    """
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not number >= 0:
        raise ValueError(f"{name} must be a number >= 0, got {number!r}.")
    return float(number)
