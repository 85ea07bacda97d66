"""What stands inside a sandbox for things of the program that cannot cross. Runs in the worker only."""

from __future__ import annotations

import builtins
import dataclasses
import importlib
import types
from typing import Any

from opto.errors import CrossingError

__all__ = ["Unavailable", "dataclass_like", "exception_like", "fetched"]

_FACTORIES = {"list": list, "dict": dict, "set": set}


class Unavailable:
    """A name that has no meaning inside. It may stand in an annotation; any use of it says why it is not there."""

    def __init__(self, name: str, reason: str) -> None:
        self.__dict__["_told"] = f"{name!r} cannot be used in the sandbox: {reason}"

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise CrossingError(self.__dict__["_told"])

    def _itself(self, other: Any = None) -> Any:
        return self

    def __getitem__(self, key: Any) -> Any:
        """Itself, as in an annotation; no element."""
        if isinstance(key, (int, str, slice)):
            raise CrossingError(self.__dict__["_told"])
        return self

    def __sandbox_refusal__(self) -> str:
        """Why it does not cross, for whoever returns it."""
        return str(self.__dict__["_told"])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise CrossingError(self.__dict__["_told"])

    __call__ = __setattr__ = __delattr__ = __iter__ = __len__ = __bool__ = __contains__ = __enter__ = _refuse
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = __sub__ = __mul__ = __rmul__ = _refuse
    __instancecheck__ = __subclasscheck__ = __mro_entries__ = __await__ = __int__ = __float__ = __index__ = _refuse
    __or__ = __ror__ = _itself
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{self.__dict__['_told']}>"


def fetched(module: str, qualified: str | None) -> Any:
    """A module, or what is found in it under a dotted name."""
    found: Any = importlib.import_module(module)
    for part in (qualified or "").split("."):
        found = getattr(found, part) if part else found
    return found


def dataclass_like(name: str, spec: dict[str, Any]) -> type:
    """A dataclass with the fields of the program's, and nothing else of it.

    Args:
        name: `module:qualified.name` of the program's.
        spec: `fields`, a list of `[name, default]` where the default is `["value", v]`, `["factory", "list"]` or None;
            `options`, for the decorator.
    """
    module, _, qualified = name.partition(":")
    fields: list[Any] = []
    for field, default in spec["fields"]:
        if default is None:
            fields.append((field, Any))
        elif default[0] == "value":
            fields.append((field, Any, dataclasses.field(default=default[1])))
        else:
            fields.append((field, Any, dataclasses.field(default_factory=_FACTORIES[default[1]])))
    made: type = dataclasses.make_dataclass(qualified.rpartition(".")[2], fields, **spec["options"])
    made.__module__, made.__qualname__ = module, qualified
    return made


def exception_like(name: str, bases: list[str]) -> type:
    """An exception class with the name of the program's, and the builtin one that it descends from."""
    module, _, qualified = name.partition(":")
    base: Any = next((getattr(builtins, each) for each in bases if hasattr(builtins, each)), Exception)
    namespace = {"__module__": module, "__qualname__": qualified}
    return types.new_class(qualified.rpartition(".")[2], (base,), {}, lambda body: body.update(namespace))
