"""Importing LiteLLM: when it is first needed, offline, quiet, and without keys in its logs."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from opto.forking import forkable_lock
from opto.llm.redacting import guard_libraries

__all__ = ["load_litellm"]

_OFFLINE = {
    # Without these LiteLLM asks a server for prices and headers while it is imported or first called.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
}
_importing = forkable_lock()
_REMARK = ".*`ReadOnly` qualifier"
"""What newer versions of pydantic say of classes of LiteLLM, when they are first used."""

_FIRST_USED_BY_A_CALL = ("litellm.llms.github_copilot.per_user_auth",)


def load_litellm() -> Any:
    """The module `litellm`, imported offline and quiet. One that the program has imported itself is left as it is."""
    with _importing:
        guard_libraries()
        if "litellm" in sys.modules:
            return sys.modules["litellm"]
        with _environment(_OFFLINE), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            litellm: Any = import_module("litellm")
            _use_classes(litellm)
    warnings.filterwarnings("ignore", message=_REMARK, category=UserWarning)
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    if "LITELLM_LOG" not in os.environ:
        for logger in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router"):
            logging.getLogger(logger).setLevel(logging.ERROR)
    return litellm


def _use_classes(litellm: Any) -> None:
    """Let remarks on LiteLLM's classes be made now, where nobody hears them, and not in the first call of a program.

    There, a program that takes warnings for errors would take them for a failed call.
    """
    litellm.ModelResponse()
    for name in _FIRST_USED_BY_A_CALL:
        with suppress(ImportError):  # of other versions
            import_module(name)


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set what the environment leaves open, and take it back at the end."""
    added = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
