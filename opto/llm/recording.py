"""The file of recorded exchanges: JSON documents one after the other, indented, to be read and compared by people.

The first document is the header; each further one is an exchange. A text of several lines is written as
`{"lines": [...]}`, one line of the text on one line of the file, so that a prompt reads as it was sent and `diff` shows
the line that changed. A new exchange is appended in a single write, under a lock between processes.
"""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from opto.errors import FileFormatError, OptoWarning

__all__ = ["FORMAT", "VERSION", "append_exchange", "read_recording"]

FORMAT = "opto.exchanges"
VERSION = 1

_skip_space = re.compile(r"\s*").match


def read_recording(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The header and the exchanges of a file.

    An exchange at the end of the file of which only a part was written (a process that was killed) is left out with a
    warning.

    Raises:
        FileFormatError: the file is no recording, is damaged, or was written by a newer version.
    """
    text = path.read_bytes().decode("utf-8", "surrogatepass")
    documents = [_unfold(document) for document in _documents(text, path)]
    header = documents[0] if documents else None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise FileFormatError(f"{path} is not a recording of exchanges: it does not begin with a header of {FORMAT!r}")
    if header.get("version") != VERSION:
        raise FileFormatError(
            f"{path} is of version {header.get('version')!r}, and this opto reads version {VERSION}: upgrade opto"
        )
    for number, exchange in enumerate(documents[1:], start=1):
        if not isinstance(exchange, dict) or not {"request", "occurrence", "response"} <= exchange.keys():
            raise FileFormatError(f"{path}: exchange {number} must have `request`, `occurrence` and `response`")
    return header, documents[1:]


def append_exchange(path: Path, exchange: dict[str, Any], *, answered_by: str) -> None:
    """Add one exchange at the end of a file, which is begun if it does not exist.

    A torn exchange that a killed process left at the end is cut off first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file, _locked(file):
        header = {"format": FORMAT, "version": VERSION, "answered_by": answered_by}
        new = _document(exchange) if _mend_end(file) else _document(header) + _document(exchange)
        file.write(new.encode("utf-8", "surrogatepass"))
        file.flush()
        os.fsync(file.fileno())


def _mend_end(file: BinaryIO) -> int:
    """Let the file end with a whole document and a line break; returns its size."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2))
    if size == 0 or file.read() == b"}\n":
        return size
    file.seek(0)
    data = file.read()
    whole = data.rfind(b"\n}", 0, len(data.rstrip()))
    if whole + 2 == len(data.rstrip()):
        return file.write(b"\n") + size
    file.truncate(whole + 2 if whole >= 0 else 0)
    return file.write(b"\n") if whole >= 0 else 0


@contextmanager
def _locked(file: BinaryIO) -> Iterator[None]:
    """Keep other processes from appending. Where the system has no such lock, one process must do the recording."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    fcntl.flock(file.fileno(), fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file.fileno(), fcntl.LOCK_UN)


def _documents(text: str, path: Path) -> list[Any]:
    decoder, position = json.JSONDecoder(), 0
    documents: list[Any] = []
    while start := _skip_space(text, position):
        begin = start.end()
        if begin == len(text):
            break
        try:
            document, position = decoder.raw_decode(text, begin)
        except json.JSONDecodeError as error:
            if documents and "\n}" not in text[begin:]:
                warnings.warn(f"{path}: the last exchange was not written to its end and is left out", OptoWarning, 3)
                break
            raise FileFormatError(f"{path} is damaged at line {error.lineno}: {error.msg}") from error
        documents.append(document)
    return documents


def _document(data: dict[str, Any]) -> str:
    return json.dumps(_fold(data), ensure_ascii=False, indent=1) + "\n"


def _fold(value: Any) -> Any:
    """`value` with every text of several lines as a list of its lines."""
    if isinstance(value, str):
        return {"lines": value.split("\n")} if "\n" in value else value
    if isinstance(value, list):
        return [_fold(item) for item in value]
    if isinstance(value, dict):
        folded = {name: _fold(item) for name, item in value.items()}
        return {"literal": folded} if value.keys() in ({"lines"}, {"literal"}) else folded
    return value


def _unfold(value: Any) -> Any:
    if isinstance(value, list):
        return [_unfold(item) for item in value]
    if isinstance(value, dict):
        if value.keys() == {"lines"}:
            return "\n".join(value["lines"])
        inner = value["literal"] if value.keys() == {"literal"} else value
        return {name: _unfold(item) for name, item in inner.items()}
    return value
