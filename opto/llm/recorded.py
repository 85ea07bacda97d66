"""Recording what a model answered, and answering from the record."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from opto.errors import FileFormatError, ModelResponseError, ReplayError
from opto.llm.difference import nearest, request_text, unified_difference
from opto.llm.from_callable import as_model
from opto.llm.model import Messages, Model
from opto.llm.occurrences import Occurrences
from opto.llm.recording import Appending, read_recording
from opto.llm.request import canonical_text, request_data
from opto.llm.response import Response
from opto.llm.totals import tell_replayed
from opto.secrets import redact

__all__ = ["Recorded"]

_Place = tuple[str, int]
"""A request as canonical text, and which of its repetitions is meant, from 1."""


class Recorded(Model):
    """Records the exchanges with a model in a text file, and replays them exactly, without the model.

        model = Recorded("exchanges.json", LiteLLM("gpt-4o"), mode="auto")    # asks what is not on file, and records it
        model = Recorded("exchanges.json")                                   # answers from the file alone

    An exchange is found by its request (messages and options; neither keys, headers, addresses nor time-outs count or
    are ever written; secrets in texts are struck out, see `opto.secrets`) and by its occurrence: the n-th equal
    request gets the n-th answer. Occurrences are counted in the order of the calls. Who sends requests concurrently
    calls `reserve` for each of them beforehand, in order; so the driver of the optimizers does. A request that fails is
    not recorded, and its number is given to the next equal one. Several processes may record in one file: what another
    one recorded meanwhile is the answer here too.
    The file is plain text to be read, compared and kept under version control; `opto.llm.recording` has its format.

    Args:
        path: the file.
        model: the model to ask; not needed for a replay.
        mode: "replay" answers from the file alone; "record" begins a new file; "auto"
            replays what is on file and asks the model for the rest.
        answered_by: who answers, in free words, to be written into the file; by default the name of the model.

    Raises:
        ValueError: there is no such mode, or the mode needs a model and none is given.
        FileNotFoundError: there is nothing to replay.
        FileExistsError: the file to record exists already.
    """

    asks_another = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        model: Any = None,
        mode: Literal["replay", "record", "auto"] = "replay",
        *,
        answered_by: str | None = None,
    ) -> None:
        if mode not in ("replay", "record", "auto"):
            raise ValueError(f"mode must be 'replay', 'record' or 'auto', got {mode!r}")
        if model is None and mode == "record":
            raise ValueError("mode 'record' needs the model to ask: Recorded(path, model, mode='record')")
        self.path, self.mode = Path(path), mode
        self.model = None if model is None else as_model(model)
        self._answered_by = answered_by
        self._occurrences = Occurrences()
        self._lock = threading.Lock()
        self._exchanges: dict[_Place, Response] = {}
        self._header_label: str | None = None
        self._end = 0
        self._read()

    @property
    def name(self) -> str:
        """Who gave the answers."""
        return self.answered_by

    @property
    def answered_by(self) -> str:
        """Who gave the answers: the label given, else the one in the file, else the name of the model."""
        return self._answered_by or self._header_label or ("" if self.model is None else self.model.name)

    @property
    def count(self) -> int:
        """How many exchanges are on file."""
        return len(self._exchanges)

    def reserve(self, messages: Messages, **options: Any) -> dict[str, Any]:
        """{"occurrence": n}: the number that this request has among equal ones, from 1."""
        return {"occurrence": self._occurrences.take(canonical_text(_request(messages, options)))}

    def effective_options(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the model behind the recording sends."""
        return options if self.model is None else self.model.effective_options(options)

    def complete(self, messages: Messages, *, occurrence: int | None = None, **options: Any) -> Response:
        """The answer on file to this request, or the model's, which is recorded."""
        place = self._place(messages, options, occurrence)
        if (answer := self._on_file(place, occurrence, messages, options)) is not None:
            return answer
        assert self.model is not None
        try:
            return self._write(place, self.model(messages=messages, **options), messages, options)
        except BaseException:
            self._return_number(place, occurrence)
            raise

    async def acomplete(self, messages: Messages, *, occurrence: int | None = None, **options: Any) -> Response:
        """`complete` without blocking the event loop."""
        place = self._place(messages, options, occurrence)
        if (answer := self._on_file(place, occurrence, messages, options)) is not None:
            return answer
        assert self.model is not None
        try:
            return self._write(place, await self.model.acall(messages=messages, **options), messages, options)
        except BaseException:
            self._return_number(place, occurrence)
            raise

    def _place(self, messages: Messages, options: dict[str, Any], occurrence: int | None) -> _Place:
        key = canonical_text(_request(messages, options))
        return key, self._occurrences.take(key) if occurrence is None else occurrence

    def _return_number(self, place: _Place, reserved: int | None) -> None:
        """Give the number of a failed request to the next equal one, unless the caller holds it and may try again."""
        if reserved is None:
            self._occurrences.give_back(*place)

    def _on_file(
        self, place: _Place, reserved: int | None, messages: Messages, options: dict[str, Any]
    ) -> Response | None:
        """The recorded answer; None when the model is to be asked."""
        answer = self._exchanges.get(place)
        if answer is None and (self.mode == "replay" or self.model is None):
            self._return_number(place, reserved)
            raise ReplayError(self._explain(place, _request(messages, options)))
        if answer is not None:
            tell_replayed(answer.model or self.name)
        return answer

    def _write(self, place: _Place, answer: Response, messages: Messages, options: dict[str, Any]) -> Response:
        exchange: dict[str, Any] = {
            "occurrence": place[1],
            "request": _request(messages, options),
            "response": redact(answer.to_dict()),
        }
        with self._lock, Appending(self.path) as recording:
            for other in recording.news(self._end):
                self._add(other)
            if place in self._exchanges:  # another process was faster: its answer is the one that a replay gives
                return self._exchanges[place]
            if self._header_label is None:
                self._header_label = self.answered_by
            elif self._header_label != self.answered_by:
                exchange["answered_by"] = self.answered_by
            self._end = recording.add(exchange, answered_by=self._header_label)
            self._exchanges[place] = answer.as_replayed()
        return answer

    def _read(self) -> None:
        exists = self.path.exists() and self.path.stat().st_size > 0
        if self.mode == "record":
            if exists:
                raise FileExistsError(f"{self.path} holds a recording: remove it, or add to it with mode='auto'")
            return
        if not exists:
            if self.mode == "replay":
                raise FileNotFoundError(f"{self.path} does not exist, so there is nothing to replay: record it first")
            return
        header, exchanges, self._end = read_recording(self.path)
        if header:
            self._header_label = str(header.get("answered_by", ""))
        for exchange in exchanges:
            self._add(exchange)

    def _add(self, exchange: dict[str, Any]) -> None:
        request = redact(exchange["request"])
        place = (canonical_text(request), exchange["occurrence"])
        try:
            answer = Response.of(exchange["response"]).as_replayed()
        except (ModelResponseError, TypeError, ValueError) as error:
            raise FileFormatError(f"{self.path} is damaged: a recorded response is none: {error}") from error
        if self._exchanges.setdefault(place, answer) != answer:
            raise FileFormatError(
                f"{self.path} holds two answers to occurrence {place[1]} of one request: remove one of them\n"
                f"{request_text(request)[:500]}"
            )

    def _explain(self, place: _Place, asked: dict[str, Any]) -> str:
        key, occurrence = place
        what = f"no answer is recorded in {self.path} to this request"
        if times := sum(1 for recorded, _ in self._exchanges if recorded == key):
            return (
                f"{what} for the {_ordinal(occurrence)} time: it is on file {times} time(s). Does the program ask "
                f"more often than when it was recorded?\n{request_text(asked)[:500]}"
            )
        import json

        text = request_text(asked)
        near = nearest(text, (request_text(json.loads(recorded)) for recorded, _ in self._exchanges))
        if near is None:
            return f"{what}: it holds no exchange at all"
        return f"{what}. The nearest recorded request differs so:\n{unified_difference(near, text)}"

    def __deepcopy__(self, memo: dict[int, Any]) -> Recorded:
        """The same object: two that count on their own would answer one request twice."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Recorded({str(self.path)!r}, {self.model!r}, mode={self.mode!r})"


def _request(messages: Messages, options: Mapping[str, Any]) -> dict[str, Any]:
    """A request as it is written and found."""
    data: dict[str, Any] = redact(request_data(messages, options))
    return data


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
