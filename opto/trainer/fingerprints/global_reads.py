"""The global variables that code reads, each once, in an order that is the same in every process."""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from opto.trace.fun_module import FunModule
from opto.trainer.fingerprints.code_reads import CodeReads
from opto.trainer.fingerprints.origins import file_of_import, hash_of_file, library_at, library_of

__all__ = ["Read", "GlobalReads"]

_ABOUT_A_MODULE = frozenset(
    {
        *("__annotations__", "__builtins__", "__cached__", "__doc__", "__file__", "__loader__", "__module__"),
        *("__name__", "__package__", "__path__", "__qualname__", "__spec__"),
    }
)
_CODE = (types.FunctionType, types.MethodType, types.ModuleType, type, FunModule, functools.partial)


class Read(NamedTuple):
    """A global variable that code reads.

    Attributes:
        name: what it is called.
        value: what it is now.
        names: all names in the code that reads it, among them the attributes that it reads of a module.
        place: tells it from variables of other modules that are called like it.
    """

    name: str
    value: Any
    names: frozenset[str]
    place: tuple[int, str]


class GlobalReads:
    """What code around a program was found to read, and what it was found to change.

    Functions, classes and modules come first, data when no more of them is left: only then it is known which data the
    code changes.

    Attributes:
        changed_attributes: the names of attributes that code sets, other than when an object is made.
    """

    def __init__(self) -> None:
        self._code: deque[Read] = deque()
        self._data: deque[Read] = deque()
        self._known: set[tuple[int, str]] = set()
        self._looked: set[tuple[int, frozenset[str]]] = set()
        self._imported: set[str] = set()
        self._through_module: set[tuple[int, str]] = set()
        self._rebound: set[tuple[int, str]] = set()
        self._changed: set[tuple[int, str]] = set()
        self.changed_attributes: set[str] = set()

    def note(self, reads: CodeReads, layers: Sequence[Mapping[str, Any]], *, making: bool = False) -> list[str]:
        """Take in what a piece of code reads and changes.

        Args:
            reads: what it reads.
            layers: where its names are looked up, one after the other.
            making: whether it makes an object, whose attributes it sets for the first time.

        Returns:
            What it imports, with hashes of files.
        """
        own = id(layers[-1])
        self._rebound.update((own, name) for name in reads.rebound)
        self._changed.update((own, name) for name in reads.changed)
        if not making:
            self.changed_attributes |= reads.changed_attributes
        for name in reads.globals:
            layer = next((each for each in layers if name in each), None)
            if layer is not None:
                self._add(name, layer, reads.names)
        return [text for each in reads.imports for text in self._import(each, layers[-1])]

    def look_into(self, module: types.ModuleType, names: frozenset[str]) -> bool:
        """Take in the variables of a module that are called like one of some names.

        Returns:
            Whether there is any.
        """
        variables = vars(module)
        found = [name for name in sorted(names) if name in variables and name not in _ABOUT_A_MODULE]
        if (id(module), names) not in self._looked:
            self._looked.add((id(module), names))
            self._through_module.update((id(variables), name) for name in found)
            for name in found:
                self._add(name, variables, names)
        return bool(found)

    def next(self) -> Read | None:
        """The next variable; None when there is no more."""
        for waiting in (self._code, self._data):
            if waiting:
                return waiting.popleft()
        return None

    def is_rebound(self, read: Read) -> bool:
        """Whether code binds the name anew."""
        set_from_outside = read.place in self._through_module and read.name in self.changed_attributes
        return read.place in self._rebound or set_from_outside

    def is_changed(self, read: Read) -> bool:
        """Whether code changes what the name stands for."""
        return read.place in self._changed

    def _add(self, name: str, layer: Mapping[str, Any], names: frozenset[str]) -> None:
        if name in _ABOUT_A_MODULE:
            return
        value = layer[name]
        place = (id(layer), name)
        if place in self._known and not isinstance(value, types.ModuleType):
            return
        self._known.add(place)
        (self._code if isinstance(value, _CODE) else self._data).append(Read(name, value, names, place))

    def _import(self, written: tuple[str, int, tuple[str, ...]], variables: Mapping[str, Any]) -> list[str]:
        """What an import in a function stands for: the module and the modules in it that it names.

        A module that is not loaded yet is not loaded for this, and one that is counts as if it were not: what is said
        of a program must not depend on whether it was run.
        """
        name, level, inner = written
        package = variables.get("__package__") or str(variables.get("__name__", "")).rpartition(".")[0]
        full, file = file_of_import(name, level, package)
        wanted = [(full, file)]
        if file is not None and file.endswith("__init__.py"):
            wanted += [file_of_import(f"{full}.{each}", 0, None) for each in inner]
        said = []
        for module, path in wanted:
            if module in self._imported:
                continue
            self._imported.add(module)
            library = library_of(module, {}) if path is None else library_at(module, path, loaded=False)
            said += [module, library if library is not None or path is None else hash_of_file(path)]
        return [text or "" for text in said]
