"""Whether code that a model wrote can take the place of the function whose code it is. The code is read, never run."""

from __future__ import annotations
import __future__

import ast
import builtins
import copy
import re
import warnings
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from opto.errors import SuggestionError

if TYPE_CHECKING:
    from opto.trace.nodes import ParameterNode

__all__ = ["check_code", "function_name"]

_SIGNATURE = re.compile(r"\bdef\s+(\w+)\s*\(")
_OF_A_MODULE = frozenset(
    {"__annotations__", "__builtins__", "__class__", "__debug__", "__doc__", "__file__", "__loader__", "__name__"}
    | {"__package__", "__path__", "__spec__"}
)
_MAY_DEFINE = frozenset({"NameError", "exec", "globals"})
"""Code that uses one of these may define, or do without, names that cannot be seen."""
_UNREADABLE = (SyntaxError, ValueError, MemoryError, RecursionError)

_Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"


def check_code(parameter: ParameterNode[Any], value: Any) -> None:
    """Make sure that a code parameter can take the text.

    It must compile; define the function by its name; take the calls that the function takes, coroutine functions
    remaining such; and use no name that neither Python, the text, nor the function's surroundings define.

    Raises:
        SuggestionError: it does not. The message says what would be right.
    """
    name = parameter.py_name
    if not isinstance(value, str) or not value.strip():
        raise SuggestionError(f"{name} must be Python source, got {type(value).__name__} {value!r}")
    tree = _compiled(name, value)
    wanted = function_name(parameter)
    if wanted is not None:
        _check_definition(parameter, tree, wanted)
    unknown = _unknown_names(parameter, tree)
    if unknown:
        raise SuggestionError(
            f"{name} uses names that are not defined: {', '.join(unknown[:10])}. Import or define them in the code"
        )


def _compiled(name: str, text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes and comparisons: a model's style is not the user's concern
            tree = ast.parse(text)
            compile(tree, f"<opto:{name}>", "exec", dont_inherit=True)
    except _UNREADABLE as error:
        raise SuggestionError(f"{name} does not compile: {type(error).__name__}: {error}") from error
    return tree


def function_name(parameter: ParameterNode[Any]) -> str | None:
    """The name of the function that a code parameter must define, None where nothing tells it."""
    if parameter.origin is not None:
        return str(parameter.origin.defined_name)
    signature = _SIGNATURE.search(parameter.description or "")
    if signature:
        return signature.group(1)
    try:
        names = list(_definitions(ast.parse(parameter._data)))
    except _UNREADABLE:
        return None
    return names[0] if len(names) == 1 else None


# ---- the definition


def _check_definition(parameter: ParameterNode[Any], tree: ast.Module, wanted: str) -> None:
    name, defined = parameter.py_name, _definitions(tree)
    if wanted not in defined:
        if _has_star(tree):
            return
        found = ", ".join(defined) or "nothing"
        raise SuggestionError(f"{name} must define the function {wanted}, but it defines {found}")
    functions = [each for each in defined[wanted] if not isinstance(each, ast.expr)]
    lambdas = [each for each in defined[wanted] if isinstance(each, ast.Lambda)]
    original = _original(parameter, wanted)
    if original is None or len(functions) + len(lambdas) < len(defined[wanted]):
        return
    complaints = [_difference(original, each, wanted) for each in (*functions, *lambdas)]
    if all(complaints):
        raise SuggestionError(f"{name} {complaints[-1]}")


def _original(parameter: ParameterNode[Any], wanted: str) -> _Function | None:
    """The definition that callers were written for: the first one, or the present one where that is not known."""
    source = getattr(parameter.origin, "source", None)
    for text in (getattr(source, "text", None), parameter._data):
        try:
            found = _definitions(ast.parse(text or "")).get(wanted, [])
        except (*_UNREADABLE, TypeError):
            continue
        for each in found:
            if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return each
    return None


def _definitions(tree: ast.Module) -> dict[str, list[_Function | ast.expr]]:
    """What a module's own statements define, by name, those inside `if` and `try` too: functions, or what is assigned.

    Classes and imports do not count: a function is to be written.
    """
    names: dict[str, list[_Function | ast.expr]] = {}
    waiting: list[ast.AST] = list(reversed(tree.body))
    while waiting:
        statement = waiting.pop()
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names.setdefault(statement.name, []).append(statement)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    names.setdefault(target.id, []).append(statement.value)
        elif isinstance(statement, (ast.If, ast.Try, ast.ExceptHandler, ast.With)):
            waiting.extend(reversed(list(ast.iter_child_nodes(statement))))
    return names


def _difference(original: _Function, new: _Function | ast.Lambda, name: str) -> str | None:
    """Why callers of the original cannot call the new one, None when they can."""
    if isinstance(original, ast.AsyncFunctionDef) and not isinstance(new, ast.AsyncFunctionDef):
        return f"must define {name} with `async def`, as it was"
    if isinstance(new, ast.AsyncFunctionDef) and not isinstance(original, ast.AsyncFunctionDef):
        return f"must define {name} with `def`, as it was, not with `async def`"
    complaint = _of_arguments(original.args, new.args)
    shown = f"def {name}({ast.unparse(_bare(original.args))})"
    return complaint and f"must keep the signature {shown}: {complaint}"


def _bare(arguments: ast.arguments) -> ast.arguments:
    bare = copy.deepcopy(arguments)
    for each in (*bare.posonlyargs, *bare.args, *bare.kwonlyargs, bare.vararg, bare.kwarg):
        if each is not None:
            each.annotation = None
    return bare


def _of_arguments(old: ast.arguments, new: ast.arguments) -> str | None:
    """The first parameter that keeps a call of the old signature from fitting the new one."""
    return next(chain(_places(old, new), _keywords(old, new), _further(old, new)), None)


def _places(old: ast.arguments, new: ast.arguments) -> Iterator[str]:
    """Complaints about parameters that are given by position."""
    if old.vararg and not new.vararg:
        yield f"it takes no *{old.vararg.arg}"
    there = [*new.posonlyargs, *new.args]
    for place, each in enumerate([*old.posonlyargs, *old.args]):
        named = place >= len(old.posonlyargs)
        if place >= len(there):
            if not (new.vararg and (new.kwarg or not named)):
                yield f"the parameter {each.arg} is missing"
        elif named and there[place].arg != each.arg:
            yield f"its parameter number {place + 1} is {there[place].arg}, not {each.arg}"
        elif named and place < len(new.posonlyargs):
            yield f"the parameter {each.arg} cannot be given by keyword"
        elif each.arg in _optional(old) and there[place].arg not in _optional(new):
            yield f"the parameter {each.arg} has no default"


def _keywords(old: ast.arguments, new: ast.arguments) -> Iterator[str]:
    """Complaints about parameters that are given by keyword only."""
    if old.kwarg and not new.kwarg:
        yield f"it takes no **{old.kwarg.arg}"
    there = {each.arg for each in (*new.args, *new.kwonlyargs)}
    for each in old.kwonlyargs:
        if each.arg not in there:
            if not new.kwarg:
                yield f"the parameter {each.arg} is missing"
        elif each.arg in _optional(old) and each.arg not in _optional(new):
            yield f"the parameter {each.arg} has no default"


def _further(old: ast.arguments, new: ast.arguments) -> Iterator[str]:
    """Complaints about parameters that old calls do not give."""
    count = len(old.posonlyargs) + len(old.args)
    known = {each.arg for each in (*old.posonlyargs, *old.args, *old.kwonlyargs)}
    for each in [*[*new.posonlyargs, *new.args][count:], *new.kwonlyargs]:
        if each.arg not in known and each.arg not in _optional(new):
            yield f"the further parameter {each.arg} has no default"


def _optional(arguments: ast.arguments) -> set[str]:
    places = [*arguments.posonlyargs, *arguments.args]
    named = [each.arg for each in places[len(places) - len(arguments.defaults) :]]
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return {*named, *(each.arg for each, default in pairs if default is not None)}


# ---- names


def _unknown_names(parameter: ParameterNode[Any], tree: ast.Module) -> list[str]:
    """The names that nothing defines, in order; empty when the surroundings of the code are not known."""
    origin = parameter.origin
    if origin is None or _has_star(tree):
        return []
    from opto.sandbox._factory import names_of

    try:
        names = names_of(
            ast.unparse(_NoAnnotations().visit(tree)) if _postponed(origin, tree) else ast.unparse(tree), ""
        )
    except _UNREADABLE:  # too deep to be looked through: running it will tell
        return []
    if names.read & _MAY_DEFINE:
        return []
    namespace = origin.namespace()
    own = names.bound | names.declared | _OF_A_MODULE
    return sorted(name for name in names.read - own if name not in namespace and not hasattr(builtins, name))


def _postponed(origin: Any, tree: ast.Module) -> bool:
    """Whether annotations are not evaluated when the function is defined."""
    flags = getattr(getattr(origin.fun, "__code__", None), "co_flags", 0)
    if flags & __future__.annotations.compiler_flag:
        return True
    return any(isinstance(each, ast.ImportFrom) and each.module == "__future__" for each in tree.body)


def _has_star(tree: ast.Module) -> bool:
    return any(alias.name == "*" for each in _imports(tree) for alias in each.names)


def _imports(tree: ast.Module) -> Iterator[ast.ImportFrom]:
    return (each for each in ast.walk(tree) if isinstance(each, ast.ImportFrom))


class _NoAnnotations(ast.NodeTransformer):
    """Drops annotations of functions and variables."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        node.annotation = ast.copy_location(ast.Constant(None), node.annotation)
        return node
