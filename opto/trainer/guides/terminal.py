"""Asking a person, in the terminal or through functions that are handed in."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from opto.trainer.guides.base import shown
from opto.trainer.printable import printable
from opto.trainer.progress.besides import alone

__all__ = ["Terminal"]

_ONE_AT_A_TIME = threading.Lock()


class Terminal:
    """Shows texts to a person, and reads lines from them.

    Args:
        read: called with a prompt, returns the line that was typed, as `input` does; None takes `input`.
        write: called with a text to show, as `print` does; None takes `print`.
    """

    def __init__(self, read: Callable[[str], str] | None, write: Callable[[str], Any] | None) -> None:
        for name, function in (("read", read), ("write", write)):
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be a function or None, got {function!r}.")
        self._read, self._write = read, write
        self._alone: AbstractContextManager[None] | None = None

    def __enter__(self) -> Terminal:
        """Have the person to oneself: several threads ask one after the other.

        Raises:
            RuntimeError: there is no terminal to ask in.
        """
        if self._read is None and not (sys.stdin is not None and sys.stdin.isatty()):
            raise RuntimeError(
                "there is no terminal to ask a person in: run the program in one, or give read=, a function that takes "
                "a prompt and returns what the person says."
            )
        _ONE_AT_A_TIME.acquire()
        self._alone = alone() if self._read is None or self._write is None else nullcontext()
        self._alone.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        held, self._alone = self._alone, None
        try:
            if held is not None:
                held.__exit__(None, None, None)
        finally:
            _ONE_AT_A_TIME.release()

    def show(self, title: str, value: Any, limit: int = 10_000) -> None:
        """A value under a title; what would steer the terminal is written out."""
        self.say(f"--- {title}\n{printable(shown(value, limit))}")

    def say(self, text: str) -> None:
        """A text as it is."""
        write = self._write or print
        write(text)

    def ask(self, prompt: str) -> str:
        """What the person answers, without white space at its ends.

        Raises:
            RuntimeError: the input has ended.
        """
        try:
            return (self._read or input)(prompt).strip()
        except EOFError:
            raise RuntimeError("the input ended before the person had answered.") from None

    def __deepcopy__(self, memo: dict[int, Any]) -> Terminal:
        return self  # there is one person
