"""One class of an exported program: its text with opto taken out and the trained values put in."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from opto.trace.export_edits import Edits, without_opto
from opto.trace.export_origin import MISSING, origin_of_class
from opto.trace.export_values import holds_node, is_bundle, is_node, is_opto, literal, same
from opto.trace.source_blocks import head_end, shifted

__all__ = ["ClassText", "is_generated", "user_classes"]

_RESERVED = "__TRACE_RESERVED_"
_CALL = "def __call__(self, *args, **kwargs):\n    return self.forward(*args, **kwargs)\n"

_Function = (ast.FunctionDef, ast.AsyncFunctionDef)


def is_generated(cls: Any) -> bool:
    """Whether this is a class that opto's class decorator made around one that was written."""
    return isinstance(cls, type) and bool(vars(cls).get("reserved_cls_name"))


def user_classes(cls: type) -> list[type]:
    """The classes that a person wrote among a class and its bases."""
    return [
        each for each in cls.__mro__ if not is_opto(each) and not is_generated(each) and each.__module__ != "builtins"
    ]


class ClassText:
    """The text of a class.

    Args:
        cls: the class as it was written.
        instances: the objects of the program that are of this class.
        problems: what cannot be written is added here.
    """

    def __init__(self, cls: type, instances: Sequence[Any], problems: list[str]) -> None:
        self.cls = cls
        self.origin = origin_of_class(cls)
        self.node = self.origin.class_node(cls)
        self._instances = instances
        self._problems = problems

    def written(self) -> str:
        """The text, with decorators and bases that are not opto's."""
        assert self.node is not None
        assert self.origin.index is not None
        node = self.node
        first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        lines = self.origin.index.lines[first - 1 : node.end_lineno]
        lines[-1] = lines[-1].rstrip("\n") + "\n"
        head = self.origin.index.lines[node.lineno - 1]
        self._text = "".join(shifted(lines, head[: len(head) - len(head.lstrip())], ""))
        self._first = first
        tree = ast.parse(self._text).body[0]
        assert isinstance(tree, ast.ClassDef)
        self._tree = tree
        self._indent = " " * tree.body[0].col_offset
        self._edits = Edits(self._text)
        self._head()
        for statement in tree.body:
            self._statement(statement)
        self._more()
        return self._plain_reads(without_opto(self._edits.done(), self.origin))

    def _head(self) -> None:
        """The bases without those of opto; a one-line body goes on a line of its own."""
        lines = self._text.splitlines(keepends=True)[self._tree.lineno - 1 :]
        row, column = head_end(lines)
        known = (
            self.cls.__bases__ if len(self.cls.__bases__) == len(self._tree.bases) else (None,) * len(self._tree.bases)
        )
        pairs = zip(self._tree.bases, known, strict=True)
        bases = [ast.unparse(each) for each, value in pairs if not self._of_opto(each, value)]
        bases += [f"{each.arg}={ast.unparse(each.value)}" if each.arg else "" for each in self._tree.keywords]
        head = f"class {self.cls.__name__}({', '.join(bases)}):" if bases else f"class {self.cls.__name__}:"
        end = self._tree.lineno + row - 1
        column = len(lines[row - 1][:column].encode())
        self._edits.replace(self._edits.at(self._tree.lineno, self._tree.col_offset), self._edits.at(end, column), head)

    def _of_opto(self, base: ast.expr, value: type | None) -> bool:
        value = self.origin.value_of(base) if value is None else value
        return value is not MISSING and (value is object or (is_opto(value) and not is_generated(value)))

    def _statement(self, statement: ast.stmt) -> None:
        if isinstance(statement, _Function):
            self._method(statement)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            name = targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""
            value = vars(self.cls).get(name)
            if is_bundle(value):
                last = statement.end_lineno or statement.lineno
                self._edits.replace_lines(statement.lineno, last, self._code(value, name))
            elif holds_node(value):
                self._value(statement, statement.value, value, name)

    # ---- methods

    def _method(self, method: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        bundle = self._bundle_of(method)
        decorators = method.decorator_list
        if bundle is None or bundle.source is None:
            self._attributes(method)
            return
        start = bundle.source.line_number - self._first + 1
        lines = [each for each in decorators if (each.end_lineno or 0) < start]
        if lines:
            number = len(lines) - 1
            below = [*decorators, method][number + 1].lineno
            self._edits.drop_lines(*self._edits.decorator_lines(decorators[number], below))
        if bundle.parameter is None:
            self._attributes(method)
        else:
            self._edits.replace_lines(start, method.end_lineno or method.lineno, self._code(bundle, method.name))

    def _bundle_of(self, method: ast.FunctionDef | ast.AsyncFunctionDef) -> Any:
        """What the method is bundled as, the instance's own where it has one."""
        found = vars(self.cls).get(method.name)
        for name in ("__func__", "fget", "func"):
            found = found if is_bundle(found) else getattr(found, name, found)
        return found if is_bundle(found) else None

    def _code(self, bundle: Any, name: str) -> str:
        """The code of a bundled method as it is now, indented for the body of the class."""
        text = self._current(bundle, name)
        defined = bundle.source.name if bundle.source is not None else name
        text = without_opto(text, self.origin)
        if len(ast.parse(text).body) > 1:
            text = _enclosed(text, defined, self._indent)
            defined = name if defined == name else defined
        if defined != name:
            text = f"{text.rstrip()}\n{name} = {defined}\n"
        return "".join(shifted(f"{text.strip()}\n".splitlines(keepends=True), "", self._indent))

    def _current(self, bundle: Any, name: str) -> str:
        texts = [_bound(bundle, each, self.cls).parameter for each in self._instances] if bundle.parameter else []
        found = [each._data for each in texts if each is not None]
        if any(each != found[0] for each in found):
            self._differ(name)
        if found:
            return str(found[0])
        return str(bundle.parameter._data if bundle.parameter is not None else bundle.source.text)

    # ---- attributes

    def _attributes(self, method: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Put values in place of what is assigned to attributes that are nodes."""
        for statement, target, value in _assigned(method):
            name = target.attr
            found = [vars(each)[self._mangled(name)] for each in self._instances if self._mangled(name) in vars(each)]
            if found and holds_node(found[0]):
                if any(not same(each, found[0]) for each in found):
                    self._differ(name)
                self._value(statement, value, found[0], name)

    def _plain_reads(self, text: str) -> str:
        """The text without `.data` after what is a node in the program and a plain value in the export."""
        edits = Edits(text)
        for method in ast.walk(ast.parse(text)):
            if not isinstance(method, _Function):
                continue
            own = _first_parameter(method)
            for node in ast.walk(method):
                if (
                    isinstance(node, ast.Attribute)
                    and node.attr in ("data", "_data")
                    and self._gives_node(node.value, own)
                ):
                    edits.replace(edits.span(node.value)[1], edits.span(node)[1], "")
        return edits.done()

    def _gives_node(self, expression: ast.expr, own: str) -> bool:
        """Whether this is an attribute that is a node, a node of the module, or a call of something bundled."""
        if isinstance(expression, ast.Call):
            function = expression.func
            if _is_own(function, own):
                return is_bundle(getattr(self.cls, function.attr, None))  # type: ignore[attr-defined]
            return is_bundle(self.origin.value_of(function))
        if _is_own(expression, own):
            name = self._mangled(expression.attr)  # type: ignore[attr-defined]
            return any(is_node(vars(each).get(name)) for each in self._instances) or is_node(
                getattr(self.cls, name, None)
            )
        return is_node(self.origin.value_of(expression))

    def _value(self, statement: ast.stmt, written: ast.expr, value: Any, name: str) -> None:
        first = written.args[0] if isinstance(written, ast.Call) and written.args else written
        text = literal(value, first)
        if text is not None:
            self._edits.replace(*self._edits.span(written), text)
        elif getattr(value, "trainable", True):
            kind = type(getattr(value, "_data", value)).__name__
            self._problems.append(f"the value of {self.cls.__name__}.{name} is of type {kind}, which has no literal")
        if isinstance(statement, ast.AnnAssign):
            end = self._edits.span(statement.target)[1]
            self._edits.replace(end, self._edits.span(written)[0], " = ")

    def _more(self) -> None:
        """What opto's base classes and later assignments gave the object."""
        body = ""
        is_last = bool(self._instances) and user_classes(type(self._instances[0]))[0] is self.cls
        if is_last:
            missing = [f"self.{name} = {text}\n" for name, text in self._uncovered()]
            if missing:
                body += self._at_end_of_init(missing)
            names = {name for each in user_classes(self.cls) for name in vars(each)}
            if "forward" in names and "__call__" not in names:
                body += _CALL
        if body:
            last = self._edits.at(self._tree.end_lineno or 0, self._tree.end_col_offset or 0)
            text = "".join(shifted(body.splitlines(keepends=True), "", self._indent))
            self._edits.replace(last, last, f"\n\n{text.rstrip()}")

    def _uncovered(self) -> Iterator[tuple[str, str]]:
        """Attributes with nodes that no method of the classes assigns in a way that was edited."""
        covered = set()
        for cls in user_classes(self.cls):
            text = ClassText(cls, self._instances, [])
            for method in text.node.body if text.node is not None else []:
                if isinstance(method, _Function):
                    covered |= {text._mangled(target.attr) for _, target, _ in _assigned(method)}
        for name, value in vars(self._instances[0]).items():
            if name.startswith(_RESERVED) or name in covered or not holds_node(value):
                continue
            written = literal(value)
            if written is None:
                self._problems.append(f"the value of {self.cls.__name__}.{name} has no literal")
            else:
                yield name, written

    def _at_end_of_init(self, lines: list[str]) -> str:
        """Append to `__init__`; text for a new one if the class has none."""
        for method in self._tree.body:
            if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                last = method.body[-1]
                end = self._edits.span(last)[1]
                indent = "\n" + " " * method.body[0].col_offset
                self._edits.replace(end, end, "".join(indent + each.rstrip("\n") for each in lines))
                return ""
        head = "def __init__(self, *args, **kwargs):\n    super().__init__(*args, **kwargs)\n"
        return head + "".join(f"    {each}" for each in lines) + "\n"

    def _mangled(self, name: str) -> str:
        private = name.startswith("__") and not name.endswith("__")
        return f"_{self.cls.__name__.lstrip('_')}{name}" if private else name

    def _differ(self, name: str) -> None:
        self._problems.append(f"{self.cls.__name__}.{name} has different values in several objects of the program")


def _assigned(method: ast.AST) -> Iterator[tuple[ast.stmt, ast.Attribute, ast.expr]]:
    """Statement, target and value of each assignment to an attribute of the object."""
    own = _first_parameter(method)
    for node in ast.walk(method):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            pairs = [(node.targets[0], node.value)]
            if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(node.targets[0].elts, node.value.elts, strict=False))
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            pairs = [(node.target, node.value)]
        else:
            continue
        for target, value in pairs:
            if isinstance(target, ast.Attribute) and _is_own(target, own):
                yield node, target, value


def _first_parameter(method: ast.AST) -> str:
    arguments = getattr(method, "args", None)
    names = [*arguments.posonlyargs, *arguments.args] if isinstance(arguments, ast.arguments) else []
    return names[0].arg if names else ""


def _is_own(node: ast.expr, own: str) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == own


def _bound(bundle: Any, instance: Any, cls: type) -> Any:
    found = bundle.__get__(instance, type(instance))
    return found if is_bundle(found) else bundle


def _enclosed(text: str, name: str, indent: str) -> str:
    """Helpers and imports of a method's code, hidden in a function as they were hidden in the code."""
    body = "".join(shifted(f"{text.strip()}\n".splitlines(keepends=True), "", "    "))
    maker = f"_make_{name}"
    return f"def {maker}():\n{body}    return {name}\n\n{name} = {maker}()\ndel {maker}\n"
