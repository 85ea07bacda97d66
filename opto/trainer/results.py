"""Results of evaluations, kept so that none is paid for twice: in memory, and in a file that the next run reads."""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opto.errors import FileFormatError
from opto.runs import codec
from opto.runs.files import open_appending

__all__ = ["Result", "ResultCache"]

_FILE = "results.jsonl"
_KIND = "result"
_HEADER = {"format": "opto results", "version": 1}
_KEY_BYTES = 16
_USED = b'{"used":"'


@dataclass(frozen=True)
class Result:
    """What is kept of an evaluation.

    Attributes:
        score: a number or a dict of numbers; None where the program failed.
        feedback: what the guide said, or the error in words.
        failed: whether the program raised an error.
        seconds: how long the evaluation took.
    """

    score: float | Mapping[str, float] | None
    feedback: Any
    failed: bool = False
    seconds: float = 0.0


class ResultCache:
    """Results by key; see `Evaluator` for what makes a key.

        cache = ResultCache("runs/first")
        evaluate(agent, guide, inputs, infos, evaluator=Evaluator(cache=cache))

    With a folder, each result is a line of text in its file `results.jsonl`, in opto's text format: reading it runs
    nothing, and keys and tokens are struck out. Only an index is held in memory. A line that was torn when a process
    was killed is passed over. Threads may share a cache; processes may share a folder, but each sees what was there
    when it opened it, and what it added itself.

    A result is there as soon as it is put; it counts when it is used. So a run that is killed in the middle of a step
    finds the results again that the step had bought, and yet counts them when the step is begun again: it opens the
    cache with the `size` that it had when the last step was committed.

    Args:
        folder: where to keep the results; None for in memory only.
        committed: of the file, how many bytes to trust to be in order: a `size` of earlier. What was used after it
            counts as not used. None for the whole file, all of whose results count as used.

    Attributes:
        hits: how many results were found.
        misses: how many were asked for in vain.

    Raises:
        ValueError: `committed` is no size, or there is no folder.
        FileFormatError: the file there is another one, or was written by a newer version.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, *, committed: int | None = None) -> None:
        if committed is not None and (folder is None or isinstance(committed, bool) or committed < 0):
            raise ValueError(f"committed must be a size of the file in a folder, or None, got {committed!r}.")
        self.folder = None if folder is None else Path(folder)
        self.hits = self.misses = 0
        self._lock = threading.Lock()
        self._memory: dict[bytes, Result] = {}
        self._places: dict[bytes, int] = {}
        self._unused: set[bytes] = set()
        self._used: set[bytes] = set()  # of those whose result is not there any more
        self._untold: list[bytes] = []  # lines on what was used, which count from the next `size` on
        self._committed = committed
        self._torn = False  # whether the last line could not be written to its end
        self._file: int | None = None
        if self.folder is not None:
            self._open(self.folder / _FILE)

    def get(self, key: str) -> Result | None:
        """The result under a key, a hash in hexadecimal; None if there is none."""
        short = _short(key)
        with self._lock:
            found = self._memory.get(short)
            place = self._places.get(short) if found is None else None
            if place is not None:
                assert self._file is not None
                with open(self._file, "rb", closefd=False) as file:
                    file.seek(place)  # appending goes to the end by itself
                    found = _result(file.readline())
            if found is None:
                self.misses += 1
            else:
                self.hits += 1
            return found

    def put(self, key: str, result: Result) -> None:
        """Keep a result; one with feedback that has no text form is kept in memory only."""
        short = _short(key)
        line = None if self._file is None else _line(key, result)
        with self._lock:
            if short not in self._places and short not in self._memory and short not in self._used:
                self._unused.add(short)
            if line is None:
                self._memory[short] = result
            else:
                self._places[short] = self._append(line)

    def use(self, key: str) -> bool:
        """Note that the result under a key is used.

        Returns:
            Whether for the first time.
        """
        short = _short(key)
        with self._lock:
            if short not in self._unused:
                return False
            self._unused.discard(short)
            if self._file is not None:
                self._untold.append(b'%s%s"}\n' % (_USED, short.hex().encode()))
            return True

    @property
    def recovered(self) -> int:
        """How many results are there that were not used yet."""
        return len(self._unused)

    @property
    def size(self) -> int:
        """The bytes in the file, what was used so far included; 0 in memory. A later run hands it in as `committed`."""
        with self._lock:
            if self._file is None:
                return 0
            if self._untold:
                self._append(b"".join(self._untold))
                self._untold.clear()
            return os.fstat(self._file).st_size

    def __contains__(self, key: str) -> bool:
        short = _short(key)
        return short in self._memory or short in self._places

    def __len__(self) -> int:
        """How many results are kept."""
        return len(self._memory.keys() | self._places.keys())

    def __bool__(self) -> bool:
        return True  # an empty cache is a cache

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.folder,)

    def __repr__(self) -> str:
        where = "in memory" if self.folder is None else f"in {str(self.folder)!r}"
        return f"<ResultCache: {len(self)} results {where}, {self.hits} hits, {self.misses} misses>"

    def _open(self, path: Path) -> None:
        file = open_appending(path)
        try:
            self._read(path, file)
        except BaseException:
            os.close(file)
            raise
        self._file = file
        weakref.finalize(self, os.close, file)

    def _append(self, line: bytes) -> int:
        """Write a line; returns where it begins."""
        assert self._file is not None
        data = b"\n" + line if self._torn else line
        self._torn = True
        done = os.write(self._file, data)
        while done < len(data):  # a full disk: the next attempt raises what is wrong
            done += os.write(self._file, data[done:])
        self._torn = False
        return os.lseek(self._file, 0, os.SEEK_CUR) - len(line)

    def _read(self, path: Path, file: int) -> None:
        """Note where each result stands, and which were used, and leave the file ready for more."""
        place, last = 0, b"\n"
        committed = self._committed
        with open(file, "rb", closefd=False) as lines:
            for line in lines:
                if place == 0 and _header(line) != _HEADER:
                    raise FileFormatError(
                        f"{path} holds no results that this version of opto can read: upgrade opto, or choose another "
                        "folder"
                    )
                if place and line.startswith(_USED):
                    if committed is not None and place < committed:
                        self._used.update(_used_in(line))
                elif place and line.endswith(b"\n") and (key := _key_in(line)) is not None:
                    self._places[_short(key)] = place
                place, last = place + len(line), line
        if committed is not None:
            self._unused = self._places.keys() - self._used
            self._used -= self._places.keys()
        if place == 0:
            os.write(file, json.dumps(_HEADER).encode() + b"\n")
        elif not last.endswith(b"\n"):
            os.write(file, b"\n")


def _short(key: str) -> bytes:
    return bytes.fromhex(key)[:_KEY_BYTES]


def _line(key: str, result: Result) -> bytes | None:
    """A result as a line of the file; None where it has no text form."""
    value = {"score": result.score, "feedback": result.feedback, "failed": result.failed, "seconds": result.seconds}
    try:
        document = codec.dumps_line(value, kind=_KIND)
    except (TypeError, ValueError):
        return None
    # The key comes first, so that an index is made without reading the rest.
    return b'{"key":"%s","document":%s}\n' % (key.encode(), document[:-1])


def _used_in(line: bytes) -> list[bytes]:
    """The key in a line that says that a result was used; none where the line is damaged."""
    try:
        return [bytes.fromhex(line[len(_USED) : -3].decode("ascii"))]
    except ValueError:
        return []


def _header(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _key_in(line: bytes) -> str | None:
    """The key of a line, None where the line is damaged."""
    start = b'{"key":"'
    end = line.find(b'"', len(start))
    if not line.startswith(start) or not line.endswith(b"}\n") or end < 0:
        return None
    key = line[len(start) : end].decode("ascii", "replace")
    try:
        return key if len(bytes.fromhex(key)) >= _KEY_BYTES else None
    except ValueError:
        return None


def _result(line: bytes) -> Result | None:
    """The result in a line; None where the line is damaged, which costs an evaluation and nothing else."""
    try:
        document = line.partition(b'"document":')[2].removesuffix(b"}\n")
        value = codec.loads(document.decode("utf-8", "surrogatepass"), kind=_KIND)
        return Result(value["score"], value["feedback"], bool(value["failed"]), float(value["seconds"]))
    except (ValueError, TypeError, KeyError):
        return None
