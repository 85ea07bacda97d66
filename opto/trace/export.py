"""A trained program as plain Python source, which runs without opto.

The text of each definition is taken from its file and edited by the spans of its syntax tree, so comments and layout
stay. Code parameters stand as they are now, and `self.attribute = node(...)` becomes the value that the attribute has
now. What the program uses of its module (imports, functions, classes, constants) is written before it; what cannot be
written is an error that names it.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator, Sequence
from types import FunctionType, ModuleType
from typing import Any

from opto.trace.export_class import ClassText, is_generated, user_classes
from opto.trace.export_edits import without_opto
from opto.trace.export_origin import MISSING, Origin, plain
from opto.trace.export_values import is_bundle, is_node, is_opto, literal
from opto.trace.source_blocks import block

__all__ = ["export_class", "export_function"]


def export_class(cls: type, instance: Any, projections: Sequence[Any] | None = None) -> str:
    """The source of a file that defines `cls` as a plain class, with the values that `instance` has learned.

    Args:
        cls: the class as it was written; its bases come along, without those of opto.
        instance: the trained object.
        projections: applied in turn to the source; by default it is formatted with black, where that is installed.

    Raises:
        ValueError: something that the program needs cannot be written as source; the message names all of it.
    """
    exporter = _Exporter(instance)
    exporter.add_class(cls)
    return exporter.finished(cls.__name__, projections)


def export_function(function: Any, projections: Sequence[Any] | None = None) -> str:
    """The source of a file that defines a bundled function as a plain one, as its code is now.

    Args:
        function: what `bundle` made.
        projections: as for `export_class`.

    Raises:
        TypeError: `function` is no bundled function.
        ValueError: something that it needs cannot be written as source; the message names all of it.
    """
    if not is_bundle(function):
        raise TypeError(f"function must be a bundled function, got {function!r}.")
    exporter = _Exporter(None)
    exporter.add_bundle(function.source.name if function.source else function.fun.__name__, function)
    return exporter.finished(function.name, projections)


class _Exporter:
    """Collects the parts of the file: each name once, and before what uses it."""

    def __init__(self, instance: Any) -> None:
        self._instances = list(_objects(instance)) if instance is not None else []
        self._values: dict[str, Any] = {}
        self._imports: dict[str, None] = {}
        self._parts: list[str] = []
        self._problems: list[str] = []

    def finished(self, name: str, projections: Sequence[Any] | None) -> str:
        """The file."""
        if self._problems:
            problems = "".join(f"\n- {each}" for each in dict.fromkeys(self._problems))
            raise ValueError(f"{name} cannot be exported as source that runs without opto:{problems}")
        imports = "\n".join(sorted(self._imports, key=lambda each: (each.startswith("from"), each)))
        head = f"from __future__ import annotations\n\n{imports}".strip()
        text = "\n\n\n".join([head, *(part.strip("\n") for part in self._parts)]) + "\n"
        ast.parse(text)
        for projection in [*_default_projections()] if projections is None else projections:
            text = projection.project(text)
        return text

    def add_class(self, cls: type) -> None:
        """Write a class of the program, with the values of its instance."""
        self._values[cls.__name__] = cls
        mine = [each for each in self._instances if isinstance(each, cls)]
        text = ClassText(cls, mine, self._problems)
        if text.origin.index is None or text.node is None:
            self._problems.append(f"the source of the class {cls.__name__!r} is not known")
            return
        self._add(text.written(), text.origin)

    def add_bundle(self, name: str, function: Any) -> None:
        """Write a bundled function of a module."""
        self._values.setdefault(name, function)
        source = function.source
        text = function.parameter._data if function.parameter is not None else source.text if source else None
        written = plain(function)
        if text is None or written is None:
            self._problems.append(f"the source of the function {name!r} is not known")
            return
        origin = Origin.of(written)
        if source is not None and source.name != name:
            text = f"{text}\n\n\n{name} = {source.name}"
        self._add(without_opto(text, origin), origin)

    def _add_function(self, name: str, function: FunctionType) -> None:
        origin = Origin.of(function)
        index = origin.index
        definition = index.definition_of(function.__code__) if index is not None else None
        if index is None or definition is None:
            self._problems.append(f"the source of the function {name!r} is not known")
            return
        text = textwrap.dedent("".join(block(index, definition.first_line, definition)))
        if definition.name != name:
            text = f"{text}\n\n{name} = {definition.name}"
        self._add(without_opto(text, origin), origin)

    def _add(self, text: str, origin: Origin) -> None:
        """Write a text, after what it needs."""
        from opto.sandbox._factory import names_of

        names = names_of(f"from __future__ import annotations\n{text}", "<export>")
        for name in sorted((names.read | names.declared) - names.bound):
            self._need(name, origin, annotation=name not in _evaluated(text))
        self._parts.append(text)

    def _need(self, name: str, origin: Origin, *, annotation: bool) -> None:
        """See to it that the file has what a name stands for."""
        value = origin.value(name)
        if name in self._values:
            if value is not MISSING and self._values[name] is not value and not is_generated(value):
                self._problems.append(f"the name {name!r} means different things in different modules")
            return
        if value is MISSING or name.startswith("__"):
            return  # what is undefined here was undefined in the program
        if name not in origin.cells and name not in origin.names:
            return  # built in
        self._values[name] = value
        imported = origin.import_of(name) if name not in origin.cells else None
        if (is_opto(value) and not is_generated(value)) or (imported or "").split(" ")[1:2] == ["opto"]:
            if not annotation:
                self._problems.append(f"it uses {name!r} of opto")
        elif imported is not None:
            self._imports[imported] = None
        else:
            self._define(name, value, origin)

    def _define(self, name: str, value: Any, origin: Origin) -> None:
        if is_node(value):
            self._constant(name, literal(value), origin)
        elif is_bundle(value):
            self.add_bundle(name, value)
        elif isinstance(value, type):
            original = value.__bases__[0] if is_generated(value) else value
            self.add_class(original)
            if original.__name__ != name:
                self._parts.append(f"{name} = {original.__name__}")
        elif isinstance(value, ModuleType):
            self._imports[f"import {value.__name__}" + (f" as {name}" if name != value.__name__ else "")] = None
        elif isinstance(value, FunctionType) and value.__name__ != "<lambda>":
            self._add_function(name, value)
        else:
            assigned = origin.assignment_of(name) if name not in origin.cells else None
            self._constant(name, None if assigned else literal(value), origin, assigned)

    def _constant(self, name: str, text: str | None, origin: Origin, assigned: str | None = None) -> None:
        if assigned is not None:
            self._add(without_opto(assigned, origin), origin)
        elif text is not None:
            self._parts.append(f"{name} = {text}")
        else:
            self._problems.append(f"the value of {name!r} has no source: {_brief(origin.value(name))}")


def _objects(instance: Any) -> Iterator[Any]:
    """The object and the objects of user classes that its attributes reach, each once."""
    waiting, seen = [instance], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, (type, str, int, float, bytes, FunctionType, ModuleType)):
            continue
        seen.add(id(each))
        if isinstance(each, (list, tuple, set, frozenset)):
            waiting.extend(each)
        elif isinstance(each, dict):
            waiting.extend(each.values())
        elif not is_node(each) and not is_bundle(each) and hasattr(each, "__dict__"):
            if user_classes(type(each)):
                yield each
            waiting.extend(vars(each).values())


def _evaluated(text: str) -> set[str]:
    """The names of a text outside annotations."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _default_projections() -> Iterator[Any]:
    import importlib.util

    from opto.trace.projections import BlackCodeFormatter

    if importlib.util.find_spec("black") is not None:
        yield BlackCodeFormatter()


def _brief(value: Any) -> str:
    return f"a value of type {type(value).__name__}"
