"""Reading an answer in tags: as published, and with the slips that models make.

Tags are matched as plain text, so that code needs no escaping. A value that was cut off is left out.
"""

from __future__ import annotations

import html
import re
from typing import Any

__all__ = ["extract_xml_like_data", "read_tags"]


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


def read_tags(
    text: str,
    reasoning_tag: str = "reasoning",
    improved_variable_tag: str = "variable",
    name_tag: str = "name",
    value_tag: str = "value",
) -> tuple[dict[str, str], bool]:
    """The variables of an answer in tags, also where the tags are not as asked for, and whether it is complete.

    What `extract_xml_like_data` finds counts. Where it finds nothing: tags in another case, with blanks or attributes,
    or escaped; a block whose end is missing; variables before the reasoning, or after reasoning without an end.
    """
    tags = (reasoning_tag, improved_variable_tag, name_tag, value_tag)
    found = extract_xml_like_data(text, *tags)
    opened, closed = text.rfind(f"<{improved_variable_tag}>"), text.rfind(f"</{improved_variable_tag}>")
    if found["variables"]:
        return _without_cdata(found["variables"]), opened <= closed
    text = _plain_tags(text, tags)
    found = extract_xml_like_data(text, *tags)
    variables = found["variables"]
    if not variables:
        block = _block(text, reasoning_tag, 0)
        after, before = (text, "") if block is None else (text[block[1] :], text[: _place(text, reasoning_tag)])
        variables = _loose_variables(after, tags) or _loose_variables(before, tags)
    last = text.rfind(f"<{value_tag}>")
    ends = [text.rfind(f"</{value_tag}>"), text.rfind(f"</{improved_variable_tag}>")]
    begun = text.rfind(f"<{improved_variable_tag}>") > max(ends)
    thinking = text.rfind(f"<{reasoning_tag}>") > text.rfind(f"</{reasoning_tag}>") and not variables
    return _without_cdata(variables), last <= max(ends) and not begun and not thinking


def _without_cdata(variables: dict[str, str]) -> dict[str, str]:
    """The values out of the brackets in which XML puts text with signs."""
    return {name: text.removeprefix("<![CDATA[").removesuffix("]]>") for name, text in variables.items()}


def _plain_tags(text: str, tags: tuple[str, str, str, str]) -> str:
    """The text with tags written as asked for; a name that stands as an attribute gets a tag of its own."""
    _, variable_tag, name_tag, _ = tags
    if f"<{variable_tag}" not in text and f"&lt;{variable_tag}" in text:
        text = html.unescape(text)
    known = {tag.lower(): tag for tag in tags}

    def plain(match: re.Match[str]) -> str:
        tag = known[match.group(2).lower()]
        named = re.search(rf"""{re.escape(name_tag)}\s*=\s*["']([^"']{{1,200}})["']""", match.group(3))
        inside = f"<{name_tag}>{named.group(1)}</{name_tag}>" if named and tag == variable_tag else ""
        return f"<{'/' if match.group(1) else ''}{tag}>{inside}"

    pattern = rf"<[ ]{{0,3}}(/?)[ ]{{0,3}}({'|'.join(map(re.escape, tags))})\b([^<>]{{0,300}})>"
    return re.sub(pattern, plain, text, flags=re.IGNORECASE)


def _loose_variables(text: str, tags: tuple[str, str, str, str]) -> dict[str, str]:
    """Pairs of name and value, in the order in which they stand; a value ends with its tag, or with its block."""
    _, variable_tag, name_tag, value_tag = tags
    variables: dict[str, str] = {}
    position = 0
    while (named := _block(text, name_tag, position)) is not None:
        name, position = named
        start = text.find(f"<{value_tag}>", position)
        following = text.find(f"<{name_tag}>", position)
        if start < 0 or (0 <= following < start):
            if start < 0:
                break
            continue
        inside = start + len(value_tag) + 2
        ends = [text.find(f"</{tag}>", inside) for tag in (value_tag, variable_tag)]
        ends = [end for end in ends if end >= 0]
        if not ends:
            break
        position = min(ends)
        if name.strip() and not (0 <= text.find(f"<{name_tag}>", inside) < position):
            variables[name.strip()] = text[inside:position].strip()
    return variables
