"""Bundled functions of which only the words are at hand: what a graph that was written as text needs of them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any

from opto.errors import FileFormatError

__all__ = ["Remembered", "call_info", "found", "place_of", "words_of"]

_TOLD = ("fun_name", "_fun_name", "doc", "signature", "source", "line_number", "file")


def call_info(info: dict[str, Any], node: Any, positional: int) -> dict[str, Any]:
    """What is known of a function, completed by what is known of the call that gave a node.

    Args:
        info: of the function; it is filled in and returned.
        node: the result.
        positional: how many positional parameters the function has.
    """
    record = None if isinstance(node._info, dict) else node._info
    inputs = node.inputs
    extra = [name for name in node._names[positional:] if name.startswith("args_")]
    info["output"] = record.output if record and record.output is not None else node._data
    info["inputs"] = {
        "args": [inputs[name] for name in extra],
        "kwargs": {name: each for name, each in inputs.items() if name not in extra},
    }
    info["external_dependencies"] = record.external if record else []
    return info


def words_of(bundle: Any) -> dict[str, Any]:
    """What is remembered of a `FunModule`, as JSON data."""
    info = bundle.info
    words = {name: info[name] for name in _TOLD}
    return {
        "name": bundle.name,
        "description": bundle.description_of(None),
        "positional": len(bundle.signature.positional),
        "fun": place_of(bundle.fun, bundle),
        **words,
    }


class Remembered:
    """An operation (see `recording.Operation`) that says what a bundled function said, and cannot be called.

    Args:
        words: as `words_of` gives them.

    Raises:
        FileFormatError: they are no such words.
    """

    __slots__ = ("_words", "description", "name")

    def __init__(self, words: Mapping[str, Any]) -> None:
        try:
            self.name, self.description = str(words["name"]), str(words["description"])
            self._words = {name: words[name] for name in ("fun", "positional", *_TOLD)}
        except (KeyError, TypeError) as error:
            raise FileFormatError(f"these are no words of a function: {words!r}") from error

    @property
    def fun(self) -> Any:
        """The plain function; None where a loaded module does not have it under the name of then."""
        value = found(self._words["fun"])
        return value.fun if getattr(type(value), "_is_bundle", False) else value

    def description_of(self, node: Any) -> str:
        """See `recording.Operation`."""
        return self.description

    def info_of(self, node: Any) -> dict[str, Any]:
        """See `FunModule.info_of`."""
        info = {"fun": self.fun, **{name: self._words[name] for name in _TOLD}}
        return call_info({**info, "error_comment": None, "traceback": None}, node, self._words["positional"])

    def __reduce__(self) -> tuple[Any, ...]:
        return Remembered, ({"name": self.name, "description": self.description, **self._words},)

    def __repr__(self) -> str:
        return f"<bundle {self.name}, remembered>"


def place_of(value: Any, stands_for: Any = None) -> list[str] | None:
    """Module and qualified name under which a loaded module has a function or class; None where none has.

    Args:
        value: the function or class.
        stands_for: what the module may have in its place: the bundle of a function.
    """
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not (isinstance(module, str) and isinstance(name, str)):
        return None
    there = found([module, name])
    if there is None or not (there is value or getattr(there, "fun", None) is value or there is stands_for):
        return None
    return [module, name]


def found(place: Any) -> Any:
    """What a loaded module has at a place by `place_of`; None for nothing. No module is loaded, and nothing is run."""
    if not (isinstance(place, list) and len(place) == 2 and all(isinstance(part, str) for part in place)):
        return None
    value: Any = sys.modules.get(place[0])
    for part in place[1].split("."):
        if value is None:
            return None
        value = inspect.getattr_static(value, part, None)
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
    return value
