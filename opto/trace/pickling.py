"""How nodes and bundles travel: a root by its value, a computed node in a flat table of all that led to it.

A graph is written as one table, whatever its depth. Roots, and so parameters, stay shared between everything in one
pickle; so do computed nodes, through the table that is being written.
"""

from __future__ import annotations

import weakref
from importlib import import_module
from typing import Any

from opto.trace.dependencies import ancestors
from opto.trace.registry import FIRST_SWEEP, GRAPH

__all__ = ["reduce_bundle", "reduce_node"]

_SHARED = ("_base", "_index", "_level", "_info", "_text")
_tables: weakref.WeakValueDictionary[int, _Table] = weakref.WeakValueDictionary()


def reduce_node(node: Any) -> tuple[Any, ...]:
    """For `Node.__reduce__`."""
    if not node._parents:
        return _blank, (type(node),), _state(node), None, None, _set_state
    table = _tables.get(id(node))
    if table is None or table.position(node) is None:
        table = _Table(node)
    return _from_table, (table, table.position(node))


def _blank(kind: type) -> Any:
    made = object.__new__(kind)
    made._children, made._sweep_at, made._feedback = [], FIRST_SWEEP, None
    if hasattr(kind, "_read") and "_parents" in getattr(kind, "__slots__", ()) or _is_message(kind):
        made._parents, made._names, made._op, made._read, made._done = (), (), None, None, False
    return made


def _is_message(kind: type) -> bool:
    return any("_parents" in vars(each).get("__slots__", ()) for each in kind.__mro__)


def _state(node: Any) -> dict[str, Any]:
    state = {name: getattr(node, name) for name in _SHARED}
    state["_data"] = node._data
    for name in ("projections", "constraint", "trainable"):
        if hasattr(node, name) and not (name == "trainable" and _is_message(type(node))):
            state[name] = getattr(node, name)
    if _is_message(type(node)):
        state["_op"], state["_done"] = node._op, node._done
    state.update(getattr(node, "__dict__", {}))
    return state


def _set_state(node: Any, state: dict[str, Any]) -> None:
    for name, value in state.items():
        setattr(node, name, value)
    if GRAPH.LEGACY_GRAPH_BEHAVIOR:
        GRAPH.register(node)


class _Table:
    """Computed nodes in the order of their levels, each with the positions of its inputs."""

    def __init__(self, output: Any) -> None:
        self._nodes: list[Any] = []
        self._positions: dict[Any, int] = {}
        for node in ancestors([output]):
            if node._parents and id(node) not in _tables:
                self._positions[node] = len(self._nodes)
                self._nodes.append(node)
        for node in self._nodes:
            _tables[id(node)] = self

    def position(self, node: Any) -> int | None:
        return self._positions.get(node)

    def __reduce__(self) -> tuple[Any, ...]:
        outside: dict[Any, int] = {}
        rows = []
        for node in self._nodes:
            inputs = []
            for parent in node._parents:
                place = self._positions.get(parent)
                inputs.append(place if place is not None else -1 - outside.setdefault(parent, len(outside)))
            rows.append((type(node), tuple(inputs), node._names, node._read, _state(node)))
        return _table, (list(outside), rows)


def _table(outside: list[Any], rows: list[Any]) -> list[Any]:
    """The nodes of a table, from its rows and the nodes that they refer to outside of it."""
    nodes: list[Any] = []
    for kind, inputs, names, read, state in rows:
        made = _blank(kind)
        made._parents = tuple([nodes[place] if place >= 0 else outside[-1 - place] for place in inputs])
        made._names, made._read = names, read
        _set_state(made, state)
        reference = weakref.ref(made)
        if not made._done:
            for parent in dict.fromkeys(made._parents):
                parent._adopt(reference)
        nodes.append(made)
    return nodes


def _from_table(nodes: list[Any], position: int) -> Any:
    return nodes[position]


# ---- bundles


def reduce_bundle(bundle: Any) -> Any:
    """For `FunModule.__reduce__`: by reference where the function can be imported, else by its parts."""
    method = bundle.__dict__.get("method")
    if method is not None:
        return _bound, (type(bundle), method, bundle.self_node), {"parameter": bundle.parameter}
    reference = _importable(bundle)
    if reference is None:
        return _rebuilt, (type(bundle), bundle.fun, _portable(bundle)), {"parameter": bundle.parameter}
    if bundle.parameter is None:
        return _imported, reference
    return _twin, (*reference, bundle.parameter)


def _importable(bundle: Any) -> tuple[str, str] | None:
    module, name = getattr(bundle, "__module__", None), getattr(bundle, "__qualname__", None)
    if not module or not name or module == "__main__":
        return None
    try:
        found = _imported(module, name)
    except (ImportError, AttributeError):
        return None
    return (module, name) if getattr(found, "fun", None) is bundle.fun else None


def _imported(module: str, name: str) -> Any:
    found: Any = import_module(module)
    for part in name.split("."):
        found = vars(found)[part] if isinstance(found, type) and part in vars(found) else getattr(found, part)
    return found


def _twin(module: str, name: str, parameter: Any) -> Any:
    twin = _imported(module, name).copy()
    twin.parameter = parameter
    return twin


def _portable(bundle: Any) -> Any:
    """The options, with only those variables around the definition that the code names."""
    import dataclasses

    names = set(_names_of(bundle.fun.__code__)) if hasattr(bundle.fun, "__code__") else set()
    if bundle.parameter is not None:
        try:
            names.update(_names_of(compile(bundle.parameter._data, "<opto>", "exec")))
        except SyntaxError:
            pass  # code that does not parse names nothing
    scope = {name: value for name, value in bundle._options.scope.items() if name in names}
    return dataclasses.replace(bundle._options, scope=scope, trainable=False)


def _names_of(code: Any) -> list[str]:
    found = [*code.co_names, *code.co_freevars]
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            found.extend(_names_of(constant))
    return found


def _rebuilt(kind: type, function: Any, options: Any) -> Any:
    return kind(function, options)


def _bound(kind: type, method: Any, self_node: Any) -> Any:
    return kind(method, self_node)
