"""What the graph of a rollout shares with the program and does not own: parameters, parts, and what modules have.

When a graph is written as text (`opto.trace.graphs_as_text`), these stand in it by name, and when it is read, the names
lead to the same things of the program that is there now.
"""

from __future__ import annotations

import functools
import sys
import types
from collections import deque
from collections.abc import Iterator
from typing import Any

from opto.llm.model import Model
from opto.trace.brief import brief
from opto.trace.containers import NodeContainer
from opto.trace.fun_module import FunModule
from opto.trace.nodes import Node
from opto.trace.remembered import found, place_of
from opto.trainer.rolling_out.naming import is_provisional
from opto.trainer.rolling_out.programs import parameters_in

__all__ = ["ProgramLinks"]

_DEEPEST = 6
_MOST = 2000
_SHOWN = 400
_ATOMS = {type(None), bool, int, float, complex, str, bytes}
_CODE = (types.FunctionType, types.BuiltinFunctionType, type)
_LINKED = (Node, NodeContainer, Model, types.ModuleType, *_CODE)
_FOREIGN = ("builtins", "opto", "typing", "abc")


class ProgramLinks:
    """Names for what a program has, of its nodes, containers, bundles, models, functions and classes.

    A rollout runs on a copy of the program. A container or model of the copy gets the name of that part of the program
    which is of the same class, has the same parameters and is shown as the same text.

    Args:
        program: what runs.
        others: what belongs to it besides: a guide, a function that calls it.
        shared: whether the graphs are made in this process. There every node that a rollout did not make itself must
            have a name, so that two graphs that share it go on sharing it; from elsewhere come copies.
    """

    def __init__(self, program: Any, others: tuple[Any, ...] = (), *, shared: bool) -> None:
        self._roots, self._shared = (program, *others), shared
        self._names: dict[int, tuple[str, Any]] = {}
        self._things: dict[str, Any] = {}
        self._alike: dict[str, list[str]] = {}
        self._walked = False
        for position, parameter in enumerate(parameters_in(program)):
            self._add(f"parameter {position}", parameter)

    def name_of(self, value: Any) -> str | None:
        """See `Links`."""
        known = self._names.get(id(value))
        if known is not None:
            return known[0]
        if not isinstance(value, _LINKED) or (isinstance(value, Node) and self.owns(value)):
            return None
        if not self._walked:
            self._walk()
            if id(value) in self._names:
                return self._names[id(value)][0]
        if isinstance(value, _CODE):
            place = place_of(value)
            return None if place is None else f"loaded {':'.join(place)}"
        return self._likeness(value) if isinstance(value, (NodeContainer, Model)) else None

    def named(self, name: str) -> Any:
        """See `Links`."""
        if name not in self._things and not self._walked:
            self._walk()
        if name not in self._things and name.startswith("loaded "):
            value = found(name.removeprefix("loaded ").split(":"))
            if isinstance(value, _LINKED):
                return value
        return self._things[name]

    def owns(self, node: Node[Any]) -> bool:
        """See `Links`."""
        return not self._shared or is_provisional(node)

    # ---- looking around

    def _add(self, name: str, value: Any) -> None:
        if id(value) not in self._names:
            self._names[id(value)] = name, value
            self._things[name] = value
            if isinstance(value, (NodeContainer, Model)):
                self._alike.setdefault(_class_of(value), []).append(name)

    def _walk(self) -> None:
        self._walked = True
        modules: dict[str, None] = {}
        waiting = deque((str(number), root, 0) for number, root in enumerate(self._roots))
        seen: set[int] = set()
        while waiting and len(seen) < _MOST:
            name, value, depth = waiting.popleft()
            if type(value) in _ATOMS or id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, _LINKED):
                self._add(name, value)
            modules.update(dict.fromkeys(_modules_of(value)))
            if depth < _DEEPEST:
                waiting.extend((f"{name}.{key}", part, depth + 1) for key, part in _parts(value))
        for module in modules:
            for name, value in list(vars(sys.modules[module]).items()):
                if isinstance(value, _LINKED):
                    self._add(f"{module}:{name}", value)

    def _likeness(self, value: Any) -> str | None:
        """The name of the part of the program that a part of a copy was copied from."""
        candidates = self._alike.get(_class_of(value), [])
        text = brief(value, _SHOWN) if candidates else ""
        same = [name for name in candidates if brief(self._things[name], _SHOWN) == text]
        if len(same) > 1:
            own = [id(each) for each in parameters_in(value)]
            same = [name for name in same if own == [id(each) for each in parameters_in(self._things[name])]]
        return same[0] if same else None


def _class_of(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _modules_of(value: Any) -> Iterator[str]:
    """The loaded modules in which the code of a value is written."""
    code = value if isinstance(value, (types.FunctionType, type)) else type(value)
    for each in code.__mro__ if isinstance(code, type) else (code,):
        module = str(getattr(each, "__module__", ""))
        if module in sys.modules and module.partition(".")[0] not in _FOREIGN:
            yield module


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """What a value holds, by name."""
    if isinstance(value, (list, tuple)):
        yield from ((str(place), each) for place, each in enumerate(value))
    elif isinstance(value, dict):
        yield from ((repr(key), each) for key, each in value.items() if type(key) in _ATOMS)
    elif isinstance(value, type):
        yield from ((name, each) for name, each in list(vars(value).items()) if isinstance(each, (Node, FunModule)))
    elif isinstance(value, types.FunctionType):
        yield from _around(value)
    elif isinstance(value, (Node, FunModule, types.MethodType, functools.partial)):
        names = next(names for kind, names in _HOLD.items() if isinstance(value, kind))
        yield from ((name, getattr(value, name)) for name in names if hasattr(value, name))
    elif not isinstance(value, (Model, types.ModuleType)):
        yield from list(getattr(value, "__dict__", {}).items())
        if type(value).__module__.partition(".")[0] not in _FOREIGN:
            yield "__class__", type(value)


_HOLD: dict[type, tuple[str, ...]] = {
    Node: ("_data",),
    FunModule: ("fun", "self_node"),
    types.MethodType: ("__func__", "__self__"),
    functools.partial: ("func", "args", "keywords"),
}


def _around(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """The variables around a function that it uses."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue
