"""What the names that a text reads mean inside a sandbox: data by value, modules by name, functions if offered."""

from __future__ import annotations
import __future__

import dataclasses
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from opto.errors import CrossingError
from opto.sandbox.crossing import CrossingLimits, class_name, pack
from opto.sandbox.reach import Reach
from opto.secrets import holds_secret, known_secrets

__all__ = ["Bindings", "host_functions"]

_ATOMS = frozenset({type(None), bool, int, float, str, bytes})
_FACTORIES = {list: "list", dict: "dict", set: "set"}
_MISSING: Any = object()
_SECRET = "it holds a key or password."
_OPTIONS = ("eq", "order", "frozen", "unsafe_hash", "repr")


def host_functions(host: Any) -> dict[str, Callable[..., Any]]:
    """The functions that a person offers, by the names that code calls them by.

    Args:
        host: functions, each with a `__name__`, or a mapping from names to functions.

    Raises:
        TypeError: one of them cannot be called, or has no name.
        ValueError: a name is no identifier, or stands for two functions.
    """
    pairs: list[tuple[Any, Any]]
    if isinstance(host, Mapping):
        pairs = list(host.items())
    elif isinstance(host, Iterable) and not isinstance(host, (str, bytes)):
        pairs = [(getattr(each, "__name__", None), each) for each in host]
    else:
        raise TypeError(f"host must be functions in a list, or by name in a dict, got {host!r}.")
    offered: dict[str, Callable[..., Any]] = {}
    for name, function in pairs:
        if not callable(function):
            raise TypeError(f"host must hold functions, got {function!r}.")
        if not isinstance(name, str):
            raise TypeError(f"host holds {function!r}, which has no name: pass it as {{'name': function}}.")
        if not name.isidentifier():
            raise ValueError(f"host must name functions as code can call them, got {name!r}.")
        if offered.get(name, function) is not function:
            raise ValueError(f"host has two functions of the name {name!r}: pass them as {{'name': function}}.")
        offered[name] = function
    return offered


class Bindings:
    """The meanings of the names that one text reads, kept up to date for one worker.

    Args:
        names: the names that the text reads.
        namespace: what they mean in the program.
        host: functions that the sandbox may call back.
        reach: what can be imported inside.
        limits: how much may cross.
        shared: the names of the namespace that may cross; None for all.

    Attributes:
        exceptions: exception classes of the program that stand-ins inside stand for, by name.
        dataclasses: dataclasses of the program whose instances may come back, by name.
    """

    def __init__(
        self,
        names: Iterable[str],
        namespace: Mapping[str, Any],
        *,
        host: Mapping[str, Callable[..., Any]],
        reach: Reach,
        limits: CrossingLimits,
        shared: frozenset[str] | None,
    ) -> None:
        # A module that postpones annotations does so for its texts too.
        postponed = {"annotations"} if namespace.get("annotations") is __future__.annotations else set()
        self._names = tuple(sorted({*names, *postponed, "__name__"}))
        self._namespace = namespace
        self._host = host
        self._hosted = {id(function): name for name, function in host.items()}
        self._reach = reach
        self._limits = limits
        self._shared = shared
        self._last: dict[str, tuple[Any, Any]] = {}
        self._specified: set[str] = set()
        self.exceptions: dict[str, type] = {}
        self.dataclasses: dict[str, type] = {}

    def changed(self) -> bytes | None:
        """What to tell the worker: the meanings that it does not know yet, packed; None where it knows them all.

        A change inside a list or another container of the program counts, too.
        """
        names: dict[str, Any] = {}
        specs: dict[str, Any] = {}
        for name in self._names:
            value = self._look_up(name)
            known = self._last.get(name)
            if known is not None and known[0] is value and (type(value) in _ATOMS or known[1] is None):
                continue
            kind, content, mark = self._meaning(name, value, specs)
            if known is None or known[1] != mark or mark is None:
                names[name] = [kind, content]
            self._last[name] = value, mark
        if not names and not specs:
            return None
        return pack({"names": names, "dataclasses": specs}, limits=self._limits, root="what the code reads")

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bytes | None, bytes]:
        """The arguments of a call, packed; before them what the worker has to know of their classes, if anything.

        Raises:
            CrossingError: an argument is not plain data.
        """
        try:
            return self.described([list(args), kwargs])
        except CrossingError:
            named = {f"argument {index + 1}": value for index, value in enumerate(args)}
            named.update((f"argument {name!r}", value) for name, value in kwargs.items())
            for name, value in named.items():
                self.described(value, name)
            raise

    def described(self, value: Any, root: str = "value") -> tuple[bytes | None, bytes]:
        """A value, packed; before it what the worker has to know of its dataclasses, if anything.

        Raises:
            CrossingError: it is not plain data.
        """
        met: dict[str, type] = {}
        data = pack(value, limits=self._limits, root=root, met=met)
        _refuse_secrets(data, root)
        if not met:
            return None, data
        self.dataclasses.update(met)
        specs: dict[str, Any] = {}
        for cls in met.values():
            self._specify(cls, specs)
        return (pack({"names": {}, "dataclasses": specs}) if specs else None), data

    def _look_up(self, name: str) -> Any:
        if name in self._host:
            return self._host[name]
        if self._shared is not None and name not in self._shared and not name.startswith("__"):
            return _MISSING
        return self._namespace.get(name, _MISSING)

    def _meaning(self, name: str, value: Any, specs: dict[str, Any]) -> tuple[str, Any, Any]:
        """Kind and content of a meaning, and a mark that changes when it does; None for what is known by identity."""
        if value is _MISSING:
            return "missing", None, None
        if id(value) in self._hosted:
            return "host", [self._hosted[id(value)], inspect.iscoroutinefunction(value)], None
        if type(value) in _ATOMS:
            secret = isinstance(value, str) and holds_secret(value)
            return ("unavailable", _SECRET, value) if secret else ("value", value, (type(value), value))
        if isinstance(value, ModuleType):
            return (*self._module(name, value), None)
        place = self._place(value)
        if isinstance(value, type):
            return (*self._class(name, value, place, specs), None)
        if place is not None:
            return "import", place, None
        met: dict[str, type] = {}
        try:
            data = pack(value, limits=self._limits, root=name, met=met)
            _refuse_secrets(data, name)
        except CrossingError as error:
            return "unavailable", _reason(name, value, error), None
        self.dataclasses.update(met)
        for cls in met.values():
            self._specify(cls, specs)
        # A digest will do to see a change, and large data is not kept twice.
        return "value", value, data if len(data) < 1024 else hashlib.sha256(data).digest()

    def _module(self, name: str, module: ModuleType) -> tuple[str, Any]:
        if self._reach.has(module):
            return "import", [module.__name__, None]
        reason = f"the module {module.__name__} lies where the sandbox cannot read; add its folder with readable=."
        return "unavailable", reason

    def _place(self, value: Any) -> list[str] | None:
        """Where a class or function can be fetched from inside, if it can."""
        if value is __future__.annotations:
            return ["__future__", "annotations"]
        module_name = getattr(value, "__module__", None)
        qualified = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
        if not (isinstance(module_name, str) and isinstance(qualified, str) and qualified):
            return None
        found: Any = sys.modules.get(module_name)
        if not isinstance(found, ModuleType) or not self._reach.has(found):
            return None
        for part in qualified.split("."):
            found = getattr(found, part, _MISSING)
        return [module_name, qualified] if found is value else None

    def _class(self, name: str, cls: type, place: Any, specs: dict[str, Any]) -> tuple[str, Any]:
        if "__dataclass_fields__" in vars(cls):
            self.dataclasses[class_name(cls)] = cls
        if place is not None:
            return "import", place
        if "__dataclass_fields__" in vars(cls):
            self._specify(cls, specs)
            return "dataclass", class_name(cls)
        if issubclass(cls, Exception):
            self.exceptions[class_name(cls)] = cls
            return "exception", [
                class_name(cls),
                [each.__name__ for each in cls.__mro__ if each.__module__ == "builtins"],
            ]
        return "unavailable", _reason(name, cls, None)

    def _specify(self, cls: type, specs: dict[str, Any]) -> None:
        """Describe a dataclass that cannot be imported inside, once."""
        name = class_name(cls)
        if name in self._specified or self._place(cls) is not None:
            return
        self._specified.add(name)
        fields = [[each.name, self._default(each)] for each in dataclasses.fields(cls)]
        parameters: Any = vars(cls).get("__dataclass_params__")
        options = {each: bool(getattr(parameters, each)) for each in _OPTIONS}
        specs[name] = {"fields": _defaults_last(fields), "options": options}

    def _default(self, field: Any) -> Any:
        if field.default_factory in _FACTORIES:
            return ["factory", _FACTORIES[field.default_factory]]
        if field.default is dataclasses.MISSING or type(field.default) not in _ATOMS:
            return None
        return ["value", field.default]


def _defaults_last(fields: list[Any]) -> list[Any]:
    """A default that cannot cross makes those before it unusable: no field without one may follow one with."""
    last = max((index for index, (_, default) in enumerate(fields) if default is None), default=-1)
    return [[name, default if index > last else None] for index, (name, default) in enumerate(fields)]


def _refuse_secrets(data: bytes, root: str) -> None:
    """Raise if packed data holds a key that this process knows: no code that a model wrote gets one."""
    for secret in known_secrets():
        if secret.encode("utf-8", "surrogatepass") in data:
            raise CrossingError(f"{root} holds a key or password, which does not cross into a sandbox.")


def _reason(name: str, value: Any, error: CrossingError | None) -> str:
    if isinstance(value, type):
        return f"it is a class of the program ({value.__qualname__}); pass a function that does the work with host=."
    if callable(value):
        return "it is a function of the program; the sandbox calls back only those that are passed with host=."
    return f"{error}"
