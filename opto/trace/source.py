"""The source text of a function, as a person wrote it, and as a model is shown it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from types import CodeType, FrameType, FunctionType
from typing import Any

from opto.trace.error_comments import comment_error, describe_error
from opto.trace.source_blocks import block, first_line_of, signature_line
from opto.trace.source_files import Definition, FileIndex, Lambda, index_of

__all__ = ["FunctionSource", "comment_error", "describe_error", "find_source"]

_FRAMES_ABOVE = 8  # how far up the call of a decorator is looked for: a decorator that calls `bundle` for another one


@dataclass(frozen=True)
class FunctionSource:
    """The source of a function.

    Attributes:
        text: the definition, dedented, without the bundle decorator and the decorators above it; with inner
            decorators and comments. A lambda expression is given as an assignment.
        line_number: the line of the file (from 1) that follows the bundle decorator, else the first line of the
        function. file: the name of the file.
        signature_line: the definition up to its colon, on one line.
        name: the name that the text defines.
    """

    text: str
    line_number: int
    file: str | None
    signature_line: str
    name: str


def find_source(function: Any, *, frame: FrameType | None = None) -> FunctionSource | None:
    """The source of a function, or None where its text is not known (built in, typed at a prompt, made by `exec`).

    Args:
        function: a function, a static or class method, or something that wraps a function in the manner of `functools`.
        frame: the frame that is applying the bundle decorator. It tells which decorator that is, whatever its name, and
            which function it decorates when an inner decorator hides it. Without it, the bundle decorator is the
            topmost one that calls a name ending in `bundle`.
    """
    if frame is not None:
        decorated = _decorated_by(frame, function)
        if decorated is not None:
            return _of_definition(*decorated, frame.f_code.co_filename)
    plain = _plain_function(function)
    if plain is None:
        return None
    code = plain.__code__
    index = index_of(code, plain.__globals__)
    if index is None:
        return None
    definition = index.definition_of(code)
    if definition is not None:
        return _of_definition(index, definition, _bundle_position(definition, code, frame), code.co_filename)
    expression = index.lambda_of(code) if code.co_name == "<lambda>" else None
    return _of_lambda(index, expression, code.co_filename) if expression is not None else None


def _decorated_by(frame: FrameType, function: Any) -> tuple[FileIndex, Definition, int] | None:
    """The definition whose decorator this frame is applying to `function`."""
    index = index_of(frame.f_code, frame.f_globals)
    found = index.decorated_by(frame) if index is not None else None
    if index is None or found is None:
        return None
    definition, position = found
    hidden = position + 1 < len(definition.decorators)  # by an inner decorator, which may return anything
    if hidden or getattr(_plain_function(function), "__name__", None) == definition.name:
        return index, definition, position
    return None


def _bundle_position(definition: Definition, code: CodeType, frame: FrameType | None) -> int | None:
    """Which decorator of the definition is the bundle decorator, if any."""
    for _ in range(_FRAMES_ABOVE):
        frame = frame.f_back if frame is not None else None
        if frame is None:
            break
        if frame.f_code.co_filename == code.co_filename:
            position = definition.being_applied(frame)
            if position is not None:
                return position
    return next((number for number, each in enumerate(definition.decorators) if each.is_bundle), None)


def _plain_function(function: Any) -> FunctionType | None:
    """The function that was written, below what wraps it."""
    for _ in range(100):
        if isinstance(function, FunctionType):
            if not hasattr(function, "__wrapped__"):
                return function
            function = function.__wrapped__
        elif isinstance(function, functools.partial):
            function = function.func
        else:
            function = getattr(function, "__wrapped__", None) or getattr(function, "__func__", None)
    return None


def _of_definition(index: FileIndex, definition: Definition, position: int | None, file: str) -> FunctionSource:
    first = first_line_of(index, definition, position)
    lines = block(index, first, definition)
    signature = signature_line(lines[definition.line - first :])
    return FunctionSource("".join(lines).strip(), first, file, signature, definition.name)


def _of_lambda(index: FileIndex, expression: Lambda, file: str) -> FunctionSource:
    name = expression.target or "function"
    place = (expression.line, expression.column, expression.end_line, expression.end_column)
    text = index.segment(*place)
    parameters = index.segment(*place[:2], *expression.body[:2]).rstrip(" \t\n(")
    if expression.line != expression.end_line:
        text = f"({text})"
        parameters = " ".join(parameters.split())
    return FunctionSource(f"{name} = {text}", expression.line, file, f"{name} = {parameters}", name)
