"""Texts from outside that are shown in a terminal."""

from __future__ import annotations

import re

__all__ = ["printable"]

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: object, *, encoding: str | None = "utf-8", one_line: bool = False) -> str:
    """The text of something, with what would steer a terminal, or cannot be encoded for it, written out.

    Args:
        text: a text, or something that has one.
        encoding: of the terminal; None for UTF-8.
        one_line: whether all white space becomes single spaces; else tabs and ends of lines stay.
    """
    words = " ".join(str(text).split()) if one_line else str(text)
    encoding = encoding or "utf-8"
    return _CONTROLS.sub(_written_out, words).encode(encoding, "backslashreplace").decode(encoding)


def _written_out(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape").decode("ascii")
