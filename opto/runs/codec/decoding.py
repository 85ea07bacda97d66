"""Reading: from the text of a document back to the value, checking what a damaged or foreign file could get wrong."""

from __future__ import annotations

import json
import pickle
import reprlib
from collections.abc import Callable, Mapping
from typing import Any

from opto.errors import FileFormatError
from opto.runs.codec.forms import from_base64
from opto.runs.codec.registry import form_tagged

__all__ = ["FORMAT", "VERSION", "Decoder", "decode_document"]

FORMAT = "opto"
VERSION = 1


def decode_document(text: str, *, kind: str, allow_pickle: bool) -> Any:
    """Give the value of a document.

    Raises:
        FileFormatError: the text is damaged, of another kind or a newer version, or holds a pickle that is not allowed.
    """
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
        _check_document(document, kind)
        return Decoder(allow_pickle).decode(document)
    except FileFormatError:
        raise
    except json.JSONDecodeError as error:
        raise FileFormatError(f"it is not JSON, or was cut off: {error}.") from error
    except (RecursionError, ValueError) as error:
        # Brackets without end, or a number with more digits than Python reads.
        raise FileFormatError(f"it is no document that opto wrote: {error}.") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in value if keys.count(key) > 1)
        raise FileFormatError(f"an object has the key {twice!r} twice.")
    return value


def _refuse_constant(name: str) -> Any:
    raise FileFormatError(f"{name} is not JSON; it is written {{'!float': ...}} here.")


def _check_document(document: Any, kind: str) -> None:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise FileFormatError("it is JSON, but not a document by opto: it has no 'format': 'opto'.")
    version = document.get("version")
    if type(version) is not int or version < 1:
        raise FileFormatError(f"its version is {version!r}, which is not a version number.")
    if version > VERSION:
        raise FileFormatError(f"it has version {version} of the format, and this opto reads {VERSION}: update opto.")
    if document.get("kind") != kind:
        raise FileFormatError(f"it holds {document.get('kind')!r}, but {kind!r} is needed.")
    if "value" not in document:
        raise FileFormatError("it has no 'value'.")


class Decoder:
    """Turn the tree of a document back into a value; as deep as one row at most."""

    def __init__(self, allow_pickle: bool) -> None:
        self._allow_pickle = allow_pickle
        self._rows: list[Any] = []
        self._used: set[int] = set()

    def decode(self, document: dict[str, Any]) -> Any:
        """The value of a document whose head was checked."""
        rows = document.get("rows", [])
        if not isinstance(rows, list):
            raise FileFormatError("its 'rows' must be a list.")
        for row in rows:
            self._rows.append(self._decode(row))
        return self._decode(document["value"])

    def _decode(self, tree: Any) -> Any:
        if isinstance(tree, list):
            return [self._decode(part) for part in tree]
        if not isinstance(tree, dict):
            return tree
        if len(tree) == 1:
            ((key, part),) = tree.items()
            if key.startswith("!"):
                return self._tagged(key[1:], part)
        return {key: self._decode(part) for key, part in tree.items()}

    def _tagged(self, tag: str, part: Any) -> Any:
        decode = self._reader(tag)
        if decode is None:
            raise FileFormatError(
                f"it holds a value with the tag {tag!r}, which nothing has registered. Import the module that owns "
                f"this type, or register it with opto.runs.codec.register_codec."
            )
        payload = self._decode(part)
        try:
            return decode(payload)
        except FileFormatError:
            raise
        except Exception as error:
            shown = reprlib.repr(payload)
            raise FileFormatError(f"a value with the tag {tag!r} is damaged: {error!r} for {shown}.") from error

    def _reader(self, tag: str) -> Callable[[Any], Any] | None:
        if tag == "row":
            return self._row
        if tag == "pickle":
            return self._unpickle
        if tag in _READERS:
            return _READERS[tag]
        form = form_tagged(tag)
        return form.decode if form else None

    def _row(self, number: Any) -> Any:
        if type(number) is not int or not 0 <= number < len(self._rows):
            raise FileFormatError(f"it mentions row {number!r} where only {len(self._rows)} rows are known.")
        if number in self._used:
            raise FileFormatError(f"it mentions row {number} twice.")  # a few rows would stand for a value without end
        self._used.add(number)
        return self._rows[number]

    def _unpickle(self, payload: Any) -> Any:
        if not self._allow_pickle:
            raise FileFormatError(
                f"it holds a pickle of {payload['type']}, which could run any code when it is opened. If you trust "
                f"where it comes from, load it with allow_pickle=True."
            )
        return pickle.loads(from_base64(payload["data"]))


def _read_float(text: Any) -> float:
    if text not in ("inf", "-inf", "nan", "-nan"):
        raise ValueError("it is none of inf, -inf, nan and -nan")
    return float(text)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "float": _read_float,
    "int": lambda digits: int(digits, 16),
    "lines": "\n".join,
    "text": "".join,
}
