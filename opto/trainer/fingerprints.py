"""What a program is, as a short text: the same for the same program with the same parameter values, also tomorrow.

A fingerprint is made of the source or byte code of functions and classes, the values in attributes, closures and
defaults, the values of parameters, and the names and options of models. What a program reads besides, from global
variables, files or a network, is not in it.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opto.llm.model import Model
from opto.trace.containers import RESERVED, ParameterContainer
from opto.trace.fun_module import FunModule
from opto.trace.nodes import Node

__all__ = ["fingerprint"]

_MOST_PARTS = 20_000
_ATOMS = {type(None), bool, int, float, complex, str, bytes}
_WITHOUT_MEANING = ("_thread.lock", "_thread.RLock", "_thread._local", "weakref.ReferenceType", "_contextvars.Token")


def fingerprint(value: Any) -> str:
    """A hash of a program, a guide or plain data, in hexadecimal.

    Raises:
        TypeError: it holds something whose content cannot be seen, such as an open connection; the message says where.
    """
    walk = _Walk()
    try:
        walk.add(value, "it")
    except RecursionError as error:
        raise _unseen("it", "objects lie too deep in each other") from error
    return walk.hash.hexdigest()


class _Walk:
    """One pass through a value; what was met before is told by the order in which it was met."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self._met: dict[int, int] = {}
        self._alive: list[Any] = []

    def add(self, value: Any, place: str) -> None:
        if type(value) in _ATOMS:
            self._say(type(value).__name__, repr(value))
            return
        if id(value) in self._met:
            self._say("again", str(self._met[id(value)]))
            return
        if len(self._met) >= _MOST_PARTS:
            raise _unseen(place, f"it has more than {_MOST_PARTS:,} parts")
        self._met[id(value)] = len(self._met)
        self._alive.append(value)  # so that no later value gets its id
        writer = _CONTAINERS.get(type(value))
        if writer is not None and (text := _text_form(value, container=True)) is not None:
            self._say("text", text)
            return
        if writer is None:
            writer = next((writer for kind, writer in _WRITERS if isinstance(value, kind)), _Walk._object)
        writer(self, value, place)

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
        self._say(type(value).__qualname__, *sorted(fingerprint(each) for each in value))

    # ---- code

    def _bundle(self, value: FunModule, place: str) -> None:
        self._say("bundle", value._qualified_name, str(type(value.runner).__qualname__))
        self.add(value.fun, place)
        self.add(None if value.parameter is None else value.parameter._data, f"{place}.parameter")

    def _function(self, value: Any, place: str) -> None:
        self._say("function", value.__qualname__)
        self._code(value.__code__)
        self.add(value.__defaults__, f"{place}: a default")
        self.add(value.__kwdefaults__, f"{place}: a default")
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            try:
                content = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            if name != "__class__":
                self.add(content, f"{place}: the variable {name!r} around it")

    def _code(self, code: types.CodeType) -> None:
        self._say("code", code.co_code.hex(), *code.co_names, *code.co_varnames)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._code(constant)
            elif isinstance(constant, frozenset):
                self._say(*sorted(map(repr, constant)))
            else:
                self._say(repr(constant))

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
        """A class by its name and the code of its methods, and so those that it is derived from."""
        self._say("class", value.__module__, value.__qualname__)
        for each in value.__mro__:
            if each is object or each.__module__.partition(".")[0] in ("builtins", "opto", "abc", "typing"):
                continue
            for name, item in sorted(vars(each).items()):
                function = item.__func__ if isinstance(item, (staticmethod, classmethod)) else item
                function = function.fget if isinstance(function, property) else function
                if isinstance(function, FunModule):
                    self._say(name)
                    self.add(function.fun, f"{place}.{name}")
                elif inspect.isfunction(function):
                    self._say(name)
                    self.add(function, f"{place}.{name}")
                elif not name.startswith("__") and (type(item) in _VALUES or isinstance(item, Node)):
                    self._say(name)
                    self.add(item, f"{place}.{name}")

    def _imported(self, value: types.ModuleType, place: str) -> None:
        self._say("module", value.__name__)

    # ---- objects

    def _node(self, value: Node[Any], place: str) -> None:
        self._say("node")
        self.add(value._data, place)

    def _model(self, value: Model, place: str) -> None:
        self._say("model", type(value).__qualname__, value.name)
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
        text = _text_form(value)
        if text is not None:
            self._say("text", text)
            return
        self.add(kind, f"the class of {place}")
        state = getattr(value, "__dict__", None)
        if state is None or (not state and "__reduce__" in vars(kind)):
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
                self._say(name)
                self.add(item, f"{place}.{name}")
            elif isinstance(item, FunModule) and item.parameter is not None:
                self._say(name)
                self.add(item.parameter._data, f"{place}.{name}")

    def _reduced(self, value: Any, place: str) -> None:
        """An object without a `__dict__`, by what it would be pickled as."""
        try:
            reduced = value.__reduce_ex__(2)
        except Exception as error:
            raise _unseen(place, str(error)) from error
        if isinstance(reduced, str):
            self._say("global", reduced)
            return
        for part in reduced:
            self.add(list(part) if isinstance(part, types.GeneratorType) else part, place)


def _text_form(value: Any, *, container: bool = False) -> str | None:
    """The text of a value for which opto's text format has a form; None for others."""
    from opto.runs import codec
    from opto.runs.codec.registry import form_of

    if not container and form_of(value) is None:
        return None
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
    (functools.partial, _Walk._partial),
    (type, _Walk._class),
    (Model, _Walk._model),
]

_CONTAINERS: dict[type, Callable[[_Walk, Any, str], None]] = {
    list: _Walk._sequence,
    tuple: _Walk._sequence,
    dict: _Walk._mapping,
    set: _Walk._set,
    frozenset: _Walk._set,
}

_VALUES = {*_ATOMS, *_CONTAINERS}
