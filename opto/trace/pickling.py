"""How nodes and bundles travel: a root by its value, a computed node in a flat table of all that led to it.

A graph is written as one table, whatever its depth. Roots, and so parameters, stay shared between everything in one
pickle; so do computed nodes, through the table that is being written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import sys
import weakref
from importlib import import_module
from typing import Any

from opto.trace.dependencies import ancestors
from opto.trace.registry import FIRST_SWEEP, GRAPH

__all__ = ["blank_node", "reduce_bundle", "reduce_node"]

_SHARED = ("_base", "_index", "_level", "_info", "_text")
_tables: weakref.WeakValueDictionary[int, _Table] = weakref.WeakValueDictionary()


def reduce_node(node: Any) -> tuple[Any, ...]:
    """For `Node.__reduce__`."""
    if not node._parents:
        return blank_node, (type(node),), _state(node), None, None, _set_state
    table = _tables.get(id(node))
    if table is None or table.position(node) is None:
        table = _Table(node)
    return _from_table, (table, table.position(node))


def blank_node(kind: Any) -> Any:
    """A node of a class, to be filled; it takes no number."""
    made = object.__new__(kind)
    made._children, made._sweep_at, made._feedback = [], FIRST_SWEEP, None
    if kind._computed:
        made._parents, made._names, made._op, made._read, made._done = (), (), None, None, False
    return made


def _state(node: Any) -> dict[str, Any]:
    state = {name: getattr(node, name) for name in _SHARED}
    state["_data"] = node._data
    for name in ("projections", "constraint", "trainable"):
        if hasattr(node, name) and not (name == "trainable" and node._computed):
            state[name] = getattr(node, name)
    if node._computed:
        state["_op"], state["_done"] = node._op, node._done
        if node._op is not None and isinstance(node._info, dict):  # the operation brings its function itself
            state["_info"] = {key: value for key, value in node._info.items() if key != "fun"}
    state.update(getattr(node, "__dict__", {}))
    return state


def _set_state(node: Any, state: dict[str, Any]) -> None:
    for name, value in state.items():
        setattr(node, name, value)
    if node._op is not None and isinstance(node._info, dict):
        node._info = {"fun": getattr(node._op, "fun", node._op), **node._info}
    if GRAPH.LEGACY_GRAPH_BEHAVIOR:
        GRAPH.register(node)


class _Table:
    """Computed nodes in the order of their levels, each with the positions of its inputs.

    All of them are made blank before any is filled, so a value may refer back to a node of the table.
    """

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
            rows.append((tuple(inputs), node._names, node._read, _state(node)))
        kinds = [type(node) for node in self._nodes]
        return _blank_table, (kinds,), (list(outside), rows), None, None, _fill_table


def _blank_table(kinds: list[type]) -> list[Any]:
    return [blank_node(kind) for kind in kinds]


def _fill_table(nodes: list[Any], content: tuple[list[Any], list[Any]]) -> None:
    """Fill the nodes of a table from its rows and the nodes outside of it that they refer to."""
    outside, rows = content
    for made, (inputs, names, read, state) in zip(nodes, rows, strict=True):
        made._parents = tuple([nodes[place] if place >= 0 else outside[-1 - place] for place in inputs])
        made._names, made._read = names, read
        _set_state(made, state)
        if not made._done:
            reference = weakref.ref(made)
            for parent in dict.fromkeys(made._parents):
                parent._adopt(reference)


def _from_table(nodes: list[Any], position: int) -> Any:
    return nodes[position]


# ---- bundles


def reduce_bundle(bundle: Any) -> Any:
    """For `FunModule.__reduce__`: by reference where the function can be imported, else by its parts."""
    method = bundle.__dict__.get("method")
    if method is not None:
        reference = _reference(method)
        return _bound, (type(bundle), reference or method, bundle.self_node, bundle.parameter)
    reference = _reference(bundle)
    if reference is None:
        parts = bundle._kind(bundle.fun) if bundle._kind else bundle.fun
        options = dataclasses.replace(bundle._options, scope={})
        # What surrounds the code may lead back to the bundle, so it comes when the bundle is there.
        state = {"_options": _portable(bundle), "_key": bundle._key}
        return _rebuilt, (type(bundle), parts, options, bundle.source, bundle.parameter), state
    if bundle.parameter is None:
        return _imported, reference
    return _twin, (*reference, bundle.parameter)


def _reference(bundle: Any) -> tuple[str, str] | None:
    """Module and name under which an importing process finds this bundle; None if it does not."""
    module, name = getattr(bundle, "__module__", None), getattr(bundle, "__qualname__", None)
    if not module or not name or module == "__main__" or module not in sys.modules:
        return None
    try:
        found = _imported(module, name)
    except (ImportError, AttributeError):
        return None
    return (module, name) if getattr(found, "fun", None) is bundle.fun else None


def _imported(module: str, name: str) -> Any:
    found: Any = import_module(module)
    for part in name.split("."):
        found = inspect.getattr_static(found, part)
    while not getattr(found, "_is_bundle", False):  # below other decorators
        found = found.__wrapped__
    return found


def _twin(module: str, name: str, parameter: Any) -> Any:
    twin = _imported(module, name).copy()
    twin.parameter = parameter
    return twin


def _portable(bundle: Any) -> Any:
    """The options, with those variables around the definition that its code names."""
    function = inspect.unwrap(bundle.fun)
    own = set(_names_of(function.__code__)) if hasattr(function, "__code__") else set()
    names = set(own)
    if bundle.parameter is not None:
        with contextlib.suppress(SyntaxError, TypeError, ValueError):  # code that does not parse names nothing
            names.update(_names_of(compile(bundle.parameter._data, "<opto>", "exec")))
    # The function itself brings the globals that it names; what only the new code names would be left behind.
    known = getattr(function, "__globals__", {})
    scope = {name: known[name] for name in sorted(names - own) if name in known}
    scope.update((name, value) for name, value in bundle._options.scope.items() if name in names)
    return dataclasses.replace(bundle._options, scope=scope)


def _names_of(code: Any) -> list[str]:
    found = [*code.co_names, *code.co_freevars]
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            found.extend(_names_of(constant))
    return found


def _rebuilt(kind: type, function: Any, options: Any, source: Any, parameter: Any) -> Any:
    return kind(function, options, source, parameter)


def _bound(kind: type, method: Any, self_node: Any, parameter: Any) -> Any:
    return kind(_imported(*method) if isinstance(method, tuple) else method, self_node, parameter)
