"""What a text finds, inside the Monty interpreter, under the names that it reads from around it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from opto.errors import CrossingError
from opto.sandbox.monty.adapting import LIBRARY, library_text
from opto.sandbox.monty.values import Incoming, class_text

__all__ = ["Surroundings", "class_texts", "surroundings"]

_MISSING = object()


@dataclass
class Surroundings:
    """What surrounds a text during one call.

    Attributes:
        inputs: values that are bound before it runs.
        prelude: Python that binds the rest: modules, what comes from modules, dataclasses.
        refused: names that have a value which may not go in, and why.
        incoming: what knows of the dataclasses.
    """

    inputs: dict[str, Any] = field(default_factory=dict)
    prelude: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    incoming: Incoming = field(default_factory=Incoming)


def surroundings(
    names: Iterable[str], namespace: Mapping[str, Any], host: Mapping[str, Any], hosted: Mapping[int, str]
) -> Surroundings:
    """Sort what the namespace holds under these names: data goes in as a copy, modules are imported inside.

    Args:
        names: the names that the text reads.
        namespace: where they are looked up.
        host: stand-ins for the functions that are called back, by name.
        hosted: the names of these functions, by their identities.
    """
    found = Surroundings()
    for name in names:
        if name in host:
            found.inputs[name] = host[name]
            continue
        value = namespace.get(name, _MISSING)
        if name == "__name__":
            value = value if type(value) is str and value != "__main__" else "<opto>"
        if value is _MISSING or (name.startswith("__") and name != "__name__"):
            continue
        if id(value) in hosted:
            found.inputs[name] = host[hosted[id(value)]]
        else:
            _add(found, name, value)
    return found


def _add(found: Surroundings, name: str, value: Any) -> None:
    if isinstance(value, ModuleType):
        found.prelude.append(_import(name, value.__name__, None))
    elif isinstance(value, type) and "__dataclass_fields__" in value.__dict__:
        found.incoming.name_of(value)
        found.prelude.append(f"{name} = {found.incoming.classes[value]}\n")
    elif isinstance(value, type) and value.__module__ == "builtins":
        found.prelude.append(f"{name} = {value.__name__}\n" if name != value.__name__ else "")
    elif (home := _home(value)) is not None:
        found.prelude.append(_import(name, *home))
    else:
        try:
            data = found.incoming.value(value, name)
        except CrossingError as error:
            found.refused[name] = f"The code reads {name!r}: {error}"
        else:
            if found.incoming.word:
                found.inputs[f"__opto_encoded_{name}"] = data
            else:
                found.inputs[name] = data


def _import(name: str, module: str, attribute: str | None) -> str:
    """Python that imports a module, or something of it, as `name`; where there is none, the name stays unbound."""
    if module in LIBRARY:
        source = f"__opto_{module}" if attribute is None else f"__opto_{module}.{attribute}"
        return f"{library_text(module)}try:\n {name} = {source}\nexcept AttributeError: pass\n"
    if module == "builtins":
        return f"try:\n {name} = {attribute}\nexcept NameError: pass\n" if name != attribute else ""
    wanted = f"import {module} as {name}" if attribute is None else f"from {module} import {attribute} as {name}"
    return f"try:\n {wanted}\nexcept ImportError: pass\n"


def _home(value: Any) -> tuple[str, str] | None:
    """The module of the standard library that a function or class comes from, and its name there."""
    module, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if type(module) is not str or type(name) is not str:
        return None
    for candidate in (module, module.lstrip("_"), {"posixpath": "os.path"}.get(module, "")):
        known = candidate.split(".")[0] in sys.stdlib_module_names and not candidate.startswith("_")
        if known and getattr(sys.modules.get(candidate), name, None) is value:
            return candidate, name
    return None


def class_texts(found: Surroundings) -> str:
    """Python that defines the dataclasses that go in."""
    return "".join(class_text(cls, name) for cls, name in found.incoming.classes.items())
