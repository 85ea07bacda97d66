"""Who gets the room of a prompt: what must be shown first, then code, documentation and values by their distance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice, zip_longest

from opto.optimizers.cutting import cut, left_out
from opto.optimizers.distances import by_distance
from opto.optimizers.fitting_pieces import FACTS, Pieces, Room
from opto.optimizers.folding import Item, Loop, item_lines, results

__all__ = ["Plan"]

_LEAST = 24
"""A value is never cut to fewer characters than this."""

_READABLE = 200
"""Values are cut to this many characters before whole ones are left out."""

_LONGEST_LINE = 1_000
_FOLDED = (
    "# Repeated calls are written as loops: with k = 0, 1, 2..., the name step{k+1} stands for step1, step2, step3..."
)
_CALLS, _FUNCTIONS, _VALUES = "calls", "functions", "values"
_KINDS = {"code": _CALLS, "documentation": _FUNCTIONS, "feedback": "feedbacks"}


class Plan:
    """One way to spend a room on the pieces of a problem.

    Args:
        pieces: the texts.
        room: the tokens there are for the sections; their headings are paid for already.
    """

    def __init__(self, pieces: Pieces, room: Room) -> None:
        self.pieces, self.room = pieces, room
        self.separator = pieces.form.separator
        self.sections: dict[str, str] = {}
        self.sizes = {name: sum(1 for _ in self._all(name, _LEAST)) for name in ("documentation", "feedback")}
        self.sizes |= {section: len(pieces.facts(section)) for section in FACTS}
        self.sizes["code"] = len(pieces.calls)

    def texts(self) -> dict[str, str] | None:
        """The text of each section; None if not even the least fits."""
        for section in ("code", "documentation", "inputs", "others", "outputs", "feedback"):
            note = self._note(section, self.sizes[section])
            if note and not self.room.take(note, self.separator):
                return None
        if not (self._spend_on_all() or self._spend_on_some() or self._spend_on_least()):
            return None
        self._spend_on_the_run()
        return self._finished()

    def least(self) -> dict[str, str]:
        """The least that must be shown."""
        self._spend_on_least(any_room=True)
        for section in ("code", "documentation", "inputs", "others"):
            self.sections[section] = self._note(section, self.sizes[section])
        return self._finished()

    # ---- what must be shown: variables, outputs, feedback

    def _spend_on_all(self) -> bool:
        """All of it, with the longest outputs and feedbacks that fit."""
        for limit in self._limits(down_to=_READABLE):
            left = self.room.left
            if self._variables(self.pieces.most):
                outputs = self.room.take_all(self._all("outputs", limit), self.separator)
                feedback = None if outputs is None else self.room.take_all(self._all("feedback", limit))
                if outputs is not None and feedback is not None:
                    self.sections["outputs"] = self.separator.join(outputs)
                    self.sections["feedback"] = "\n".join(feedback)
                    return True
            self.room.left = left
        return False

    def _spend_on_some(self) -> bool:
        """The variables in full, and as many outputs and feedbacks as fit in half of what is left."""
        left = self.room.left
        if self._variables(self.pieces.most):
            part = self.room.part(self.room.left // 2)
            outputs = ((("outputs", n), text) for n, text in enumerate(self._all("outputs", _READABLE)))
            feedback = ((("feedback", n), text) for n, text in enumerate(self._all("feedback", _READABLE)))
            pairs = (each for pair in zip_longest(feedback, outputs) for each in pair if each is not None)
            before = part.left
            taken = part.take_some(pairs, self.separator)
            if all((section, 0) in taken for section in ("outputs", "feedback") if self.sizes[section]):
                self.room.left -= before - part.left
                for section in ("outputs", "feedback"):
                    self._note_missing(section, [text for (where, _), text in taken.items() if where == section])
                return True
        self.room.left = left
        return False

    def _spend_on_least(self, *, any_room: bool = False) -> bool:
        """The longest variables that fit, with the first output and the first feedback cut short."""
        limits = [_LEAST] if any_room else self._limits(down_to=_LEAST)
        for limit in limits:
            left = self.room.left
            outputs = self.room.take_all(islice(self._all("outputs", _LEAST), 1), self.separator)
            feedback = None if outputs is None else self.room.take_all(islice(self._all("feedback", _LEAST), 1))
            if outputs is not None and feedback is not None and self._variables(limit):
                self._note_missing("outputs", outputs)
                self._note_missing("feedback", feedback)
                return True
            self.room.left = left
        return False

    def _variables(self, limit: int) -> bool:
        variables = self.room.take_all(self._all("variables", limit), self.separator)
        said = None if variables is None else self.room.take_all(self.pieces.constraints(limit))
        if variables is None or said is None:
            return False
        self.sections["variables"], self.sections["constraints"] = self.separator.join(variables), "\n".join(said)
        return True

    # ---- the run: code, documentation, values

    def _spend_on_the_run(self) -> None:
        total = self.room.left
        values = self._cost(chain(self._all("inputs", self.pieces.most), self._all("others", self.pieces.most)))
        words = self._cost(self._all("documentation", self.pieces.most))
        for_values, for_words = min(values, total * 2 // 5), min(words, total // 5)
        code = self.room.part(total - for_values - for_words)
        shown = self._code(code)
        self._documentation(self.room.part(self.room.left - for_values), shown)
        self._values()

    def _cost(self, texts: Iterable[str]) -> int:
        """The tokens of texts, at most those that are left."""
        trial = self.room.part(self.room.left)
        return self.room.left if trial.take_all(texts, self.separator) is None else self.room.left - trial.left

    def _code(self, part: Room) -> list[Item]:
        """Write the code, plain if it fits, else folded, else the nearest calls; returns what of it is shown."""
        before = part.left
        pieces = self.pieces
        plain = part.take_all(pieces.calls)
        if plain is not None:
            self._spent("code", before - part.left, "\n".join(plain))
            return pieces.items
        items = pieces.items
        lines = [cut(item_lines(item), _LONGEST_LINE * _height(item)) for item in items]
        head = [_FOLDED] if any(isinstance(item, Loop) for item in items) else []
        for room in (part, self.room.part(self.room.left * 9 // 10)):  # all calls are worth more than values
            before = room.left
            if room.take_all([*head, *lines]) is not None:
                self._spent("code", before - room.left, "\n".join([*head, *lines]))
                return items
        order = by_distance(range(len(items)), {n: self._distance(item) for n, item in enumerate(items)})
        gap = left_out(len(pieces.calls), _CALLS)
        before = part.left
        part.take("".join(head))
        shown = sorted(part.take_some((n, f"{lines[n]}\n{gap}") for n in order))
        head = head if any(isinstance(items[n], Loop) for n in shown) else []
        text = "\n".join([*head, *self._with_gaps(items, lines, shown)])
        self._spent("code", min(before - part.left, part.count(f"{text}\n")) if shown else 0, text)
        return [items[n] for n in shown]

    def _distance(self, item: Item) -> int:
        return min((self.pieces.near.get(name, 1 << 30) for name, _ in results(item)), default=1 << 30)

    def _with_gaps(self, items: list[Item], lines: list[str], shown: list[int]) -> Iterator[str]:
        """The lines of the items that are shown, with a note wherever some are missing."""
        done = 0
        for n in [*shown, len(items)]:
            missing = sum(len(results(item)) for item in items[done:n])
            if missing:
                yield left_out(missing, _CALLS)
            if n < len(items):
                yield lines[n]
            done = n + 1

    def _documentation(self, part: Room, shown: list[Item]) -> None:
        """What the functions do that are shown, cut alike; functions of far calls are left out first."""
        functions = list(dict.fromkeys(function for item in shown for function in _functions(item)))
        before = part.left
        for limit in self._limits(down_to=_LEAST):
            texts = part.take_all(text for _, text in self.pieces.documentation(limit, functions))
            if texts is not None:
                break
        else:
            texts = list(part.take_some(self.pieces.documentation(_LEAST, functions)).values())
        self._spent("documentation", before - part.left, "")
        self._note_missing("documentation", texts)

    def _values(self) -> None:
        """The inputs and intermediate results: all, cut alike; or the nearest ones."""
        for limit in self._limits(down_to=_READABLE):
            left = self.room.left
            inputs = self.room.take_all(self._all("inputs", limit), self.separator)
            others = None if inputs is None else self.room.take_all(self._all("others", limit), self.separator)
            if inputs is not None and others is not None:
                self.sections["inputs"], self.sections["others"] = map(self.separator.join, (inputs, others))
                return
            self.room.left = left
        sections = {name: section for section in ("inputs", "others") for name in self.pieces.facts(section)}
        nearest = by_distance(sections, self.pieces.near)
        taken = self.room.take_some(
            ((name, self.pieces.value(sections[name], name, _READABLE)) for name in nearest), self.separator
        )
        for section in ("inputs", "others"):
            order = sorted((name for name in taken if sections[name] == section), key=self._place(section).__getitem__)
            self._note_missing(section, [taken[name] for name in order])

    def _place(self, section: str) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.pieces.facts(section))}

    # ---- words

    def _all(self, section: str, limit: int) -> Iterator[str]:
        if section == "feedback":
            return self.pieces.feedback(limit)
        if section == "documentation":
            return (text for _, text in self.pieces.documentation(limit))
        return self.pieces.values(section, limit)

    def _limits(self, *, down_to: int) -> Iterator[int]:
        limit = self.pieces.most
        while limit > down_to:
            yield limit
            limit //= 2
        yield down_to

    def _note(self, section: str, missing: int) -> str:
        return left_out(missing, _KINDS.get(section, _VALUES)) if missing else ""

    def _note_missing(self, section: str, shown: list[str]) -> None:
        separator = self.separator if section in FACTS else "\n"
        note = self._note(section, self.sizes[section] - len(shown))
        self.sections[section] = separator.join([*shown, note] if note else shown)

    def _spent(self, section: str, tokens: int, text: str) -> None:
        self.room.left -= tokens
        self.sections[section] = text

    def _finished(self) -> dict[str, str]:
        return {name: self.sections.get(name, "") for name in self.pieces.names}


def _height(item: Item) -> int:
    """How many lines an item has."""
    return 1 + sum(_height(each) for each in item.body) if isinstance(item, Loop) else 1


def _functions(item: Item) -> Iterator[str]:
    if isinstance(item, Loop):
        for each in item.body:
            yield from _functions(each)
    else:
        yield item.call.function
