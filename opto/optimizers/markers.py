"""What gives a prompt its structure, and how texts from outside are kept from passing for it.

A value, a feedback, a documentation or an error message may hold anything: a heading, a line that looks like another
variable, the closing tag of its own block, or a whole answer ready to be copied. Before such a text enters a prompt,
each of these gets a `~` that breaks it: `~#Variables`, `<~/value>`, `"~suggestion"`. So a prompt has the structure that
opto gave it and no other, and a model that quotes a value does not suggest anything by it. A text that has such a `~`
of its own gets one more; what a model suggests for a value that it was shown so loses one again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

__all__ = ["Markers", "markers", "not_at_line_starts"]

_LINE = r"(?:\A|(?<=[\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]))[ \t]*"
_LINE_OF_A_VALUE = r"\([A-Za-z_][\w.]*\)[ \t][^\s=:(){}]{1,80}[=:]"
_QUOTE = r"(?:[\"'\u201c\u201d\u2018\u2019]|&quot;)"
_BRACKET = r"(?:<|&lt;)[ \t]*"


class Markers:
    """The marks of a form of prompt.

    Args:
        headings: texts that begin a line of the prompt.
        tags: names of its tags, and of those of the answer.
        keys: keys of the answer.
    """

    def __init__(self, headings: Collection[str], tags: Collection[str], keys: Collection[str]) -> None:
        starts = "|".join(filter(None, (_any_of(headings), _LINE_OF_A_VALUE)))
        before = [rf"{_LINE}(?=~*(?:{starts}))"]
        if tags:
            before.append(rf"{_BRACKET}(?=~*/?[ \t]*(?:{_any_of(tags)})(?:[\s>/]|&gt;|\Z))")
        if keys:
            before.append(rf"{_QUOTE}(?=~*(?:{_any_of(keys)})[ \t]*{_QUOTE})")
            before.append(rf"[{{,]\s*(?=~*(?:{_any_of(keys)})\s*:)")
        self._place = re.compile("|".join(before), re.IGNORECASE)
        self._marked = re.compile(f"({'|'.join(before)})~", re.IGNORECASE)

    def inert(self, text: str) -> str:
        """The text with every mark in it broken; the text itself where it has none."""
        return self._place.sub(r"\g<0>~", text) if self._place.search(text) else text

    def restored(self, value: Any) -> Any:
        """What `inert` was given, of a text; the same of the texts in lists and dicts; anything else as it is."""
        if isinstance(value, str):
            return self._marked.sub(r"\1", value) if "~" in value else value
        if type(value) is list:
            return [self.restored(item) for item in value]
        if type(value) is dict:
            return {key: self.restored(item) for key, item in value.items()}
        return value


def not_at_line_starts(text: str, words: Iterable[str]) -> str:
    """The text with a `~` before each of the words that begins a line other than the first."""
    if "\n" not in text:
        return text
    return re.sub(rf"(?<=\n)(?=[ \t]*~*(?:{'|'.join(map(re.escape, words)) or '(?!)'}))", "~", text)


def _any_of(words: Collection[str]) -> str:
    longest_first = sorted(set(words) - {""}, key=len, reverse=True)
    return "|".join(re.escape(word) + (r"(?!\w)" if word[-1:].isalnum() else "") for word in longest_first)


@lru_cache(maxsize=64)
def markers(headings: tuple[str, ...], tags: tuple[str, ...], keys: tuple[str, ...]) -> Markers:
    """The `Markers` of these, compiled once."""
    return Markers(headings, tags, keys)
