"""An exception in words that a model can use: the source of what failed, with the failing lines marked.

What is written here enters prompts. So it is the same in every run and on every interpreter: no file paths, no
addresses, no carets, and a comprehension is a line of its function, whether or not the interpreter gives it a frame.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from opto.errors import CodeError, ExecutionError
from opto.sandbox import text_of
from opto.trace.source_blocks import block, first_line_of
from opto.trace.source_files import FileIndex, index_of

__all__ = ["comment_error", "describe_error", "is_library"]

_OPTO = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_STANDARD_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_MOST_BLOCKS = 8


def describe_error(error: BaseException) -> str:
    """`(<ErrorClass>) <message>`, the class with its module unless it is built in, the message without addresses."""
    if isinstance(error, ExecutionError):
        return str(error.args[0])
    return f"({_class_path(type(error))}) {_message(error)}".strip()


def comment_error(error: BaseException, *, function: Any = None) -> str:
    """The sources that an exception came through, outermost first, failing lines marked, blank lines between.

    The line that failed ends with ` <--- (<ErrorClass>) <message>.`, and a line that called on to it says so too.
    Frames of opto and of libraries are left out; so are repeated calls of a recursion. Empty when no frame is left.

    Args:
        error: the exception, with its traceback.
        function: where to begin: the function that was called. By default the outermost frame that is not opto's.
    """
    if isinstance(error, CodeError) and error.source is not None:
        return _comment_text(error, error.source)
    code = function.__code__ if isinstance(function, FunctionType) else None
    calls = _joined(_calls(error, code))
    inner = _inner_comment(error)
    marker = _marker(describe_error(error))
    nested = f"{marker} Raised in a nested call."
    parts: list[str] = []
    shortened = _shortened(calls)
    for call in shortened:
        if isinstance(call, int):
            parts.append(_left_out(call, error))
        else:
            parts.append(call.marked(marker if call is shortened[-1] and not inner else nested))
    return "\n\n".join([*parts, inner] if inner else parts)


@dataclass(frozen=True)
class _Call:
    """A frame of a traceback: the source it belongs to, the number of its first line, and the line being run."""

    name: str
    lines: tuple[str, ...]
    first: int
    line: int
    part: bool = False

    def marked(self, marker: str) -> str:
        """The source with the line marked."""
        number = self.line - self.first
        if not 0 <= number < len(self.lines):
            return f"(the source of {self.name} is not known){marker}"
        lines = list(self.lines)
        lines[number] = f"{lines[number].rstrip()}{marker}\n"
        return "".join(lines).strip("\n")


def _calls(error: BaseException, start: CodeType | None) -> list[_Call]:
    """The frames that a person wrote, outermost first."""
    frames: list[tuple[CodeType, int, dict[str, Any]]] = []
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        frames.append((frame.f_code, traceback.tb_lineno, frame.f_globals))
        traceback = traceback.tb_next
    codes = [code for code, _, _ in frames]
    if start in codes:
        frames = frames[codes.index(start) :]
    kept = [each for each in frames if each[0] is start or not each[0].co_filename.startswith(_OPTO)]
    own = [each for each in kept if each[0] is start or not is_library(each[0].co_filename)]
    return [_call(*each) for each in (own or kept[:1])]


def is_library(filename: str) -> bool:
    """Whether a file is the standard library's or an installed package's."""
    if filename.startswith("<frozen "):
        return True
    return "site-packages" in filename or "dist-packages" in filename or filename.startswith(_STANDARD_LIBRARY)


def _call(code: CodeType, line: int, module: dict[str, Any]) -> _Call:
    index = index_of(code, module)
    name = code.co_name
    if index is None:
        return _Call(name, (), 1, line)
    if name == "<module>" and text_of(code) is not None:
        return _Call(name, tuple(index.lines), 1, line)
    expression = index.lambda_of(code) if name == "<lambda>" else None
    if expression is not None:
        lines = tuple(each.strip() + "\n" for each in index.lines[expression.line - 1 : expression.end_line])
        return _Call(name, lines, expression.line, line)
    definition = index.definition_of(code)
    part = definition is None
    definition = definition or index.enclosing(line)
    if definition is None:
        return _Call(name, _line(index, line), line, line)
    bundles = [number for number, each in enumerate(definition.decorators) if each.is_bundle]
    first = first_line_of(index, definition, bundles[0] if bundles else None)
    return _Call(definition.name, tuple(block(index, first, definition)), first, line, part and name in _COMPREHENSIONS)


def _line(index: FileIndex, line: int) -> tuple[str, ...]:
    return tuple(each.strip() + "\n" for each in index.lines[line - 1 : line])


def _joined(calls: Sequence[_Call]) -> list[_Call]:
    """The calls, with the frame of a comprehension taken for a line of the function that it stands in."""
    joined: list[_Call] = []
    for call in calls:
        if call.part and joined and (joined[-1].first, joined[-1].lines) == (call.first, call.lines):
            joined.pop()
        joined.append(call)
    return joined


def _shortened(calls: Sequence[_Call]) -> list[_Call | int]:
    """The calls without those that repeat an earlier one; in their place, how many were left out."""
    kept: list[_Call | int] = []
    seen: set[tuple[str, int, int]] = set()
    for number, call in enumerate(calls):
        key = (call.name, call.first, call.line)
        if key in seen and number + 1 < len(calls):
            _leave_out(kept, 1)
            continue
        seen.add(key)
        kept.append(call)
    if len(kept) <= _MOST_BLOCKS:
        return kept
    half = _MOST_BLOCKS // 2
    short = kept[:half]
    for each in kept[half:-half]:
        _leave_out(short, each if isinstance(each, int) else 1)
    for each in kept[-half:]:
        if isinstance(each, int):
            _leave_out(short, each)
        else:
            short.append(each)
    return short


def _leave_out(kept: list[_Call | int], count: int) -> None:
    last = kept[-1] if kept else None
    if isinstance(last, int):
        kept[-1] = last + count
    else:
        kept.append(count)


def _left_out(count: int, error: BaseException) -> str:
    if isinstance(error, RecursionError):  # how many fit below the limit depends on who called
        return "# ... more calls, up to Python's limit of recursion, are left out."
    return f"# ... {count} more {'call is' if count == 1 else 'calls are'} left out."


def _inner_comment(error: BaseException) -> str:
    """What was noted of an error inside a bundled function that this one called."""
    if not isinstance(error, ExecutionError):
        return ""
    info = getattr(error.exception_node, "info", None) or {}
    return info.get("error_comment") or ""


def _comment_text(error: CodeError, source: str) -> str:
    """The text of a model that did not come to run."""
    cause = error.__cause__
    if cause is not None and not isinstance(cause, SyntaxError):
        comment = comment_error(cause)
        if comment:
            return comment
    line = cause.lineno if isinstance(cause, SyntaxError) else 1
    lines = [f"{each}\n" for each in source.replace("\r\n", "\n").split("\n")]
    call = _Call("", tuple(lines), 1, min(max(line or 1, 1), len(lines)))
    return call.marked(_marker(describe_error(cause or error)))


def _marker(description: str) -> str:
    line = " ".join(part.strip() for part in description.splitlines()).strip()
    return f" <--- {line.removesuffix('.')}."


def _class_path(cls: type[BaseException]) -> str:
    name = cls.__qualname__.replace("<locals>.", "")
    return name if cls.__module__ == "builtins" else f"{cls.__module__}.{name}"


def _message(error: BaseException) -> str:
    try:
        if isinstance(error, SyntaxError):  # its str() names the file
            return f"{error.msg} (line {error.lineno})" if error.lineno else str(error.msg)
        text = str(error)
    except Exception as failure:
        return f"its message cannot be read: __str__ raised {type(failure).__name__}"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)
