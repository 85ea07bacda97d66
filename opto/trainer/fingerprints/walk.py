"""What a program is, as a short text: the same for the same program with the same parameter values, also tomorrow.

A fingerprint is made of the byte code of functions and classes, the values in attributes, closures and defaults, the
values of parameters, the names and options of models, and the global variables that the code reads by name, those of
the functions and classes that it finds there as well.

- Code of libraries (installed packages, the standard library, opto) counts by its name and version.
- Global data count by their content: numbers, texts, tuples, lists, dicts, sets, nodes, objects of the user's classes.
  Data that the code itself is seen to change count by their type: a counter, a log or a cache is no part of a program.
  What cannot be looked into, such as a client, counts by its class.
- A module that a function imports counts by its file.

What is read in other ways is not in it: variables by computed names, files, a network.
"""

from __future__ import annotations

import collections
import copyreg
import functools
import operator
import re
import string
import types
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from opto.llm.model import Model
from opto.trace.containers import RESERVED, ParameterContainer
from opto.trace.fun_module import FunModule
from opto.trace.nodes import Node
from opto.trainer.fingerprints.code_walk import ATOMS, CodeWalk, without_addresses
from opto.trainer.fingerprints.origins import library_of
from opto.trainer.guides.base import Guide

__all__ = ["fingerprint"]

_MOST_PARTS = 20_000
_MOST_GLOBAL_PARTS = 2 * _MOST_PARTS  # a program of the most parts still has as many for what it reads
_MOST_BYTES = 1 << 22
"""Up to which size an array in a global variable counts by its content."""
_WITHOUT_MEANING = ("_thread.lock", "_thread.RLock", "_thread._local", "weakref.ReferenceType", "_contextvars.Token")


def fingerprint(value: Any) -> str:
    """A hash of a program, a guide or plain data, in hexadecimal.

    Raises:
        TypeError: it holds, other than in global variables, something whose content cannot be seen, such as an open
            connection; the message says where.
    """
    walk = _Walk()
    try:
        walk.add(value, "it")
    except RecursionError as error:
        raise _unseen("it", "objects lie too deep in each other") from error
    walk.add_globals()
    return walk.hash.hexdigest()


class _Walk(CodeWalk):
    """One pass through a value; what was met before is told by the order in which it was met."""

    def __init__(self) -> None:
        super().__init__()
        self._met: dict[int, int] = {}
        self._alive: list[Any] = []

    def add(self, value: Any, place: str) -> None:
        if type(value) in ATOMS:
            self._say(type(value).__name__, repr(value))
            return
        if id(value) in self._met:
            self._say("again", str(self._met[id(value)]))
            return
        if len(self._met) >= (_MOST_GLOBAL_PARTS if self._in_global else _MOST_PARTS):
            self._give_up(value, place, f"it has more than {_MOST_PARTS:,} parts")
            return
        self._met[id(value)] = len(self._met)
        self._alive.append(value)  # so that no later value gets its id
        writer = _CONTAINERS.get(type(value))
        if writer is not None and (text := _container_text(value)) is not None:
            self._say("text", text)
            return
        if writer is None:
            writer = next((writer for kind, writer in _WRITERS if isinstance(value, kind)), _Walk._object)
        writer(self, value, place)

    def _mark(self) -> Any:
        return self.hash.copy(), len(self._met)

    def _go_back(self, mark: Any) -> None:
        self.hash, count = mark
        for number in list(islice(self._met, count, None)):
            del self._met[number]

    # ---- plain data

    def _sequence(self, value: Any, place: str) -> None:
        self._each(type(value).__qualname__, ((str(position), each) for position, each in enumerate(value)), place)

    def _mapping(self, value: Mapping[Any, Any], place: str) -> None:
        self._say(type(value).__qualname__)
        for key, item in value.items():
            self.add(key, f"{place}: a key")
            self.add(item, f"{place}[{key!r}]")
        self._say("end")

    def _set(self, value: Any, place: str) -> None:
        self._say(type(value).__qualname__, *sorted(map(self._element, value)))

    def _element(self, value: Any) -> str:
        """An element of a set, whose order says nothing."""
        try:
            return fingerprint(value)
        except TypeError:
            if not self._in_global:
                raise
            return f"{type(value).__module__}.{type(value).__qualname__}"

    # ---- objects

    def _node(self, value: Node[Any], place: str) -> None:
        self._say("node")
        self.add(value._data, place)

    def _model(self, value: Model, place: str) -> None:
        self._say("model", type(value).__qualname__, value.name)
        if library_of(str(type(value).__module__)) is None:
            self.add(type(value), f"the class of {place}")
        for name in ("options", "function", "factory"):
            self.add(getattr(value, name, None), f"{place}.{name}")
        if isinstance(inner := getattr(value, "model", None), Model):
            self.add(inner, f"{place}.model")

    def _object(self, value: Any, place: str) -> None:
        kind = type(value)
        if kind.__module__.startswith("opto.sandbox."):  # a runner, whose workers come and go
            self._say(kind.__qualname__)
            self.add(getattr(value, "options", None), f"{place}.options")
            return
        if f"{kind.__module__}.{kind.__qualname__}" in _WITHOUT_MEANING:
            self._say("without meaning")
            return
        if self._in_global and kind.__module__ == "numpy" and value.nbytes > _MOST_BYTES:
            self._give_up(value, place, "it is too big")
            return
        text = _text_form(value)
        if text is not None:
            self._say("text", text)
            return
        if kind.__module__ == "typing" or isinstance(value, (types.GenericAlias, types.UnionType)):
            self._say("type", without_addresses(value))
            return
        if self._in_global and library_of(str(kind.__module__)) is not None and not isinstance(value, _SEEN_THROUGH):
            self._of_library(value, place)
            return
        self.add(kind, f"the class of {place}")
        self._content(value, place)

    def _of_library(self, value: Any, place: str) -> None:
        """An object in a global variable whose class is not the user's: by its class, and by what it wraps.

        Of the modules and guides of opto, what is not their state counts too.
        """
        self.add(type(value), f"the class of {place}")
        for name, item in sorted(getattr(value, "__dict__", {}).items()):
            lasting = isinstance(value, (ParameterContainer, Guide)) and not name.startswith(RESERVED)
            if name == "__wrapped__" or (lasting and isinstance(item, _LASTING)):
                self._say(name)
                self.add(item, f"{place}.{name}")
        if isinstance(value, ParameterContainer):
            self._each("parameters", [(str(number), each) for number, each in enumerate(value.parameters())], place)

    def _content(self, value: Any, place: str) -> None:
        state = getattr(value, "__dict__", None)
        if state is None or (not state and "__reduce__" in vars(type(value))):
            self._reduced(value, place)
            return
        if isinstance(value, (list, tuple)):
            self._sequence(list(value), place)
        elif isinstance(value, dict):
            self._mapping(dict(value), place)
        if isinstance(value, ParameterContainer):
            value.parameters()  # binds the trainable methods that were not used yet
        # What opto keeps with an object for its bound methods is their code, which comes with the class, and their
        # parameters.
        for name, item in sorted(vars(value).items()):
            if not name.startswith(RESERVED):
                if not (self._in_global and name in self._around.changed_attributes):
                    self._say(name)
                    self.add(item, f"{place}.{name}")
            elif isinstance(item, FunModule) and item.parameter is not None:
                self._say(name)
                self._code_parameter(item, f"{place}.{name}")

    def _reduced(self, value: Any, place: str) -> None:
        """An object without a `__dict__`, by what it would be pickled as."""
        registered = copyreg.dispatch_table.get(type(value))
        try:
            reduced = value.__reduce_ex__(2) if registered is None else registered(value)
        except Exception as error:
            self._give_up(value, place, str(error))
            return
        if isinstance(reduced, str):
            self._say("global", reduced)
            return
        for part in reduced:
            self.add(list(part) if isinstance(part, types.GeneratorType) else part, place)

    def _give_up(self, value: Any, place: str, why: str) -> None:
        """What cannot be looked into: an error in the program itself, a class name in a global variable."""
        if not self._in_global:
            raise _unseen(place, why)
        self._say("unseen", type(value).__module__, type(value).__qualname__)


def _container_text(value: Any) -> str | None:
    """The text of a list, tuple, dict or set of data; None where it holds something else."""
    if type(value) in _SETS and ATOMS.issuperset(map(type, value)):
        return f"{type(value).__name__} {sorted(map(repr, value))}"
    return repr(value) if _is_plain(value) else _dumped(value)


def _is_plain(value: Any) -> bool:
    """Whether a value is made of atoms, lists, tuples and dicts alone, so that its `repr` says all of it."""
    waiting, known = [value], {id(value)}
    while waiting:
        each = waiting.pop()
        if type(each) in _ROWS:
            items = each
        elif type(each) is dict:
            items = (*each.keys(), *each.values())
        else:
            return False
        if ATOMS.issuperset(map(type, items)):
            continue
        inner = {id(item): item for item in items if type(item) not in ATOMS and id(item) not in known}
        known.update(inner)
        waiting += inner.values()
    return True


def _text_form(value: Any) -> str | None:
    """The text of an object for which opto's text format has a form; None for others."""
    from opto.runs.codec.registry import form_of

    return None if form_of(value) is None else _dumped(value)


def _dumped(value: Any) -> str | None:
    from opto.runs import codec

    try:
        return codec.dumps(value)
    except (TypeError, ValueError):
        return None


def _unseen(place: str, why: str) -> TypeError:
    return TypeError(
        f"no fingerprint can be made, because {place} is of a kind that cannot be looked into ({why}): pass "
        "identity=..., a function that names the program and the guide, to the Evaluator, or use no cache."
    )


_WRITERS: list[tuple[Any, Callable[[_Walk, Any, str], None]]] = [
    (Node, _Walk._node),
    (FunModule, _Walk._bundle),
    (types.FunctionType, _Walk._function),
    (types.MethodType, _Walk._method),
    (types.BuiltinFunctionType, _Walk._builtin),
    (types.ModuleType, _Walk._imported),
    (types.MappingProxyType, _Walk._mapping),
    (functools.partial, _Walk._partial),
    (type, _Walk._class),
    (Model, _Walk._model),
]

_ROWS = {list, tuple}
_SETS = {set, frozenset}
_CONTAINERS: dict[type, Callable[[_Walk, Any, str], None]] = {
    list: _Walk._sequence,
    tuple: _Walk._sequence,
    dict: _Walk._mapping,
    set: _Walk._set,
    frozenset: _Walk._set,
}


_SEEN_THROUGH = (
    *(list, tuple, dict, set, frozenset, collections.deque, types.SimpleNamespace),
    *(re.Pattern, string.Template, operator.itemgetter, operator.attrgetter, operator.methodcaller),
)
"""Classes of libraries whose objects count by their content also in global variables."""

_LASTING = (type(None), bool, int, float, str, bytes, tuple, types.FunctionType, FunModule, Node, Model)
"""Classes of attributes that are taken for what an object is, rather than for what it keeps of its work."""
