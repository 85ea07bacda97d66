"""The runner for a person at the keyboard: code runs in this process, unprotected."""

from __future__ import annotations
import __future__

import builtins
import hashlib
import linecache
import threading
import weakref
from collections import ChainMap, OrderedDict
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from opto.errors import CodeError

if TYPE_CHECKING:
    from opto.sandbox._factory import Unit

__all__ = ["InProcess", "Tag", "text_of", "text_tag"]


class InProcess:
    """A `CodeRunner` without walls: the code may do whatever this process may do.

    A distinct text is compiled once (from any number of threads) and executed once per `compile`. The functions of
    the text see the current values of the namespace, at the speed of ordinary globals:

    - `namespace` is a dict, usually the `__globals__` of a function: it serves as the globals of the text's functions
      as it is. Names defined or changed in it later are seen. It is not changed, save by a function of the text that
      declares a name of it `global` and assigns it.
    - `namespace` is a `ChainMap` whose last map is a dict: the same for this dict. Of the maps before it (say, the
      local variables around a definition), the text gets the names it reads, with the values of the time of
      `compile`. Among them may be `__class__`, which `super()` needs in the text of a method.
    - Another mapping is copied.

    Names that the text itself defines stay its own. Tracebacks show its lines, and `text_of` finds the text of its
    code.

    Args:
        cache_size: how many texts are kept compiled.
    """

    def __init__(self, *, cache_size: int = 256) -> None:
        if cache_size < 1:
            raise ValueError(f"cache_size must be >= 1, got {cache_size}.")
        self._cache_size = cache_size
        self._programs: OrderedDict[tuple[str, str], _Program] = OrderedDict()
        self._lock = threading.Lock()

    def compile(self, source: str, name: str, namespace: Mapping[str, Any]) -> Callable[..., Any]:
        """The callable that `source` defines as `name`; see the class for what it sees of `namespace`.

        Raises:
            CodeError: the text does not parse, fails while it is being defined, or does not define `name` as a
                callable. Its `__cause__` is the original exception, where there is one.
        """
        if not isinstance(source, str):
            raise CodeError(f"The code of {name!r} must be a string, got {type(source).__name__}.")
        if not source.strip():
            raise CodeError(f"The code of {name!r} is empty.")
        module, captured = _layers(namespace)
        program = self._program(source, name)
        try:
            code, arguments = program.factory(module, captured)
        except CodeError:
            raise
        except (
            Exception
        ) as error:  # SyntaxError for the most part; a star import runs a module, which may raise anything
            raise _code_error(f"The code of {name!r} does not compile: {_reason(error)}", source) from error
        program.tag.show_lines()
        try:
            result = FunctionType(code, module)(*arguments)
        except (Exception, SystemExit) as error:
            raise _code_error(
                f"The code of {name!r} fails while it is being defined: {_reason(error)}", source
            ) from error
        if isinstance(result, (staticmethod, classmethod)):  # the text of a method keeps its inner decorators
            result = result.__func__
        if not callable(result):
            message = f"The code must define {name!r} as a function, but it is a value of type {type(result).__name__}."
            raise _code_error(message, source)
        return result  # type: ignore[no-any-return]

    def _program(self, source: str, name: str) -> _Program:
        with self._lock:
            program = self._programs.pop((source, name), None) or _Program(source, name)
            self._programs[source, name] = program
            if len(self._programs) > self._cache_size:
                self._programs.popitem(last=False)
        return program

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_in_process, (type(self), self._cache_size)


def text_of(code: CodeType) -> str | None:
    """The whole text that this code object was compiled from by an in-process runner, else None."""
    tag = code.co_consts[-1] if code.co_consts else None
    return tag.text if isinstance(tag, Tag) else None


def text_tag(source: str, name: str) -> Tag:
    """The tag of a text that defines `name`, whose file is `<opto:NAME:digest>`."""
    digest = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return Tag(source, f"<opto:{name}:{digest}>")


class Tag:
    """Leads from the code objects of a text to the text; lives as long as one of them does."""

    def __init__(self, text: str, filename: str) -> None:
        self.text = text
        self.filename = filename
        self._entry: tuple[int, None, list[str], str] | None = None

    def show_lines(self) -> None:
        """Make the lines known to tracebacks, for as long as code of the text lives."""
        if self._entry is None:
            lines = [f"{line}\n" for line in self.text.replace("\r\n", "\n").split("\n")]
            self._entry = (len(self.text), None, lines, self.filename)
            weakref.finalize(self, _forget_lines, self._entry).atexit = False
            linecache.cache[self.filename] = self._entry
        elif self.filename not in linecache.cache:  # someone cleared it
            linecache.cache[self.filename] = self._entry

    def __reduce__(self) -> tuple[Any, ...]:
        return Tag, (self.text, self.filename)


class _Program:
    """One text with one name to look for, parsed once; its factories, one per set of names that namespaces offer it."""

    def __init__(self, source: str, name: str) -> None:
        self._name = name
        self.tag = text_tag(source, name)
        self._unit: Unit | None = None
        self._codes: dict[tuple[Any, ...], CodeType] = {}
        self._lock = (
            threading.RLock()
        )  # re-entrant, for parsing `from x import *` imports x, which may define code itself

    def factory(self, module: dict[str, Any], captured: Mapping[str, Any]) -> tuple[CodeType, list[Any]]:
        """The code of the factory for this namespace, and what to call it with."""
        with self._lock:
            unit = self._parsed()
        names = unit.names
        values = {name: captured[name] for name in sorted(names.read - names.bound) if name in captured}
        for name in sorted(names.read_at_once & names.bound):
            for layer in (captured, module, vars(builtins)):
                if name in layer:
                    values[name] = layer[name]
                    break
        if "__name__" in names.read and module.get("__name__", "__main__") == "__main__":
            values["__name__"] = (
                "<opto>"  # `if __name__ == "__main__":` in a model's code is not about the person's program
            )
        owned = names.declared.difference(names.bound, module)
        postponed = module.get("annotations") is __future__.annotations
        key = (tuple(values), owned, postponed)
        with self._lock:
            code = self._codes.get(key)
            if code is None:
                code = self._codes[key] = self._build(unit, *key)
        return code, list(values.values())

    def _parsed(self) -> Unit:
        from opto.sandbox._factory import parse

        if self._unit is None:
            unit = parse(self.tag.text, self.tag.filename)
            if self._name not in unit.names.bound:
                defined = ", ".join(sorted(unit.names.bound)) or "nothing"
                message = f"The code must define {self._name!r} at its top level, but it defines {defined}."
                raise _code_error(message, self.tag.text)
            self._unit = unit
        return self._unit

    def _build(self, unit: Unit, arguments: tuple[str, ...], owned: frozenset[str], postponed: bool) -> CodeType:
        from opto.sandbox._factory import build

        if len(self._codes) >= 16:
            self._codes.clear()
        return build(unit, self._name, arguments, owned, postponed=postponed, tag=self.tag)


def _layers(namespace: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The dict that serves as globals, and the names that come before it."""
    if isinstance(namespace, dict):
        return namespace, {}
    if isinstance(namespace, ChainMap) and isinstance(namespace.maps[-1], dict):
        return namespace.maps[-1], ChainMap(*namespace.maps[:-1])
    return dict(namespace), {}


def _code_error(message: str, source: str) -> CodeError:
    error = CodeError(message)
    error.source = source
    return error


def _reason(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.msg} (line {error.lineno})"
    return f"{type(error).__name__}: {error}"


def _forget_lines(entry: tuple[int, None, list[str], str]) -> None:
    if linecache.cache.get(entry[3]) is entry:
        del linecache.cache[entry[3]]


def _make_in_process(cls: type[InProcess], cache_size: int) -> InProcess:
    return cls(cache_size=cache_size)
