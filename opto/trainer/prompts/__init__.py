"""The words that guides say to models, as text files; `$name` stands for what is filled in."""

from __future__ import annotations

from opto.optimizers.prompts import filled, loaded

__all__ = ["fill", "load"]


def load(name: str) -> str:
    """The text of a prompt file of this package, without the line end at its end."""
    return loaded(__name__, name)


def fill(name: str, /, **values: str) -> str:
    """The text of a prompt file with each `$name` replaced.

    Raises:
        KeyError: a name in the file has no value here.
    """
    return filled(__name__, name, **values)
