"""Names of the public contract for text going to and coming from models; what they do lives in their own modules."""

from __future__ import annotations

import sys
from typing import Any

from opto.optimizers.rendering import truncate_expression
from opto.optimizers.tagged import extract_xml_like_data

__all__ = ["extract_xml_like_data", "print_color", "truncate_expression"]

_COLORS = {
    "black": 30,
    "red": 31,
    "green": 32,
    "yellow": 33,
    "blue": 34,
    "magenta": 35,
    "cyan": 36,
    "white": 37,
}


def print_color(message: Any, color: str | None = None, logger: Any = None) -> None:
    """Print a message in a color of the terminal; one that is not known changes nothing.

    Args:
        message: what to print.
        color: "black", "red", "green", "yellow", "blue", "magenta", "cyan" or "white".
        logger: a `logging.Logger`, or anything with a method `info` or `log`, that gets the plain message too.
    """
    code = _COLORS.get(color or "")
    sys.stdout.write(f"{message}\n" if code is None else f"\033[{code}m{message}\033[0m\n")
    write = getattr(logger, "info", None) or getattr(logger, "log", None)
    if write is not None:
        write(message)
