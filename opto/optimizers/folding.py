"""Repeated calls folded into loops.

Names in a problem end in numbers, so that two calls of one shape differ in numbers alone: `add3 = add(x=add2, y=int0)`
and `add4 = add(x=add3, y=int0)`. A sequence of calls is a loop where the calls `p` places apart have the same shape
and each of their numbers grows by the same amount every time; `p` is found from the last place where the shape was
seen. Loops have shapes and numbers too, so folding again finds loops of loops. Each pass takes time linear in the
calls: a period is at most `_LONGEST_BODY`, and no place is compared twice at the same period.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from opto.optimizers.problem import Call

__all__ = ["Item", "Loop", "Step", "fold", "item_lines", "regular_order", "results"]

_LONGEST_BODY = 128
_FEWEST_TURNS = 3
_MOST_PASSES = 4
_MOST_ARGUMENTS = 12
_VARIABLES = ("k", "j", "i", "n")
_DIGITS = "0123456789"


@dataclass(frozen=True, slots=True)
class Step:
    """One call: its shape, and the numbers of its result and of its arguments."""

    call: Call
    shape: Any
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """A body that is repeated.

    Attributes:
        turns: how often.
        body: the items of the first turn.
        strides: for each item of the body, by how much its numbers grow from turn to turn.
        members: the items of all turns, in order.
    """

    turns: int
    body: tuple[Item, ...]
    strides: tuple[tuple[int, ...], ...]
    members: tuple[Item, ...]
    shape: Any
    numbers: tuple[int, ...]


Item: TypeAlias = "Step | Loop"


def fold(calls: Iterable[Call]) -> list[Item]:
    """The calls with repetitions as loops, in the order given; see `regular_order` for one that folds well."""
    shapes: dict[Any, int] = {}
    parts: dict[str, tuple[str, int]] = {}
    items: list[Item] = [_step(call, shapes, parts) for call in calls]
    for _ in range(_MOST_PASSES):
        folded = _Pass(items, shapes).folded()
        if len(folded) == len(items):
            break
        items = folded
    return items


def regular_order(calls: Sequence[Call], levels: Mapping[str, int]) -> list[Call]:
    """The calls in another valid order: each result is computed shortly before it is needed, the deepest part first.

    So the calls of one sample, or of one turn of a loop, stand together, where the order by level mixes them.
    """
    by_result = {call.result: call for call in calls}
    used = {name for call in calls for name in call.inputs}
    ordered: list[Call] = []
    state: dict[str, bool] = {}
    for last in [call for call in calls if call.result not in used] or calls[-1:]:
        waiting: list[tuple[Call, bool]] = [(last, False)]
        while waiting:
            call, ready = waiting.pop()
            if ready:
                ordered.append(call)
                continue
            if call.result in state:
                continue
            state[call.result] = True
            waiting.append((call, True))
            needed = [by_result[name] for name in call.inputs if name in by_result and name not in state]
            needed.reverse()  # the stack turns it round again
            needed.sort(key=lambda each: levels.get(each.result, 0))
            waiting.extend((each, False) for each in needed)
    return ordered if len(ordered) == len(calls) else list(calls)


def results(item: Item) -> list[tuple[str, int]]:
    """The names that an item computes, each with how many turns of a loop it lies from the nearer end of that loop."""
    if isinstance(item, Step):
        return [(item.call.result, 0)]
    found: list[tuple[str, int]] = []
    size = len(item.body)
    for position, member in enumerate(item.members):
        turn = position // size
        inward = min(turn, item.turns - 1 - turn)
        found.extend((name, max(inward, deeper)) for name, deeper in results(member))
    return found


def item_lines(item: Item) -> str:
    """The text of an item: a call as it is, a loop as a `for` with an index in the names."""
    return "\n".join(_lines(item, [], ""))


def _lines(item: Item, around: list[tuple[str, tuple[int, ...]]], indent: str) -> list[str]:
    """`around`: the loops around the item, each with its variable and the strides of this item's numbers."""
    if isinstance(item, Step):
        return [indent + _call_text(item, around)]
    variable = _VARIABLES[len(around)] if len(around) < len(_VARIABLES) else f"k{len(around)}"
    lines = [f"{indent}for {variable} in range({item.turns}):"]
    offset = 0
    for member, own in zip(item.body, item.strides, strict=True):
        size = len(member.numbers)
        outer = [(name, strides[offset : offset + size]) for name, strides in around]
        offset += size
        lines += _lines(member, [*outer, (variable, own)], indent + "    ")
    return lines


def _call_text(step: Step, around: list[tuple[str, tuple[int, ...]]]) -> str:
    call = step.call
    if not around and len(call.inputs) <= _MOST_ARGUMENTS:
        return str(call)
    names = []
    for slot, name in enumerate([call.result, *call.inputs]):
        terms = [(variable, strides[slot]) for variable, strides in around if strides[slot]]
        names.append(f"{_parts(name)[0]}{{{_sum(terms, step.numbers[slot])}}}" if terms else name)
    pairs = [f"{key}={name}" for key, name in zip(call.keys, names[1:], strict=True)]
    if len(pairs) > _MOST_ARGUMENTS:
        shown = _MOST_ARGUMENTS // 2
        pairs[shown:-shown] = [f"...({len(pairs) - 2 * shown:,} arguments left out)..."]
    return f"{names[0]} = {call.function}({', '.join(pairs)})"


def _sum(terms: list[tuple[str, int]], constant: int) -> str:
    """`2*k+j+1`, with what is added first."""
    text = ""
    for variable, factor in sorted(terms, key=lambda term: term[1] < 0):
        size = variable if abs(factor) == 1 else f"{abs(factor)}*{variable}"
        if not text and factor < 0:
            text, constant = str(constant), 0
        text += size if not text else f"{'-' if factor < 0 else '+'}{size}"
    return f"{text}{constant:+d}" if constant else text


def _parts(name: str) -> tuple[str, int]:
    """A name without the number at its end, and that number, which has no zeros before it; -1 if there is none."""
    digits = name[len(name.rstrip(_DIGITS)) :]
    number = digits.lstrip("0") or digits[-1:]
    return (name[: -len(number)], int(number)) if 0 < len(number) < 16 else (name, -1)


def _step(call: Call, shapes: dict[Any, int], known: dict[str, tuple[str, int]]) -> Step:
    if not call.result:  # a line that could not be read: like no other
        return Step(call, object(), (0,))
    parts = []
    for name in (call.result, *call.inputs):
        found = known.get(name)
        if found is None:
            found = known[name] = _parts(name)
        parts.append(found)
    # -1 stands for "no number" and is part of the shape, so that such a name is only ever equal to itself
    bases = tuple([(base, number == -1) for base, number in parts])
    shape = (call.function, call.keys, bases)
    return Step(call, shapes.setdefault(shape, len(shapes)), tuple([number for _, number in parts]))


class _Pass:
    """One pass over items, from left to right."""

    def __init__(self, items: list[Item], shapes: dict[Any, int]) -> None:
        self.items, self.shapes = items, shapes
        self.done = 0  # items before this place are in the result
        self.strides: list[tuple[int, ...] | None] = []

    def folded(self) -> list[Item]:
        """The items with loops in place of what repeats."""
        items, out = self.items, []
        last: dict[Any, int] = {}
        compared: dict[int, int] = {}
        place = 0
        while place < len(items):
            before = last.get(items[place].shape, -1)
            last[items[place].shape] = place
            period = place - before
            if before >= self.done and period <= _LONGEST_BODY and place >= compared.get(period, 0):
                start, end = self._run(place, period)
                turns = (end - start) // period
                if turns >= _FEWEST_TURNS:
                    out += [*items[self.done : start], self._loop(start, period, turns)]
                    self.done = place = start + turns * period
                    continue
                compared[period] = end
            place += 1
        return out + items[self.done :]

    def _run(self, place: int, period: int) -> tuple[int, int]:
        """The stretch around `place` that repeats with this period."""
        self.strides = [None] * period
        end = place
        while end < len(self.items) and self._repeats(end, period):
            end += 1
        start = place
        while start - 1 - period >= max(self.done, place - 2 * period) and self._repeats(start - 1, period):
            start -= 1
        return (start - period, end) if end > place else (place, place)

    def _repeats(self, place: int, period: int) -> bool:
        """Whether an item is the one a period before it with its numbers grown as in the other turns."""
        this, other = self.items[place], self.items[place - period]
        if this.shape != other.shape:
            return False
        grown = tuple([b - a for a, b in zip(other.numbers, this.numbers, strict=True)])
        known = self.strides[place % period]
        if known is None:
            self.strides[place % period] = grown
            return True
        return known == grown

    def _loop(self, start: int, period: int, turns: int) -> Loop:
        body = tuple(self.items[start : start + period])
        strides = tuple(self.strides[place % period] or () for place in range(start, start + period))
        shape = (turns, tuple(item.shape for item in body), strides)
        numbers = tuple(number for item in body for number in item.numbers)
        members = tuple(self.items[start : start + turns * period])
        return Loop(turns, body, strides, members, self.shapes.setdefault(shape, len(self.shapes)), numbers)
