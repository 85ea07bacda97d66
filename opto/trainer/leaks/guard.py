"""A guard against candidates that copy training examples into a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

from opto.trace.brief import shortened
from opto.trainer.leaks.phrases import Found, PhraseIndex, Words, read_words, words_of

__all__ = ["Leak", "LeakGuard"]

_LABEL = 3
_FEW_EXAMPLES = 20
_STRONG_WORDS, _STRONG_SIGNS = 6, 24
_TINY_WORDS, _TINY_SIGNS, _TINY_PAIRS = 4, 12, 3
_LEAST_TELLING = 8
_MOST_OF, _MUCH_OF, _LONG_PART = 0.8, 0.6, 24
# How many words may lie between an input and its answer: behind it, and before it.
_NEAR = {"long": (40, 8), "short": (8, 4), "tiny": (3, 2)}
_EXCERPT = 160
_WORDS = {"answer": "the answer", "pair": "the input with its answer", "input": "the input"}
_RANKS = ("input", "answer", "pair")


@dataclass(frozen=True)
class Leak:
    """Something of an example in the new value of a parameter.

    Attributes:
        parameter: its name.
        place: of the example.
        kind: "answer", "input", or "pair" for an input, or a part that is particular to it, with its answer nearby.
        excerpt: the part of the value.
    """

    parameter: str
    place: Any
    kind: str
    excerpt: str

    def __str__(self) -> str:
        return f"{self.parameter} holds {_WORDS[self.kind]} of example {self.place!r}: {self.excerpt!r}"


class LeakGuard:
    """Finds training examples that were copied into new values of parameters.

        guard = LeakGuard((place, x, info) for place, (x, info) in enumerate(dataset))
        for leak in guard.check({"prompt": new}, {"prompt": old}):
            print(leak)

    Capitals, white space, punctuation, accents and compatible characters make no difference. What counts:

    - an answer that is too long to be there by chance (three words, or two long ones), also with a few words changed;
    - a whole input of six words or more, or most of it;
    - an input, or a part of eight words that few other examples share (four for an answer that is no label), with the
      answer nearby: demonstrations, tables, dicts, `if x == "...": return "..."`. Of inputs as short as `7 * 8`, three
      such pairs count, one does not. Where examples are made after one pattern, the part must be longer, by as much as
      it takes to tell them apart.

    What is no leak: an answer that three examples share (a label: "answer Yes or No"; of 20 examples and fewer, two),
    or that occurs in as many inputs; what many examples share; short answers by themselves; what the parameter held
    before.

    It cannot find what is not copied: paraphrases, summaries, translations, encoded text (base64, one letter
    shifted), code that computes the answers or tells inputs apart by single words, edited copies and short parts of
    inputs made after one pattern, answers without their inputs where they are short (a key such as "1. B, 2. A"). Nor
    does it know whether a long answer is a class that few examples happen to have: name such in `labels`. An example
    of somebody else's that agrees with one of these word for word passes for a copy.

    Args:
        examples: triples of a place, the input and what the guide is given: texts, numbers, and lists and dicts of
            them; anything else is passed over.
        allowed: names of parameters that may hold examples, such as demonstrations.
        labels: answers that are no leak.
    """

    def __init__(
        self,
        examples: Iterable[tuple[Any, Any, Any]],
        *,
        allowed: Iterable[str] = (),
        labels: Iterable[str] = (),
    ) -> None:
        self.allowed = frozenset([allowed] if isinstance(allowed, str) else allowed)
        self._places: list[Any] = []
        pieces: list[_Piece] = []
        for owner, (place, x, info) in enumerate(examples):
            self._places.append(place)
            pieces += [_Piece(owner, False, words_of(text), text) for text in _texts(x)]
            pieces += [_Piece(owner, True, words_of(text), text) for text in _texts(info)]
        self._few = _LABEL - 1 if len(self._places) > _FEW_EXAMPLES else 1
        self._answers = _Answers([each for each in pieces if each.answer], labels, self._few)
        # Words tell inputs apart, but for those that are made of symbols or differ from others in nothing else.
        inputs = [each for each in pieces if not each.answer]
        crowded = _shared(((each.words, each.owner) for each in inputs), self._few)
        signed = [each for each in inputs if not each.words or each.words in crowded]
        self._searches = [
            _Search([each for each in inputs if each.words and each.words not in crowded], self._few),
            _Search([each for each in pieces if each.answer and each.words], self._few),
            _Search(
                [replace(each, words=words_of(each.text, symbols=True)) for each in signed], self._few, symbols=True
            ),
        ]

    def check(self, values: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> list[Leak]:
        """What values have copied: at most one leak for each parameter and example.

        Args:
            values: name of a parameter -> its new value: a text, or lists and dicts of texts.
            before: name -> its old value; what this held of an example is no leak.
        """
        found = []
        for name, value in values.items():
            text, old = ("\n".join(_texts(each)) for each in (value, (before or {}).get(name)))
            if name in self.allowed or text == old:
                continue
            copied = self._copied(text)
            known = self._copied(old) if copied and old else {}
            for owner, copy in sorted(copied.items()):
                if owner not in known or _RANKS.index(known[owner].kind) < _RANKS.index(copy.kind):
                    excerpt = shortened(" ".join(text[copy.start : copy.end].split()), _EXCERPT)
                    found.append(Leak(name, self._places[owner], copy.kind, excerpt))
        return found

    def _copied(self, text: str) -> dict[int, _Copy]:
        """What a text has of each example; of several copies the one that says most."""
        best: dict[int, _Copy] = {}
        tiny: dict[int, _Copy] = {}
        plain = read_words(text)
        signed = read_words(text, symbols=True)
        for search in self._searches:
            read = signed if search.symbols else plain
            telling = search.index.telling
            for found in search.index.find(read.words):
                piece = search.pieces[found.phrase]
                span = read.starts[found.start], read.ends[found.end - 1]
                if piece.answer:
                    _keep(best, self._answer(piece, found, span, telling))
                    continue
                evidence = _evidence(piece, found, telling)
                if not evidence:
                    continue
                if evidence == "long" and (found.whole or _most(found, telling)):
                    _keep(best, _Copy(piece.owner, "input", *span))
                pair = self._answers.beside(piece.owner, span, evidence, whole=found.whole, read=(plain, signed))
                if pair:
                    _keep(tiny if evidence == "tiny" else best, _Copy(piece.owner, "pair", *pair))
        if len(tiny) >= _TINY_PAIRS:
            for copy in tiny.values():
                _keep(best, copy)
        return best

    def _answer(self, piece: _Piece, found: Found, span: tuple[int, int], telling: float) -> _Copy | None:
        """An answer that stands by itself, if it is no coincidence."""
        count, signs = len(piece.words), sum(map(len, piece.words))
        enough = (count >= 3 and signs >= 12) or (count >= 2 and signs >= 16) or signs >= 24
        if not (found.whole and enough) and not _most(found, telling):
            return None
        if self._answers.is_label(piece.words):
            return None
        if found.whole and any(search.index.owners_with(piece.words) > self._few for search in self._searches[:2]):
            return None
        return _Copy(piece.owner, "answer", *span)


@dataclass(frozen=True)
class _Piece:
    """A text of an example: one of its answers, or of its input."""

    owner: int
    answer: bool
    words: tuple[str, ...]
    text: str


class _Search:
    """Pieces and their index; with `symbols` their words are read with these."""

    def __init__(self, pieces: Sequence[_Piece], few: int, *, symbols: bool = False) -> None:
        self.pieces = pieces
        self.symbols = symbols
        self.index = PhraseIndex([each.words for each in pieces], [each.owner for each in pieces], most=few)


@dataclass(frozen=True)
class _Copy:
    """Which characters of a value were copied from which example."""

    owner: int
    kind: str
    start: int
    end: int


class _Answers:
    """The answers of each example, to be looked for beside its input."""

    def __init__(self, answers: Sequence[_Piece], labels: Iterable[str], few: int) -> None:
        self._labels = _shared(((each.words, each.owner) for each in answers), few) | set(map(words_of, labels))
        self._of: dict[int, set[tuple[bool, tuple[str, ...]]]] = {}
        for each in answers:
            words = each.words or words_of(each.text, symbols=True)
            if words:
                self._of.setdefault(each.owner, set()).add((not each.words, words))

    def is_label(self, words: tuple[str, ...]) -> bool:
        """Whether an answer is one that many examples have."""
        return words in self._labels

    def beside(
        self, owner: int, span: tuple[int, int], evidence: str, *, whole: bool, read: tuple[Words, Words]
    ) -> tuple[int, int] | None:
        """The characters from the input (at `span`) to an answer of the same example near it."""
        behind, ahead = _NEAR[evidence]
        for symbols, answer in self._of.get(owner, ()):
            # A short part of an input with a word like "yes" behind it is found in many an instruction.
            if evidence == "short" and not whole and (symbols or answer in self._labels):
                continue
            words, size = read[symbols], len(answer)
            after = words.first_from(span[1])
            for start in range(after, after + behind + 1):
                if tuple(words.words[start : start + size]) == answer:
                    return span[0], words.ends[start + size - 1]
            last = words.first_from(span[0]) - size
            for start in range(last, max(last - ahead, 0) - 1, -1):
                if tuple(words.words[start : start + size]) == answer:
                    return words.starts[start], span[1]
        return None


def _evidence(piece: _Piece, found: Found, telling: float) -> str:
    """How much of an input was found.

    "long" is telling by itself, "short" with its answer, "tiny" in numbers; "" is nothing.
    """
    count = found.end - found.start
    signs = sum(map(len, piece.words))
    if found.whole:
        if count >= _STRONG_WORDS and (signs >= _STRONG_SIGNS or count >= _LEAST_TELLING):
            return "long"
        return "short" if count >= _TINY_WORDS or signs >= _TINY_SIGNS else "tiny"
    if count >= telling or _most(found, telling, _MUCH_OF):
        return "long"
    return "short" if telling <= _LEAST_TELLING else ""


def _most(found: Found, telling: float, share: float = _MOST_OF) -> bool:
    """Whether most of what is particular to a phrase was found, or a long part."""
    most = found.share >= share and found.particular > telling / 2
    return most or found.end - found.start >= max(_LONG_PART, 2 * telling)


def _keep(copies: dict[int, _Copy], copy: _Copy | None) -> None:
    if copy is None:
        return
    known = copies.get(copy.owner)
    if known is None or _RANKS.index(known.kind) < _RANKS.index(copy.kind):
        copies[copy.owner] = copy


def _shared(phrases: Iterable[tuple[tuple[str, ...], int]], few: int) -> set[tuple[str, ...]]:
    """The phrases that more than a few owners have."""
    owners: dict[tuple[str, ...], set[int]] = {}
    for words, owner in phrases:
        owners.setdefault(words, set()).add(owner)
    return {words for words, those in owners.items() if len(those) > few}


def _texts(value: Any) -> Iterator[str]:
    """The texts in plain data, numbers as they are written."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, float) and value.is_integer():
        yield str(int(value))
    elif isinstance(value, Real):
        yield str(value)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _texts(key)
            yield from _texts(each)
    elif isinstance(value, (Sequence, Set)) and not isinstance(value, (bytes, bytearray)):
        for each in value:
            yield from _texts(each)
