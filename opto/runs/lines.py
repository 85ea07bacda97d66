"""Events as lines of JSON, and back. A long text that comes again is written once and then referred to.

Where a text may stand, `{"text": 7, "is": "..."}` is that text, which gets the number 7, and `{"text": 7}` is the same
text again. Numbers hold until the next header. This is done for the texts that repeat: the messages of a request, and
the calls and the prompt of a problem. No JSON value of these places is an object otherwise.
Keys and tokens are struck out, see `opto.secrets`.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from opto.errors import FileFormatError
from opto.runs.events import Event
from opto.secrets import redact_json

__all__ = ["LineWriter", "plain_event", "resolved"]

_LONG = 200
_KEPT_TEXTS = 256


class LineWriter:
    """Writes the lines of one session."""

    def __init__(self) -> None:
        self._encode = _encoder()
        self._texts: dict[str, int] = {}
        self._numbered = 0

    def line(self, document: Mapping[str, Any]) -> bytes:
        """A document as one line, with its line break."""
        return self._encode(document) + b"\n"

    def event(self, event: Event) -> bytes:
        """An event as one line, with its line break."""
        data: Mapping[str, Any] = event.data
        if event.kind in _SHARING:
            data = self._shared(event.kind, data)
        return self._encode({"event": event.kind, "time": event.time, "data": data}) + b"\n"

    def forget(self) -> None:
        """Write every text anew."""
        self._texts.clear()

    def _shared(self, kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
        shared = dict(data)
        if kind == "problem":
            for name in ("calls", "prompt"):
                if name in shared:
                    shared[name] = self._text(shared[name])
        else:
            shared["messages"] = [
                {**message, "content": self._text(message["content"])} if "content" in message else message
                for message in shared["messages"]
            ]
        return shared

    def _text(self, text: Any) -> Any:
        if type(text) is not str or len(text) < _LONG:
            return text
        number = self._texts.get(text)
        if number is not None:
            return {"text": number}
        self._numbered = number = self._numbered + 1
        if len(self._texts) >= _KEPT_TEXTS:
            del self._texts[next(iter(self._texts))]
        self._texts[text] = number
        return {"text": number, "is": text}


_SHARING = frozenset({"problem", "request", "call"})


def resolved(kind: str, data: dict[str, Any], texts: dict[int, str]) -> dict[str, Any]:
    """The data of an event with its texts in place.

    Args:
        kind: of the event.
        data: as it stands in the line; it is changed.
        texts: those met so far in this session; it is added to.
    """
    if kind == "problem":
        for name in ("calls", "prompt"):
            if isinstance(data.get(name), dict):
                data[name] = _resolved_text(data[name], texts)
    elif kind in _SHARING:
        for message in data["messages"]:
            if isinstance(message.get("content"), dict):
                message["content"] = _resolved_text(message["content"], texts)
    return data


def _resolved_text(reference: dict[str, Any], texts: dict[int, str]) -> str:
    number = reference.get("text")
    if "is" in reference:
        texts[number] = reference["is"]  # type: ignore[index]
    if number not in texts:
        raise FileFormatError(f"the record refers to the text {number!r}, which it does not hold")
    return texts[number]


def plain_event(data: Mapping[str, Any]) -> Any:
    """The data of an event as it is when it was written and read again."""
    return json.loads(_encoder()(data).decode("utf-8", "surrogatepass"))


@functools.cache
def _encoder() -> Callable[[Any], bytes]:
    from pydantic_core import to_json  # several times as fast as the standard library's

    def encode(value: Any) -> bytes:
        try:
            line = to_json(value, inf_nan_mode="strings", fallback=_plain)
        except ValueError:  # a lone surrogate, or endless depth
            text = json.dumps(_shallow(value, 0), ensure_ascii=False, default=_plain)
            line = text.encode("utf-8", "surrogatepass")
        return redact_json(line)

    return encode


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _shallow(value: Any, depth: int) -> Any:
    """The value without what JSON cannot say: infinite numbers, keys that are no text, endless depth."""
    if depth > 100:
        return "..."
    if isinstance(value, float) and not math.isfinite(value):
        return {"inf": "Infinity", "-inf": "-Infinity"}.get(str(value), "NaN")
    if isinstance(value, Mapping):
        return {str(key): _shallow(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_shallow(item, depth + 1) for item in value]
    return value
