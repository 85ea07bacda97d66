"""The words that optimizers say to models, as text files; `$name` stands for what is filled in."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

__all__ = ["fill", "filled", "load", "loaded"]


@lru_cache(maxsize=64)
def loaded(package: str, name: str) -> str:
    """The text of a prompt file of a package, without the line end at its end."""
    from importlib.resources import files

    return files(package).joinpath(name).read_text(encoding="utf-8").rstrip("\n")


def filled(package: str, name: str, /, **values: Any) -> str:
    """The text of a prompt file of a package with each `$name` replaced.

    Raises:
        KeyError: a name in the file has no value here.
    """
    from string import Template

    return Template(loaded(package, name)).substitute(values)


def load(name: str) -> str:
    """`loaded`, from this package."""
    return loaded(__name__, name)


def fill(name: str, /, **values: Any) -> str:
    """`filled`, from this package."""
    return filled(__name__, name, **values)
