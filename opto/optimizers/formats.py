"""Reading a model's answer: the two published response formats, and what models do to them.

JSON answers are parsed as they are, out of a fence, out of the prose around them, repaired, and at last piece by piece.
Tagged answers are read by plain tag matching, so that code needs no escaping. An answer that was cut off keeps what is
whole in it.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

__all__ = ["extract_xml_like_data", "parse_json_answer", "strip_thinking", "unfence"]

_FENCE = re.compile(r"```[\w+-]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```", re.DOTALL)
_WHOLE_FENCE = re.compile(r"\s*```[\w+-]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```\s*", re.DOTALL)
_THOUGHT = re.compile(r"\s*<(think|thinking)>(.*?)</\1>", re.DOTALL)
_PAIR = re.compile(r'"([^"\\]+)"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)', re.DOTALL)


def strip_thinking(text: str) -> str:
    """The answer without the thoughts that reasoning models write before it.

    Only thoughts at the beginning are dropped: inside an answer, `<think>` may be part of a value. Thoughts that never
    end leave an empty answer.
    """
    thought = _THOUGHT.match(text)
    while thought:
        text = text[thought.end() :]
        thought = _THOUGHT.match(text)
    if text.lstrip().startswith(("<think>", "<thinking>")):
        return ""
    for end in ("</think>", "</thinking>"):  # some servers hide the opening tag
        before, found, after = text.partition(end)
        if found and after.strip() and f"<{end[2:]}" not in before:
            return after
    return text


def unfence(text: str) -> str:
    """The inside of a text that is one fenced block, else the text itself."""
    match = _WHOLE_FENCE.fullmatch(text)
    return match.group(1) if match else text


# ---- JSON


def parse_json_answer(text: str) -> tuple[dict[str, Any], bool]:
    """The JSON object that an answer holds, however it is wrapped or damaged.

    Args:
        text: a whole answer, without thoughts.

    Returns:
        The object, `{}` when there is none, and whether it is complete: of an answer that was cut off, the object ends
        before the first value that is not whole.
    """
    whole = _strict_object(text)
    if whole is not None:
        return whole, True
    for block in _FENCE.findall(text):
        whole = _strict_object(block)
        if whole is not None:
            return whole, True
    start, end = text.find("{"), text.rfind("}")
    if start < 0:
        return {}, True
    whole = _strict_object(text[start : end + 1]) or _python_dict(text[start : end + 1])
    if whole is not None:
        return whole, True
    return _repaired(text[start:])


def _strict_object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _python_dict(text: str) -> dict[str, Any] | None:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, dict) and all(isinstance(key, str) for key in value) else None


def _repaired(text: str) -> tuple[dict[str, Any], bool]:
    import json_repair

    end, quoted = _end_of_object(text)
    shown = text if end is None else text[:end]
    closed = shown.rstrip().rstrip("`").rstrip()
    complete = end is not None or (closed.endswith("}") and not quoted)
    try:
        value: Any = json_repair.loads(shown)
    except (ValueError, RecursionError, IndexError):
        value = None
    if isinstance(value, list):  # several objects in one answer: the last one is the final word
        value = next((item for item in reversed(value) if isinstance(item, dict)), None)
    if not isinstance(value, dict) or not value:
        return {name: json.loads(raw, strict=False) for name, raw in _PAIR.findall(text)}, complete
    if end is None and (quoted or not closed.endswith(('"', "]", "}", ","))):
        _drop_last_leaf(value)
    return value, complete


def _end_of_object(text: str) -> tuple[int | None, bool]:
    """Where the object that `text` begins with is closed, None when it never is; and whether it ends in a string."""
    depth, quoted, escaped = 0, False, False
    for position, character in enumerate(text):
        if quoted:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                quoted = False
        elif character == '"':
            quoted = True
        elif character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
            if depth == 0:
                return position + 1, False
    return None, quoted


def _drop_last_leaf(value: dict[str, Any]) -> None:
    while value:
        last = next(reversed(value))
        if isinstance(value[last], dict) and value[last]:
            value = value[last]
            continue
        del value[last]
        return


# ---- tags


def extract_xml_like_data(
    text: str,
    reasoning_tag: str = "reasoning",
    improved_variable_tag: str = "variable",
    name_tag: str = "name",
    value_tag: str = "value",
) -> dict[str, Any]:
    """The reasoning and the variables of an answer in tags.

    Not an XML parser: tags are matched as plain text, with their nesting; what is between the outermost pair is kept as
    it is, so that values may hold any character. Variables are looked for after the reasoning only. One without a name
    or without a closed value is left out; of two with one name the later counts.

    Returns:
        `{"reasoning": str, "variables": {name: text}}`. Reasoning that never closes is everything after its tag,
        unstripped, and there are no variables then.
    """
    reasoning = ""
    opening = text.find(f"<{reasoning_tag}>")
    if opening >= 0:
        start = opening + len(reasoning_tag) + 2
        block = _block(text, reasoning_tag, opening)
        if block is None:
            return {"reasoning": text[start:], "variables": {}}
        reasoning, after = block
        text = text[after:]
    variables: dict[str, str] = {}
    position = 0
    while (block := _block(text, improved_variable_tag, position)) is not None:
        inner, position = block
        name, value = _name_and_value(inner, name_tag, value_tag)
        if name and value is not None:
            variables[name] = value
    return {"reasoning": reasoning.strip(), "variables": variables}


def _name_and_value(inner: str, name_tag: str, value_tag: str) -> tuple[str | None, str | None]:
    """Both parts of a variable, in either order; what stands inside the one is not taken for the other."""
    first, second = sorted((name_tag, value_tag), key=lambda tag: _place(inner, tag))
    block = _block(inner, first, 0)
    if block is None:
        return None, None
    rest = _block(inner, second, block[1])
    found = {first: block[0].strip(), second: rest[0].strip() if rest else None}
    return found[name_tag], found[value_tag]


def _place(text: str, tag: str) -> int:
    position = text.find(f"<{tag}>")
    return len(text) if position < 0 else position


def _block(text: str, tag: str, start: int) -> tuple[str, int] | None:
    """The inside of the first outermost `<tag>` block at or after `start`, and where the text goes on behind it."""
    opening = text.find(f"<{tag}>", start)
    if opening < 0:
        return None
    inside = opening + len(tag) + 2
    depth = 0
    for match in re.compile(f"<(/?){re.escape(tag)}>").finditer(text, opening):
        depth += -1 if match.group(1) else 1
        if depth == 0:
            return text[inside : match.start()], match.end()
    return None
