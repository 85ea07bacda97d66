"""An exception as plain data, and back: `reported` inside the sandbox, `rebuilt` outside.

A report names classes, it does not hold them. What it says is believed of nothing but the text that was run: a class
is looked up among those that the program has, a file among those of the standard library and of installed packages.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import keyword
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any

from opto.errors import CrossingError, LimitExceededError, OptoError, SandboxError
from opto.sandbox.crossing import CrossingLimits, pack
from opto.sandbox.in_process import Tag

__all__ = ["Rebuilding", "frame_like", "rebuilt", "reported"]

_MOST_FRAMES = 2000
_MOST_ROWS = 200
_MOST_CHAINED = 6
_MOST_TEXT = 20_000
_RUN = ("__new__", "__str__", "__repr__", "__del__", "__getattribute__", "__setattr__")
_NAME = re.compile(r"[\w.<>]{1,400}")
_ARGUMENTS = CrossingLimits(size=65_536, depth=20, count=10_000)
_OS_FIELDS = ("errno", "strerror", "filename", None, "filename2")


# ---- inside


def reported(error: BaseException, own: str, host_errors: Mapping[int, int]) -> dict[str, Any]:
    """Describe an exception and those that led to it.

    Args:
        error: the exception.
        own: the folder of the sandbox's own files, whose frames are left out.
        host_errors: by the `id` of an exception that came from a host function its number.
    """
    return _reported(error, own, host_errors, 0)


def _reported(error: BaseException, own: str, host_errors: Mapping[int, int], depth: int) -> dict[str, Any]:
    cls = type(error)
    report = {
        "module": str(cls.__module__)[:200],
        "name": str(cls.__qualname__)[:200],
        "bases": [each.__name__ for each in cls.__mro__ if each.__module__ == "builtins"],
        "message": _message(error),
        "arguments": _arguments(error),
        "notes": [str(note)[:_MOST_TEXT] for note in getattr(error, "__notes__", ())[:20]],
        "frames": _frames(error.__traceback__, own),
        "host": host_errors.get(id(error)),
        "suppressed": bool(error.__suppress_context__),
    }
    for link in ("cause", "context"):
        linked = getattr(error, f"__{link}__")
        if linked is not None and depth < _MOST_CHAINED and not (link == "context" and error.__cause__ is not None):
            report[link] = _reported(linked, own, host_errors, depth + 1)
    return report


def _message(error: BaseException) -> str:
    try:
        return str(error)[:_MOST_TEXT]
    except Exception as failure:
        return f"<its message cannot be read: __str__ raised {type(failure).__name__}>"


def _arguments(error: BaseException) -> Any:
    """The arguments to make it with, if they are small and plain."""
    arguments: Any = error.args
    if isinstance(error, OSError) and error.errno is not None:
        values = [getattr(error, each) if each else None for each in _OS_FIELDS]
        while values and values[-1] is None:
            values.pop()
        arguments = tuple(values)
    try:
        pack(arguments, limits=_ARGUMENTS)
    except CrossingError:
        return None
    return arguments


def _frames(traceback: TracebackType | None, own: str) -> list[list[Any]]:
    """The frames, each with how often it comes in a row."""
    frames: list[list[Any]] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(own):
            line = traceback.tb_lineno
            name = getattr(code, "co_qualname", code.co_name)
            place = _place(code, traceback.tb_lasti) or [line, line, 0, 0]
            row = [code.co_filename, code.co_name, name, code.co_firstlineno, line, *place]
            if frames and frames[-1][0] == row:
                frames[-1][1] += 1
            else:
                frames.append([row, 1])
        traceback = traceback.tb_next
    if len(frames) > _MOST_ROWS:
        frames = [*frames[: _MOST_ROWS // 2], *frames[-_MOST_ROWS // 2 :]]
    return frames


def _place(code: CodeType, instruction: int) -> list[Any] | None:
    """Lines and columns of an instruction, where this Python knows them."""
    if not hasattr(code, "co_positions"):
        return None
    found = next(itertools.islice(code.co_positions(), instruction // 2, None), (None,))
    return None if None in found else list(found)


# ---- outside


@dataclass
class Rebuilding:
    """What the program knows about the text whose exception is made again.

    Attributes:
        tag: the text.
        classes: exception classes that the text could see, by `module:qualified.name`.
        host_errors: exceptions that host functions raised, by their numbers.
        is_library: whether a file belongs to the standard library or an installed package.
        memory: how many bytes of memory the text may take.
        frames: those that were made again, by their rows.
        left: how many more entries its tracebacks may have.
    """

    tag: Tag
    is_library: Callable[[str], bool]
    classes: dict[str, type] = field(default_factory=dict)
    host_errors: dict[int, BaseException] = field(default_factory=dict)
    memory: int = 0
    frames: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    left: int = _MOST_FRAMES


def rebuilt(report: Any, known: Rebuilding) -> BaseException:
    """The exception that a report describes, with a traceback through the text.

    Raises:
        CrossingError: it is no report.
    """
    try:
        return _rebuilt(report, known, 0)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise CrossingError(f"what the sandbox said of an exception is damaged: {error!r:.200}") from None


def _rebuilt(report: dict[str, Any], known: Rebuilding, depth: int) -> BaseException:
    original = known.host_errors.get(report["host"]) if type(report["host"]) is int else None
    error = original if original is not None else _instance(report, known)
    known.tag.show_lines()
    below = None if original is None else original.__traceback__
    traceback = _traceback(report["frames"], known, below)
    if original is None:
        for note in report["notes"][:20] if hasattr(error, "add_note") else ():
            error.add_note(_text(note))
        if depth < _MOST_CHAINED:
            if isinstance(report.get("cause"), dict):
                error.__cause__ = _rebuilt(report["cause"], known, depth + 1)
            elif isinstance(report.get("context"), dict):
                error.__context__ = _rebuilt(report["context"], known, depth + 1)
        error.__suppress_context__ = report["suppressed"] is True
    return error.with_traceback(traceback)


def _instance(report: dict[str, Any], known: Rebuilding) -> BaseException:
    module, name, message = _text(report["module"]), _text(report["name"]), _text(report["message"])
    if module == "builtins" and name == "MemoryError":
        return LimitExceededError(
            f"The code took more than the {known.memory:,} bytes of memory that it may; raise it with memory=.",
            limit="memory",
            allowed=known.memory,
        )
    cls = _class(module, name, known)
    arguments = report["arguments"]
    if cls is not None:
        made = _made(cls, arguments if type(arguments) is tuple else (message,), message)
        if made is not None:
            return made
    if module == "builtins":
        return SandboxError(f"The code ended with {name}: {message}" if message else f"The code ended with {name}.")
    parts = name.replace("<locals>.", "").split(".")
    last = parts[-1] if parts[-1].isidentifier() and not keyword.iskeyword(parts[-1]) else "Error"
    stranger: type[RuntimeError] = type(last[:100], (RuntimeError,), {"__module__": module, "__qualname__": name})
    return stranger(message)


def _class(module: str, name: str, known: Rebuilding) -> type[BaseException] | None:
    """The class of that name that the program has, if code of a sandbox may choose it."""
    found: Any = None
    if module == "builtins":
        found = vars(builtins).get(name)
    elif f"{module}:{name}" in known.classes:
        found = known.classes[f"{module}:{name}"]
    elif module == "opto.errors" and name == "CrossingError":
        return CrossingError
    elif module.partition(".")[0] != "opto" and _is_of_library(module, known):
        found = sys.modules[module]
        for part in name.split("."):
            found = vars(found).get(part) if hasattr(found, "__dict__") else None
        found = found if _is_harmless(found) else None
    # None of opto's own: that a sandbox is not to be had, say, is not for code inside to claim.
    if isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, OptoError):
        return found
    return None


def _is_of_library(module: str, known: Rebuilding) -> bool:
    """Whether a module that the program has loaded is the standard library's or an installed package's."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return isinstance(file, str) and known.is_library(file)


def _is_harmless(cls: Any) -> bool:
    """Whether an instance can be made, printed and dropped without running code of the class."""
    if not isinstance(cls, type):
        return False
    definers = [next((base for base in cls.__mro__ if word in vars(base)), object) for word in _RUN]
    return all(each.__module__ == "builtins" for each in definers)


def _made(cls: type[BaseException], arguments: tuple[Any, ...], message: str) -> BaseException | None:
    """An instance that says `message`; the class's own `__init__` runs only where it is Python's."""
    for each in (arguments, (message,)):
        try:
            if cls.__module__ == "builtins":
                made = cls(*each)
            else:
                made = cls.__new__(cls, *each)
                made.args = each
            if str(made)[:_MOST_TEXT] == message:
                return made
        except Exception:  # whatever a class makes of arguments that are not meant for it
            continue
    return None


def _text(value: Any) -> str:
    return value[:_MOST_TEXT] if type(value) is str else ""


def _traceback(rows: Any, known: Rebuilding, traceback: TracebackType | None) -> TracebackType | None:
    """A traceback through the frames that are described, and on through the one that is given."""
    for row, count in reversed(rows[-_MOST_ROWS:]):
        key = tuple(row)
        made = known.frames.get(key)
        if made is None:
            if len(known.frames) >= _MOST_ROWS:
                continue
            made = known.frames[key] = _made_again(key, known)
        times = max(min(int(count), known.left), 0)
        known.left -= times
        for _ in range(times):
            traceback = TracebackType(traceback, made, made.f_lasti, _number(key[4]) or 1)
    return traceback


def _made_again(row: tuple[Any, ...], known: Rebuilding) -> Any:
    filename, name, qualified, *numbers = row
    places = [_number(each) for each in numbers]
    return frame_like(_filename(filename, known), _name(name), _name(qualified), places, known.tag)


def _number(value: Any) -> int:
    return min(max(int(value), 0), 1_000_000)


def _name(name: Any) -> str:
    """The name of a function, unless it is made to look like something else in a traceback."""
    return name if type(name) is str and _NAME.fullmatch(name) else "<sandbox>"


def _filename(filename: Any, known: Rebuilding) -> str:
    """The name of the file, unless printing its lines would show what the sandbox may not read."""
    name = _text(filename)
    if name == known.tag.filename or (name.startswith("<frozen ") and name.endswith(">")) or known.is_library(name):
        return name
    return "<sandbox>"


def frame_like(filename: str, name: str, qualified: str, numbers: list[int], tag: Tag) -> FrameType:
    """A frame that has run to where the original was.

    Args:
        filename: its file.
        name: the name of its function.
        qualified: the qualified name.
        numbers: the first line of the function, the line, and the lines and columns where what it did begins and ends.
        tag: the text, which the code of the frame leads to if the file is the text's.
    """
    first, line, start, end, column, end_column = numbers
    line, start = max(line, 1), max(start, 1)
    end = max(end, start)
    if end == start:
        end_column = max(column, end_column)
    function = ast.parse("def f(g): return g()").body[0]
    assert isinstance(function, ast.FunctionDef)
    place = {"lineno": start, "end_lineno": end, "col_offset": column, "end_col_offset": end_column}
    for node in ast.walk(function):
        if hasattr(node, "lineno"):
            vars(node).update(place)
    first = max(min(first, start), 1)
    vars(function).update(lineno=first, end_lineno=end, col_offset=0, end_col_offset=end_column)
    compiled = compile(ast.Module([function], []), filename, "exec", dont_inherit=True)
    code = next(each for each in compiled.co_consts if isinstance(each, CodeType))
    extra = (tag,) if filename == tag.filename else ()
    names: dict[str, Any] = {"co_qualname": qualified} if hasattr(code, "co_qualname") else {}
    code = code.replace(co_name=name, co_consts=(*code.co_consts, *extra), **names)
    frame: FrameType = FunctionType(code, {"__builtins__": {}})(sys._getframe)
    return frame
