"""Answers kept on disk.

The store is one SQLite file of JSON texts. `diskcache`, and LiteLLM's disk cache which is built on it, were looked at
first: it has had no release since 2023, and reads pickles from the folder by default (CVE-2025-69872, not repaired).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from opto.errors import FileFormatError
from opto.llm.model import Messages
from opto.llm.occurrences import Occurrences
from opto.llm.request import canonical_text, request_data
from opto.llm.response import Response
from opto.llm.totals import tell_replayed
from opto.llm.wrapper import Wrapper
from opto.runs.files import open_appending
from opto.secrets import redact_json

__all__ = ["Cached"]

_PATIENCE = 60.0
_FILE = "answers.sqlite"
_VERSION = 1
_ADDRESSES = ("api_base", "base_url", "api_version")
_NO_DAMAGE = re.compile("locked|busy|unable to open|readonly|is full")  # what SQLite says when the file is as it was
_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, response TEXT NOT NULL, bytes INTEGER NOT NULL, used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS oldest ON answers (used);
"""


class Cached(Wrapper):
    """A model whose answers are kept in a folder: what was asked before is not asked again.

        model = Cached(LLM("gpt-4o", temperature=0.7), "cache")

    An answer is found by the whole request: messages, options with those of the model, its name and address, and the
    occurrence. The n-th equal request of a run gets the n-th answer, so several samples of one question stay several,
    and the next run gets the same ones in the same order. `reserve` gives the number, as for `opto.llm.Recorded`.

    The key is a hash, and only answers are stored, as JSON, with secrets struck out (`opto.secrets`): neither the
    request nor a key or header is written. Only the user who runs the program can read them.
    Threads and processes may share a folder. Answers from it cost no budget. A request that fails is not kept.

    Args:
        model: the model to ask, or a callable that `as_model` takes.
        folder: where to keep answers; made at the first answer.
        max_bytes: when the answers take more, those not used for longest are dropped.

    Raises:
        ValueError: `max_bytes` is not > 0.
    """

    def __init__(self, model: Any, folder: str | os.PathLike[str], *, max_bytes: int = 1 << 30) -> None:
        super().__init__(model)
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 1:
            raise ValueError(f"max_bytes must be an integer >= 1, got {max_bytes!r}")
        self.folder, self.max_bytes = Path(folder), max_bytes
        self._occurrences = Occurrences()

    def reserve(self, messages: Messages, **options: Any) -> dict[str, Any]:
        """{"occurrence": n}: the number that this request has among equal ones, from 1."""
        return {"occurrence": self._occurrences.take(self._request_key(messages, options))}

    def complete(self, messages: Messages, *, occurrence: int | None = None, **options: Any) -> Response:
        """The answer on disk, or the model's, which is kept.

        Raises:
            FileFormatError: the file in the folder is damaged, or of a newer version.
        """
        request = self._request_key(messages, options)
        number = self._occurrences.take(request) if occurrence is None else occurrence
        if (found := self._found(request, number)) is not None:
            return found
        try:
            response = self.model(messages=messages, **options)
        except BaseException:
            self._return_number(request, number, occurrence)
            raise
        self._keep(request, number, response)
        return response

    async def acomplete(self, messages: Messages, *, occurrence: int | None = None, **options: Any) -> Response:
        """`complete` without blocking the event loop."""
        import asyncio

        request = self._request_key(messages, options)
        number = self._occurrences.take(request) if occurrence is None else occurrence
        if (found := await asyncio.to_thread(self._found, request, number)) is not None:
            return found
        try:
            response = await self.model.acall(messages=messages, **options)
        except BaseException:
            self._return_number(request, number, occurrence)
            raise
        await asyncio.to_thread(self._keep, request, number, response)
        return response

    def clear(self) -> None:
        """Drop all answers."""
        with self._store() as store:
            store.execute("DELETE FROM answers")

    def __len__(self) -> int:
        """How many answers are kept."""
        with self._store() as store:
            (count,) = store.execute("SELECT count(*) FROM answers").fetchone()
        return int(count)

    def __bool__(self) -> bool:
        return True  # a model with an empty cache is a model

    def _request_key(self, messages: Messages, options: dict[str, Any]) -> str:
        sent = self.effective_options(options)
        addresses = {name: str(sent[name]) for name in _ADDRESSES if sent.get(name)}
        whole = {"model": self.name, **request_data(messages, sent), "addresses": addresses}
        return hashlib.sha256(canonical_text(whole).encode("utf-8", "surrogatepass")).hexdigest()

    def _return_number(self, request: str, number: int, reserved: int | None) -> None:
        if reserved is None:
            self._occurrences.give_back(request, number)

    def _found(self, request: str, number: int) -> Response | None:
        key = f"{request}:{number}"
        with self._store() as store:
            row = store.execute("SELECT response FROM answers WHERE key = ?", (key,)).fetchone()
            if row is not None:
                store.execute("UPDATE answers SET used = ? WHERE key = ?", (time.time(), key))
        if row is None:
            return None
        try:
            response = Response.of(json.loads(row[0])).as_replayed()
        except (ValueError, TypeError, RecursionError) as error:
            raise _damaged(self.folder / _FILE, f"the answer {key[:12]}... cannot be read: {error}") from error
        tell_replayed(self.name)
        return response

    def _keep(self, request: str, number: int, response: Response) -> None:
        text = redact_json(json.dumps(response.to_dict()).encode()).decode()
        with self._store() as store:
            store.execute(
                "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)",
                (f"{request}:{number}", text, len(text), time.time()),
            )
            (total,) = store.execute("SELECT coalesce(sum(bytes), 0) FROM answers").fetchone()
            if total > self.max_bytes:
                _drop_oldest(store, total - self.max_bytes)

    @contextlib.contextmanager
    def _store(self) -> Iterator[sqlite3.Connection]:
        """A connection for one transaction; SQLite keeps processes and threads apart."""
        path = self.folder / _FILE
        os.close(open_appending(path))  # for its owner alone, as SQLite's own files beside it then are
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=_PATIENCE)) as store:
                _prepare(store, path)
                store.execute("PRAGMA synchronous = NORMAL")  # a power cut may lose the last answers, nothing else
                with store:
                    yield store
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and _NO_DAMAGE.search(str(error)):
                raise
            raise _damaged(path, str(error)) from error

    def __repr__(self) -> str:
        return f"Cached({self.model!r}, {str(self.folder)!r})"


def _damaged(path: Path, what: str) -> FileFormatError:
    return FileFormatError(f"{path} is damaged ({what}): remove it to begin a new cache")


def _prepare(store: sqlite3.Connection, path: Path) -> None:
    (version,) = store.execute("PRAGMA user_version").fetchone()
    if version == _VERSION:
        return
    if version > _VERSION:
        raise FileFormatError(f"{path} is of version {version}, and this opto reads version {_VERSION}: upgrade opto")
    _waiting_for_others(lambda: store.execute("PRAGMA journal_mode = WAL"))  # readers do not wait for a writer
    _waiting_for_others(
        lambda: store.executescript(f"BEGIN IMMEDIATE; {_TABLE} PRAGMA user_version = {_VERSION}; COMMIT;")
    )


def _waiting_for_others(action: Callable[[], object]) -> None:
    """Do it, again where others make the same file at this moment: there SQLite gives up at once, without its wait."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            action()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.005)


def _drop_oldest(store: sqlite3.Connection, excess: int) -> None:
    for key, size in store.execute("SELECT key, bytes FROM answers ORDER BY used").fetchall():
        if excess <= 0:
            return
        store.execute("DELETE FROM answers WHERE key = ?", (key,))
        excess -= size
