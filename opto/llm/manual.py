"""A person, or any chat window, as the model: requests and answers are files in a folder."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from opto.errors import ModelResponseError, ModelTimeoutError
from opto.llm.model import Messages, Model
from opto.llm.redacting import logger
from opto.llm.request import request_data
from opto.runs.files import read_file, write_atomic
from opto.secrets import redact

__all__ = ["Manual"]


class Manual(Model):
    """A model that writes each request to a folder and waits until the answer lies beside it.

    The request `0001.request.md` has the messages in full; the answer is the text of `0001.answer.md`, without line
    breaks at its end. Numbers go up without a gap, also when several threads or processes share the folder. An answer
    is taken when its file is not empty and did not change between two looks at it. Secrets are struck out of requests
    (`opto.secrets`), and only the user who runs the program can read them.

        model = Recorded("exchanges.json", Manual("inbox"), mode="auto", answered_by="Ada")

    Args:
        folder: where the files go; made if it does not exist.
        poll: seconds between two looks.
        timeout: seconds to wait for an answer; None waits for ever.
        on_request: called with the path of each request that was written, for instance to announce it. The logger
            "opto.llm" announces it as well.
        sleep: waits; for tests.
        asleep: waits on the event loop; for tests.
        clock: tells the time in seconds; for tests.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        poll: float = 1.0,
        timeout: float | None = None,
        on_request: Callable[[Path], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        asleep: Callable[[float], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if poll <= 0 or (timeout is not None and timeout < 0):
            raise ValueError(f"poll must be > 0 and timeout >= 0 or None, got {poll!r} and {timeout!r}")
        self.folder, self.poll, self.timeout = Path(folder), poll, timeout
        self.on_request = on_request
        self._sleep, self._asleep, self._clock = sleep, asleep, clock

    @property
    def name(self) -> str:
        """The word "manual"."""
        return "manual"

    def complete(self, messages: Messages, **options: Any) -> str:
        """The text that was written as the answer.

        Raises:
            ModelTimeoutError: there was no answer in time; the message says where the request lies.
        """
        for wait in (waiting := _Waiting(self._ask(messages, options))):
            self._sleep(wait)
        return waiting.answer

    async def acomplete(self, messages: Messages, **options: Any) -> str:
        """`complete` without blocking the event loop."""
        import asyncio

        asleep = self._asleep or asyncio.sleep
        for wait in (waiting := _Waiting(self._ask(messages, options))):
            await asleep(wait)
        return waiting.answer

    def _ask(self, messages: Messages, options: Mapping[str, Any]) -> Generator[float, None, str]:
        """Write the request, then yield the seconds to wait until the answer is there, and return it."""
        request = self._write_request(request_data(messages, options))
        answer = request.with_name(request.name.replace(".request.", ".answer."))
        logger.info("a request waits for its answer: %s -> %s", request, answer.name)
        if self.on_request is not None:
            self.on_request(request)
        start, before = self._clock(), None
        while True:
            now = _state(answer)
            if now is not None and now == before:
                text = _read(answer)
                if text.strip():
                    return text.rstrip("\r\n")
            if self.timeout is not None and self._clock() - start >= self.timeout:
                raise ModelTimeoutError(
                    f"no answer within {self.timeout} s to {request}: write it to {answer.name} beside it"
                )
            before = now
            yield self.poll

    def _write_request(self, request: dict[str, Any]) -> Path:
        numbers = (path.name.partition(".")[0] for path in self.folder.glob("*.request.md"))
        number = max((int(number) for number in numbers if number.isdigit()), default=0) + 1
        while True:
            path = self.folder / f"{number:04d}.request.md"
            text = _markdown(number, redact(request))
            try:
                write_atomic(path, text.encode("utf-8", "surrogatepass"), replace=False)
                return path
            except FileExistsError:  # another thread or process has taken this number
                number += 1

    def __repr__(self) -> str:
        return f"Manual({str(self.folder)!r})"


class _Waiting:
    """Iterates over the waits of a generator and keeps what it returns."""

    def __init__(self, generator: Generator[float, None, str]) -> None:
        self._generator = generator
        self.answer = ""

    def __iter__(self) -> Generator[float, None, None]:
        self.answer = yield from self._generator


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of change of a file that holds something."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return (state.st_size, state.st_mtime_ns) if state.st_size else None


def _read(path: Path) -> str:
    try:
        return read_file(path).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ModelResponseError(f"{path} is not UTF-8 text: {error}") from error


def _markdown(number: int, request: dict[str, Any]) -> str:
    parts = [
        f"# Request {number}",
        f"Write the answer, and nothing else, to `{number:04d}.answer.md` in this folder. It is taken as soon as the "
        f"file is complete: write it elsewhere first and rename it, or save it in one go.",
    ]
    if request["options"]:
        parts.append("Options: " + json.dumps(request["options"], ensure_ascii=False, sort_keys=True))
    for message in request["messages"]:
        parts.append(f"## {message['role']}")
        rest = {name: value for name, value in message.items() if name not in ("role", "content") and value}
        if rest:
            parts.append(_fenced(json.dumps(rest, ensure_ascii=False, indent=1)))
        content = message.get("content")
        blocks = content if isinstance(content, list) else [content]
        parts += [_fenced(_block_text(block)) for block in blocks if block is not None]
    return "\n\n".join(parts) + "\n"


def _block_text(block: Any) -> str:
    if isinstance(block, dict) and isinstance(block.get("text"), str):
        return str(block["text"])
    return block if isinstance(block, str) else json.dumps(block, ensure_ascii=False, indent=1)


def _fenced(text: str) -> str:
    """The text between two fences that are longer than any row of backticks in it."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text}\n{fence}"
