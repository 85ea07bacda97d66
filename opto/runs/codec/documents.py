"""Documents: values as readable JSON, never as pickle unless asked. Every `save` and `load` is made of these.

A document is one JSON object:

    {
      "format": "opto",        always so
      "version": 1,            of the format; a reader refuses newer ones
      "kind": "parameters",    what the writer wrote; a reader names the kind that it expects
      "rows": [...],           only when the value is deep, see below
      "value": ...
    }

None, bool, int, finite float, str, list and dict with text keys are written as JSON has them. All else is an object
with one key that begins with `!`, the tag of its form, as in `{"!tuple": [1, 2]}`. Most forms are in
`opto.runs.codec.forms`; these tags belong to the document itself:

    !float    inf, -inf, nan or -nan
    !int      an integer too long for decimal digits, in hexadecimal
    !lines    text of several lines, as the list of its lines
    !text     text with surrogates that a JSON parser would join, in pieces
    !dict     a dict as pairs: a key is not text, or the only key looks like a tag
    !row      the row of that number
    !pickle   a pickle, refused unless the reader allows it

What lies deeper than a JSON parser can follow is cut out and put in `rows`, where a row only mentions rows before it.
So depth is no limit. An object that is in several places is written in each; a value that contains itself is refused.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

from opto.errors import FileFormatError, SecretWarning
from opto.runs.codec.decoding import FORMAT, VERSION, decode_document
from opto.runs.codec.encoding import Encoder, in_one_line, layout
from opto.runs.files import read_file, write_atomic
from opto.secrets import REDACTED, holds_secret, redact, redact_json

__all__ = ["dumps", "dumps_line", "load", "loads", "save"]

_PICKLES = tuple(bytes([0x80, version]) for version in range(2, 8))


def dumps(value: Any, *, kind: str = "value", allow_pickle: bool = False) -> str:
    """Write a value as a text from which `loads` makes an equal one.

    Args:
        value: anything made of the types that have a text form.
        kind: what the value is, for the reader to check.
        allow_pickle: store values without a text form as pickles, which only a reader that allows them, too, will open.

    Returns:
        A JSON document, indented, with a line end after the last line.

    Raises:
        TypeError: a value inside has no text form; the message says where it is and how to give it one.
        ValueError: the value contains itself.
    """
    return layout(_document(value, kind, allow_pickle), broken=True) + "\n"


def dumps_line(value: Any, *, kind: str) -> bytes:
    """A document in one line with its line break, for files that grow; keys and tokens are struck out.

    Args:
        value: as in `dumps`.
        kind: likewise.

    Raises:
        TypeError: a value inside has no text form.
        ValueError: the value contains itself.
    """
    return redact_json(in_one_line(_document(value, kind, False)).encode()) + b"\n"


def loads(text: str, *, kind: str = "value", allow_pickle: bool = False) -> Any:
    """Read a value from a text by `dumps`.

    Args:
        text: the document.
        kind: what the value must be.
        allow_pickle: also open pickles. They can run any code, so only for texts from a source that you trust.

    Raises:
        FileFormatError: the text is damaged, of another kind or a newer version, or holds a pickle that is not allowed.
    """
    return decode_document(text, kind=kind, allow_pickle=allow_pickle)


def save(path: str | os.PathLike[str], value: Any, *, kind: str, allow_pickle: bool = False) -> None:
    """Write a value to a file, in one step: a failure leaves the old file as it was.

    Keys and passwords that this process knows (`opto.secrets.known_secrets`) are not written: `[redacted]` stands
    in their place.

    Args:
        path: the file; missing folders are made. Only its owner may read it.
        value: anything made of the types that have a text form.
        kind: what the value is, for example `"parameters"`.
        allow_pickle: as in `dumps`.

    Raises:
        TypeError: a value inside has no text form.
        ValueError: the value contains itself.

    Warns:
        SecretWarning: a secret was left out.
    """
    document = _document(value, kind, allow_pickle)
    text = layout(document, broken=True) + "\n"
    if holds_secret(text, shapes=False):
        warnings.warn(
            f"{os.fspath(path)}: a key or password stood in what was saved. {REDACTED} is written in its place, and "
            "will be there when it is loaded: keep keys in environment variables, not in attributes.",
            SecretWarning,
            stacklevel=3,
        )
        text = layout(redact(document, shapes=False), broken=True) + "\n"
    write_atomic(path, text)


def load(path: str | os.PathLike[str], *, kind: str, allow_pickle: bool = False) -> Any:
    """Read a value from a file by `save`.

    Args:
        path: the file.
        kind: what the value must be.
        allow_pickle: also open pickles. They can run any code, so only for files from a source that you trust.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is damaged, of another kind or a newer version, or holds a pickle that is not allowed.
    """
    data = read_file(path)
    if data.startswith(_PICKLES):
        raise FileFormatError(
            f"{os.fspath(path)}: it is a pickle, as other systems write them: opening one can run any code, so it is "
            "left unopened. If you trust where it comes from, read it with the module pickle yourself, hand the values "
            "to load_state_dict(), and save() again."
        )
    try:
        return loads(data.decode("utf-8"), kind=kind, allow_pickle=allow_pickle)
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{os.fspath(path)}: it is not text: {error}.") from error
    except FileFormatError as error:
        raise FileFormatError(f"{os.fspath(path)}: {error}") from error


def _document(value: Any, kind: str, allow_pickle: bool) -> dict[str, Any]:
    if not (isinstance(kind, str) and kind):
        raise ValueError(f"kind must be a text that names what is stored, got {kind!r}.")
    encoder = Encoder(kind, allow_pickle)
    tree = encoder.encode(value)
    rows = {"rows": encoder.rows} if encoder.rows else {}
    return {"format": FORMAT, "version": VERSION, "kind": kind, **rows, "value": tree}
