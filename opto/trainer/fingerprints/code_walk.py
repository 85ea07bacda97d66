"""The part of a fingerprint that is about code: functions, classes, modules, and the global variables they read."""

from __future__ import annotations

import enum
import functools
import hashlib
import inspect
import re
import types
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from opto.trace.fun_module import FunModule
from opto.trace.nodes import Node
from opto.trainer.fingerprints.code_reads import CodeReads, reads_of, reads_of_text
from opto.trainer.fingerprints.global_reads import GlobalReads, Read
from opto.trainer.fingerprints.origins import hash_of_file, library_of

__all__ = ["ATOMS", "CodeWalk", "without_addresses"]

ATOMS = {type(None), bool, int, float, complex, str, bytes}
_VALUES = {*ATOMS, list, tuple, dict, set, frozenset}
_MAKING = ("__init__", "__new__", "__post_init__", "__setstate__")


class CodeWalk(ABC):
    """Writes code into a hash; what it finds in code that is no code is left to a subclass."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self._around = GlobalReads()
        self._in_global = False

    @abstractmethod
    def add(self, value: Any, place: str) -> None:
        """Write any value into the hash.

        Args:
            value: what it is.
            place: where it was found, in words, for errors.
        """

    @abstractmethod
    def _mark(self) -> Any:
        """What `_go_back` needs to go back here."""

    @abstractmethod
    def _go_back(self, mark: Any) -> None:
        """Forget what was written since."""

    def _say(self, *words: str) -> None:
        for word in words:
            data = word.encode("utf-8", "surrogatepass")
            self.hash.update(b"%d:" % len(data) + data)

    def _each(self, what: str, values: Iterable[tuple[str, Any]], place: str) -> None:
        self._say(what)
        for name, value in values:
            self._say(name)
            self.add(value, f"{place}.{name}")
        self._say("end")

    # ---- global variables

    def add_globals(self) -> None:
        """Add the global variables that the code so far was found to read, and those that they lead to."""
        self._in_global = True
        while (read := self._around.next()) is not None:
            self._say("global", read.name)
            before = self._mark()
            try:
                self._add_global(read)
            except Exception:  # it lies too deep, or does not like to be looked at, as proxies of something absent
                self._go_back(before)
                self._say("unseen", type(read.value).__qualname__)

    def _add_global(self, read: Read) -> None:
        value, place = read.value, f"the global variable {read.name!r}"
        if isinstance(value, types.ModuleType):
            self._module_reads(value, read.names)
        elif self._around.is_rebound(read):
            self._say("rebound")
        elif self._around.is_changed(read) and not isinstance(value, Node):
            self._say("changed")
            self.add(type(value), place)
        else:
            self.add(value, place)

    def _module_reads(self, module: types.ModuleType, names: frozenset[str]) -> None:
        """A module with its variables that are called like one of some names, or its file; one of a library by name."""
        library = library_of(module.__name__, vars(module))
        self._say("module", module.__name__, library or "")
        if library is not None or self._around.look_into(module, names):
            return
        if isinstance(file := getattr(module, "__file__", None), str):
            self._say("file", hash_of_file(file))

    # ---- code

    def _bundle(self, value: FunModule, place: str) -> None:
        self._say("bundle", value._qualified_name, str(type(value.runner).__qualname__))
        self.add(value.fun, place)
        self._code_parameter(value, place)

    def _code_parameter(self, value: FunModule, place: str) -> None:
        if value.parameter is None:
            return
        text = value.parameter._data
        self.add(text, f"{place}.parameter")
        if isinstance(text, str) and (reads := reads_of_text(text)) is not None:
            self._note(reads, [value._options.scope, getattr(inspect.unwrap(value.fun), "__globals__", {})])

    def _note(self, reads: CodeReads, layers: list[Mapping[str, Any]], *, making: bool = False) -> None:
        self._say("imports", *self._around.note(reads, layers, making=making))

    def _function(self, value: Any, place: str) -> None:
        variables, code = value.__globals__, value.__code__
        library = library_of(str(variables.get("__name__")), variables)
        reads = None
        if library is None:
            self._say("function", value.__qualname__)
            reads = reads_of(code)
            self.hash.update(reads.digest)
            self._note(reads, [variables], making=code.co_name in _MAKING)
        else:
            self._say("library", library, str(variables.get("__name__")), code.co_name, value.__qualname__)
        self.add(value.__defaults__, f"{place}: a default")
        self.add(value.__kwdefaults__, f"{place}: a default")
        for name, cell in zip(code.co_freevars, value.__closure__ or (), strict=True):
            try:
                content = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            if reads is not None and isinstance(content, types.ModuleType):
                self._module_reads(content, reads.names)
            elif name != "__class__":
                self.add(content, f"{place}: the variable {name!r} around it")

    def _method(self, value: Any, place: str) -> None:
        self.add(value.__func__, place)
        self.add(value.__self__, f"{place}.__self__")

    def _builtin(self, value: Any, place: str) -> None:
        self._say("builtin", str(value.__module__), value.__qualname__)
        if value.__self__ is not None and not isinstance(value.__self__, types.ModuleType):
            self.add(value.__self__, f"{place}.__self__")

    def _partial(self, value: Any, place: str) -> None:
        self._each("partial", [("func", value.func), ("args", value.args), ("keywords", value.keywords)], place)

    def _class(self, value: type, place: str) -> None:
        """A class by its name, the code of its methods and its attributes, and so those that it is derived from."""
        self._say("class", value.__module__, value.__qualname__)
        for each in value.__mro__:
            library = library_of(str(each.__module__))
            if library is not None:
                self._say("library", library, each.__module__, each.__qualname__)
                continue
            self._say("types", _typing_in(each))
            items = sorted(vars(each).items())
            found = [(name, _functions_in(item)) for name, item in items]
            for name, functions in found:  # first, since they may change what the attributes are
                for function in functions:
                    self._say(name)
                    self.add(function, f"{place}.{name}")
            for name, item in [items[number] for number, (_, functions) in enumerate(found) if not functions]:
                if not name.startswith("__") and not inspect.isdatadescriptor(item):
                    self._class_attribute(name, item, f"{place}.{name}")
        if issubclass(value, enum.Enum):
            self._each("members", [(name, item.value) for name, item in value.__members__.items()], place)

    def _class_attribute(self, name: str, item: Any, place: str) -> None:
        if name in self._around.changed_attributes or (name.startswith("_") and name.endswith("_")):
            return
        self._say(name)
        if type(item) in _VALUES or isinstance(item, Node):
            self.add(item, place)
            return
        before, self._in_global = self._in_global, True
        self.add(item, place)
        self._in_global = before

    def _imported(self, value: types.ModuleType, place: str) -> None:
        self._module_reads(value, frozenset())


def _functions_in(item: Any) -> list[Any]:
    """The functions that an attribute of a class is made of; none for data."""
    if isinstance(item, (staticmethod, classmethod)):
        item = item.__func__
    if isinstance(item, property):
        return [each for each in (item.fget, item.fset, item.fdel) if each is not None]
    if isinstance(item, functools.cached_property):
        return [item.func]
    if isinstance(item, FunModule):
        return [item.fun]
    return [item] if inspect.isfunction(item) else []


def _typing_in(kind: type) -> str:
    """The annotations of a class, and the fields that pydantic makes of them."""
    annotations = vars(kind).get("__annotations__", {})
    fields = vars(kind).get("__pydantic_fields__", {})
    return without_addresses([list(each.items()) for each in (annotations, fields) if isinstance(each, dict)])


def without_addresses(value: Any) -> str:
    """The `repr` of something, without what differs from process to process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
