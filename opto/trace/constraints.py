"""What a new value of a parameter must satisfy: types, ranges, regular expressions, predicates, sentences.

A constraint is declared in the words that Python and pydantic have for it; here it is sorted into parts that can be
checked, and put into words for a prompt. Pydantic is imported when a type is checked first.
"""

from __future__ import annotations

import enum
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

__all__ = ["NO_CONSTRAINT", "Constraint", "choices", "json_schema", "read_constraint", "shapes"]

_TYPE_FORMS = tuple(
    kind for kind in (types.UnionType, typing.NewType, getattr(typing, "TypeAliasType", None)) if isinstance(kind, type)
)
_METADATA = ("annotated_types", "pydantic", "pydantic_core")


@dataclass(frozen=True)
class Constraint:
    """A constraint in its parts; a value must satisfy all of them.

    Attributes:
        types: what pydantic takes for a type.
        metadata: what stands behind the type in an `Annotated`, declared without the type.
        ranges: whole numbers, by start, stop and step.
        patterns: regular expressions that match a text as a whole.
        predicates: callables that return False, or raise, for a bad value; what a reader should know of one is its
            attribute `in_words`, or the docstring of a function.
        sentences: for whoever reads them; nothing is checked.
    """

    types: tuple[Any, ...] = ()
    metadata: tuple[Any, ...] = ()
    ranges: tuple[range, ...] = ()
    patterns: tuple[re.Pattern[str], ...] = ()
    predicates: tuple[Callable[[Any], Any], ...] = ()
    sentences: tuple[str, ...] = ()

    @property
    def is_typed(self) -> bool:
        """Whether it says something of the type, and not only in words or by a predicate."""
        return bool(self.types or self.metadata or self.ranges or self.patterns)

    def annotation(self, current: Any) -> Any:
        """The type to which a value is converted; with `current`, the present value, where none is declared.

        `Any` when nothing is known.
        """
        if self.types:
            kind = self.types[0]
        elif self.ranges or self.patterns:
            kind = int if self.ranges else str
        else:
            kind = inferred_type(current)
        return Annotated[(kind, *self.metadata)] if self.metadata else kind

    def convert(self, value: Any, current: Any) -> Any:
        """`value` in the declared type, with pydantic's coercions; a bool is no number.

        Raises:
            ValueError: what is wrong with the value, in one line.
        """
        converted = _validated(self.annotation(current), value, strict=False)
        if isinstance(value, bool) and isinstance(converted, (int, float)) and not isinstance(converted, bool):
            raise ValueError(f"must be a number, got {value}")
        return converted

    def complaint(self, value: Any, current: Any) -> str | None:
        """Why a value breaks the constraint, None when it does not. Nothing is converted."""
        try:
            if self.is_typed:
                self._check_types(value, current)
            self._check_parts(value)
        except ValueError as error:
            return str(error)
        return None

    def _check_types(self, value: Any, current: Any) -> None:
        for kind in (self.annotation(current), *self.types[1:]):
            found = _validated(kind, value, strict=True)
            if isinstance(value, bool) and not isinstance(found, bool):
                raise ValueError(f"must be of type {type_name(kind)}, got bool {value}")

    def _check_parts(self, value: Any) -> None:
        for allowed in self.ranges:
            if isinstance(value, bool) or value not in allowed:
                raise ValueError(f"must be {_range_words(allowed)}, got {_shown(value)}")
        for pattern in self.patterns:
            if not isinstance(value, str) or pattern.fullmatch(value) is None:
                raise ValueError(f"must be {_pattern_words(pattern)}, got {_shown(value)}")
        for predicate in self.predicates:
            name = getattr(predicate, "__name__", "its constraint")
            try:
                satisfied = predicate(value)
            except Exception as error:  # a predicate that raises says no, and why
                raise ValueError(f"breaks {name}: {type(error).__name__}: {error}") from error
            if satisfied is False:
                raise ValueError(f"breaks {name}, got {_shown(value)}")

    def words(self, current: Any = None) -> str:
        """The constraint for a reader: a line for each part; "" when it has no words."""
        lines = []
        if self.types or self.metadata:
            from opto.trace.schema_words import in_words

            kinds = (self.annotation(current), *self.types[1:])
            lines += [f"must be {said}" for said in (in_words(json_schema(kind)) for kind in kinds) if said]
        lines += [f"must be {_range_words(allowed)}" for allowed in self.ranges]
        lines += [f"must be {_pattern_words(pattern)}" for pattern in self.patterns]
        lines += [text for text in map(_predicate_words, self.predicates) if text]
        return "\n".join([*lines, *self.sentences])


NO_CONSTRAINT = Constraint()


def read_constraint(given: Any) -> Constraint:
    """Sort what was declared into its parts. A tuple or list is a combination.

    Raises:
        TypeError: something in it is no constraint.
        ValueError: nothing satisfies it.
    """
    if given is None:
        return NO_CONSTRAINT
    if isinstance(given, str):
        return Constraint(sentences=(given,))
    parts: dict[str, list[Any]] = {}
    for part in _flat(given):
        parts.setdefault(_place(part), []).append(part)
    return Constraint(**{name: tuple(found) for name, found in parts.items()})


def _flat(given: Any) -> Iterator[Any]:
    if isinstance(given, (tuple, list)) and type(given) in (tuple, list):
        for part in given:
            yield from _flat(part)
    else:
        yield given


def _place(part: Any) -> str:
    """The attribute of `Constraint` that a part belongs to."""
    place = None
    if isinstance(part, str):
        place = "sentences"
    elif isinstance(part, range):
        if not part:
            raise ValueError(f"constraint holds no value: {part!r} is empty.")
        place = "ranges"
    elif isinstance(part, re.Pattern) and isinstance(part.pattern, str):
        place = "patterns"
    elif type(part).__module__.partition(".")[0] in _METADATA and not isinstance(part, type):
        place = "metadata"
    elif isinstance(part, (type, *_TYPE_FORMS)) or part is Any or typing.get_origin(part) is not None:
        _adapter(part)
        place = "types"
    elif callable(part):
        place = "predicates"
    if place is None:
        raise TypeError(
            "constraint must be a type, a range, a compiled regular expression, a predicate, a sentence, or a tuple of "
            f"these, got {part!r}."
        )
    return place


def inferred_type(current: Any) -> Any:
    """The type of a present value, `Any` where it says nothing of what a new one should be."""
    if current is None:
        return Any
    return type(current)


# ---- pydantic


def _adapter(kind: Any) -> Any:
    """Pydantic's validator for a type."""
    try:
        return _kept_adapter(kind)
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        return _made_adapter(kind)


def _made_adapter(kind: Any) -> Any:
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter

    config = ConfigDict(arbitrary_types_allowed=True, coerce_numbers_to_str=True)
    try:
        try:
            return TypeAdapter(kind, config=config)
        except PydanticUserError as error:
            if error.code != "type-adapter-config-unused":  # a model has a configuration of its own
                raise
        return TypeAdapter(kind)
    except (PydanticUserError, NameError) as error:
        raise TypeError(f"constraint must hold types that pydantic can check, got {kind!r}: {error}") from error


_kept_adapter = lru_cache(maxsize=512, typed=True)(_made_adapter)


def _validated(kind: Any, value: Any, *, strict: bool) -> Any:
    if kind is Any:
        return value
    from pydantic import ValidationError

    try:
        return _adapter(kind).validate_python(value, strict=strict)
    except ValidationError as error:
        raise ValueError(_in_one_line(error, kind, value)) from error
    except (RecursionError, ArithmeticError, TypeError, LookupError, AttributeError) as error:  # of a user's validator
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _in_one_line(error: Any, kind: Any, value: Any) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    complaints = []
    for each in found[:5]:
        where = ".".join(map(str, each["loc"]))
        complaints.append(f"{where}: {each['msg']}" if where else each["msg"])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    name = type_name(kind)
    return f"must be of type {name}, got {type(value).__name__} {_shown(value)} ({'; '.join(complaints)}{more})"


def type_name(kind: Any) -> str:
    """A type as it is called in a message."""
    if typing.get_origin(kind) is Annotated:
        kind = typing.get_args(kind)[0]
    return kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind).replace("typing.", "")


@lru_cache(maxsize=512, typed=True)
def _kept_schema(kind: Any) -> dict[str, Any]:
    from pydantic.errors import PydanticInvalidForJsonSchema

    try:
        found: dict[str, Any] = _adapter(kind).json_schema()
    except PydanticInvalidForJsonSchema:  # an arbitrary class
        return {}
    return found


def json_schema(kind: Any) -> dict[str, Any]:
    """The JSON schema of a type, {} where there is none."""
    try:
        return _kept_schema(kind)
    except TypeError:  # not hashable
        return _kept_schema.__wrapped__(kind)


def choices(kind: Any) -> tuple[Any, ...]:
    """The values that a `Literal` or an enum consists of, in a union too; () for other types."""
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return tuple(kind)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return inner
    if origin is Annotated:
        return choices(inner[0])
    if origin in (typing.Union, types.UnionType):
        return tuple(choice for each in inner for choice in choices(each))
    return ()


def shapes(kind: Any) -> frozenset[str]:
    """What JSON has for the values of a type: "integer", "string", "null"...; empty when that is not known."""
    return frozenset(_shapes(json_schema(kind), {}, 8)) if kind is not Any else frozenset()


def _shapes(schema: Mapping[str, Any], known: Mapping[str, Any], depth: int) -> Iterator[str]:
    known = schema.get("$defs", known)
    if "$ref" in schema and depth:
        yield from _shapes(known.get(schema["$ref"].rpartition("/")[2], {}), known, depth - 1)
    if isinstance(schema.get("type"), str):
        yield schema["type"]
    for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _shapes(each, known, depth - 1) if depth else ()


# ---- words


def _range_words(allowed: range) -> str:
    low, high = min(allowed[0], allowed[-1]), max(allowed[0], allowed[-1])
    step = abs(allowed.step)
    return f"a whole number from {low} to {high}" + (f" in steps of {step}" if step > 1 else "")


def _pattern_words(pattern: re.Pattern[str]) -> str:
    ignoring = ", ignoring case" if pattern.flags & re.IGNORECASE else ""
    return f"text that matches the regular expression {pattern.pattern} as a whole{ignoring}"


def _predicate_words(predicate: Callable[[Any], Any]) -> str | None:
    said = getattr(predicate, "in_words", None)
    if isinstance(said, str):
        return said
    return inspect.getdoc(predicate) if inspect.isroutine(predicate) else None


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 200 else f"{shown[:200]}..."
