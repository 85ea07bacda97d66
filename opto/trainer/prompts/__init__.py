"""The words that guides say to models, as text files; `$name` stands for what is filled in."""

from __future__ import annotations

from functools import lru_cache
from string import Template

__all__ = ["fill", "load"]


@lru_cache(maxsize=64)
def load(name: str) -> str:
    """The text of a prompt file of this package, without the line end at its end."""
    from importlib.resources import files

    return files(__name__).joinpath(name).read_text(encoding="utf-8").rstrip("\n")


def fill(name: str, **values: str) -> str:
    """The text of a prompt file with each `$name` replaced.

    Raises:
        KeyError: a name in the file has no value here.
    """
    return Template(load(name)).substitute(values)
