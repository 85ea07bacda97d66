"""Keys that stay behind when a model is pickled, since pickles end up in files and on other machines.

In their place travels a mark: the environment variable that holds the key, where one does, and a random number under
which this process, and those forked from it, find it again.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opto.errors import ModelAccessError
from opto.secrets import REDACTED, is_secret_name, known_secrets, variable_of

__all__ = ["Withheld", "present", "restored", "shown", "withheld"]

_numbers: dict[str, str] = {}
_values: dict[str, str] = {}
"""What this process has withheld, by number, and the number of each; only added to, by steps that are atomic."""


@dataclass(frozen=True)
class Withheld:
    """What stands for a secret in a pickle.

    Attributes:
        number: under which the process that pickled it keeps the secret.
        variable: the environment variable that held it.
    """

    number: str
    variable: str | None = None


def withheld(options: Any) -> Any:
    """Options, of any depth, with marks in the place of texts that hold a known secret."""
    if isinstance(options, str):
        secret = next((each for each in known_secrets() if each in options), None)
        return options if secret is None else _mark(options)
    if isinstance(options, Mapping):
        return {name: withheld(value) for name, value in options.items()}
    return [withheld(each) for each in options] if isinstance(options, list) else options


def restored(options: Any) -> Any:
    """Options with the keys in the place of those marks for which this process has one."""
    if isinstance(options, Withheld):
        if options.number in _values:
            return _values[options.number]
        found = os.environ.get(options.variable) if options.variable else None
        return options if found is None else found
    if isinstance(options, Mapping):
        return {name: restored(value) for name, value in options.items()}
    return [restored(each) for each in options] if isinstance(options, list) else options


def present(options: Mapping[str, Any]) -> None:
    """Make sure that no key is missing.

    Raises:
        ModelAccessError: a key stayed behind and cannot be found here.
    """
    mark = _first_mark(options)
    if mark is not None:
        where = f"variable {mark.variable} here" if mark.variable else "key in an environment variable, here too"
        raise ModelAccessError(
            f"no key: it stayed behind when this model was pickled, since pickles end up in files. Set the {where}, or "
            "make the model in this process."
        )


def _first_mark(options: Any) -> Withheld | None:
    if isinstance(options, Withheld):
        return options
    parts: Any = options.values() if isinstance(options, Mapping) else options if isinstance(options, list) else ()
    return next((mark for mark in map(_first_mark, parts) if mark is not None), None)


def shown(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they may be printed."""
    return {
        name: REDACTED if is_secret_name(name) or isinstance(value, Withheld) else value
        for name, value in options.items()
    }


def _mark(text: str) -> Withheld:
    number = _numbers.setdefault(text, uuid.uuid4().hex)
    _values[number] = text
    return Withheld(number, variable_of(text))
