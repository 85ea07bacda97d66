"""What the data of a recorded event must look like for the readers of runs to rely on it.

Only what they use is checked: an event may say more, and kinds that are not in the table say what they like.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["complaint"]

_NUMBER: tuple[type, ...] = (int, float)
_MAYBE_NUMBER = (*_NUMBER, type(None))
_MAYBE_TEXT = (str, type(None))
_MAYBE_DICT = (dict, type(None))

_ABOUT: Mapping[str, Any] = {"optimizer": str, "identity": _MAYBE_TEXT, "step": int, "number": int, "purpose": str}
_REQUEST: Mapping[str, Any] = {"model": str, "messages": list, "options": dict}
_ANSWER: Mapping[str, Any] = {
    "response": _MAYBE_DICT,
    "raised": _MAYBE_DICT,
    "error": _MAYBE_TEXT,
    "seconds": _NUMBER,
    "usd": _MAYBE_NUMBER,
}
_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "problem": {
        "prompt": str,
        "calls": str,
        "start": int,
        "length": int,
        "roots": dict,
        "others": dict,
        "output": dict,
    },
    "request": _REQUEST,
    "response": _ANSWER,
    "call": {**_REQUEST, **_ANSWER},
    "attempt": {"reason": _MAYBE_TEXT, "outcome": str},
    "step": {"outcome": str, "reason": _MAYBE_TEXT, "old": dict, "new": dict, "seconds": _NUMBER},
    "update": {"old": dict, "new": dict},
}
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "request": ("model", "messages", "options", "purpose"),
    "call": ("model", "messages", "options"),
    "step": ("outcome",),
    "update": ("old", "new"),
}


def complaint(kind: Any, data: Any, time: Any) -> str | None:
    """What is wrong with an event, in words; None when nothing is.

    Args:
        kind: of the event.
        data: its data, with texts in place.
        time: when it came.
    """
    if not isinstance(kind, str) or not isinstance(data, dict) or not _is_number(time):
        return "it must have a text `event`, an object `data` and a number `time`"
    belongs = kind == "call" or data.get("identity") is not None  # other events are passed over by all readers
    missing = next((name for name in _NEEDED.get(kind, ()) if belongs and name not in data), None)
    if missing is not None:
        return f"it has no `{missing}`"
    for name, kinds in {**_ABOUT, **_FIELDS.get(kind, {})}.items():
        if name in data and not _is(data[name], kinds):
            return f"`{name}` is {type(data[name]).__name__}"
    return _inside(kind, data)


def _inside(kind: str, data: dict[str, Any]) -> str | None:
    if kind in ("request", "call") and not all(isinstance(message, dict) for message in data.get("messages", ())):
        return "`messages` must hold objects"
    if kind == "problem" and not _is_feedback(data.get("feedback")):
        return "`feedback` must have pairs as `outputs`"
    if kind == "problem" and "start" in data and "length" not in data:
        return "it has no `length`"
    raised = data.get("raised") if kind in ("response", "call") else None
    if raised is not None and not (_is_text(raised, "type") and _is_text(raised, "message") and _is_family(raised)):
        return "`raised` must have `type`, `message` and `family`"
    response = data.get("response") if kind in ("response", "call") else None
    return None if response is None or _is_response(response) else "`response` is no chat completion"


def _is(value: Any, kinds: Any) -> bool:
    return isinstance(value, kinds) and (not isinstance(value, bool) or kinds is bool)


def _is_number(value: Any) -> bool:
    return _is(value, _NUMBER)


def _is_text(mapping: Mapping[str, Any], name: str) -> bool:
    return isinstance(mapping.get(name), str)


def _is_family(raised: Mapping[str, Any]) -> bool:
    family = raised.get("family")
    return isinstance(family, list) and all(isinstance(name, str) for name in family)


def _is_feedback(said: Any) -> bool:
    if not isinstance(said, dict):
        return True
    outputs = said.get("outputs")
    return isinstance(outputs, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in outputs)


def _is_response(response: Mapping[str, Any]) -> bool:
    choices, usage = response.get("choices"), response.get("usage")
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, dict) for choice in choices):
        return False
    messages = [choice.get("message") for choice in choices]
    if not all(isinstance(each, dict) and isinstance(each.get("content"), _MAYBE_TEXT) for each in messages):
        return False
    counts = () if usage is None else usage.values() if isinstance(usage, dict) else (None,)
    return all(_is_number(count) for count in counts)
