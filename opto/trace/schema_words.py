"""A JSON schema in words, for a prompt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["in_words"]

_NAMES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "True or False",
    "null": "None",
}
_BOUNDS = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "greater than {}"),
    ("maximum", "at most {}"),
    ("exclusiveMaximum", "less than {}"),
    ("multipleOf", "a multiple of {}"),
    ("minLength", "at least {} characters long"),
    ("maxLength", "at most {} characters long"),
    ("pattern", "matching the regular expression {}"),
    ("format", "in the format {}"),
    ("minItems", "with at least {} items"),
    ("maxItems", "with at most {} items"),
)
_DEEPEST = 6


def in_words(schema: Mapping[str, Any]) -> str:
    """What a value that fits the schema is: "a whole number, at least 0", "one of: 'a', 'b'"; "" when anything fits.

    A schema that refers to itself is given as it is.
    """
    try:
        return _words(schema, schema.get("$defs", {}), _DEEPEST)
    except RecursionError:
        return f"JSON that fits the schema {json.dumps(schema, ensure_ascii=False)}"


def _words(schema: Mapping[str, Any], known: Mapping[str, Any], depth: int) -> str:
    if depth < 0:
        raise RecursionError
    if "$ref" in schema:
        return _words(known[schema["$ref"].rpartition("/")[2]], known, depth - 1)
    if "const" in schema:
        return repr(schema["const"])
    if "enum" in schema:
        return "one of: " + ", ".join(map(repr, schema["enum"]))
    for joining in ("anyOf", "oneOf"):
        if joining in schema:
            return " or ".join(dict.fromkeys(_words(each, known, depth - 1) or "anything" for each in schema[joining]))
    kind = schema.get("type")
    if kind == "array":
        said = _array(schema, known, depth)
    elif kind == "object":
        said = _object(schema, known, depth)
    else:
        said = _NAMES.get(str(kind), "")
    bounds = []
    if kind != "object" and "prefixItems" not in schema:  # those have said it themselves
        bounds = [text.format(schema[key]) for key, text in _BOUNDS if key in schema]
    return ", ".join([part for part in (said, *bounds) if part])


def _array(schema: Mapping[str, Any], known: Mapping[str, Any], depth: int) -> str:
    if "prefixItems" in schema:
        items = [_words(item, known, depth - 1) or "anything" for item in schema["prefixItems"]]
        return f"a list of ({'; '.join(items)})"
    inner = _words(schema.get("items", {}), known, depth - 1)
    plain = "a list without repetitions" if schema.get("uniqueItems") else "a list"
    return f"{plain}, each item {inner}" if inner else plain


def _object(schema: Mapping[str, Any], known: Mapping[str, Any], depth: int) -> str:
    fields = schema.get("properties")
    if not fields:
        inner = schema.get("additionalProperties")
        said = _words(inner, known, depth - 1) if isinstance(inner, Mapping) else ""
        return f"a dict, each value {said}" if said else "a dict"
    required = set(schema.get("required", ()))
    parts = []
    for name, field in fields.items():
        said = _words(field, known, depth - 1) or "anything"
        optional = "" if name in required else " (may be left out)"
        about = f" - {field['description']}" if field.get("description") else ""
        parts.append(f"{name!r}: {said}{optional}{about}")
    return f"a dict with {'; '.join(parts)}"
