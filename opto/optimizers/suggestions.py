"""A suggestion is data from outside: it is converted to its parameter's type and checked before it is applied."""

from __future__ import annotations

import ast
import enum
import json
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from opto.errors import SuggestionError
from opto.optimizers.code_checks import check_code, function_name
from opto.optimizers.declarations import choices_of
from opto.optimizers.formats import parse_json_answer, unfence
from opto.optimizers.loose_values import literal, number_readings, repaired_code, truth, unquoted, unwrapped
from opto.optimizers.rendering import is_code
from opto.trace.constraints import Constraint, choices, read_constraint, shapes

if TYPE_CHECKING:
    from opto.trace.nodes import ParameterNode

__all__ = ["check", "convert", "find_suggestion", "format_code", "function_name"]

_NUMBERED = re.compile(r":(\d+)$")
_AROUND_NAMES = " \t\r\n`'\"$*<>"
_NUMBERS = frozenset({int, float, bool})
_DEEPEST = 4
_MOST_WRAPPINGS = 500
_NAME_KEYS = frozenset({"name", "variable", "parameter", "variable_name", "key"})
_VALUE_KEYS = frozenset({"value", "new_value", "suggested_value", "suggestion"})
_WRAPPERS = frozenset(
    {"suggestion", "suggestions", "suggested_values", "variable", "variables", "value", "values", "new_values", "data"}
    | {"parameter", "parameters", "update", "updates", "change", "changes", "answer", "result", "results", "output"}
    | {"response", "arguments", "properties"}
)


def find_suggestion(parameters: Iterable[ParameterNode[Any]], suggestion: Mapping[Any, Any]) -> dict[Any, Any]:
    """The suggested raw value of each trainable parameter that the suggestion names.

    A name is a `py_name`. `int:0` stands for `int0`; case, and quotes, spaces and signs in a name, do not count where
    only one parameter can be meant, nor does a missing number at its end. Where no name is found, the values are looked
    for in the usual wrappings: `{"variables": {...}}`, `[{"name": ..., "value": ...}]`, JSON in a string.
    """
    named = {parameter.py_name: parameter for parameter in parameters if parameter.trainable}
    waiting: list[tuple[Any, int]] = [(suggestion, 0)]
    for inner, depth in waiting:
        found = _by_name(named, inner)
        if found:
            return found
        if depth < _DEEPEST and len(waiting) < _MOST_WRAPPINGS:
            waiting.extend((each, depth + 1) for each in _wrapped(inner))
    return {}


def _by_name(named: Mapping[str, ParameterNode[Any]], suggestion: Mapping[Any, Any]) -> dict[Any, Any]:
    found = {parameter: suggestion[name] for name, parameter in named.items() if name in suggestion}
    if len(found) == len(suggestion):
        return found
    for given, value in suggestion.items():
        parameter = _meant(named, str(given)) if given not in named else None
        if parameter is not None and parameter not in found:
            found[parameter] = value
    return {parameter: found[parameter] for parameter in named.values() if parameter in found}


def _meant(named: Mapping[str, ParameterNode[Any]], given: str) -> ParameterNode[Any] | None:
    """The one parameter that a name which is none stands for."""
    cleaned = _NUMBERED.sub(r"\1", given[:200].strip(_AROUND_NAMES))
    if cleaned in named:
        return named[cleaned]
    folded = _folded(cleaned)
    if not folded:
        return None
    for key in (_folded, lambda name: _folded(name).rstrip("0123456789")):
        meant = [parameter for name, parameter in named.items() if key(name) == folded]
        if meant:
            return meant[0] if len(meant) == 1 else None
    return None


def _folded(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _wrapped(suggestion: Mapping[Any, Any]) -> Iterator[Mapping[Any, Any]]:
    """The mappings of values that a mapping without known names holds."""
    if set(suggestion) & _NAME_KEYS and set(suggestion) & _VALUE_KEYS:
        suggestion = {"variables": [suggestion]}
    for key, inner in suggestion.items():
        if str(key).strip().casefold() not in _WRAPPERS:
            continue
        if isinstance(inner, str) and inner.lstrip()[:1] in ("{", "["):
            inner = literal(inner)
            inner = parse_json_answer(inner)[0] if isinstance(inner, str) else inner
        if isinstance(inner, Mapping):
            yield inner
        elif isinstance(inner, list):
            yield from _listed(inner)


def _listed(items: list[Any]) -> Iterator[Mapping[Any, Any]]:
    """What a list of `{"name": ..., "value": ...}`, or of `{name: value}`, says, as one mapping."""
    merged: dict[Any, Any] = {}
    for item in items[:_MOST_WRAPPINGS]:
        if not isinstance(item, Mapping):
            continue
        name = next((item[key] for key in item if key in _NAME_KEYS), None)
        value = next((key for key in item if key in _VALUE_KEYS), None)
        merged.update({str(name): item[value]} if name is not None and value is not None else item)
    if merged:
        yield merged


# ---- conversion


def convert(parameter: ParameterNode[Any], value: Any) -> Any:
    """`value` in the type that the parameter declares, else in that of its current value, without loss.

    Text is read as a literal, a number or yes and no for a parameter that holds no text. Without a declared type, a
    current value of None takes anything. A value of the right type that breaks the rest of the constraint is returned:
    `check` refuses it.

    Raises:
        SuggestionError: when it cannot be converted.
    """
    current = parameter._data
    kind = type(value)
    if kind is type(current) and kind in _NUMBERS and parameter.constraint is None:
        return value
    if is_code(parameter.py_name) and (current is None or isinstance(current, str)):
        return repaired_code(value)
    constraint = read_constraint(parameter.constraint)
    choices = choices_of(parameter)
    if choices is not None and (place := choices.meant(value)) is not None:
        return choices.values[place]
    if constraint.is_typed or is_structured(current):
        return _converted(constraint, value, current)
    if current is None:
        return value
    if not isinstance(current, Mapping):
        value = unwrapped(value)
    if isinstance(current, str):
        if value is None:
            raise SuggestionError("None cannot be made a text")
        return _as_text(value)
    return _in_type_of(current, _read(value, type(current)) if isinstance(value, str) else value)


def is_structured(value: Any) -> bool:
    """Whether the type of a value says what it is made of: an enum, a dataclass, a pydantic model."""
    kind = type(value)
    return isinstance(value, enum.Enum) or hasattr(kind, "__dataclass_fields__") or hasattr(kind, "model_fields")


def _converted(constraint: Constraint, value: Any, current: Any) -> Any:
    """The first reading of a value that satisfies the constraint, else the first that has its type."""
    first: list[Any] = []
    why: ValueError | None = None
    for readings in _readings(constraint.annotation(current), value):
        good: list[Any] = []
        for reading in readings:
            try:
                converted = constraint.convert(reading, current)
            except ValueError as error:
                why = why or error
                continue
            (first if constraint.complaint(converted, current) else good).append(converted)
        if len(good) == 1:
            return good[0]
    if first:
        return first[0]
    raise SuggestionError(f"{value!r} cannot be taken: {why or 'it may mean several things'}") from why


def _readings(kind: Any, value: Any) -> Iterator[list[Any]]:
    """What a raw value may mean, the likeliest first; a list holds meanings of which only one may fit."""
    wanted = shapes(kind)
    if wanted and "object" not in wanted:
        value = unwrapped(value)
    if isinstance(value, str) and "null" in wanted and value.strip() in ("None", "null"):
        yield [None]
    yield [value]
    if not isinstance(value, str):
        return
    if wanted != {"string"}:
        read = literal(unfence(value))
        yield [read if "object" in wanted else unwrapped(read)]
    yield [unquoted(value)]
    yield [choice for choice in choices(kind) if _is_meant(choice, value)]
    if wanted & {"integer", "number"}:
        yield list(dict.fromkeys(number_readings(value)))
    if "boolean" in wanted:
        yield [said for said in [truth(value)] if said is not None]


def _is_meant(choice: Any, text: str) -> bool:
    """Whether a text names this choice: by its value, or by the name of an enum's member; case does not count."""
    bare = unquoted(text).casefold()
    names = [str(getattr(choice, "value", choice))]
    if isinstance(choice, enum.Enum):
        names += [choice.name, f"{type(choice).__name__}.{choice.name}"]
    return bare in [name.casefold() for name in names]


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _read(text: str, kind: type[Any]) -> Any:
    """What a text means where a value of this type is wanted; the text itself where that is not clear."""
    if kind is bool and (said := truth(text)) is not None:
        return said
    read = literal(text)
    if kind in (int, float) and not isinstance(read, (int, float)):
        numbers = number_readings(text)
        return numbers[0] if len(numbers) == 1 else text
    return read


def _in_type_of(current: Any, value: Any) -> Any:
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
    """Make sure that the parameter can take the value. Nothing is converted.

    Raises:
        SuggestionError: it has another type than is declared, or than the current value has where none is; it breaks
            the constraint; or it is code that cannot take the place of the present one. The message says what would be
            right.
    """
    kind = type(value)
    if kind is type(parameter._data) and kind in _NUMBERS and parameter.constraint is None:
        return
    constraint = read_constraint(parameter.constraint)
    if is_code(parameter.py_name) and isinstance(parameter._data, str):
        check_code(parameter, value)
    elif not constraint.is_typed and choices_of(parameter) is None:
        _check_type(parameter, value)
    complaint = constraint.complaint(value, parameter._data)
    if complaint:
        raise SuggestionError(f"{parameter.py_name} {complaint}")


def _check_type(parameter: ParameterNode[Any], value: Any) -> None:
    current = parameter._data
    kind = type(current)
    if current is None or (isinstance(value, kind) and (kind is bool or not isinstance(value, bool))):
        return
    shown = repr(value)
    raise SuggestionError(
        f"{parameter.py_name} must be of type {kind.__name__}, "
        f"got {type(value).__name__} {shown if len(shown) <= 200 else shown[:200] + '...'}"
    )
