"""Reading a model's answer: thoughts, fences, and the JSON form; the form in tags is read in `tagged.py`.

JSON answers are parsed as they are, out of the prose around them, with the usual slips undone, repaired, and at last
piece by piece. An answer that was cut
off keeps what is whole in it. Nothing is executed, and the work is bounded: at most a few passes over the text.
"""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from opto.optimizers.quotations import without_quotations

__all__ = [
    "ENDLESS",
    "STRAIGHT_QUOTES",
    "fenced_blocks",
    "parse_json_answer",
    "strip_thinking",
    "unfence",
]

_MOST_OBJECTS = 40
_MOST_FAILURES = 8
_DEEPEST = 100
_LONGEST_REPAIR = 40_000
_LONGEST_LITERAL = 200_000
_LONGEST_TOLERANT = 200_000  # no answer is that long, and no damage is worth more than a few passes

_THOUGHT = re.compile(r"\s*<(think|thinking|thought)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_OPEN_THOUGHT = re.compile(r"\s*<(?:think|thinking|thought)>", re.IGNORECASE)
_FINAL_CHANNEL = "<|channel|>final<|message|>"
_FENCE_INFO = re.compile(r"[\w+.-]*[ \t]*\r?\n")
_PAIR = re.compile(r'"([^"\\]+)"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)', re.DOTALL)
_STRUCTURE = re.compile(r'[{}\[\]"\\]')
_STRUCTURE_PYTHON = re.compile(r"""[{}\[\]"'\\]""")
ENDLESS = re.compile(r"0[xob][\da-f_]{3500}", re.IGNORECASE)
"""A number that Python reads, and then refuses to print."""
_BRACKET = re.compile(r"[{}\[\]]")
_LIKELY_START = re.compile(r"""\{\s*(?:["'“`]|//|\#|/\*)""")
_TRIPLE = re.compile(r"\"\"\"(.*?)\"\"\"|'''(.*?)'''", re.DOTALL)
_BACKTICKS = re.compile(r"(:\s*)`([^`]*)`(?=\s*[,}])")
_JOINED = re.compile(r'(?<!\\)"\s*\+\s*"')
STRAIGHT_QUOTES: Mapping[int, str] = {0x201C: '"', 0x201D: '"', 0x201E: '"', 0x2018: "'", 0x2019: "'"}
"""Typographic quotes, for `str.translate`."""


def strip_thinking(text: str) -> str:
    """The answer without the thoughts that reasoning models write before it.

    Only thoughts at the beginning are dropped: inside an answer, `<think>` may be part of a value. Thoughts that never
    end leave an empty answer.
    """
    text = text.lstrip("\ufeff")
    if _FINAL_CHANNEL in text:
        text = text.rpartition(_FINAL_CHANNEL)[2]
    position = 0
    while thought := _THOUGHT.match(text, position):
        position = thought.end()
    text = text[position:]
    if _OPEN_THOUGHT.match(text):
        return ""
    for end in ("</think>", "</thinking>", "</thought>"):  # some servers hide the opening tag
        before, found, after = text.partition(end)
        if found and after.strip() and f"<{end[2:]}" not in before:
            return after
    return text


def unfence(text: str) -> str:
    """The inside of a text that is one fenced block, else the text itself."""
    bare = text.strip()
    if not (bare.startswith("```") and bare.endswith("```")):
        return text
    information = _FENCE_INFO.match(bare, 3)
    if information is None or information.end() > len(bare) - 3 or "\n```" in bare[information.end() - 1 : -4]:
        return text
    inner = bare[information.end() : -3].rstrip(" \t")
    return inner.removesuffix("\n").removesuffix("\r")


def fenced_blocks(text: str) -> list[str]:
    """The inside of each closed fenced block, in order."""
    blocks: list[str] = []
    start = text.find("```")
    while start >= 0 and len(blocks) < _MOST_OBJECTS:
        information = _FENCE_INFO.match(text, start + 3)
        inside = information.end() if information else start + 3
        end = text.find("```", inside)
        if end < 0:
            break
        blocks.append(text[inside:end].rstrip(" \t").removesuffix("\n").removesuffix("\r"))
        start = text.find("```", end + 3)
    return blocks


# ---- JSON


def parse_json_answer(text: str, keys: Collection[str] = ("suggestion",)) -> tuple[dict[str, Any], bool]:
    """The JSON object that an answer holds, however it is wrapped or damaged.

    Args:
        text: a whole answer, without thoughts.
        keys: what the object that is looked for is known by, when there are several. Of those that qualify the last
            counts, as the final word; objects before it add what it does not speak of.

    Returns:
        The object, `{}` when there is none, and whether it is complete: of an answer that was cut off, the object ends
        before the first value that is not whole.
    """
    text = text.lstrip("\ufeff")
    text = without_quotations(text)
    whole = _strict_object(text)
    if whole is not None:
        return whole, True
    if "{" not in text or len(text) > _LONGEST_TOLERANT:
        return {}, True
    variants = list(dict.fromkeys(_variants(text)))
    for variant in variants:
        found = list(_objects(variant))
        if any(found) and (any(key in each for each in found for key in keys) or not _opens_with(variant, keys)):
            return _final(found, keys), True
    repaired = [_repaired(variant, keys) for variant in variants[:2]]
    return next((each for each in repaired if each[0] and each[1]), repaired[0])


def _strict_object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _variants(text: str) -> Iterator[str]:
    """The text, and the text with slips undone that no JSON reader takes; each keeps what was undone before."""
    yield text
    for mark, pattern in (('"""', _TRIPLE), ("'''", _TRIPLE), ("`", _BACKTICKS)):
        if mark in text:
            text = pattern.sub(_as_string, text)
            yield text
    if "+" in text:
        text = _JOINED.sub("", text)
        yield text
    straight = text.translate(STRAIGHT_QUOTES)
    if straight != text:
        yield straight
    if "&quot;" in text:
        yield html.unescape(text)


def _as_string(found: re.Match[str]) -> str:
    groups = found.groups()
    if found.group().startswith(('"', "'")):
        return json.dumps(groups[0] if groups[0] is not None else groups[1], ensure_ascii=False)
    return groups[0] + json.dumps(groups[1], ensure_ascii=False)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The objects in a text that parse as they stand, as JSON or as Python, in order."""
    decoder = json.JSONDecoder(strict=False)
    position = text.find("{")
    failed = 0
    for _ in range(_MOST_OBJECTS):
        if position < 0 or failed > _MOST_FAILURES:
            return
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            value, end = _python_dict(text, position)
            failed += value is None
        if isinstance(value, dict):
            yield value
        position = text.find("{", max(end, position + 1))


def _python_dict(text: str, start: int) -> tuple[dict[str, Any] | None, int]:
    for apostrophes in (False, True):
        end, _ = _end_of_object(text[start : start + _LONGEST_LITERAL], apostrophes=apostrophes)
        if end is None:
            continue
        end += start
        if ENDLESS.search(text, start, end):
            continue
        try:
            value = ast.literal_eval(text[start:end])
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return value, end
    return None, start


def _final(found: list[dict[str, Any]], keys: Collection[str]) -> dict[str, Any]:
    found = [each for each in found if each]
    wanted = [each for each in found if any(key in each for key in keys)] or found
    last = wanted[-1]
    merged: dict[str, Any] = {}
    for each in found:
        if each is not last and not set(each) & set(last):
            merged.update(each)
    return {**merged, **last}


def _opens_with(text: str, keys: Collection[str]) -> bool:
    """Whether there is an object with one of the keys, which then did not parse: what did are values inside of it."""
    return any(f"{quote}{key}{quote}" in text for key in keys for quote in ('"', "'"))


def _repaired(text: str, keys: Collection[str] = ()) -> tuple[dict[str, Any], bool]:
    begin = _LIKELY_START.search(text)
    text = text[begin.start() if begin else text.find("{") :]
    end, quoted = _end_of_object(text)
    shown = text if end is None else text[:end]
    closed = shown.rstrip().rstrip("`").rstrip()
    complete = end is not None or (closed.endswith("}") and not quoted)
    value = _by_json_repair(shown) if len(shown) <= _LONGEST_REPAIR and not _is_deep(shown) else None
    if isinstance(value, list):  # several objects in one answer
        found = [item for item in value if isinstance(item, dict) and item]
        value = _final(found, keys) if found else None
    if not isinstance(value, dict) or not value:
        return dict(_pairs(text)), complete
    if end is None and (quoted or not closed.endswith(('"', "]", "}", ","))):
        _drop_last_leaf(value)
    return value, complete


def _by_json_repair(text: str) -> Any:
    import json_repair

    try:
        return json_repair.loads(text)
    except (ValueError, RecursionError, IndexError, TypeError):
        return None


def _pairs(text: str) -> Iterator[tuple[str, Any]]:
    for name, raw in _PAIR.findall(text):
        try:
            yield name, json.loads(raw, strict=False)
        except ValueError:  # a number of thousands of digits
            continue


def _is_deep(text: str) -> bool:
    """Whether brackets nest deeper than any honest answer; those in strings count too."""
    depth = 0
    for match in _BRACKET.finditer(text):
        depth += 1 if match.group() in "{[" else -1
        if depth > _DEEPEST:
            return True
    return False


def _end_of_object(text: str, *, apostrophes: bool = False) -> tuple[int | None, bool]:
    """Where the object that begins the text is closed, None when it never is; and whether the text ends in a string.

    Strings are in quotes, or in apostrophes too. A text of no end and no sense is given up.
    """
    depth = 0
    quote, escaped = "", -1
    for match in (_STRUCTURE_PYTHON if apostrophes else _STRUCTURE).finditer(text):
        character, position = match.group(), match.start()
        if quote:
            if position == escaped:
                continue
            if character == "\\":
                escaped = position + 1
            elif character == quote:
                quote = ""
        elif character in "\"'":
            quote = character
        elif character in "{[":
            depth += 1
            if depth > _DEEPEST:
                return None, False
        elif character in "}]":
            depth -= 1
            if depth == 0:
                return position + 1, False
    return None, bool(quote)


def _drop_last_leaf(value: dict[str, Any]) -> None:
    while value:
        last = next(reversed(value))
        if isinstance(value[last], dict) and value[last]:
            value = value[last]
            continue
        del value[last]
        return
