"""Better numbers: following "larger" and "smaller", a stated target or scores, by bracketing what was tried."""

from __future__ import annotations

import math
import operator
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from .request import Task, Variable, is_rejected, past_values, value_of

__all__ = ["direction_of", "improved_number", "slope_of", "verdict", "weight_of"]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_MORE = re.compile(r"\b(larger|higher|greater|bigger|increased?|raised?|too (small|low|little|few))\b", re.IGNORECASE)
_LESS = re.compile(r"\b(smaller|lower(ed)?|less|decreased?|reduced?|too (large|high|big|much|many))\b", re.IGNORECASE)
_WEIGHT = re.compile(rf"follows it ({_NUMBER}) times", re.IGNORECASE)
_TARGET = re.compile(rf"\b(?:should (?:be|equal)|expected|target(?: is)?)\s*:?\s*({_NUMBER})", re.IGNORECASE)
_SCORE = re.compile(rf"(?:score\W*?|^\s*)({_NUMBER})\s*(?:$|[.,;\n])", re.IGNORECASE)
_RANGE = re.compile(rf"\b(?:between|from)\s+({_NUMBER})\s+(?:and|to)\s+({_NUMBER})", re.IGNORECASE)

_HALVINGS = 30

_OPERATORS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "add": operator.add,
    "divide": operator.truediv,
    "identity": lambda x: x,
    "multiply": operator.mul,
    "neg": operator.neg,
    "pos": operator.pos,
    "power": operator.pow,
    "subtract": operator.sub,
}


def verdict(said: str) -> int:
    """1 where more is asked for, -1 where less, 0 where neither; a remark that states its weight counts by it."""
    total = 0.0
    for remark in said.splitlines():
        more, less, weight = len(_MORE.findall(remark)), len(_LESS.findall(remark)), _WEIGHT.search(remark)
        total += ((more > less) - (more < less)) * (float(weight[1]) if weight else 1.0)
    return (total > 0) - (total < 0)


def weight_of(said: str) -> float:
    """The weight that remarks state, 1 where they state none."""
    return max((float(each) for each in _WEIGHT.findall(said)), default=1.0)


def improved_number(variable: Variable, task: Task, rng: random.Random) -> float | int:
    """A number that follows the feedback better than the present one, as far as the request tells."""
    tried = [(float(text), said) for text, said in past_values(task, variable) if _is_number(text)]
    present = tried[-1][0]
    tried = _gone_too_far(variable, task, present) + tried
    target = _TARGET.search(task.feedback)
    solved = _solved(variable, task, float(target[1])) if target else None
    if solved is not None:
        wanted = solved
    elif verdict(task.feedback):
        wanted = _bracketed(tried, direction_of(variable, task) or _direction_seen(tried), rng)
    elif target:
        wanted = _scored([(x, -abs(x - float(target[1]))) for x, _ in tried], rng)
    else:
        scores = [(x, score) for x, said in tried if (score := _score(said)) is not None]
        wanted = _scored(scores, rng) if scores else present + _step(present, rng) * rng.choice((-1, 1))
    return _another(_fitted(wanted, present, variable), present, variable, task)


def _gone_too_far(variable: Variable, task: Task, present: float) -> list[tuple[float, str]]:
    """The rejected values that lie where the feedback points to: beyond what is looked for, as they did no good."""
    side = verdict(task.feedback) * direction_of(variable, task)
    found = [value_of(each[variable.name]) for each in task.rejected if variable.name in each]
    beyond = [float(x) for x in found if isinstance(x, (int, float)) and (x - present) * side > 0]
    opposite = "smaller" if verdict(task.feedback) > 0 else "larger"
    return [(x, f"The output should be {opposite}.") for x in beyond]


def _another(wanted: float, present: float, variable: Variable, task: Task) -> float | int:
    """The number; where it is a rejected one, a number closer to the present one, or else one around that."""
    closer = (present + (wanted - present) / 2**power for power in range(_HALVINGS))
    around = (present + sign * distance for distance in range(1, _HALVINGS) for sign in (1, -1))
    fitted = (_fitted(each, present, variable) for each in (*closer, *around))
    return next((each for each in fitted if not is_rejected(task, variable, repr(each))), wanted)


def _is_number(text: str) -> bool:
    return isinstance(value_of(text), (int, float))


def _score(said: str) -> float | None:
    found = _SCORE.search(said)
    return float(found[1]) if found else None


def _direction_seen(tried: list[tuple[float, str]]) -> int:
    """Which way the output follows the value, as far as the scores of values with the same verdict tell; else 0."""
    way = verdict(tried[-1][1])
    scored = [(score, x) for x, said in tried if verdict(said) == way and (score := _score(said)) is not None]
    if len({x for _, x in scored}) < 2:
        return 0
    best, worst = max(scored)[1], min(scored)[1]
    return way * ((best > worst) - (best < worst))


def _step(present: float, rng: random.Random) -> float:
    """A sensible first step: of any size up to that of the value itself."""
    return float(max(abs(present), 1.0) * 10 ** rng.uniform(-1.5, 0.0))


def _bracketed(tried: list[tuple[float, str]], direction: int, rng: random.Random) -> float:
    """Between the values that were too small and those that were too large; beyond the last one where one side is open.

    `direction` says how the output follows the value: 1 or -1, 0 where the request does not tell.
    """
    sides = [(x, verdict(said) * (direction or 1)) for x, said in tried if verdict(said)]
    below, above = [x for x, side in sides if side > 0], [x for x, side in sides if side < 0]
    if not direction and below and above and max(below) > min(above):
        below, above = above, below  # "larger" was said of the larger values: the output falls as the value rises
    if below and above:
        return (max(below) + min(above)) / 2
    side = 1 if below else -1
    distinct = sorted({x for x, _ in sides})
    if not direction and len(distinct) > 3 and rng.random() < 0.5:
        side = -side  # nothing has turned the feedback yet: look on the other side too
    edge, width = (distinct[-1], distinct[-1] - distinct[0]) if side > 0 else (distinct[0], distinct[-1] - distinct[0])
    return edge + side * (width or _step(edge, rng))


def _scored(tried: list[tuple[float, float]], rng: random.Random) -> float:
    """Near the best value: beyond it where it is at the edge, else into the wider gap beside it."""
    best_scores: dict[float, float] = {}
    for x, score in tried:
        best_scores[x] = max(score, best_scores.get(x, -math.inf))
    places = sorted(best_scores)
    best = max(places, key=lambda x: best_scores[x])
    if len(places) == 1:
        return best + _step(best, rng) * rng.choice((-1, 1))
    at = places.index(best)
    if at in (0, len(places) - 1):
        return best + 2 * (best - places[1 if at == 0 else -2])
    left, right = places[at - 1], places[at + 1]
    return (best + (right if right - best > best - left else left)) / 2


def _fitted(wanted: float, present: float, variable: Variable) -> float | int:
    """The number in the range that the constraint states, of the type of the present one, and another than that."""
    found = _RANGE.search(variable.constraint)
    if found:
        low, high = sorted((float(found[1]), float(found[2])))
        wanted = min(max(wanted, low), high)
    if not isinstance(value_of(variable.text), int):
        return float(f"{wanted:.6g}")
    whole = round(wanted)
    return whole if whole != present else whole + (1 if wanted >= present else -1)


# ---- running the shown calls by hand


def direction_of(variable: Variable, task: Task) -> int:
    """Which way the output follows a variable: 1, -1, or 0 where it cannot be told."""
    slope = slope_of(variable, task) or 0.0
    return (slope > 0) - (slope < 0)


def slope_of(variable: Variable, task: Task) -> float | None:
    """How the output follows a variable where the request shows the run; None where it does not."""
    present = float(value_of(variable.text))
    width = max(abs(present), 1.0) * 1e-3
    higher, lower = _output(variable, task, present + width), _output(variable, task, present - width)
    if higher is None or lower is None:
        return None
    return (higher - lower) / (2 * width)


def _output(variable: Variable, task: Task, x: float) -> float | None:
    """The last result of the shown calls with another value of the variable; None where a call is not well known."""
    if not task.calls:
        return None
    values = {**task.values, **{each.name: value_of(each.text) for each in task.variables}, variable.name: x}
    reached = {variable.name}
    for call in task.calls:
        if reached.isdisjoint(call.arguments.values()):
            continue
        try:
            values[call.result] = _OPERATORS[call.function](*(values[name] for name in call.arguments.values()))
        except (KeyError, TypeError, ArithmeticError, ValueError):
            return None
        reached.add(call.result)
    result = values.get(task.calls[-1].result)
    return float(result) if isinstance(result, (int, float)) else None


def _solved(variable: Variable, task: Task, target: float) -> float | None:
    """The value for which the shown calls give the target, by bisection outwards from the present one."""
    present = float(value_of(variable.text))

    def miss(x: float) -> float | None:
        result = _output(variable, task, x)
        return None if result is None else result - target

    start = miss(present)
    width = max(abs(present), 1.0)
    for _ in range(20 if start is not None else 0):
        for other in (present - width, present + width):
            end = miss(other)
            if start is not None and end is not None and start * end <= 0:
                return _bisected(miss, present, other)
        width *= 1.5
    return None


def _bisected(miss: Callable[[float], float | None], one: float, other: float) -> float:
    rising = (miss(other) or 0.0) >= (miss(one) or 0.0)
    for _ in range(60):
        middle = (one + other) / 2
        value = miss(middle)
        if value is None:
            break
        if (value > 0) == rising:
            other = middle
        else:
            one = middle
    return (one + other) / 2
