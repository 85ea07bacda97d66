"""Loggers that write no keys: opto's own, and those of the libraries that carry its requests."""

from __future__ import annotations

import logging

from opto.secrets import redact_message

__all__ = ["RedactingFilter", "guard_libraries", "logger"]

_LIBRARIES = (
    "LiteLLM",
    "LiteLLM Proxy",
    "LiteLLM Router",
    "asyncio",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpx",
    "openai",
    "openai._base_client",
    "openai._response",
    "openai._legacy_response",
)


class RedactingFilter(logging.Filter):
    """Lets every record pass, without secrets in its message and its traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Strike out secrets in the message and the traceback."""
        try:
            message = record.getMessage()
        except Exception:  # arguments that do not fit are the formatter's to report
            return True
        clean = redact_message(message)
        if clean != message:
            record.msg, record.args = clean, ()
        if record.exc_info and not record.exc_text and record.exc_info[0] is not None:
            record.exc_text = redact_message(logging.Formatter().formatException(record.exc_info))
        return True


_FILTER = RedactingFilter()
logger = logging.getLogger("opto.llm")
logger.addFilter(_FILTER)


def guard_libraries() -> None:
    """Strike out secrets in what the libraries log that carry requests; once is enough, and again does no harm."""
    for name in _LIBRARIES:
        logging.getLogger(name).addFilter(_FILTER)
