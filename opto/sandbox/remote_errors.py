"""An exception from behind a wall, as if it had been raised here: its traceback goes through the lines of the text.

Whoever looks at the traceback (Python's own printer, the marked source lines of `opto.trace`) finds frames of the file
`<opto:NAME:digest>`, with the names and lines that code of the text has when it runs in this process. Only names and
numbers come from the other side, and each is checked against the text: whatever they are, no code of theirs is run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import CodeType, FrameType, TracebackType
from typing import TypeVar

from opto.sandbox.in_process import Tag, text_tag
from opto.sandbox.raised import frame_like

__all__ = ["RemoteFrame", "RemoteText"]

_Error = TypeVar("_Error", bound=BaseException)
_MOST_FRAMES = 200


@dataclass(frozen=True)
class RemoteFrame:
    """Where the code was, behind the wall.

    Attributes:
        function: the name of the function, `<module>` at the top level.
        line: the line of the text, from 1.
    """

    function: str
    line: int


class RemoteText:
    """A text that runs behind a wall.

    Args:
        source: the text.
        name: what it defines.
    """

    def __init__(self, source: str, name: str) -> None:
        self._tag: Tag = text_tag(source, name)
        self._count = source.count("\n") + 1
        self._codes: list[CodeType] | None = None

    @property
    def filename(self) -> str:
        """What tracebacks call the text."""
        return self._tag.filename

    def placed(self, error: _Error, frames: Iterable[RemoteFrame], *, then: TracebackType | None = None) -> _Error:
        """The exception, with a traceback through these frames, outermost first; those outside the text are left out.

        Of a deep recursion, the outermost and the innermost are kept.

        Args:
            error: the exception.
            frames: where the code was.
            then: where it went on from the innermost of them: in a function of the program, say.
        """
        self._tag.show_lines()
        inside = [each for each in frames if 1 <= each.line <= self._count]
        if len(inside) > _MOST_FRAMES:
            inside = [*inside[: _MOST_FRAMES // 2], *inside[-_MOST_FRAMES // 2 :]]
        traceback = then
        for each in reversed(inside):
            frame = self._frame(each)
            traceback = TracebackType(traceback, frame, frame.f_lasti, each.line)
        return error.with_traceback(traceback)

    def _frame(self, place: RemoteFrame) -> FrameType:
        """A frame that stopped at this line, of a function whose code does nothing else."""
        start, end = self._columns(place.line)
        numbers = [self._first_line(place), place.line, place.line, place.line, start, end]
        return frame_like(self.filename, place.function, place.function, numbers, self._tag)

    def _columns(self, line: int) -> tuple[int, int]:
        """Where a line begins and ends, in bytes: Python underlines nothing where that would be all of it."""
        text = self._tag.text.split("\n")[line - 1].rstrip().encode("utf-8", "surrogatepass")
        return len(text) - len(text.lstrip()), len(text)

    def _first_line(self, place: RemoteFrame) -> int:
        """The first line of the function of this name around this line."""
        if self._codes is None:
            self._codes = list(_codes_of(self._tag.text, self.filename))
        around = [each for each in self._codes if each.co_name == place.function and place.line in _span(each)]
        return max((each.co_firstlineno for each in around), default=1)


def _codes_of(text: str, filename: str) -> Iterator[CodeType]:
    try:
        waiting: list[CodeType] = [compile(text, filename, "exec", dont_inherit=True)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    while waiting:
        code = waiting.pop()
        yield code
        waiting.extend(item for item in code.co_consts if isinstance(item, CodeType))


def _span(code: CodeType) -> Sequence[int]:
    lines = [line for _, _, line in code.co_lines() if line]
    inner = [_span(item) for item in code.co_consts if isinstance(item, CodeType)]
    ends = [code.co_firstlineno, *lines, *(each[-1] for each in inner)]
    return range(code.co_firstlineno, max(ends) + 1)
