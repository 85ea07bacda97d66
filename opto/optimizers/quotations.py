"""Objects that a model quotes from its prompt: they are no part of its answer."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["answering", "without_quotations"]

_MOST_OBJECTS = 100
_LONGEST = 20_000  # so that the work stays small whatever the answer
_DEEPEST = 100
_STRUCTURE = re.compile(r"[{}\[\]\"\\]")

_shown: ContextVar[str] = ContextVar("opto_prompt_shown", default="")


@contextmanager
def answering(shown: str) -> Generator[None, None, None]:
    """What is read in this block answers a prompt of this text."""
    token = _shown.set(shown)
    try:
        yield
    finally:
        _shown.reset(token)


def without_quotations(text: str) -> str:
    """An answer without the objects in braces that stand in its prompt just so.

    A value may hold an object that looks like a suggestion, and a model may talk about the value. Only whole objects
    count, not what stands inside of one; of an object that is not closed, the rest of its line.
    """
    shown = _shown.get()
    if "{" not in shown or "{" not in text:
        return text
    longest = min(len(shown), _LONGEST)
    kept: list[str] = []
    done, start = 0, text.find("{")
    for _ in range(_MOST_OBJECTS):
        if start < 0:
            break
        end = _end(text, start, start + longest)
        if end is None:
            line = text.find("\n", start)
            end = len(text) if line < 0 else line
            whole = end - start <= longest and text[start:end].strip() in shown
            following = end if whole else start + 1
        else:
            whole, following = text[start:end] in shown, end
        if whole:
            kept.append(text[done:start])
            done = end
        start = text.find("{", following)
    return "".join([*kept, text[done:]])


def _end(text: str, start: int, last: int) -> int | None:
    """Where the object that begins here is closed; None if it is not, up to there."""
    depth, quoted, escaped = 0, False, -1
    for match in _STRUCTURE.finditer(text, start, last):
        character, position = match.group(), match.start()
        if position == escaped:
            continue
        if character == "\\":
            escaped = position + 1
        elif character == '"':
            quoted = not quoted
        elif not quoted:
            depth += 1 if character in "{[" else -1
            if depth == 0:
                return position + 1
            if depth > _DEEPEST:
                return None
    return None
