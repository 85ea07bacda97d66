"""Damaged documents: valid ones with bytes flipped, cut or doubled, with deep nests, or values that do not fit."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

__all__ = ["ANY_JSON", "damaged", "damaged_text"]

_FRAGMENTS = [
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"(" * 5_000,
    b"<value>" * 20_000,
    b"{" * 3_000 + b"}" * 3_000,
    b"1e999999999",
    b"-1e-999999999",
    b"9" * 5_000,
    b"0x" + b"f" * 50_000,
    b"NaN",
    b"-Infinity",
    b'"\\ud800"',
    b"\\ud800\\udfff",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\x00",
    b"\r\n",
    b"\n}",
    b"\n}\n{\n",
    b'"__proto__": {"x": 1}, ',
    b'"__class__": "os.system", ',
    b'"version": 99999, ',
    b'"version": -1, ',
    b'"version": "1", ',
    b'"format": "other", ',
    b'"value": 1, ',
    b'{"!row": 0}',
    b'{"!pickle": {"type": "x", "data": "gASVAAAA"}}',
    b'{"!fraction": ["1e999999999"]}',
    b'{"!decimal": "1e999999999"}',
    b'{"!int": "0xffffffffffffffff"}',
    b'{"!range": [0, 99999999999999999999, 1]}',
    b'{"!numpy.array": {"dtype": "<f8", "shape": [9999999999999], "data": ""}}',
    b'{"!numpy.array": {"dtype": "|O", "shape": [1], "data": "AAAAAAAAAAA="}}',
    b'{"!zone": "../../../etc/passwd"}',
    b"9**9**9",
    b"'a' * 10**12",
    b"```json\n",
    b"```",
    b"</think>",
    b"<think>",
    b"\\u0000",
    b"{}",
    b"[]",
    b"null",
    b"true",
    b'""',
    b'"',
    b"'",
    b"\\",
    b",",
    b":",
]

_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 10**30, 2**63, 1e308, -0.0, float("inf"), float("nan")])
    | st.text(max_size=20)
    | st.sampled_from(["", "1e999999999", "\ud800", "[redacted]", "9" * 5000, "__import__('os').system('true')"])
)
ANY_JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@st.composite
def damaged(draw: Any, documents: list[bytes]) -> bytes:
    """One of these documents, or an arbitrary one, with some damage, or none."""
    data = draw(st.sampled_from(documents)) if draw(st.integers(0, 9)) else draw(st.binary(max_size=200))
    changes = draw(st.integers(0, 4))
    if draw(st.booleans()):
        for _ in range(draw(st.integers(1, 3))):
            data = _with_another_part(draw, data)
        changes = max(0, changes - 3)  # most stay JSON, so that what reads the values is tried too
    for _ in range(changes):
        data = _changed(draw, data)
    return data


@st.composite
def damaged_text(draw: Any, documents: list[str]) -> str:
    """The same as text, surrogates among it; some of it arbitrary."""
    if not draw(st.integers(0, 5)):
        return draw(st.text(max_size=300))
    data = draw(damaged([text.encode("utf-8", "surrogatepass") for text in documents]))
    return data.decode("utf-8", draw(st.sampled_from(["replace", "ignore", "surrogateescape"])))


def _changed(draw: Any, data: bytes) -> bytes:
    place = draw(st.integers(0, len(data)))
    end = min(len(data), place + draw(st.integers(0, 64)))
    what = draw(st.sampled_from(["flip", "insert", "delete", "cut", "double", "swap", "replace"]))
    if what == "flip":
        return (
            data[:place]
            + bytes([each ^ draw(st.integers(1, 255)) for each in data[place : place + 1]])
            + data[place + 1 :]
        )
    if what == "insert":
        return data[:place] + draw(st.sampled_from(_FRAGMENTS)) + data[place:]
    if what == "replace":
        return data[:place] + draw(st.sampled_from(_FRAGMENTS)) + data[end:]
    if what == "delete":
        return data[:place] + data[end:]
    if what == "cut":
        return data[:place]
    if what == "double":
        return data[:end] + data[place:]
    return data[place:] + data[:place]


def _with_another_part(draw: Any, data: bytes) -> bytes:
    """The document with one value in it replaced by another; of lines of JSON, in one of the lines."""
    lines = data.split(b"\n")
    number = draw(st.integers(0, len(lines) - 1))
    for start, end in ((0, len(lines)), (number, number + 1)):
        try:
            tree = json.loads(b"\n".join(lines[start:end]))
        except (ValueError, RecursionError):
            continue
        tree = _replaced(draw, tree, draw(st.integers(0, 8)))
        text = json.dumps(tree).encode("utf-8", "surrogatepass")
        return b"\n".join([*lines[:start], text, *lines[end:]])
    return data


def _replaced(draw: Any, tree: Any, depth: int) -> Any:
    if depth == 0 or not isinstance(tree, (dict, list)) or not tree:
        return draw(ANY_JSON)
    if isinstance(tree, list):
        place = draw(st.integers(0, len(tree) - 1))
        return [*tree[:place], _replaced(draw, tree[place], depth - 1), *tree[place + 1 :]]
    inner = [key for key in ("value", "data") if key in tree]  # behind these is what a reader has to make sense of
    key = draw(st.sampled_from(inner if inner and draw(st.integers(0, 7)) else sorted(tree)))
    if not draw(st.integers(0, 5)):
        return {name: part for name, part in tree.items() if name != key}
    return {**tree, key: _replaced(draw, tree[key], depth - 1)}
