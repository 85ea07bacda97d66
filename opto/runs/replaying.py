"""A run again: its recorded answers in the place of models, and its events held against those of the record."""

from __future__ import annotations

import difflib
import json
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any

from opto.errors import ReplayDifferenceError
from opto.runs.events import Event
from opto.runs.lines import plain_event
from opto.runs.reading import Run

__all__ = ["Replay"]

_TIMING = frozenset({"seconds", "usd", "identity"})
_MOST_LINES = 40
_WIDTH = 160


class Replay:
    """Answers requests from a run, and notes where what it hears first differs from what the run has.

    A request is found by its model, messages and options, and by its occurrence: the n-th equal request gets the n-th
    recorded answer. Events are compared in the order in which each optimizer emits its own, whatever the order among
    optimizers in several threads; times and costs do not count.

    Args:
        run: one session of a record.

    Attributes:
        difference: the first difference, as an error to raise; None while there is none.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._streams: list[deque[Event]] = []
        self._which: dict[str, int] = {}
        self._started = 0
        self._answers: dict[str, deque[dict[str, Any]]] = defaultdict(deque)
        self._asked: dict[str, dict[str, Any]] = {}
        self._uncalled: dict[str, int] = defaultdict(int)
        self.difference: ReplayDifferenceError | None = None
        self._take_apart(run.events)

    def _take_apart(self, events: list[Event]) -> None:
        open_requests: dict[tuple[str, int, int], deque[dict[str, Any]]] = defaultdict(deque)
        for event in events:
            data = event.data
            if event.kind == "call":
                self._answer_of(_request(data)).update(_outcome(data))
                self._uncalled[_key(data)] += 1
                continue
            identity = data.get("identity")
            if identity is None:
                continue
            if identity not in self._which:
                self._which[identity] = len(self._streams)
                self._streams.append(deque())
            self._streams[self._which[identity]].append(event)
            place = (identity, data.get("step", 0), data.get("number", 0))
            if event.kind == "request":
                open_requests[place].append(self._answer_of(_request(data)))
            elif event.kind == "response" and open_requests[place]:
                open_requests[place].popleft().update(_outcome(data))
        self._which.clear()

    def _answer_of(self, request: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        key = _key(request)
        self._asked[key] = request
        self._answers[key].append(answer)
        return answer

    # ---- answering

    def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The recorded answer to the next request like this one.

        Raises:
            ReplayDifferenceError: there is none. It tells of the first difference, which may have come earlier.
        """
        with self._lock:
            waiting = self._answers.get(_key(plain_event(_request(request))))
            answer = waiting.popleft() if waiting else {}
            if answer:
                return answer
            if self.difference is None:
                self._note_unanswered(plain_event(_request(request)))
            assert self.difference is not None
            raise self.difference

    def _note_unanswered(self, request: dict[str, Any]) -> None:
        known = [self._asked[key] for key, waiting in self._answers.items() if waiting]
        nearest = max(known, key=lambda other: _likeness(other, request), default=None)
        what = "The record holds no answer to a request of the replay"
        if nearest is None:
            what += ": every recorded request was answered already"
        self._note(what, "request" if "optimizer" in request else "call", nearest, request)

    # ---- comparing

    def on_event(self, event: Event) -> None:
        """Hold an event of the replay against the record."""
        data = plain_event(event.data)
        with self._lock:
            if self.difference is not None:
                return
            if event.kind == "call":
                self._uncalled[_key(data)] -= 1
                return
            identity = data.get("identity")
            if identity is None:
                return
            self._compare(self._stream(identity), event.kind, data)

    def _stream(self, identity: str) -> deque[Event]:
        if identity not in self._which:
            self._which[identity] = self._started
            self._started += 1
        number = self._which[identity]
        return self._streams[number] if number < len(self._streams) else deque()

    def _compare(self, stream: deque[Event], kind: str, data: dict[str, Any]) -> None:
        if not stream:
            self._note(
                f"The record has no more events of this optimizer, but the replay has a {kind!r}", kind, None, data
            )
            return
        recorded = stream.popleft()
        if recorded.kind != kind:
            what = f"The record has a {recorded.kind!r} where the replay has a {kind!r}"
            self._note(what, kind, {"event": recorded.kind, **recorded.data}, {"event": kind, **data})
        elif _text(_compared(recorded.data)) != _text(_compared(data)):
            self._note(f"The {kind!r} of the replay is another one than recorded", kind, dict(recorded.data), data)

    def finish(self) -> None:
        """Raise the first difference, if there is one; what the record has and the replay never came to is one, too.

        Raises:
            ReplayDifferenceError: see `difference`.
        """
        with self._lock:
            if self.difference is None:
                self._look_for_leftovers()
            if self.difference is not None:
                raise self.difference

    def _look_for_leftovers(self) -> None:
        for stream in self._streams:
            if stream:
                event = stream[0]
                self._note(
                    f"The replay ended before a {event.kind!r} of the record", event.kind, dict(event.data), None
                )
                return
        for key, count in self._uncalled.items():
            if count > 0:
                self._note("The replay ended without a call of the record", "call", self._asked[key], None)
                return

    def _note(self, what: str, kind: str, expected: dict[str, Any] | None, got: dict[str, Any] | None) -> None:
        some: Mapping[str, Any] = got or expected or {}
        optimizer, step = some.get("optimizer"), some.get("step")
        place = f" (step {step} of {optimizer})" if optimizer else ""
        difference = _difference(expected, got)
        self.difference = ReplayDifferenceError(
            f"{what}{place}; the run is {self._run.path}.\n{difference}",
            kind=kind,
            optimizer=optimizer,
            step=step,
            expected=expected,
            got=got,
            difference=difference,
        )


def _request(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in ("model", "messages", "options")}


def _key(request: Mapping[str, Any]) -> str:
    return _text(_request(request))


def _outcome(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in ("response", "raised") if name in data}


def _compared(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in _TIMING}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _difference(expected: Mapping[str, Any] | None, got: Mapping[str, Any] | None) -> str:
    lines = difflib.unified_diff(
        list(_lines(_compared(expected or {}))), list(_lines(_compared(got or {}))), "recorded", "replayed", n=2,
        lineterm="",
    )  # fmt: skip
    shown = list(lines)
    more = len(shown) - _MOST_LINES
    return "\n".join([*shown[:_MOST_LINES], *([f"... {more} more lines"] if more > 0 else [])])


def _lines(data: Any, name: str = "") -> Iterator[str]:
    """A value as lines to compare: one for each leaf, texts as their own lines."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from _lines(value, f"{name}.{key}" if name else str(key))
    elif isinstance(data, list):
        for position, value in enumerate(data):
            yield from _lines(value, f"{name}[{position}]")
    elif isinstance(data, str) and "\n" in data:
        yield f"{name}:"
        for line in data.split("\n"):
            yield from (line[start : start + _WIDTH] for start in range(0, max(1, len(line)), _WIDTH))
    else:
        yield f"{name}: {json.dumps(data, ensure_ascii=False)}"


def _likeness(left: Any, right: Any) -> float:
    one, two = list(_lines(left))[:400], list(_lines(right))[:400]
    return difflib.SequenceMatcher(None, one, two, autojunk=False).ratio()
