"""Better texts: what the feedback demands in words, and the smallest change that gives it."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from .request import Task, Variable, is_rejected

__all__ = ["improved_text", "satisfied"]

_QUOTED = r"[\"'\u201c]([^\"'\u201c\u201d\n]+)[\"'\u201d]"
_DEMANDS = [
    ("swap", re.compile(rf"{_QUOTED} (?:instead of|rather than|in place of|, not) {_QUOTED}", re.IGNORECASE)),
    ("swapped", re.compile(rf"\breplace\w* {_QUOTED} (?:with|by) {_QUOTED}", re.IGNORECASE)),
    ("start", re.compile(rf"\b(?:begin|start|open)s?\b[^.\"\u201c\n]* {_QUOTED}", re.IGNORECASE)),
    ("end", re.compile(rf"\b(?:end|close|finish)s?\b[^.\"\u201c\n]* {_QUOTED}", re.IGNORECASE)),
    ("drop", re.compile(rf"\b(?:avoid|without|remove|drop|not (?:mention|contain|use|say))\b[^.\n]*? {_QUOTED}", re.I)),
    (
        "have",
        re.compile(rf"\b(?:mention|include|contain|say|add|use|have|name)s?\b[^.\"\u201c\n]* {_QUOTED}", re.IGNORECASE),
    ),
    ("most", re.compile(r"\b(?:at most|no more than|under|up to|not more than) (\d+) words", re.IGNORECASE)),
    ("least", re.compile(r"\b(?:at least|no fewer than|more than) (\d+) words", re.IGNORECASE)),
]
_ABOUT = re.compile(r"^(?:\w+: )?The (\w+) (?:should|must)\b")
_SHORTER = re.compile(r"\b(shorter|too long|shorten)\b", re.IGNORECASE)
_LONGER = re.compile(r"\b(longer|too short|more detail)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Demand:
    """One thing that a text should be: a kind and what goes with it."""

    kind: str
    first: str
    second: str = ""

    def holds(self, text: str) -> bool:
        """Whether the text gives what is demanded."""
        low, first = text.lower().strip(), self.first.lower()
        return {
            "swap": lambda: first in low and self.second.lower() not in low,
            "start": lambda: low.startswith(first),
            "end": lambda: low.rstrip(" .!?").endswith(first.rstrip(" .!?")),
            "drop": lambda: first not in low,
            "have": lambda: first in low,
            "most": lambda: len(text.split()) <= int(first),
            "least": lambda: len(text.split()) >= int(first),
        }[self.kind]()


def _bare(name: str) -> str:
    """The name without the number that tells it from others of that name."""
    return name.rstrip("0123456789")


def _demands(said: str, others: set[str]) -> list[Demand]:
    found: list[Demand] = []
    for sentence in re.split(r"(?<=[.!?])\s+|\n", said):
        about = _ABOUT.match(sentence)
        if about and about[1] in others:
            continue
        for kind, pattern in _DEMANDS:
            matches = [match.groups() for match in pattern.finditer(sentence)]
            for groups in matches:
                if kind == "swapped":
                    found.append(Demand("swap", groups[1], groups[0]))
                else:
                    found.append(Demand(kind, *groups))
            if matches and kind in ("swap", "swapped", "start", "end", "drop"):
                break
    return [*dict.fromkeys(found)]


def _all_demands(task: Task, variable: Variable) -> list[Demand]:
    """What was ever demanded of a variable, the latest first.

    Of two demands that differ only in their number the latest counts. What begins with the name of another variable is
    not for this one.
    """
    others = {_bare(name) for name in (*task.values, *(each.name for each in task.variables))} - {_bare(variable.name)}
    found: dict[tuple[str, str], Demand] = {}
    for said in reversed(task.all_feedback):
        for demand in _demands(said, others):
            found.setdefault((demand.kind, "" if demand.kind in ("most", "least") else demand.first), demand)
    return [*found.values()]


def satisfied(task: Task, variable: Variable, text: str) -> float:
    """The share of what was demanded of a variable that a text gives."""
    demands = _all_demands(task, variable)
    return sum(demand.holds(text) for demand in demands) / max(1, len(demands))


def improved_text(variable: Variable, task: Task, rng: random.Random) -> str:
    """The text with what the feedback demands; what it demanded before is kept as well, as far as both go together.

    What the request rules out is not said again: another wording is tried, and words are added in the end.
    """
    demands = _all_demands(task, variable)
    text = _with_demands(variable.text, demands, task, rng)
    for _ in range(_WORDINGS):
        if not is_rejected(task, variable, text):
            return text
        rng.shuffle(demands)
        text = _with_demands(variable.text, demands, task, rng)
    while is_rejected(task, variable, text):
        text = f"{text} {rng.choice(_FILLERS)}"
    return text


def _with_demands(text: str, demands: list[Demand], task: Task, rng: random.Random) -> str:
    for demand in demands:
        if not demand.holds(text):
            text = _given(text, demand)
    kept = [each.first for each in demands if each.kind in ("have", "swap", "start", "end")]
    if not any(each.kind == "most" for each in demands) and _SHORTER.search(task.feedback):
        text = _cut(text, max(1, len(text.split()) * 2 // 3), kept, rng)
    if _LONGER.search(task.feedback):
        text = f"{text} {rng.choice(_FILLERS)}"
    for demand in demands:  # what a later change undid
        if demand.kind != "most" and not demand.holds(text):
            text = _given(text, demand)
    for demand in demands:
        if demand.kind == "most":
            text = _cut(text, int(demand.first), kept, rng)
    return text


_WORDINGS = 8
_FILLERS = ("as you would expect", "with all that goes with it", "in every detail", "for everyone who asks")


def _given(text: str, demand: Demand) -> str:
    """The text after the smallest change that gives what is demanded."""
    text = text.strip()
    if demand.kind == "swap":
        changed = re.sub(re.escape(demand.second), demand.first, text, flags=re.IGNORECASE)
        return changed if demand.first.lower() in changed.lower() else f"{changed} {demand.first}"
    if demand.kind == "start":
        return f"{demand.first} {text}"
    if demand.kind == "end":
        return f"{text} {demand.first}"
    if demand.kind == "drop":
        return " ".join(re.sub(re.escape(demand.first), "", text, flags=re.IGNORECASE).split())
    if demand.kind == "have":
        words = text.split()
        return " ".join([*words[:-1], demand.first, *words[-1:]]) if len(words) > 1 else f"{text} {demand.first}"
    if demand.kind == "least":
        while len(text.split()) < int(demand.first):
            text = f"{text} {_FILLERS[len(text) % len(_FILLERS)]}"
    return text


_SMALL = frozenset(
    {
        "a",
        "an",
        "and",
        "as",
        "at",
        "by",
        "for",
        "from",
        "in",
        "into",
        "is",
        "it",
        "now",
        "of",
        "on",
        "one",
        "our",
        "so",
        "soon",
        "the",
        "to",
        "very",
        "we",
        "will",
        "with",
        "you",
    }
)


def _cut(text: str, count: int, kept: list[str], rng: random.Random) -> str:
    """The text in at most `count` words: small words go first, then any that were not asked for; the opening stays."""
    words = text.split()
    wanted = {word.lower() for phrase in kept for word in phrase.split()}
    places = [place for place in range(2, len(words)) if words[place].lower().strip(".,!?") not in wanted]
    rng.shuffle(places)
    places.sort(key=lambda place: words[place].lower() not in _SMALL)
    gone = set(places[: max(0, len(words) - count)])
    return " ".join([word for place, word in enumerate(words) if place not in gone][:count])
