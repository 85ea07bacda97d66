"""What is declared of a parameter's values, read as ranges and choices.

One reading for all who ask: samplers draw from a domain, and typed suggestions are read and described by it.
"""

from __future__ import annotations

import enum
import math
import types
import typing
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import TYPE_CHECKING, Any

from opto.optimizers.domains import Choices, Domain, Range
from opto.trace.constraints import Constraint, read_constraint

if TYPE_CHECKING:
    from opto.trace.nodes import ParameterNode

__all__ = ["choices_of", "domain_of", "plain_domains", "read_domain"]


def domain_of(parameter: ParameterNode[Any]) -> Domain | None:
    """The declared domain of a parameter; a bool has one without a declaration. None when nothing can be drawn from."""
    found = read_domain(parameter.constraint, parameter._data)
    if found is None and isinstance(parameter._data, bool):
        declared = None if parameter.constraint is None else read_constraint(parameter.constraint)
        if declared is None or not (declared.is_typed or declared.predicates):
            return Choices([False, True])
    return found


def read_domain(declared: Any, current: Any = None) -> Domain | None:
    """The domain that a declaration stands for, or None.

    Read are `Range` and `Choices`; `range(...)`; `bool`; an `Enum` class; `Literal[...]`; a union of such choices; and
    `Annotated[int or float, ...]` with both bounds, by the markers of `annotated_types` or pydantic's `Field`:
    `Ge Gt Le Lt Interval MultipleOf`; without a type they are of the type of the present value. An open bound of a
    float becomes the nearest float inside. Of several, what all of them allow; predicates besides are held against
    each choice, and leave no domain of a range. Sentences say nothing here.

    Args:
        declared: what was declared.
        current: the present value. For an int, a `Range` is one of integers.

    Raises:
        ValueError: what is declared holds no value.
    """
    if declared is None or isinstance(declared, str):
        return None
    try:
        constraint = read_constraint(declared)
    except TypeError:  # it is no constraint at all
        return None
    parts: list[Domain | None] = [*_plain_domains(constraint, current), *_typed_domains(constraint, current)]
    found = [part for part in parts if part is not None]
    if not found:
        return None
    if len(parts) == 1 and not constraint.patterns and not _others(constraint):
        return found[0]
    domain = reduce(_both, found) if len(found) > 1 else found[0]
    if isinstance(domain, Range):
        return None if _others(constraint) or constraint.patterns or len(found) < len(parts) else domain
    kept = [value for value in domain.values if constraint.complaint(value, current) is None]
    if not kept:
        raise ValueError(f"constraint {declared!r} holds no value.")
    return Choices(kept)


def plain_domains(parameter: ParameterNode[Any]) -> list[Domain]:
    """The ranges and choices that are declared without a type: what no type says of the values of a parameter."""
    if parameter.constraint is None:
        return []
    return list(_plain_domains(read_constraint(parameter.constraint), parameter._data))


def choices_of(parameter: ParameterNode[Any]) -> Choices | None:
    """The `Choices` that are declared for a parameter, or None."""
    return next((each for each in plain_domains(parameter) if isinstance(each, Choices)), None)


def _plain_domains(constraint: Constraint, current: Any) -> Iterator[Domain]:
    whole = isinstance(current, int) and not isinstance(current, bool)
    for allowed in constraint.ranges:
        yield _of_range(allowed)
    for predicate in constraint.predicates:
        if isinstance(predicate, (Range, Choices)):
            yield predicate.integers() if isinstance(predicate, Range) and whole else predicate


def _typed_domains(constraint: Constraint, current: Any) -> Iterator[Domain | None]:
    if constraint.types or constraint.metadata:
        yield from map(_of_type, (constraint.annotation(current), *constraint.types[1:]))


def _others(constraint: Constraint) -> bool:
    """Whether there are predicates besides ranges and choices."""
    return not all(isinstance(each, (Range, Choices)) for each in constraint.predicates)


def _both(left: Domain, right: Domain) -> Domain:
    """What two domains have in common."""
    if isinstance(left, Range) and isinstance(right, Range):
        step = left.step if right.step is None else right.step
        low, high = max(left.low, right.low), min(left.high, right.high)
        if left.step is not None and right.step is not None:
            return _both(Choices(left.values()), right)
        if step is not None:
            start = (left if left.step is not None else right).low
            low = start + math.ceil((low - start) / step - 1e-9) * step
        if low > high:
            raise ValueError(f"constraints {left!r} and {right!r} have no value in common.")
        return Range(low, high, whole=left.whole or right.whole, step=step, log=left.log or right.log)
    if isinstance(left, Range):
        left, right = right, left
    assert isinstance(left, Choices)
    common = [value for value in left.values if value in right]
    if not common:
        raise ValueError(f"constraints {left!r} and {right!r} have no value in common.")
    return Choices(common)


def _of_type(kind: Any) -> Domain | None:
    """The domain of a type."""
    if isinstance(kind, type) and issubclass(kind, (bool, enum.Enum)):
        return Choices([False, True] if kind is bool else kind)
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return Choices(typing.get_args(kind))
    if origin is typing.Union or isinstance(kind, types.UnionType):
        return _of_union(typing.get_args(kind))
    if origin is typing.Annotated:
        inner, *marks = typing.get_args(kind)
        return _of_bounds(inner, marks) if inner in (int, float) else _of_type(inner)
    return None


def _of_range(declared: range) -> Domain:
    if not len(declared):
        raise ValueError(f"constraint {declared!r} holds no value.")
    ordered = sorted((declared[0], declared[-1]))
    step = abs(declared.step)
    return Range(ordered[0], ordered[1], whole=True, step=None if step == 1 else step)


def _of_union(parts: tuple[Any, ...]) -> Domain | None:
    values: list[Any] = []
    for part in parts:
        if part is None or part is type(None):
            values.append(None)
            continue
        domain = _of_type(part)
        if not isinstance(domain, Choices):
            return None
        values.extend(domain.values)
    return Choices(values)


def _of_bounds(kind: type, marks: Iterable[Any]) -> Range | None:
    """The range between the tightest bounds of some markers; None when one side is open."""
    lows: list[float] = []
    highs: list[float] = []
    step: float | None = None
    for mark in _flat(marks):
        lows += [_inside(kind, bound, +1, strict) for bound, strict in _bounds(mark, "ge", "gt")]
        highs += [_inside(kind, bound, -1, strict) for bound, strict in _bounds(mark, "le", "lt")]
        step = getattr(mark, "multiple_of", None) or step
    if not lows or not highs:
        return None
    low, high = max(lows), min(highs)
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    if step is not None:  # multiples are counted from zero
        low, high = math.ceil(low / step - 1e-9) * step, math.floor(high / step + 1e-9) * step
    if low > high:
        raise ValueError(f"constraint {kind.__name__} from {low} to {high} holds no value.")
    return Range(low, high, whole=kind is int, step=None if kind is int and step == 1 else step)


def _flat(marks: Iterable[Any]) -> Iterator[Any]:
    """The markers themselves, also those inside pydantic's `Field(...)`."""
    for mark in marks:
        inner = getattr(mark, "metadata", None)
        yield from _flat(inner) if isinstance(inner, (list, tuple)) else [mark]


def _bounds(mark: Any, closed: str, opened: str) -> Iterator[tuple[Any, bool]]:
    for name, strict in ((closed, False), (opened, True)):
        bound = getattr(mark, name, None)
        if isinstance(bound, (int, float)) and not isinstance(bound, bool):
            yield bound, strict


def _inside(kind: type, bound: float, direction: int, strict: bool) -> float:
    """The outermost value of `kind` that a bound allows."""
    if kind is int and math.isfinite(bound):
        whole = math.ceil(bound) if direction > 0 else math.floor(bound)
        return whole + direction if strict and whole == bound else whole
    if strict and math.isfinite(bound):
        return math.nextafter(bound, direction * math.inf)
    return float(bound)
