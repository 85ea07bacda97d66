"""A file of lines that belongs to one process: appended to at once, read again by the next one, cut at will."""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opto.errors import FileFormatError
from opto.runs.files import lock_for_writing, open_appending

__all__ = ["OwnLines"]


class OwnLines:
    """Lines that stand when they are written.

    What is written is the system's at once, so that no end of the process loses it. Threads may share it.

    Args:
        path: the file; made if it is missing, for its owner alone.
        what: the format, such as "opto step": then the first line is a header, `{"format": ..., "version": 1}`, and a
            line that a killed process left torn is cut off. Without it, who writes knows how much counts, see `cut`.

    Raises:
        RecordInUseError: somebody else is writing to it.
        FileFormatError: what is there is another file, or was written by a newer version.
    """

    def __init__(self, path: str | os.PathLike[str], what: str | None = None) -> None:
        self.path = Path(path)
        self._header = b"" if what is None else json.dumps({"format": what, "version": 1}).encode() + b"\n"
        self._lock = threading.RLock()
        self._file = open_appending(self.path)
        try:
            lock_for_writing(self._file, self.path)
            self.size = self._mended() if self._header else os.lseek(self._file, 0, os.SEEK_END)
        except BaseException:
            os.close(self._file)
            raise
        self.close = weakref.finalize(self, os.close, self._file)
        """Let another process have the file."""
        self.close.atexit = False  # the system does it then, and threads may still write
        _open.add(self)

    def append(self, lines: bytes) -> int:
        """Write whole lines, each with its line break; returns where the first one begins.

        Raises:
            OSError: it could not be done. The file ends as before then.
        """
        with self._lock:
            self._check()
            done = 0
            try:
                while done < len(lines):
                    done += os.write(self._file, lines[done:] if done else lines)
            except BaseException:
                if done:
                    os.ftruncate(self._file, self.size)
                raise
            place, self.size = self.size, self.size + done
            return place

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Each line after the header, with the place where it begins."""
        place = 0
        with open(self._file, "rb", closefd=False) as file:
            file.seek(0)
            for line in file:
                if place or not self._header:
                    yield place, line
                place += len(line)

    def read(self, place: int, size: int) -> bytes:
        """So many bytes from a place on."""
        with self._lock:
            self._check()
            if hasattr(os, "pread"):
                return os.pread(self._file, size, place)
            os.lseek(self._file, place, os.SEEK_SET)  # appending goes to the end by itself
            return os.read(self._file, size)

    def cut(self, size: int) -> None:
        """Leave so many bytes."""
        with self._lock:
            self._check()
            os.ftruncate(self._file, size)
            self.size = size

    def clear(self) -> None:
        """Leave the header only."""
        self.cut(len(self._header))

    def sync(self) -> None:
        """Make what is written outlast a loss of power too."""
        self._check()
        os.fsync(self._file)

    def _check(self) -> None:
        if not self.close.alive:  # the number of the file may be another one's by now
            raise ValueError(f"{self.path} is closed.")

    def _mended(self) -> int:
        """Let the file begin with the header and end with a whole line; returns its size."""
        with open(self._file, "rb", closefd=False) as file:
            file.seek(0)
            first = file.readline()
            whole = len(first) if first.endswith(b"\n") else 0
            if not whole and self._header.startswith(first):
                os.ftruncate(self._file, 0)  # new, or killed while the header was written
                return os.write(self._file, self._header)
            if _parsed(first) != _parsed(self._header):
                raise FileFormatError(
                    f"{self.path} is no file that this version of opto can go on with: upgrade opto, or choose another."
                )
            for line in file:
                whole += len(line) if line.endswith(b"\n") else 0
        os.ftruncate(self._file, whole)
        return whole


_open: weakref.WeakSet[OwnLines] = weakref.WeakSet()


def _leave_to_parent() -> None:
    """Close the files in a forked process, which would keep others out of them when its parent is gone."""
    for each in list(_open):
        each.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
