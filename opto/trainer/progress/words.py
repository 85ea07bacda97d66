"""How far a run is, in words: as some short lines for a display, and as one sentence for a log."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from opto.trainer.printable import printable
from opto.trainer.progress.pace import Left
from opto.trainer.progress.status import Status

__all__ = ["Piece", "View", "duration", "joined", "lines", "money", "plural", "sentence", "short"]

Piece = tuple[str, str]
"""A text and its style: "", "bold", "dim" or "green"."""

_WIDEST_BAR, _NARROWEST_BAR = 40, 8
_LONGEST_EVENT = 500
_BY = {"usd": "money", "tokens": "tokens", "calls": "calls", "evaluations": "evaluations", "seconds": "time"}


class View(NamedTuple):
    """What is shown at one moment: the status, the seconds since the run began, and how long it still takes."""

    status: Status
    passed: float
    left: Left | None = None
    ended: bool = False


def lines(view: View, width: int, encoding: str = "utf-8") -> list[list[Piece]]:
    """Some lines of at most `width` characters, as long as they hold no wide ones.

    Args:
        view: what to show.
        width: of the display, in characters.
        encoding: of the display; where it has no such signs, plain ones are taken.
    """
    signs = _UNICODE if encoding.lower().replace("-", "").startswith("utf") else _ASCII
    first = _head(view, width, signs)
    rest = _packed(list(_facts(view)), width, signs.dot)
    shown = [first, *([(text, "")] for text in (*rest, *_event(view.status)))]
    return [[(printable(text, encoding=encoding), style) for text, style in line] for line in shown]


def sentence(view: View) -> str:
    """All of it in one line, for logs; in ASCII but for what the run tells."""
    parts = [_step(view.status, " of "), *_facts(view), f"{duration(view.passed)} passed"]
    if view.left is not None and not view.ended:
        parts.append(_left(view.left))
    text = ", ".join(part for part in parts if part)
    return ": ".join([text, *_event(view.status)])


def joined(line: Sequence[Piece]) -> str:
    """The text of a line."""
    return "".join(text for text, _ in line)


def duration(seconds: float) -> str:
    """Seconds as "3:12", "1:03:12" or "2 d 1:03:12"."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours}:{minutes:02}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def money(usd: float) -> str:
    """Dollars with cents, and small sums with two digits that say something."""
    if 0 < abs(usd) < 0.1:
        places = min(12, 1 - math.floor(math.log10(abs(usd))))
        return f"${usd:.{places}f}"
    return f"${usd:,.2f}"


def short(count: float) -> str:
    """A count as "950", "12.3k" or "1.2M"."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if count >= (size if letter == "k" else size * 0.9995):  # else three digits of it would be 1000k
            return f"{count / (1e3 if letter == 'k' else size):.3g}{letter}"
    return f"{round(count):,}"


def plural(number: int, word: str) -> str:
    """A number of things, such as "1 step" or "2,000 steps"."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


class _Signs(NamedTuple):
    full: str
    empty: str
    dot: str


_UNICODE, _ASCII = _Signs("━", "─", " · "), _Signs("#", "-", ", ")


def _head(view: View, width: int, signs: _Signs) -> list[Piece]:
    """Step, bar and times; what does not fit is left out, the bar first."""
    step = _step(view.status, "/") or "running"
    times = duration(view.passed)
    if view.left is not None and not view.ended:
        times += f"{signs.dot}{_left(view.left)}"
    done = _fraction(view.status)
    if done is not None:
        percent = f"{math.floor(100 * done)}%"
        room = width - len(step) - len(times) - len(percent) - 4
        if room >= _NARROWEST_BAR:
            size = min(room, _WIDEST_BAR)
            full = math.floor(size * done)
            bar = [(signs.full * full, "green"), (signs.empty * (size - full), "dim")]
            return [(f"{step} ", "bold"), *bar, (f" {percent}  {times}", "")]
    return [(step, "bold")] if len(step) + 2 + len(times) > width else [(step, "bold"), (f"  {times}", "")]


def _event(status: Status) -> list[str]:
    """The last event, in one line, if there is one."""
    return [printable(str(status.event)[:_LONGEST_EVENT], one_line=True)] if status.event else []


def _fraction(status: Status) -> float | None:
    """How much of the run is done, by the limit that is nearest; None where there is none."""
    pairs = ((status.step, status.steps), (status.evaluations, status.max_evaluations), (status.usd, status.max_usd))
    parts = [min(1.0, max(0.0, done / limit)) for done, limit in pairs if done is not None and limit]
    return max(parts, default=None)


def _step(status: Status, of: str) -> str:
    if status.step is None:
        return ""
    return f"step {status.step:,}" + (f"{of}{status.steps:,}" if status.steps is not None else "")


def _left(left: Left) -> str:
    """The time left, with the limit that ends the run if it is not the number of steps."""
    limit = _BY.get(left.by)
    return f"about {duration(left.seconds)} left" + (f" ({limit})" if limit else "")


def _facts(view: View) -> Iterator[str]:
    status = view.status
    best = _score(status.best)
    if best:
        ends = "" if status.interval is None else f" ({status.interval[0]:.3g} to {status.interval[1]:.3g})"
        yield f"best {best}{ends}"
    if status.evaluations is not None:
        yield _of(f"{status.evaluations:,}", _count(status.max_evaluations)) + " evaluations"
    if status.usd is not None:
        yield _of(money(status.usd), "" if status.max_usd is None else money(status.max_usd))
    if status.tokens is not None:
        yield _of(short(status.tokens), "" if status.max_tokens is None else short(status.max_tokens)) + " tokens"
    if status.max_calls is not None and status.calls is not None:
        yield _of(f"{status.calls:,}", _count(status.max_calls)) + " calls"
    if status.candidates is not None:
        yield plural(status.candidates, "candidate")
    if not view.ended:
        yield from _in_flight(status)


def _in_flight(status: Status) -> Iterator[str]:
    numbers = ((status.candidates_in_flight, "candidate"), (status.rollouts_in_flight, "rollout"))
    under_way = [plural(number, word) for number, word in numbers if number]
    if under_way:
        yield f"{', '.join(under_way)} in flight"


def _of(done: str, limit: str) -> str:
    return f"{done} of {limit}" if limit else done


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _score(best: float | Mapping[str, float] | None) -> str:
    """A score in words, "" for none; before the first one, searches keep minus infinity."""
    if isinstance(best, Mapping):
        return ", ".join(f"{printable(name, one_line=True)} {value:.4g}" for name, value in best.items())
    return f"{best:.4g}" if best is not None and math.isfinite(best) else ""


def _packed(parts: Sequence[str], width: int, dot: str) -> list[str]:
    """As many parts in a line as fit."""
    packed: list[str] = []
    for part in parts:
        if packed and len(packed[-1]) + len(dot) + len(part) <= width:
            packed[-1] += dot + part
        else:
            packed.append(part)
    return packed
