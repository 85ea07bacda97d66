"""The file of a record: JSON lines that are appended, whole or not at all.

The first line of each session is a header, `{"format": "opto.run", "version": 1, ...}`; each further line is an event.
Lines go to the end of the file in writes of whole lines, straight to the system. A write that fails half way is taken
back, and a line that a killed process left torn is left out by readers and cut off by the next writer.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

from opto.errors import FileFormatError, OptoWarning
from opto.runs.files import read_file
from opto.runs.own_lines import OwnLines

__all__ = ["FORMAT", "NAME", "VERSION", "Journal", "read_lines"]

FORMAT = "opto.run"
VERSION = 1
NAME = "events.jsonl"
_BEGINNING = f'{{"format":"{FORMAT}"'.encode()


class Journal:
    """A record that is being written, by this object alone.

    Args:
        folder: where it lies; made if it is missing, for its owner alone, as is the file.

    Raises:
        RecordInUseError: somebody else is writing to it.
        FileFormatError: what is there is no record, or of a newer version.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.path = self.folder / NAME
        self._lines = OwnLines(self.path)
        try:
            _mend(self._lines)
        except BaseException:
            self._lines.close()
            raise
        self.continues = self._lines.size > 0

    def append(self, lines: bytes) -> None:
        """Write whole lines, each with its line break, in one go.

        Raises:
            OSError: it could not be done, for example on a full disk. The file ends as before then.
        """
        self._lines.append(lines)

    def close(self) -> None:
        """Make it durable, and let others write."""
        try:
            self._lines.sync()
        finally:
            self._lines.close()


def read_lines(path: Path) -> list[Any]:
    """The documents of a record, one a line; none where a process was killed before the first was whole.

    A torn last line is left out with a warning.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is no record, is damaged, or was written by a newer version.
    """
    data = read_file(path)
    lines = data.split(b"\n")
    torn = lines.pop()
    documents = [_parsed(line, number, path) for number, line in enumerate(lines, start=1)]
    if torn:
        whole = _parsed_or_none(torn)
        if whole is None:
            warnings.warn(f"{path}: the last line was not written to its end and is left out", OptoWarning, 3)
        else:
            documents.append(whole)
    if documents or not _BEGINNING.startswith(data[: len(_BEGINNING)]):
        _check_header(documents[0] if documents else None, path)
    return documents


def _parsed(line: bytes, number: int, path: Path) -> Any:
    try:
        return json.loads(line.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is damaged at line {number}: {error}") from error


def _parsed_or_none(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None


def _check_header(header: Any, path: Path) -> None:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise FileFormatError(f"{path} is not the record of a run: it does not begin with a header of {FORMAT!r}")
    if header.get("version") != VERSION:
        raise FileFormatError(
            f"{path} is of version {header.get('version')!r}, and this opto reads version {VERSION}: upgrade opto"
        )


def _mend(lines: OwnLines) -> None:
    """Let the file end with a whole line."""
    if lines.size == 0:
        return
    with open(lines.path, "rb") as file:
        first = file.readline()
        if not first.endswith(b"\n") and _BEGINNING.startswith(first[: len(_BEGINNING)]):
            lines.cut(0)  # killed while the very first line was written
            return
        _check_header(_parsed_or_none(first), lines.path)
        block = start = lines.size
        line_end = -1
        while start > 0 and line_end < 0:
            start = max(0, block - 65536)
            file.seek(start)
            line_end = file.read(block - start).rfind(b"\n")
            block = start
        end = start + line_end + 1
        file.seek(end)
        torn = file.read()
    if torn and _parsed_or_none(torn) is not None:
        lines.append(b"\n")
    elif torn:
        lines.cut(end)
