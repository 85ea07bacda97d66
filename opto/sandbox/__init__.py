"""Running code that a model wrote, behind one protocol. Knows source text and plain data only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opto.sandbox._base import CodeRunner, checked_runner, current_runner, running
from opto.sandbox.in_process import InProcess, text_of
from opto.sandbox.subprocess import Subprocess

if TYPE_CHECKING:
    from opto.sandbox.monty import Monty

__all__ = ["CodeRunner", "InProcess", "Monty", "Subprocess", "checked_runner", "current_runner", "running", "text_of"]


def __getattr__(name: str) -> Any:
    if name == "Monty":  # loaded when first asked for, so that the import of opto stays light
        from opto.sandbox.monty import Monty

        return Monty
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
