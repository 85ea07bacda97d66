"""Modules: objects with parameters and a forward pass, and the decorator that makes one of any class."""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

from opto.errors import FileFormatError, SecretWarning
from opto.trace.containers import RESERVED, Map, ParameterContainer, Seq, entry_of, identity
from opto.trace.nodes import Node, ParameterNode
from opto.trace.saved import checked_attributes, checked_parameters, may_be_set
from opto.trace.snapshots import assign, snapshot

if TYPE_CHECKING:
    from opto.trace.projections import Projection

__all__ = ["Model", "Module", "model"]

C = TypeVar("C", bound=type)

_FILE_KIND = "parameters"


class Module(ParameterContainer):
    """An object with parameters and a forward pass.

    Define `forward`; calling the module calls it. Parameters are the trainable nodes in its attributes.

        class Greeter(Module):
            def __init__(self):
                self.greeting = node("Hello", trainable=True)

            def forward(self, name):
                return self.greeting + ", " + name
    """

    _stands_for_itself = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The forward pass."""
        raise NotImplementedError(f"{type(self).__name__} must define forward().")

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run the forward pass, in which all parameters are read as they were when it began (see `snapshot`)."""
        with snapshot():
            output = self.forward(*args, **kwargs)
        return _in_snapshot(output) if type(output) is CoroutineType else output

    def named_parameters(self) -> Iterator[tuple[str, ParameterNode[Any]]]:
        """Pairs of dotted path and parameter, such as `("encoder.prompt", ...)`; a shared one comes once."""
        return _named(self)

    def zero_feedback(self) -> None:
        """Forget the feedback of all parameters."""
        for parameter in self.parameters():
            parameter.zero_feedback()

    def state_dict(self) -> dict[str, Any]:
        """Dotted path -> value, of all parameters at one moment, whoever updates them meanwhile."""
        with snapshot():
            return {path: parameter._data for path, parameter in self.named_parameters()}

    def load_state_dict(self, state_dict: Mapping[str, Any], *, strict: bool = True) -> None:
        """Set the values of all parameters; nothing is set unless all fits.

        Args:
            state_dict: dotted path -> value, as `state_dict` gives it.
            strict: refuse paths that are missing or unknown.

        Raises:
            KeyError: if `strict` and the paths differ; the message lists them.
            TypeError: if `state_dict` is no mapping.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"state_dict must be a mapping of path to value, got {state_dict!r}.")
        parameters = dict(self.named_parameters())
        missing = [path for path in parameters if path not in state_dict]
        unknown = [path for path in state_dict if path not in parameters]
        if strict and (missing or unknown):
            raise KeyError(
                f"state_dict does not fit {type(self).__name__}: missing {missing}, unknown {unknown}. "
                "Pass strict=False to load what fits."
            )
        fitting = [path for path in parameters if path in state_dict]
        values = [state_dict[path] for path in fitting]
        assign(
            [parameters[path] for path in fitting],
            [value._data if isinstance(value, Node) else value for value in values],
        )

    def save(self, path: str | Path) -> None:
        """Write the parameters to a text file; folders are made, and the file is replaced in one step.

        Raises:
            TypeError: for a value that has no text form; the message says where it is and what to do.
        """
        from opto.runs import codec

        codec.save(path, {name: _described(each) for name, each in self.named_parameters()}, kind=_FILE_KIND)

    def load(self, path: str | Path) -> None:
        """Read what `save` wrote into the existing parameters; one that is not there yet becomes an attribute.

        Raises:
            FileFormatError: if the file is damaged or of another kind, or the module has no place for one of the
                parameters. Nothing is changed then.
        """
        from opto.runs import codec

        saved = checked_parameters(path, codec.load(path, kind=_FILE_KIND))
        _restore(self, saved, _owners(self, saved))


async def _in_snapshot(coroutine: CoroutineType[Any, Any, Any]) -> Any:
    with snapshot():
        return await coroutine


def _named(container: Any) -> Iterator[tuple[str, ParameterNode[Any]]]:
    """Paths and parameters by an iterative walk: each parameter once, cycles of containers included."""
    seen: set[int] = {identity(container)}
    waiting = [("", container)]
    while waiting:
        prefix, each = waiting.pop()
        nested = []
        for key, value in _entries(each):
            if identity(value) in seen:
                continue
            seen.add(identity(value))
            if isinstance(value, ParameterNode):
                yield prefix + key, value
            else:
                nested.append((f"{prefix}{key}.", value))
        waiting.extend(reversed(nested))


def _entries(container: Any) -> list[tuple[str, Any]]:
    """Key and parameter or container; the keys do not depend on how nodes happen to be numbered."""
    if isinstance(container, Seq):
        entries = [(str(place), entry_of(each)) for place, each in enumerate(container.data)]
    elif isinstance(container, Map):
        entries = []
        for place, (key, value) in enumerate(container.data.items()):
            entries.append((f"key {place}", entry_of(key)))
            entries.append((f"value {place}" if isinstance(key, Node) else str(key), entry_of(value)))
    else:
        entries = list(container.parameters_dict().items())
    return [(key, entry) for key, entry in entries if entry is not None]


def _described(parameter: ParameterNode[Any]) -> dict[str, Any]:
    return {"value": parameter._data, "name": parameter._base, "description": parameter.description}


def _owners(container: Any, saved: Mapping[str, Any]) -> dict[str, Any]:
    """For the saved parameters that are not there yet: the object whose attribute each becomes."""
    parameters = dict(_named(container))
    return {path: _owner(container, path) for path in saved if path not in parameters}


def _restore(container: Any, saved: Mapping[str, Any], owners: Mapping[str, Any]) -> None:
    parameters = dict(_named(container))
    known = [path for path in saved if path in parameters]
    assign([parameters[path] for path in known], [saved[path]["value"] for path in known])
    for path, entry in saved.items():
        if path not in parameters:
            new = ParameterNode(entry["value"], name=entry["name"], description=entry["description"])
            setattr(owners[path], path.rpartition(".")[2], new)


def _owner(container: Any, path: str) -> Any:
    owner = container
    for name in path.split(".")[:-1]:
        owner = getattr(owner, name, None)
    fits = isinstance(owner, ParameterContainer) and not isinstance(owner, (Seq, Map))
    if not fits or not may_be_set(owner, path.rpartition(".")[2]):
        raise FileFormatError(f"{type(container).__name__} has no place for the saved parameter {path!r}.")
    return owner


class Model(Module):
    """What a class decorated with `model` becomes: a module that can also be exported as plain Python."""

    reserved_cls_name: str = ""

    def save(self, path: str | Path) -> None:
        """Write the parameters and all other attributes, but not the class; see `Module.save`.

        Of an attribute that holds a key, `[redacted]` is written (with a `SecretWarning`); `load` leaves it as it is.
        """
        from opto.runs import codec

        content = {
            "parameters": {name: _described(each) for name, each in self.named_parameters()},
            "attributes": self._plain_attributes(),
        }
        codec.save(path, content, kind="model")

    def load(self, path: str | Path) -> None:
        """Read what `save` wrote; existing parameter objects are kept, and get the saved values."""
        from opto.runs import codec
        from opto.secrets import REDACTED

        content = codec.load(path, kind="model")
        if not isinstance(content, dict) or content.keys() != {"parameters", "attributes"}:
            raise FileFormatError(f"{path}: it must hold parameters and attributes.")
        parameters = checked_parameters(path, content["parameters"])
        attributes = checked_attributes(path, content["attributes"], self)
        owners = _owners(self, parameters)
        for name, value in attributes.items():
            current = self.__dict__.get(name)
            if value == REDACTED and name in self.__dict__:
                continue  # a key, which is not in the file: the one at hand stays
            if isinstance(current, Node):
                current._set(value)
            else:
                setattr(self, name, value)
        _restore(self, parameters, owners)

    def _plain_attributes(self) -> dict[str, Any]:
        """The attributes that hold no parameters; a node that is not trainable stands for its value."""
        return {
            name: value._data if isinstance(value, Node) else value
            for name, value in self.__dict__.items()
            if not (name.startswith(RESERVED) or isinstance(value, ParameterContainer) or entry_of(value) is not None)
        }

    def export(self, filename: str | Path, projections: list[Projection] | None = None) -> None:
        """Write the trained program as plain Python source that runs without opto.

        Args:
            filename: the Python file to write; folders are made.
            projections: applied in turn to the source; by default it is formatted with black, where that is installed.

        Raises:
            ValueError: if something that the program needs cannot be written as source; the message names it.
        """
        from opto.runs.files import write_atomic
        from opto.secrets import REDACTED, holds_secret, redact_text
        from opto.trace.export import export_class

        original = next(each for each in type(self).__mro__ if each.__name__ == self.reserved_cls_name)
        source = export_class(original, self, projections)
        if holds_secret(source, shapes=False):
            warnings.warn(f"a key or password stood in the program; {filename} has {REDACTED} there", SecretWarning, 2)
        write_atomic(filename, redact_text(source, shapes=False), private=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        for name, value in self.__dict__.items():
            object.__setattr__(twin, name, copy.deepcopy(value, memo))
        return twin


def model(cls: C) -> C:
    """Class decorator: make a module of any class.

    The result is a subclass of the class and of `Module`, called `<Name>Model`; its parameters are the trainable nodes
    and trainable methods that its attributes reach.

    Raises:
        TypeError: if `cls` is not a class.
    """
    if not isinstance(cls, type):
        raise TypeError(f"@model decorates a class, got {cls!r}.")
    bases = (cls,) if issubclass(cls, Model) else (cls, Model)
    name = f"{cls.__name__}Model"
    namespace = {
        "__module__": cls.__module__,
        "__qualname__": name,
        "__doc__": cls.__doc__,
        "reserved_cls_name": cls.__name__,
    }
    made = type(cls)(name, bases, namespace)
    module = sys.modules.get(cls.__module__)
    if module is not None:
        setattr(module, name, made)  # where pickle looks for the class of an instance
    return made
