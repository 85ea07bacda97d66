"""The values that a parameter may take, read from what was declared when the node was made.

One place for all who ask: samplers draw from a domain, typed suggestions describe it to a model.
"""

from __future__ import annotations

import enum
import math
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from opto.optimizers.canonical import canonical_repr
from opto.optimizers.updates import same_value

if TYPE_CHECKING:
    from opto.trace.nodes import ParameterNode

__all__ = ["Choices", "Domain", "Range", "domain_of", "position", "read_domain"]

_WIDEST = 10_000_000


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included. May stand as the `constraint` of a node.

        rate = node(0.01, trainable=True, constraint=Range(1e-5, 1.0, log=True))

    Args:
        low: the least value.
        high: the greatest value.
        whole: only integers. `domain_of` also takes it so for a parameter that holds an int.
        step: the distance between neighbours, counted from `low`; None for any number (1 for integers).
        log: sample on a logarithmic scale.

    Raises:
        TypeError: a bound is no number.
        ValueError: the bounds are not finite or out of order, the step is not positive, or `log` meets a low <= 0 or a
            step.
    """

    low: float
    high: float
    whole: bool = False
    step: float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        for name, bound in (("low", self.low), ("high", self.high)):
            if isinstance(bound, bool) or not isinstance(bound, (int, float)):
                raise TypeError(f"{name} must be a number, got {bound!r}.")
            if not math.isfinite(bound):
                raise ValueError(f"{name} must be finite, got {bound!r}.")
        if self.low > self.high:
            raise ValueError(f"low must be <= high, got {self.low!r} and {self.high!r}.")
        if self.step is not None and not self.step > 0:
            raise ValueError(f"step must be > 0, got {self.step!r}.")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError(f"log needs low > 0 and no step, got low={self.low!r}, step={self.step!r}.")

    @property
    def __name__(self) -> str:  # what an error calls the constraint
        return repr(self)

    def __repr__(self) -> str:
        step = f", step={self.step!r}" if self.step is not None else ""
        return f"Range({self.low!r}, {self.high!r}{step}{', log=True' if self.log else ''})"

    @property
    def in_words(self) -> str:
        """What a reader should know of it."""
        kind = "a whole number" if self.whole else "a number"
        steps = f" in steps of {self.step!r}" if self.step is not None else ""
        return f"must be {kind} from {self.low!r} to {self.high!r}{steps}"

    def __contains__(self, value: Any) -> bool:
        if isinstance(value, bool) or not hasattr(value, "__float__") or isinstance(value, str):
            return False
        number = float(value)
        if not self.low <= number <= self.high or (self.whole and number != int(number)):
            return False
        if self.step is None:
            return True
        steps = (number - self.low) / self.step
        return abs(steps - round(steps)) < 1e-9 * max(1.0, abs(steps))

    def __call__(self, value: Any) -> bool:
        """Whether the value lies in the range."""
        return value in self

    def integers(self) -> Range:
        """The integers of this range.

        Raises:
            ValueError: it holds none, or its steps do not lead from integer to integer.
        """
        if self.step is not None and (self.step != int(self.step) or self.low != int(self.low)):
            raise ValueError(f"{self!r} does not go from integer to integer.")
        step = None if self.step is None else int(self.step)
        return Range(math.ceil(self.low), math.floor(self.high), whole=True, step=step, log=self.log)

    def values(self, points: int | None = None) -> list[Any]:
        """All values of a stepped range, in order; of another one `points` evenly spread ones.

        Raises:
            ValueError: the range has no step and `points` is None, or there are too many values to list.
        """
        step = self.step if self.step is not None else (1 if self.whole and not self.log else None)
        if step is not None:
            count = math.floor((self.high - self.low) / step + 1e-9) + 1
            if count > _WIDEST:
                raise ValueError(f"{self!r} has {count} values, too many to list.")
            if points is None or count <= points or self.step is not None:
                return [self.low + number * step for number in range(count)]
        if points is None:
            raise ValueError(f"{self!r} has no step: say how many points of it are wanted.")
        spread = list(self._spread(points))
        return list(dict.fromkeys(round(each) for each in spread)) if self.whole else spread

    def _spread(self, points: int) -> Iterator[float]:
        for number in range(points):
            part = number / (points - 1) if points > 1 else 0.5
            if number == points - 1 and points > 1:
                yield float(self.high)
            elif self.log:
                yield math.exp(math.log(self.low) + part * (math.log(self.high) - math.log(self.low)))
            else:
                yield self.low + part * (self.high - self.low)


class Choices:
    """One of some given values, of any kind: texts, functions, models. May stand as the `constraint` of a node.

        tone = node("Be brief.", trainable=True, constraint=Choices(["Be brief.", "Explain each step."]))

    Args:
        values: the values, at least one; equal ones count once.

    Raises:
        TypeError: `values` is a text or cannot be iterated.
        ValueError: there are none.
    """

    def __init__(self, values: Iterable[Any]) -> None:
        if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
            raise TypeError(f"values must be a list of values to choose from, got {values!r}.")
        kept: list[Any] = []
        for value in values:
            if position(kept, value) is None:
                kept.append(value)
        if not kept:
            raise ValueError("values must hold at least one value to choose, got none.")
        self.values: tuple[Any, ...] = tuple(kept)

    @property
    def __name__(self) -> str:  # what an error calls the constraint
        return repr(self)

    def index(self, value: Any) -> int | None:
        """The place of a value, by identity or else by equality and type; None if it is not among them."""
        return position(self.values, value)

    @property
    def in_words(self) -> str:
        """What a reader should know of it."""
        return f"must be one of: {', '.join(canonical_repr(value) for value in self.values)}"

    def __contains__(self, value: Any) -> bool:
        return self.index(value) is not None

    def __deepcopy__(self, memo: dict[int, Any]) -> Choices:
        return self  # a copy of a value without `==` would be another choice

    def __call__(self, value: Any) -> bool:
        """Whether the value is one of them."""
        return value in self

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, Choices):
            return NotImplemented
        return len(self) == len(other) and all(value in other for value in self.values)

    def __hash__(self) -> int:
        return hash(len(self.values))

    def __repr__(self) -> str:
        shown = ", ".join(repr(value) for value in self.values[:8])
        return f"Choices([{shown}{', ...' if len(self.values) > 8 else ''}])"


Domain: TypeAlias = "Range | Choices"
"""What a sampler can draw from."""


def position(values: Sequence[Any], value: Any) -> int | None:
    """The place of a value among others, by identity or else by equality and type; None if it is not among them."""
    for place, each in enumerate(values):
        if each is value:
            return place
    for place, each in enumerate(values):
        if same_value(each, value):
            return place
    return None


def domain_of(parameter: ParameterNode[Any]) -> Domain | None:
    """The declared domain of a parameter; a bool has one without a declaration. None when nothing can be drawn from."""
    found = read_domain(parameter.constraint)
    if found is None and parameter.constraint is None and isinstance(parameter._data, bool):
        return Choices([False, True])
    if isinstance(found, Range) and found is parameter.constraint and isinstance(parameter._data, int):
        return found.integers()
    return found


def read_domain(declared: Any) -> Domain | None:
    """The domain that a declaration stands for, or None.

    Read are `Range` and `Choices`; `range(...)`; `bool`; an `Enum` class; `Literal[...]`; a union of such choices; and
    `Annotated[int or float, ...]` with both bounds, by the markers of `annotated_types` or pydantic's `Field`:
    `Ge Gt Le Lt Interval MultipleOf`. An open bound of a float becomes the nearest float inside.

    Raises:
        ValueError: the declared bounds hold no value.
    """
    if isinstance(declared, (Range, Choices)):
        return declared
    if isinstance(declared, range):
        return _of_range(declared)
    if isinstance(declared, type) and issubclass(declared, (bool, enum.Enum)):
        return Choices([False, True] if declared is bool else declared)
    origin = typing.get_origin(declared)
    if origin is typing.Literal:
        return Choices(typing.get_args(declared))
    if origin is typing.Union or isinstance(declared, types.UnionType):
        return _of_union(typing.get_args(declared))
    if origin is typing.Annotated:
        kind, *marks = typing.get_args(declared)
        return _of_bounds(kind, marks) if kind in (int, float) else read_domain(kind)
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
        domain = read_domain(part)
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
