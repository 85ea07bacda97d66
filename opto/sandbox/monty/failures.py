"""What the Monty interpreter says of code that failed, as the exception that the caller gets."""

from __future__ import annotations

import builtins
import importlib.util
import re
import sys
from dataclasses import dataclass
from typing import Any

from opto.errors import CrossingError, LimitExceededError, SandboxError, UnsupportedFeatureError
from opto.sandbox.remote_errors import RemoteFrame, RemoteText

__all__ = ["Limits", "Told", "failure", "too_long", "too_many_calls", "unsupported"]

_MOST_TEXT = 20_000
_SYNTAX = re.compile(r"The monty syntax parser does not yet support (.*)", re.DOTALL)
_UNSUPPORTED = re.compile(r"does not yet support|(is|are) not supported|^Internal error in monty")
_UNKNOWN_MODULE = re.compile(r"No module named '([\w.]+)'")
_NOT_IN_MODULE = re.compile(
    r"(?:cannot import name '(\w+)' from '([\w.]+)'|module '([\w.]+)' has no attribute '(\w+)')"
)
_NOT_IN_TYPE = re.compile(r"(?:type object )?'(\w+(?:\.\w+)?)'(?: object)? has no attribute '(\w+)'")
_UNKNOWN_NAME = re.compile(r"name '(\w+)' is not defined")
_NO_SUSPENSION = re.compile(r"external function '(\w+)' cannot suspend")
_TYPES = {"re.Match": re.Match, "re.Pattern": re.Pattern}


@dataclass(frozen=True)
class Limits:
    """What a call may take.

    Attributes:
        seconds: of running, without what host functions take.
        memory: bytes.
        recursion: calls inside each other.
        output: bytes that it may print.
        host_calls: calls of host functions.
    """

    seconds: float
    memory: int
    recursion: int
    output: int
    host_calls: int


@dataclass
class Told:
    """What is known of a call when it fails.

    Attributes:
        text: the text that ran.
        offset: how many lines stood before it.
        limits: what it may take.
        raised: what the last host function raised, and its class and message as Monty was told.
    """

    text: RemoteText
    offset: int
    limits: Limits
    raised: tuple[Exception, str, str] | None = None


def failure(error: Exception, told: Told) -> BaseException:
    """The exception for the caller.

    Args:
        error: what Monty's package raised.
        told: what is known of the call.
    """
    import pydantic_monty

    if isinstance(error, (pydantic_monty.MontyRuntimeError, pydantic_monty.MontySyntaxError)):
        frames = error.traceback()
        places = [
            RemoteFrame(each.function_name or "<module>", each.line - told.offset)
            for each in frames
            if each.filename.startswith("<python-input")
        ]
        raised = _told(error.exception(), bool(frames), told)
        if raised.__context__ is error:  # it would say the same again, at any length
            raised.__context__ = None
        then = raised.__traceback__ if told.raised is not None and raised is told.raised[0] else None
        return told.text.placed(raised, places, then=then)
    if isinstance(error, pydantic_monty.MontyCrashedError):
        if error.timed_out:
            return too_long(told.limits)
        return SandboxError(f"The worker of the Monty sandbox died while it ran the code: {error}"[:_MOST_TEXT])
    if isinstance(error, pydantic_monty.MontyConversionError) or type(error) is TypeError:
        return CrossingError(f"A value cannot cross the wall of the Monty sandbox: {error}"[:_MOST_TEXT])
    if isinstance(error, pydantic_monty.MontyError):
        return SandboxError(f"The Monty sandbox failed: {type(error).__name__}: {error}"[:_MOST_TEXT])
    return error


def _told(error: BaseException, has_frames: bool, told: Told) -> BaseException:
    message = str(error.args[0]) if error.args else ""
    if told.raised is not None and told.raised[1:] == (type(error).__name__, message):
        return told.raised[0]
    limit = _limit(error, message, has_frames, told.limits)
    if limit is not None:
        return limit
    feature = _missing(error, message)
    if feature is not None:
        return unsupported(feature, message)
    if not isinstance(error, Exception):
        return SandboxError(f"The code ended with {type(error).__name__}: {message[:_MOST_TEXT]}".rstrip(": ") + ".")
    if len(message) > _MOST_TEXT and len(error.args) == 1:
        error.args = (f"{message[:_MOST_TEXT]}...",)
    elif error.args == ("",):  # Monty has no exceptions without a message
        error.args = ()
    return error


def unsupported(feature: str, message: str = "") -> UnsupportedFeatureError:
    """The error for code that uses a part of Python which Monty lacks.

    Args:
        feature: what it is.
        message: what Monty says.
    """
    said = f" ({message[:500]})" if message else ""
    return UnsupportedFeatureError(
        f"The code needs {feature}, which Monty, the interpreter that runs it, does not have{said}. Write it without, "
        "or run it with opto.sandbox.Subprocess, which runs all of Python.",
        feature=feature,
    )


def _limit(error: BaseException, message: str, has_frames: bool, limits: Limits) -> LimitExceededError | None:
    """Which limit stopped the code, if one did."""
    if isinstance(error, TimeoutError) and not has_frames and "time limit exceeded" in message:
        return too_long(limits)
    if isinstance(error, TimeoutError) and message.startswith("sleep limit exceeded"):
        return too_long(limits)
    if isinstance(error, MemoryError) and message.startswith("memory limit exceeded"):
        if not has_frames and message.endswith(f"> {limits.output} bytes"):
            return LimitExceededError(
                f"The code printed more than the {limits.output:,} bytes that it may; raise it with output=.",
                limit="output",
                allowed=limits.output,
            )
        return LimitExceededError(
            f"The code took more than the {limits.memory:,} bytes of memory that it may; raise it with memory=.",
            limit="memory",
            allowed=limits.memory,
        )
    if isinstance(error, RecursionError) and message == "maximum recursion depth exceeded":
        return LimitExceededError(
            f"The code made more than {limits.recursion:,} calls inside each other, which is all it may; raise it with "
            "recursion=.",
            limit="recursion",
            allowed=limits.recursion,
        )
    if message.startswith("suspension limit"):
        return too_many_calls(limits)
    return None


def too_long(limits: Limits) -> LimitExceededError:
    """The error for code that ran too long."""
    return LimitExceededError(
        f"The code ran for more than the {limits.seconds:g} seconds that it may; raise it with seconds=.",
        limit="seconds",
        allowed=limits.seconds,
    )


def too_many_calls(limits: Limits) -> LimitExceededError:
    """The error for code that called back too often."""
    return LimitExceededError(
        f"The code called functions of the program more than {limits.host_calls:,} times; raise it with host_calls=.",
        limit="host_calls",
        allowed=limits.host_calls,
    )


def _missing(error: BaseException, message: str) -> str | None:
    """What part of Python the code uses that Monty lacks, if that is why it failed."""
    if isinstance(error, NotImplementedError):
        if (found := _SYNTAX.match(message)) is not None:
            return _noun(found[1])
        if (found := _NO_SUSPENSION.search(message)) is not None:
            return f"calls of the host function {found[1]!r} by a built-in one, such as map or sorted"
    if isinstance(error, (NotImplementedError, RuntimeError)) and _UNSUPPORTED.search(message) is not None:
        return _noun(message)
    if isinstance(error, ModuleNotFoundError) and (found := _UNKNOWN_MODULE.match(message)) is not None:
        return f"the module {found[1]!r}" if _is_module(found[1].split(".")[0]) else None
    if isinstance(error, (ImportError, AttributeError)) and (found := _NOT_IN_MODULE.search(message)) is not None:
        module, name = found[2] or found[3], found[1] or found[4]
        known = module in sys.stdlib_module_names and hasattr(importlib.import_module(module), name)
        return f"{module}.{name}" if known else None
    if isinstance(error, AttributeError) and (found := _NOT_IN_TYPE.search(message)) is not None:
        return _missing_method(found[1], found[2])
    if isinstance(error, NameError) and (found := _UNKNOWN_NAME.match(message)) is not None:
        return f"the built-in {found[1]!r}" if hasattr(builtins, found[1]) else None
    return None


def _missing_method(kind: str, name: str) -> str | None:
    if kind == "module" and not name.startswith("_"):  # what stands for a module of the library
        return f"{name!r} of this module"
    cls: Any = _TYPES.get(kind) or getattr(builtins, kind, None)
    if kind == "function":
        return f"the attribute {name!r} of functions"
    return f"{kind}.{name}" if isinstance(cls, type) and hasattr(cls, name) else None


def _noun(words: str) -> str:
    """What is missing, out of what Monty says of it."""
    if "zero or one string argument" in words:
        return "exceptions with other arguments than one text"
    words = words.removeprefix("Internal error in monty: ")
    for phrase in (" is not supported", " are not supported"):
        words = words.split(phrase)[0]
    *_, words = words.split("does not yet support ")
    return words.strip().removesuffix(".")[:200]


def _is_module(name: str) -> bool:
    if name in sys.stdlib_module_names or name in sys.modules:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False
