"""Values as models write them: numbers with separators or in words, yes and no, code with its line ends escaped.

Each function reads what can be read in one way only; what is ambiguous stays unread. Nothing is ever executed.
"""

from __future__ import annotations

import ast
import html
import json
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from opto.optimizers.formats import ENDLESS, STRAIGHT_QUOTES, fenced_blocks, unfence

__all__ = ["literal", "number_readings", "repaired_code", "truth", "unquoted", "unwrapped"]

_LONGEST_LITERAL = 100_000
_LONGEST_CODE = 200_000
_DECORATION = " \t\r\n`*_\"'" + "".join(map(chr, STRAIGHT_QUOTES))
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_YES = frozenset({"true", "yes", "on"})
_NO = frozenset({"false", "no", "off"})
_ONES = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS: Mapping[str, int] = {
    **{word: number for number, word in enumerate(re.findall(r"\w+", _ONES))},
    **{word: 10 * number for number, word in enumerate(re.findall(r"\w+", _TENS), 2)},
}
_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019"}
_BESIDE_A_VALUE = frozenset(
    {"name", "type", "description", "constraint", "reason", "reasoning", "explanation", "old_value", "current_value"}
)


def literal(text: str) -> Any:
    """The Python or JSON literal that a text is, else the text itself."""
    if len(text) > _LONGEST_LITERAL or ENDLESS.search(text):
        return text
    readers: tuple[Callable[[str], Any], ...] = (json.loads, ast.literal_eval)
    for read in readers:
        try:
            return read(text.strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            pass
    return text


def number_readings(text: str) -> list[int | float]:
    """The numbers that a text may stand for: none, one, or for a percentage two, the share and the number before %."""
    bare = (
        text[:200].strip(_DECORATION).replace("\N{MINUS SIGN}", "-").replace("\u00a0", " ") if len(text) <= 200 else ""
    )
    if bare.endswith("%"):
        inner = number_readings(bare[:-1])
        return [inner[0] / 100, inner[0]] if len(inner) == 1 else []
    if _THOUSANDS.fullmatch(bare):
        bare = bare.replace(",", "")
    if _PLAIN.fullmatch(bare):
        return [int(bare) if bare.lstrip("+-").isdigit() else float(bare)]
    found = _in_words(bare.lower())
    return [] if found is None else [found]


def _in_words(text: str) -> int | None:
    words = text.replace("-", " ").split()
    negative = bool(words) and words[0] in ("minus", "negative")
    words = [word for word in words[negative:] if word != "and"]
    if not words or len(words) > 12:
        return None
    total, part = 0, 0
    for word in words:
        if word in _WORDS:
            if part % 10 or (part % 100 and _WORDS[word] > 9):  # "five six" is no number
                return None
            part += _WORDS[word]
        elif word == "hundred" and 0 < part < 10:
            part *= 100
        elif word == "thousand" and part and not total:
            total, part = part * 1000, 0
        else:
            return None
    return -(total + part) if negative else total + part


def truth(text: str) -> bool | None:
    """Whether a text says yes or no; None when it says neither."""
    bare = text[:20].strip(_DECORATION + ".").lower() if len(text) <= 20 else ""
    return True if bare in _YES else False if bare in _NO else None


def unquoted(text: str) -> str:
    """A text without one pair of quotes around it, and without white space outside of them."""
    bare = text.strip()
    if len(bare) >= 2 and _QUOTES.get(bare[0]) == bare[-1]:
        return bare[1:-1]
    return bare


def unwrapped(value: Any) -> Any:
    """The new value in `{"value": 5, "type": "int"}`; anything else as it is."""
    if isinstance(value, Mapping):
        for key in ("value", "new_value", "suggested_value"):
            if key in value and all(other == key or other in _BESIDE_A_VALUE for other in value):
                return value[key]
    return value


# ---- code


def repaired_code(value: Any) -> Any:
    """Source text that parses, out of what a model sends in its place; the value itself when nothing helps.

    A fence is taken off, also with prose around it; lines in a list are joined; a common indentation, escaped line
    ends, HTML escapes and typographic quotes are undone, where the text parses only so.
    """
    if isinstance(value, list) and value and all(isinstance(line, str) for line in value):
        value = "\n".join(line.rstrip("\n") for line in value)
    if not isinstance(value, str):
        return value
    text = unfence(value)
    if len(text) > _LONGEST_CODE or (_parses(text) and not text.lstrip().startswith(('"', "'"))):
        return text
    for changed in _changed(text):
        if changed.strip() and _parses(changed) and not _is_quoted(changed):
            return changed
    return text


def _changed(text: str) -> Iterator[str]:
    yield textwrap.dedent(text).strip("\n")
    for block in fenced_blocks(text):
        yield textwrap.dedent(block)
    yield html.unescape(text)
    yield text.translate({**STRAIGHT_QUOTES, 0xA0: " "})
    if "\n" not in text.strip():
        yield text.replace("\\r\\n", "\n").replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"')
        yield unquoted(text).replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"')
    yield text.replace('\\"', '"')
    yield unquoted(text)
    yield text


def _is_quoted(text: str) -> bool:
    return text[:1] in ('"', "'") and isinstance(literal(text), str) and literal(text) != text


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True
