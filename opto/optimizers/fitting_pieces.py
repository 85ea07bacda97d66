"""The pieces that a problem is put together from, and the room that they are put into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from opto.optimizers.cutting import UNLIMITED, cut, cut_value, exceeds
from opto.optimizers.distances import distances
from opto.optimizers.folding import Item, fold, regular_order
from opto.optimizers.markers import not_at_line_starts
from opto.optimizers.problem import Call, LabelledFeedback, is_code

if TYPE_CHECKING:
    from opto.llm.tokens import TokenCounter
    from opto.optimizers.fitting import Source
    from opto.optimizers.problem import Facts

__all__ = ["FACTS", "Pieces", "Room"]

K = TypeVar("K")
_MISSES = 16

FACTS = {"variables": "variables", "inputs": "inputs", "others": "others", "outputs": "output"}
"""The sections that show values, and where the facts keep them."""


class Room:
    """Tokens that are left. What does not fit is refused, and changes nothing."""

    def __init__(self, tokens: int, count: TokenCounter) -> None:
        self.left, self.count = tokens, count

    def part(self, tokens: int) -> Room:
        """A room of so many of these tokens at most; what is used of it is not yet taken from here."""
        return Room(min(tokens, self.left), self.count)

    def take(self, text: str, separator: str = "\n") -> bool:
        """Take the tokens of a text and of what follows it, if they are there."""
        size = self.count(text + separator)
        if size > self.left:
            return False
        self.left -= size
        return True

    def take_all(self, texts: Iterable[str], separator: str = "\n") -> list[str] | None:
        """All texts, or None where they do not fit; stops at the first that does not."""
        before, taken = self.left, []
        for text in texts:
            if not self.take(text, separator):
                self.left = before
                return None
            taken.append(text)
        return taken

    def take_some(self, texts: Iterable[tuple[K, str]], separator: str = "\n") -> dict[K, str]:
        """The texts that fit, in the order given; gives up after some that did not."""
        taken: dict[K, str] = {}
        missed = 0
        for key, text in texts:
            if self.take(text, separator):
                taken[key] = text
            else:
                missed += 1
                if missed == _MISSES:
                    break
        return taken


class Pieces:
    """Texts of the parts of a problem, each within a number of characters.

    Args:
        source: what the problem is written from.
        most: the most characters that any text can have.
    """

    def __init__(self, source: Source, most: int) -> None:
        self.summary, self.form, self.most = source.summary, source.form, most
        self.names = [name for name in self.form.headings if name not in ("instruction",)]
        self.shown = [name for name in self.names if name not in source.hidden]

    def facts(self, section: str) -> Facts:
        """The facts of a section, {} if it is hidden."""
        found: Facts = getattr(self.summary, FACTS[section]) if section in self.shown else {}
        return found

    def value(self, section: str, name: str, limit: int) -> str:
        """One value."""
        [text] = self.form.written({name: self.facts(section)[name]}, section, limit)
        return text

    def values(self, section: str, limit: int) -> Iterator[str]:
        """All values of a section."""
        return self.form.written(self.facts(section), section, limit)

    def constraints(self, limit: int) -> Iterator[str]:
        """What is said of the variables, where that has a section of its own."""
        if "constraints" not in self.shown:
            return iter(())
        return (
            f"({'code' if is_code(name) else type(value).__name__}) {name}: {self.form.inert(cut(said, limit))}"
            for name, (value, said) in self.summary.variables.items()
            if said
        )

    def documentation(self, limit: int, functions: Iterable[str] | None = None) -> Iterator[tuple[str, str]]:
        """The name and the documentation of each function."""
        known = self.summary.documentation if "documentation" in self.shown else {}
        for name in known if functions is None else functions:
            if name in known:
                text = self.form.inert(cut(known[name], limit))
                if "\n" in text and "[" in text:
                    text = not_at_line_starts(text, [f"[{each}]" for each in known])
                yield name, f"[{name}] {text}".rstrip()

    def feedback(self, limit: int) -> Iterator[str]:
        """The feedback, one by one where outputs got different ones."""
        said = self.summary.user_feedback
        if "feedback" not in self.shown or said is None:
            return
        if isinstance(said, LabelledFeedback):
            for name, each in said:
                text = self.form.inert(cut_value(each, limit))
                yield f"{name}: {not_at_line_starts(text, [f'{output}:' for output, _ in said])}"
        else:
            yield self.form.inert(cut_value(said, limit))

    # ---- code

    @property
    def lines(self) -> list[str]:
        """The texts of the calls in their order."""
        return [call for _, call in self.summary.graph] if "code" in self.shown else []

    @cached_property
    def calls(self) -> list[Call]:
        """The calls in their order."""
        return [Call.read(line) for line in self.lines]

    @cached_property
    def items(self) -> list[Item]:
        """The calls with repetitions folded."""
        levels = {call.result: level for call, (level, _) in zip(self.calls, self.summary.graph, strict=False)}
        readable = all(call.result for call in self.calls) and len(levels) == len(self.calls)
        folded = fold(regular_order(self.calls, levels) if readable else self.calls)
        return folded if len(folded) < len(self.calls) else fold(self.calls)

    @cached_property
    def near(self) -> dict[str, int]:
        """The distance of each name."""
        calls = [Call.read(call) for _, call in self.summary.graph]
        return distances(self.summary, calls, self.items)

    # ---- all of it

    def whole(self) -> dict[str, str] | None:
        """The text of each section, nothing cut; None when that has more characters than there may be."""
        if self.most < UNLIMITED and self._is_too_long():
            return None
        separator = self.form.separator
        wanted: dict[str, tuple[str, Iterable[str]]] = {
            "code": ("\n", self.lines),
            "documentation": ("\n", (text for _, text in self.documentation(UNLIMITED))),
            "constraints": ("\n", self.constraints(UNLIMITED)),
            "feedback": ("\n", self.feedback(UNLIMITED)),
            **{section: (separator, self.values(section, UNLIMITED)) for section in FACTS},
        }
        texts, left = {}, self.most
        for name in self.names:
            between, pieces = wanted[name]
            taken = list(pieces) if self.most == UNLIMITED else _within(pieces, left)
            if taken is None:
                return None
            texts[name] = between.join(taken)
            left -= len(texts[name])
        return texts

    def _is_too_long(self) -> bool:
        """Whether there is too much of it, as far as can be seen by the calls and by what values are made of."""
        least = sum(map(len, self.lines))
        for section in FACTS:
            facts = self.facts(section)
            least += len(facts) + sum(map(len, facts))
            if least > self.most or any(exceeds(value, self.most) for value, _ in facts.values()):
                return True
        said = self.summary.user_feedback if "feedback" in self.shown else None
        return exceeds(list(said) if isinstance(said, LabelledFeedback) else said, self.most)


def _within(texts: Iterable[str], most: int) -> list[str] | None:
    """The texts, None where they have more characters."""
    taken = []
    for text in texts:
        most -= len(text)
        if most < 0:
            return None
        taken.append(text)
    return taken
