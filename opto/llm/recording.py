"""The file of recorded exchanges: JSON documents one after the other, indented, to be read and compared by people.

The first document is the header; each further one is an exchange. A text of several lines is written as
`{"lines": [...]}`, one line of the text on one line of the file, so that a prompt reads as it was sent and `diff` shows
the line that changed. A new exchange is appended in a single write, under a lock between
processes. Keys and tokens are struck out (`opto.secrets`); only the user who records can read the file.
"""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any, BinaryIO

from opto.errors import FileFormatError, OptoWarning
from opto.runs.files import open_appending, read_file
from opto.secrets import redact

__all__ = ["FORMAT", "VERSION", "Appending", "append_exchange", "read_recording"]

FORMAT = "opto.exchanges"
VERSION = 1

_BEGINNING = f'{{\n "format": "{FORMAT}"'
_skip_space = re.compile(r"\s*").match


def read_recording(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]], int]:
    """The header and the exchanges of a file, and how many bytes were read.

    What a process that was killed left unfinished at the end is left out with a warning; a file whose very beginning
    was not finished has no header and no exchanges.

    Raises:
        FileFormatError: the file is no recording, is damaged, or was written by a newer version.
    """
    data = read_file(path)
    documents, end = _documents(data, path)
    if not documents and end:
        return {}, [], end
    header = documents[0] if documents else None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise FileFormatError(f"{path} is not a recording of exchanges: it does not begin with a header of {FORMAT!r}")
    if header.get("version") != VERSION:
        raise FileFormatError(
            f"{path} is of version {header.get('version')!r}, and this opto reads version {VERSION}: upgrade opto"
        )
    return header, [_exchange(each, number, path) for number, each in enumerate(documents[1:], start=1)], end


class Appending:
    """A recording that is open for one addition, while other processes and threads wait.

        with Appending(path) as recording:
            for exchange in recording.news(end): ...     # what others added after `end`
            end = recording.add(exchange, answered_by="gpt-4o")

    A file that does not exist is begun. What a killed process left unfinished at the end is cut off first.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open(open_appending(path), "r+b")  # noqa: SIM115 (closed in __exit__)
        try:
            _lock(self._file)
            self._size = _mend_end(self._file)
        except BaseException:
            self._file.close()
            raise

    def news(self, start: int) -> list[dict[str, Any]]:
        """The exchanges after the first `start` bytes; none where the file became shorter.

        Raises:
            FileFormatError: the file is damaged there.
        """
        if start >= self._size:
            return []
        self._file.seek(start)
        documents, _ = _documents(self._file.read(), self._path)
        added = documents if start else documents[1:]  # behind the header
        return [_exchange(document, number, self._path) for number, document in enumerate(added, start=1)]

    def add(self, exchange: dict[str, Any], *, answered_by: str) -> int:
        """Write an exchange to the end, durably; returns the size of the file.

        Args:
            exchange: `request`, `occurrence` and `response` as JSON data.
            answered_by: for the header, where there is none yet.
        """
        header = {"format": FORMAT, "version": VERSION, "answered_by": answered_by}
        new = _document(redact(exchange)) if self._size else _document(redact(header)) + _document(redact(exchange))
        written = new.encode("utf-8", "surrogatepass")
        self._file.seek(0, os.SEEK_END)
        try:
            self._file.write(written)
            self._file.flush()
        except OSError:
            self._file.truncate(self._size)  # a full disk: the file ends as before
            raise
        os.fsync(self._file.fileno())
        self._size += len(written)
        return self._size

    def __enter__(self) -> Appending:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()  # which unlocks it


def append_exchange(path: Path, exchange: dict[str, Any], *, answered_by: str) -> None:
    """Add one exchange at the end of a file, which is begun if it does not exist; see `Appending`."""
    with Appending(path) as recording:
        recording.add(exchange, answered_by=answered_by)


def _exchange(document: Any, number: int, path: Path) -> dict[str, Any]:
    if not isinstance(document, dict) or not {"request", "occurrence", "response"} <= document.keys():
        raise FileFormatError(f"{path}: exchange {number} must have `request`, `occurrence` and `response`")
    if type(document["occurrence"]) is not int or document["occurrence"] < 0:
        raise FileFormatError(f"{path}: exchange {number} has the occurrence {document['occurrence']!r}, no count")
    return document


def _mend_end(file: BinaryIO) -> int:
    """Let the file end with a whole document and a line break; returns its size."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 3))
    if size == 0 or file.read() == b"\n}\n":
        return size
    file.seek(0)
    data = file.read()
    whole = data.rfind(b"\n}", 0, len(data.rstrip()))
    if whole >= 0 and whole + 2 == len(data.rstrip()):
        return file.write(b"\n") + size
    file.truncate(whole + 2 if whole >= 0 else 0)
    file.seek(0, os.SEEK_END)
    return file.write(b"\n") + whole + 2 if whole >= 0 else 0


def _lock(file: BinaryIO) -> None:
    """Keep others from appending until the file is closed. Where there is no such lock, one process must record."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX)


def _documents(data: bytes, path: Path) -> tuple[list[Any], int]:
    """The documents that stand in these bytes, and how many bytes they take."""
    try:
        text = data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        text = data[: error.start].decode("utf-8", "surrogatepass")
        if b"\n}" in data[error.start :]:
            raise FileFormatError(f"{path} is damaged at byte {error.start}: it is not text") from error
    decoder, position = json.JSONDecoder(), 0
    documents: list[Any] = []
    while (begin := _after_space(text, position)) < len(text):
        try:
            document, position = decoder.raw_decode(text, begin)
            documents.append(_unfold(document))
        except json.JSONDecodeError as error:
            if "\n}" not in text[begin:] and (documents or _BEGINNING.startswith(text[: len(_BEGINNING)])):
                what = f"{path}: the last exchange was not written to its end and is left out"
                warnings.warn(what, OptoWarning, stacklevel=4)
                break
            raise FileFormatError(f"{path} is damaged at line {error.lineno}: {error.msg}") from error
        except (ValueError, TypeError, RecursionError) as error:
            line = text.count("\n", 0, begin) + 1
            raise FileFormatError(f"{path} is damaged in the document at line {line}: {error}") from error
    return documents, len(data)


def _after_space(text: str, position: int) -> int:
    found = _skip_space(text, position)
    return found.end() if found else position


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
