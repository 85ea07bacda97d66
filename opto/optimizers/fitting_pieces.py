"""The pieces that a problem is put together from, and the room that they are put into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from opto.optimizers.cutting import cut, cut_value
from opto.optimizers.distances import distances
from opto.optimizers.folding import Item, fold, regular_order
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
        """One value; code keeps its text."""
        value, said = self.facts(section)[name]
        code = is_code(name)
        text = cut(str(value), limit) if code else self.form.shortened(section, value, limit)
        kind = "code" if code else type(value).__name__
        return self.form.value(section, name, kind, text, said and cut(said, limit))

    def values(self, section: str, limit: int) -> Iterator[str]:
        """All values of a section."""
        return (self.value(section, name, limit) for name in self.facts(section))

    def constraints(self, limit: int) -> Iterator[str]:
        """What is said of the variables, where that has a section of its own."""
        if "constraints" not in self.shown:
            return iter(())
        return (
            f"({'code' if is_code(name) else type(value).__name__}) {name}: {cut(said, limit)}"
            for name, (value, said) in self.summary.variables.items()
            if said
        )

    def documentation(self, limit: int, functions: Iterable[str] | None = None) -> Iterator[tuple[str, str]]:
        """The name and the documentation of each function."""
        known = self.summary.documentation if "documentation" in self.shown else {}
        for name in known if functions is None else functions:
            if name in known:
                yield name, f"[{name}] {cut(known[name], limit)}".rstrip()

    def feedback(self, limit: int) -> Iterator[str]:
        """The feedback, one by one where outputs got different ones."""
        said = self.summary.user_feedback
        if "feedback" not in self.shown or said is None:
            return
        if isinstance(said, LabelledFeedback):
            for name, each in said:
                yield f"{name}: {cut_value(each, limit)}"
        else:
            yield cut_value(said, limit)

    # ---- code

    @cached_property
    def calls(self) -> list[Call]:
        """The calls in their order."""
        return [Call.read(call) for _, call in self.summary.graph] if "code" in self.shown else []

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
        separator = self.form.separator
        wanted: dict[str, tuple[str, Iterator[str]]] = {
            "code": ("\n", (str(call) for call in self.calls)),
            "documentation": ("\n", (text for _, text in self.documentation(self.most))),
            "constraints": ("\n", self.constraints(self.most)),
            "feedback": ("\n", self.feedback(self.most)),
            **{section: (separator, self.values(section, self.most)) for section in FACTS},
        }
        texts, total = {}, 0
        for name in self.names:
            between, pieces = wanted[name]
            taken = []
            for piece in pieces:
                total += len(piece)
                if total > self.most:
                    return None
                taken.append(piece)
            texts[name] = between.join(taken)
        return texts
