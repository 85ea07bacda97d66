"""JSON-lines files as sequences: only the places of the lines are kept in memory."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, overload

from opto.errors import FileFormatError

__all__ = ["JSONLines"]


class JSONLines(Sequence[Any]):
    r"""The values of a file with one JSON value a line, each read when it is asked for.

    Every line is read once at the beginning, so that one that is no JSON is told of before anything is trained. Empty
    lines are passed over. The file must not change while it is in use.

        with open("examples.jsonl", "w") as file:
            file.write('{"question": "1 + 1", "answer": "2"}\n')
        JSONLines("examples.jsonl")[0]["answer"]        # "2"

    Args:
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: a line is no JSON; the message names it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._starts, self._numbers = array("Q"), array("Q")
        with open(self.path, "rb") as file:
            self._stamp = _stamp(file)
            start = 0
            for number, line in enumerate(file, 1):
                if line.strip():
                    self._read(line, number)
                    self._starts.append(start)
                    self._numbers.append(number)
                start += len(line)

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, place: int) -> Any: ...

    @overload
    def __getitem__(self, place: slice) -> list[Any]: ...

    def __getitem__(self, place: int | slice) -> Any:
        """The value at a place.

        Raises:
            IndexError: there is none.
            FileFormatError: the file has changed.
        """
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        start, number = self._starts[place], self._numbers[place]
        with open(self.path, "rb") as file:
            self._check_unchanged(file)
            file.seek(start)
            return self._read(file.readline(), number)

    def __iter__(self) -> Iterator[Any]:
        with open(self.path, "rb") as file:
            self._check_unchanged(file)
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield self._read(line, number)

    def _check_unchanged(self, file: BinaryIO) -> None:
        if _stamp(file) != self._stamp:
            raise FileFormatError(f"{self.path} has changed since it was opened: open it again.")

    def _read(self, line: bytes, number: int) -> Any:
        try:
            return json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except (ValueError, RecursionError) as error:
            what = "is nested too deep" if isinstance(error, RecursionError) else f"is no JSON: {error}"
            raise FileFormatError(f"{self.path}, line {number} {what}") from error

    def __repr__(self) -> str:
        return f"JSONLines({self.path!r})"


def _stamp(file: BinaryIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns
