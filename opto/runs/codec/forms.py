"""The text forms of types that JSON does not know: which payload stands for a value, and how to read it back.

A form has a tag and two functions: one gives a plain payload for a value, the other takes that payload and gives the
value again. The types of the standard library are in the table at the end; other types join with `register_codec`,
called by whoever owns the type, when its module is imported.
"""

from __future__ import annotations

import base64
import datetime
import types
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

__all__ = ["PAIRS", "RESERVED_TAGS", "STANDARD", "STANDARD_TAGS", "Form", "Unordered", "from_base64", "to_base64"]


@dataclass(frozen=True)
class Form:
    """How one type is written.

    Attributes:
        tag: what marks the payload in a file, without the `!`.
        encode: gives the payload for a value: anything that has a text form itself.
        decode: gives the value for a payload.
        registered: whether it came by `register_codec`.
    """

    tag: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    registered: bool = False


class Unordered(list[Any]):
    """A payload whose order carries no meaning, so that it is written sorted."""


def to_base64(data: bytes | bytearray | memoryview) -> str:
    """Bytes as text."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str) -> bytes:
    """The bytes of a text by `to_base64`; anything else is a ValueError."""
    return base64.b64decode(text, validate=True)


def _encode_datetime(value: datetime.datetime | datetime.time) -> Any:
    text = value.replace(tzinfo=None, fold=0).isoformat()
    if value.tzinfo is None and not value.fold:
        return text
    return {"at": text, "fold": value.fold, "zone": value.tzinfo}


def _decode_datetime(cls: type[Any]) -> Callable[[Any], Any]:
    def decode(payload: Any) -> Any:
        if isinstance(payload, str):
            return cls.fromisoformat(payload)
        return cls.fromisoformat(payload["at"]).replace(fold=payload["fold"], tzinfo=payload["zone"])

    return decode


def _encode_zone(zone: datetime.timezone) -> Any:
    # The arguments that made it, offset and perhaps a name: `datetime.timezone` offers them nowhere else.
    return list(zone.__getinitargs__())  # type: ignore[attr-defined]


def _encode_zone_info(zone: zoneinfo.ZoneInfo) -> str:
    if zone.key is None:
        raise TypeError("a ZoneInfo made from a file without a key has no name to be found again by.")
    return zone.key


def _decode_fraction(parts: list[Any]) -> Fraction:
    numerator, denominator = parts
    if type(numerator) is not int or type(denominator) is not int:
        raise ValueError("both parts of a fraction must be integers")  # from "1e999999999" it would take for ever
    return Fraction(numerator, denominator)


# A dict that JSON cannot write as an object.
PAIRS = Form("dict", lambda value: [list(pair) for pair in value.items()], dict)

# Tags that the document itself uses; see `opto.runs.codec.documents`.
RESERVED_TAGS = frozenset({"float", "int", "lines", "pickle", "row", "text"})

STANDARD: dict[type, Form] = {
    tuple: Form("tuple", list, tuple),
    set: Form("set", Unordered, set),
    frozenset: Form("frozenset", Unordered, frozenset),
    complex: Form("complex", lambda value: [value.real, value.imag], lambda parts: complex(*parts)),
    bytes: Form("bytes", to_base64, from_base64),
    bytearray: Form("bytearray", to_base64, lambda text: bytearray(from_base64(text))),
    range: Form("range", lambda value: [value.start, value.stop, value.step], lambda parts: range(*parts)),
    slice: Form("slice", lambda value: [value.start, value.stop, value.step], lambda parts: slice(*parts)),
    types.EllipsisType: Form("ellipsis", lambda _: None, lambda _: ...),
    datetime.datetime: Form("datetime", _encode_datetime, _decode_datetime(datetime.datetime)),
    datetime.time: Form("time", _encode_datetime, _decode_datetime(datetime.time)),
    datetime.date: Form("date", datetime.date.isoformat, datetime.date.fromisoformat),
    datetime.timedelta: Form(
        "timedelta",
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda parts: datetime.timedelta(*parts),
    ),
    datetime.timezone: Form("timezone", _encode_zone, lambda parts: datetime.timezone(*parts)),
    zoneinfo.ZoneInfo: Form("zone", _encode_zone_info, zoneinfo.ZoneInfo),
    Decimal: Form("decimal", str, Decimal),
    Fraction: Form("fraction", lambda value: [value.numerator, value.denominator], _decode_fraction),
    type(Path()): Form("path", str, Path),
    PurePosixPath: Form("posix-path", str, PurePosixPath),
    PureWindowsPath: Form("windows-path", str, PureWindowsPath),
}

STANDARD_TAGS: dict[str, Form] = {form.tag: form for form in (*STANDARD.values(), PAIRS)}
