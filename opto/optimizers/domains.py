"""Ranges and choices: what a parameter may be, in a form that values can be drawn from and a model can be told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from opto.optimizers.canonical import canonical, canonical_repr
from opto.optimizers.updates import same_value

__all__ = ["Choices", "Domain", "Range", "position"]

_WIDEST = 10_000_000
_JSON_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included. May stand as the `constraint` of a node.

        rate = node(0.01, trainable=True, constraint=Range(1e-5, 1.0, log=True))

    Args:
        low: the least value.
        high: the greatest value.
        whole: only integers; so it is also taken for a parameter that holds an int (`opto.optimizers.declarations`).
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

    @property
    def json_schema(self) -> dict[str, Any]:
        """What a JSON schema can say of it; its steps only where they are multiples of one."""
        schema: dict[str, Any] = {"minimum": self.low, "maximum": self.high}
        if self.step is not None and self.step != 1 and self.low % self.step == 0:
            schema["multipleOf"] = self.step
        return schema

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

    @property
    def json_schema(self) -> dict[str, Any]:
        """What a JSON schema can say of it: nothing, {}, where a value is none of JSON's."""
        kinds = list(dict.fromkeys(_JSON_NAMES.get(type(value), "") for value in self.values))
        if "" in kinds:
            return {}
        return {"enum": list(self.values), **({"type": kinds[0]} if len(kinds) == 1 else {})}

    def meant(self, value: Any) -> int | None:
        """The place of the one choice that a raw value stands for: the value itself, or a text that names it.

        A number stands for an equal one; in texts, case and quotes around them do not count.
        """
        place = self.index(value)
        if place is None and type(value) in (int, float):
            equal = [number for number, each in enumerate(self.values) if type(each) in (int, float) and each == value]
            place = equal[0] if len(equal) == 1 else None
        if place is None and isinstance(value, str):
            bare = value.strip().strip("`'\"").casefold()
            named = [number for number, each in enumerate(self.values) if bare in _names(each)]
            place = named[0] if len(named) == 1 else None
        return place

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


def _names(value: Any) -> set[str]:
    """The texts that name a value."""
    names = {canonical(value), canonical_repr(value), str(getattr(value, "__name__", ""))}
    return {name.casefold() for name in names if name}
