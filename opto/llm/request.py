"""A request as plain data: what of it decides the answer, and its canonical text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opto.secrets import is_secret_name, remember_secrets

if TYPE_CHECKING:
    from opto.llm.model import Messages

__all__ = ["canonical_text", "request_data"]

_TRANSPORT = frozenset(
    {
        "api_base",
        "api_version",
        "base_url",
        "cache",
        "caching",
        "client",
        "client_id",
        "http_client",
        "max_retries",
        "metadata",
        "num_retries",
        "occurrence",
        "organization",
        "request_timeout",
        "shared_session",
        "timeout",
        "user",
    }
)
"""Options that say how a request travels, not what it asks: a recording made with other ones is as good."""

_SCHEMAS = frozenset({"tools", "functions", "response_format"})
"""Options that hold names chosen by the user, where a property called `secret` is not one."""


def request_data(messages: Messages, options: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a request that decides its answer, as JSON data without keys, headers and options of transport.

    Raises:
        TypeError: a message or an option has no JSON form.
    """
    remember_secrets(options)
    kept = [name for name in sorted(options) if name not in _TRANSPORT and not is_secret_name(name)]
    return {
        "messages": [_message(message, i) for i, message in enumerate(messages)],
        "options": {name: _plain(options[name], name, scrub=name not in _SCHEMAS) for name in kept},
    }


def canonical_text(data: Any) -> str:
    """The same text for equal JSON data, whatever the order of its keys."""
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _message(message: Mapping[str, Any], position: int) -> Any:
    if type(message) is dict and set(map(type, message.values())) == {str}:
        return dict(message)  # most are two texts
    return _plain(dict(message), f"messages[{position}]", scrub=False)


def _plain(value: Any, where: str, *, scrub: bool) -> Any:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        names = [name for name in value if not (scrub and is_secret_name(str(name)))]
        return {str(name): _plain(value[name], f"{where}[{name!r}]", scrub=scrub) for name in names}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{i}]", scrub=scrub) for i, item in enumerate(value)]
    if isinstance(value, type) and hasattr(value, "model_json_schema"):
        return {"json_schema": _plain(value.model_json_schema(), where, scrub=False)}
    if hasattr(value, "model_dump"):
        return _plain(value.model_dump(), where, scrub=scrub)
    raise TypeError(
        f"a request that is recorded must be JSON data, but {where} is of type {type(value).__name__}: "
        f"pass plain text, numbers, lists and mappings"
    )
