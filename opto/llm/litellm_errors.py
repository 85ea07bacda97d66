"""What an exception of LiteLLM means, as an exception of opto.

LiteLLM gives nearly every failure the class of an HTTP status, also one that never was a response (a cut connection, an
answer that is not JSON and a missing key all become "status 500"). So the chain of causes is read.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from opto.errors import ModelAccessError, ModelError, ModelResponseError, ModelTimeoutError
from opto.llm.retry_rules import is_transient_status, retry_after
from opto.secrets import redact_message

__all__ = ["translated"]

_NO_RESPONSE = ("httpx.TransportError", "openai.APIConnectionError", "aiohttp.client_exceptions.ClientError")
_BAD_SHAPE = ("litellm.exceptions.APIError", "litellm.exceptions.APIResponseValidationError")


def translated(error: Exception, litellm: Any, call: Mapping[str, Any]) -> Exception:
    """The `ModelError` that `error` means; `error` itself when it is not about the model, such as a TypeError.

    Args:
        error: what LiteLLM raised. Keys are struck out of its message, and of those of its causes.
        litellm: the module.
        call: the arguments of the call.
    """
    chain = list(_chain(error))
    _strike_out_keys(chain)
    if not any(_is(link, "openai.OpenAIError", "httpx.HTTPError", *_NO_RESPONSE) for link in chain):
        return error
    about = f"{call['model']}: {_short(error)}"
    if any(_is_timeout(link) for link in chain):
        return ModelTimeoutError(f"no answer within {call.get('timeout')} s from {about}")
    status = _status(chain)
    if status is not None:
        return _from_status(status, about, chain, _missing_keys(litellm, call))
    if any(_is_foreign(link) and (_is(link, *_NO_RESPONSE) or isinstance(link, ConnectionError)) for link in chain):
        return ModelError(f"the connection failed to {about}", transient=True)
    no_json = any(isinstance(link, json.JSONDecodeError) for link in chain)
    if not no_json and (missing := _missing_keys(litellm, call)):
        return ModelAccessError(_no_key(missing, about))
    if no_json or any(_is(link, *_BAD_SHAPE) for link in chain):
        return ModelResponseError(f"the answer is no chat completion from {about}")
    return ModelError(about, transient=True)


def _from_status(status: int, about: str, chain: list[BaseException], missing: list[str]) -> ModelError:
    if status in (401, 403) and missing:
        return ModelAccessError(_no_key(missing, about), status=status)
    if status == 401:
        return ModelAccessError(f"the key was refused by {about}", status=status)
    spent = any("insufficient_quota" in str(link) for link in chain)  # a 429 that no waiting cures
    waits = (retry_after(_headers(link)) for link in chain)
    return ModelError(
        f"status {status} from {about}",
        status=status,
        transient=is_transient_status(status) and not spent,
        retry_after=next((wait for wait in waits if wait is not None), None),
    )


def _no_key(missing: list[str], about: str) -> str:
    return (
        f"no key: set the environment variable {' or '.join(missing)}, or pass api_key=... ; a local server is reached "
        f"with LLM('openai/NAME', api_base='http://...', api_key='none'). Asked was {about}"
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what led to it, the outermost first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _is(error: BaseException, *names: str) -> bool:
    """Whether the exception is of one of these classes, which are named so as not to import their modules."""
    return any(f"{kind.__module__}.{kind.__qualname__}" in names for kind in type(error).__mro__)


def _is_foreign(error: BaseException) -> bool:
    return not type(error).__module__.startswith("litellm")


def _is_timeout(error: BaseException) -> bool:
    return isinstance(error, TimeoutError) or _is(error, "httpx.TimeoutException", "litellm.exceptions.Timeout")


def _status(chain: list[BaseException]) -> int | None:
    """The HTTP status that came back; None when there was no response, or none with an error status."""
    for link in chain:
        if _is(link, "httpx.HTTPStatusError"):
            return int(link.response.status_code)  # type: ignore[attr-defined]
    status = getattr(chain[0], "status_code", None)
    return status if isinstance(status, int) and 400 <= status < 500 else None


def _headers(error: BaseException) -> Any:
    found = getattr(error, "litellm_response_headers", None)
    return found if found is not None else getattr(getattr(error, "response", None), "headers", None)


def _missing_keys(litellm: Any, call: Mapping[str, Any]) -> list[str]:
    if call.get("api_key"):
        return []
    missing = litellm.validate_environment(call["model"])["missing_keys"]
    return [name for name in missing if name.endswith("KEY")]


def _strike_out_keys(chain: list[BaseException]) -> None:
    """Take keys out of the texts of these exceptions, which end up in logs and recordings."""
    for link in chain:
        for name, value in list(vars(link).items()):
            if isinstance(value, (str, dict, list)) and (clean := _without_keys(value)) != value:
                with contextlib.suppress(AttributeError):  # an attribute that is read only
                    setattr(link, name, clean)
        link.args = tuple(_without_keys(part) for part in link.args)


def _without_keys(value: Any) -> Any:
    if isinstance(value, str):
        return redact_message(value)
    if isinstance(value, dict):
        return {name: _without_keys(part) for name, part in value.items()}
    return [_without_keys(part) for part in value] if isinstance(value, list) else value


def _short(error: BaseException) -> str:
    text = str(error).partition("\nTraceback")[0].strip()
    return text if len(text) <= 500 else f"{text[:500]}..."
