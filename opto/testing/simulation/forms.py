"""The form of answer that a request asks for, answers in that form, and the ways in which models get it wrong."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .request import texts_of

__all__ = ["SLIPS", "Form", "read_form", "slipped"]

_TAG = r"<([A-Za-z_]\w*)>"
_VARIABLE_BLOCK = re.compile(rf"{_TAG}\s*{_TAG}[^<]*</\2>\s*{_TAG}[^<]*</\3>\s*</\1>")
_SINGLE_BLOCK = re.compile(rf"{_TAG}\s*(?:\{{[^{{}}<]*\}}|\.\.\.)\s*</\1>")
_BETWEEN = re.compile(rf"\b(?:between|in|inside|within)\b[^.\n]{{0,40}}?{_TAG}", re.IGNORECASE)
_JSON_SLOT = re.compile(r'"(\w+)"\s*:\s*\{')
_JSON_TEXT = re.compile(r'"(\w+)"\s*:\s*["<]')
_FENCED = re.compile(r"\b(?:in|inside|within|between)\b[^.\n`]{0,20}```")
_CHOICE = re.compile(r'"(\w+)"\s*:\s*(?:<|the |an? )?\s*(?:number|index|integer)', re.IGNORECASE)


@dataclass(frozen=True)
class Form:
    """How an answer is to be written.

    Attributes:
        kind: "json" (an object with named values under a key), "tags" (a block for each variable), "tag" (one value
            in one tag), "fence" (one value between three backticks), "choice" (the number of the best one), "prose".
        names: "json": the keys of texts before the values, and that of the values; "tags": the tags of the reasoning,
            the variable, its name and its value; "tag": the tag; "choice": the keys of the reasoning and the number.
    """

    kind: str
    names: tuple[str, ...] = ()

    def written(self, suggestion: Mapping[str, Any], reasoning: str) -> str:
        """A well-formed answer."""
        if self.kind == "json":
            *texts, key = self.names
            content: dict[str, Any] = dict.fromkeys(texts, reasoning)
            return json.dumps({**content, key: dict(suggestion)}, indent=2, ensure_ascii=False)
        if self.kind == "tags":
            reason, block, name, value = self.names
            blocks = [f"<{reason}>\n{reasoning}\n</{reason}>"] if reason else []
            for each, new in suggestion.items():
                blocks.append(f"<{block}>\n<{name}>{each}</{name}>\n<{value}>\n{new}\n</{value}>\n</{block}>")
            return "\n\n".join(blocks)
        if self.kind == "tag":
            [tag] = self.names
            return "\n".join(f"<{tag}>{new}</{tag}>" for new in suggestion.values())
        if self.kind == "fence":
            return "\n\n".join(f"```\n{new}\n```" for new in suggestion.values())
        if self.kind == "choice":
            *texts, key = self.names
            return json.dumps({**dict.fromkeys(texts, reasoning), key: next(iter(suggestion.values()), 0)}, indent=2)
        return reasoning


def read_form(messages: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> Form:
    """The form that the messages and the `response_format` ask for."""
    told = "\n".join(texts_of(messages, "system")) or texts_of(messages)[0]
    last = texts_of(messages)[-1]
    schema = _schema_keys(options.get("response_format"))
    if schema:
        return schema
    for text in (last, told):
        choice = _CHOICE.search(text)
        if choice:
            return Form("choice", (*_JSON_TEXT.findall(text[: choice.start()])[:1], choice[1]))
    block = _VARIABLE_BLOCK.search(told) or _VARIABLE_BLOCK.search(last)
    if block and block[1].lower() not in ("example", "conversation"):
        before = re.findall(rf"{_TAG}[^<]*</\1>\s*$", told[: block.start()].rstrip() + "\n")
        return Form("tags", (before[-1] if before else "", block[1], block[2], block[3]))
    for text in (told, last):
        slot = _JSON_SLOT.search(text)
        if slot and (text is told or "json" in text.lower()):
            return Form("json", (*_JSON_TEXT.findall(text[: slot.start()]), slot[1]))
    for text in (last, told):
        single = [*_SINGLE_BLOCK.finditer(text)]
        if single:
            return Form("tag", (single[-1][1],))
    if _FENCED.search(last):
        return Form("fence")
    improved = [tag for tag in _BETWEEN.findall(f"{told}\n{last}") if re.search("improv|new", tag, re.IGNORECASE)]
    return Form("tag", (improved[-1],)) if improved else Form("prose")


def _schema_keys(response_format: Any) -> Form | None:
    """The form of a JSON schema: texts, and one object of values."""
    if not isinstance(response_format, Mapping):
        return None
    schema = response_format.get("json_schema", {})
    properties = schema.get("schema", schema).get("properties", {}) if isinstance(schema, Mapping) else {}
    values = [name for name, each in properties.items() if each.get("type") == "object" or "$ref" in each]
    texts = [name for name, each in properties.items() if each.get("type") == "string"]
    return Form("json", (*texts, values[0])) if values else None


# ---- slips: a good answer in a bad form


def slipped(text: str, form: Form, rng: random.Random) -> tuple[str, str]:
    """The answer as a careless model writes it, and the name of the slip."""
    kinds = SLIPS[form.kind]
    kind = kinds[rng.randrange(len(kinds))]
    return _SLIP[kind](text, rng), kind


def _fenced(text: str, rng: random.Random) -> str:
    return f"```{'json' if text.startswith('{') else rng.choice(('', 'xml', 'text'))}\n{text}\n```"


def _single_quoted(text: str, rng: random.Random) -> str:
    return repr(json.loads(text))


def _trailing_commas(text: str, rng: random.Random) -> str:
    return re.sub(r"([\"\d\]}])\n(\s*)\}", r"\1,\n\2}", text)


def _named_fence(text: str, rng: random.Random) -> str:
    return text.replace("```", f"```{rng.choice(('text', 'markdown', 'python'))}", 1)


def _truncated(text: str, rng: random.Random) -> str:
    return text[: max(1, int(len(text) * rng.uniform(0.5, 0.97)))]


def _thinking(text: str, rng: random.Random) -> str:
    return f"<think>\nThe feedback says what is wrong. One could write {{'x': 1}}, but no.\n</think>\n\n{text}"


def _in_prose(text: str, rng: random.Random) -> str:
    return f"Sure! Here is what I would change:\n\n{text}\n\nLet me know if that helps, or if {{anything}} is unclear."


_SLIP = {
    "fences": _fenced,
    "named fence": _named_fence,
    "single quotes": _single_quoted,
    "trailing commas": _trailing_commas,
    "truncated": _truncated,
    "thinking": _thinking,
    "prose around": _in_prose,
}
_EVERYWHERE = ("fences", "truncated", "thinking", "prose around")
SLIPS: Mapping[str, tuple[str, ...]] = {
    "json": (*_EVERYWHERE, "single quotes", "trailing commas"),
    "choice": (*_EVERYWHERE, "single quotes", "trailing commas"),
    "tags": _EVERYWHERE,
    "tag": _EVERYWHERE,
    "fence": ("named fence", "truncated", "thinking", "prose around"),
    "prose": ("truncated", "thinking"),
}
"""The slips by the kind of form."""
