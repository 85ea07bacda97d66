"""A suggestion is data from outside: it is converted to its parameter's type and checked before it is applied."""

from __future__ import annotations

import ast
import json
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from opto.errors import SuggestionError
from opto.optimizers.formats import unfence
from opto.optimizers.rendering import is_code

if TYPE_CHECKING:
    from opto.trace.nodes import ParameterNode

__all__ = ["check", "convert", "find_suggestion", "format_code", "function_name"]

_NUMBERED = re.compile(r":(\d+)$")
_AROUND_NAMES = " \t\r\n`'\""
_SIGNATURE = re.compile(r"\bdef\s+(\w+)\s*\(")


def find_suggestion(parameters: Iterable[ParameterNode[Any]], suggestion: Mapping[Any, Any]) -> dict[Any, Any]:
    """The suggested raw value of each trainable parameter that the suggestion names.

    A name is a `py_name`. `int:0` stands for `int0`, and quotes or spaces around a name do not count.
    """
    named = [(parameter, parameter.py_name) for parameter in parameters if parameter.trainable]
    found = {parameter: suggestion[name] for parameter, name in named if name in suggestion}
    if len(found) < len(suggestion):
        cleaned = {_NUMBERED.sub(r"\1", str(name).strip(_AROUND_NAMES)): value for name, value in suggestion.items()}
        found = {parameter: cleaned[name] for parameter, name in named if name in cleaned}
    return found


# ---- conversion


def convert(parameter: ParameterNode[Any], value: Any) -> Any:
    """`value` in the type of the parameter's current value, where that can be done without loss.

    Text is read as a Python or JSON literal for a parameter that holds no text. A current value of None takes anything.

    Raises:
        SuggestionError: when it cannot be converted.
    """
    current = parameter._data
    if current is None:
        return value
    if isinstance(current, str):
        return _as_text(value, code=is_code(parameter.py_name))
    if isinstance(value, str):
        value = _literal(value)
    kind = type(current)
    if type(value) is kind:
        return value
    converter = _CONVERTERS.get(kind)
    try:
        if converter is not None:
            return converter(value)
        if kind.__module__ == "numpy" and hasattr(current, "dtype") and kind.__name__ == "ndarray":
            import numpy

            return numpy.asarray(value, dtype=current.dtype)
        return kind(value)
    except Exception as error:  # whatever a user's type raises on a bad value
        raise SuggestionError(f"{value!r} cannot be made a {kind.__name__} ({error})") from error


def _as_text(value: Any, *, code: bool) -> str:
    if isinstance(value, str):
        return unfence(value) if code else value
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _literal(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            pass
    return text


def _whole(value: Any) -> int:
    if isinstance(value, (bool, str)):
        raise TypeError("an int is needed")
    number = int(value)
    if number != value:
        raise ValueError("it is not a whole number")
    return number


def _real(value: Any) -> float:
    if isinstance(value, (bool, str)):
        raise TypeError("a number is needed")
    return float(value)


def _truth(value: Any) -> bool:
    if value in (0, 1) and not isinstance(value, (str, float)):
        return bool(value)
    raise TypeError("true or false is needed")


def _items(kind: type[Any]) -> Callable[[Any], Any]:
    def convert_items(value: Any) -> Any:
        if not isinstance(value, (list, tuple, set, frozenset)):
            raise TypeError(f"a {kind.__name__} is needed")
        return kind(value)

    return convert_items


def _mapping(value: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("a dict is needed")
    return dict(value)


_CONVERTERS: Mapping[type[Any], Callable[[Any], Any]] = types.MappingProxyType(
    {
        int: _whole,
        float: _real,
        bool: _truth,
        dict: _mapping,
        **{kind: _items(kind) for kind in (list, tuple, set, frozenset)},
    }
)


def format_code(text: str) -> str:
    """Python source in the layout of black, when black is installed and the text is source; else the text as it is."""
    if "def " not in text:
        return text
    try:
        ast.parse(text)
        import black

        return str(black.format_str(text, mode=black.Mode()))
    except Exception:  # layout is a nicety: black missing, or failing in whatever way, changes nothing
        return text


# ---- checks


def check(parameter: ParameterNode[Any], value: Any) -> None:
    """Make sure that the parameter can take the value.

    Raises:
        SuggestionError: it has another type than the current value, breaks the constraint, or is code that does not
            compile or does not define the function that it must. The message says what would be right.
    """
    if is_code(parameter.py_name) and isinstance(parameter._data, str):
        _check_code(parameter, value)
    else:
        _check_type(parameter, value)
    _check_constraint(parameter, value)


def _check_type(parameter: ParameterNode[Any], value: Any) -> None:
    current, declared = parameter._data, parameter.constraint
    if isinstance(declared, (type, types.UnionType)):
        if _is(value, declared):
            return
    elif current is None or _is(value, type(current)):
        return
    wanted = declared if isinstance(declared, (type, types.UnionType)) else type(current)
    shown = repr(value)
    raise SuggestionError(
        f"{parameter.py_name} must be of type {getattr(wanted, '__name__', wanted)}, "
        f"got {type(value).__name__} {shown if len(shown) <= 200 else shown[:200] + '...'}"
    )


def _is(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):  # a bool passes for an int in Python, but True is no number to optimize
        kinds = typing.get_args(kind) or (kind,)
        return bool in kinds or object in kinds
    return isinstance(value, kind)


def _check_constraint(parameter: ParameterNode[Any], value: Any) -> None:
    constraint = parameter.constraint
    if isinstance(constraint, (str, type, types.UnionType)) or not callable(constraint):
        return
    if typing.get_origin(constraint) is not None:
        return
    name = getattr(constraint, "__name__", "its constraint")
    try:
        satisfied = constraint(value)
    except Exception as error:  # a predicate that raises says no, and why
        raise SuggestionError(f"{parameter.py_name} breaks {name}: {type(error).__name__}: {error}") from error
    if satisfied is False:
        raise SuggestionError(f"{parameter.py_name} breaks {name}, got {value!r}")


def _check_code(parameter: ParameterNode[Any], value: Any) -> None:
    name = parameter.py_name
    if not isinstance(value, str) or not value.strip():
        raise SuggestionError(f"{name} must be Python source, got {type(value).__name__} {value!r}")
    try:
        tree = ast.parse(value)
        compile(tree, f"<opto:{name}>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise SuggestionError(f"{name} does not compile: {type(error).__name__}: {error}") from error
    wanted = function_name(parameter)
    if wanted is not None and wanted not in _defined(tree):
        defined = ", ".join(_defined(tree)) or "nothing"
        raise SuggestionError(f"{name} must define the function {wanted}, but it defines {defined}")


def function_name(parameter: ParameterNode[Any]) -> str | None:
    """The name of the function that a code parameter must define, None where neither signature nor code tells it."""
    signature = _SIGNATURE.search(parameter.description or "")
    if signature:
        return signature.group(1)
    try:
        names = _defined(ast.parse(parameter._data))
    except (SyntaxError, ValueError):
        return None
    return names[0] if len(names) == 1 else None


def _defined(tree: ast.Module) -> list[str]:
    """The functions that a module's own statements define, those inside `if` and `try` too."""
    names: list[str] = []
    waiting: list[ast.AST] = list(reversed(tree.body))
    while waiting:
        statement = waiting.pop()
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names.append(statement.name)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names.extend(target.id for target in targets if isinstance(target, ast.Name))
        elif isinstance(statement, (ast.If, ast.Try, ast.ExceptHandler, ast.With)):
            waiting.extend(reversed(list(ast.iter_child_nodes(statement))))
    return names
