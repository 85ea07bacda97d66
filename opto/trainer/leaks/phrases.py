"""An index of phrases, by which a text is searched for all of them at once.

Texts are compared by their words: capitals, white space, punctuation, accents and compatible forms of characters make
no difference. A second way of reading keeps the symbols, for phrases that are made of them.

Phrases are found by hashes of runs of words: those of whole phrases, and those of four words that occur in few
phrases, in which a copy shows that was cut or edited. The hashes of the text are looked up in sorted arrays, so that a
search takes time by the length of the text and hardly by the number of phrases.
"""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Found", "PhraseIndex", "Words", "read_words", "words_of"]

# Writing without spaces between words is read sign by sign.
_SIGNS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_SIGNS}]|[^\W_{_SIGNS}]+")
_WORD_OR_SYMBOL = re.compile(rf"[{_SIGNS}]|[^\W_{_SIGNS}]+|[^\w\s\"'`]")
# In a dict or in code, a line break is written as two characters, and so is a letter as a number.
_WRITTEN = re.compile(r"(?<=\d),(?=\d{3}(?!\d))|\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|\\[nrt\\'\"]")
_GRAM = 4
_WHOLE = 400
_TELLING = (8, 12, 16, 24, 32, 48)
_CHANCE = 0.02
_BASE = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Words:
    """The words of a text, and where each begins and ends in it."""

    words: list[str]
    starts: list[int]
    ends: list[int]

    def first_from(self, position: int) -> int:
        """The number of the first word that begins at this character or after it."""
        return bisect_left(self.starts, position)


def read_words(text: str, *, symbols: bool = False) -> Words:
    """The words of a text, in the form in which they are compared; with `symbols` these count as words."""
    plain, places = _plain(text)
    pattern = _WORD_OR_SYMBOL if symbols else _WORD
    words, starts, ends = [], [], []
    for match in pattern.finditer(plain):
        words.append(match.group())
        start, end = match.span()
        starts.append(start if places is None else places[start])
        ends.append(end if places is None else places[end - 1] + 1)
    return Words(words, starts, ends)


def words_of(text: str, *, symbols: bool = False) -> tuple[str, ...]:
    """The words of `read_words` alone, which is quicker."""
    pattern = _WORD_OR_SYMBOL if symbols else _WORD
    meant = _WRITTEN.sub(_meant, text) if "," in text or "\\" in text else text
    return tuple(pattern.findall(meant.lower() if meant.isascii() else _bare(meant)))


def _plain(text: str) -> tuple[str, list[int] | None]:
    """A text in small letters without accents and invisible signs, and where its characters came from."""
    written = list(_WRITTEN.finditer(text)) if "," in text or "\\" in text else []
    if text.isascii() and not written:
        return text.lower(), None
    parts: list[str] = []
    places: list[int] = []
    at = 0
    for match in [*written, None]:
        end = len(text) if match is None else match.start()
        pieces = [(place, text[place]) for place in range(at, end)]
        if match is not None:
            pieces.append((match.start(), _meant(match)))
            at = match.end()
        for place, signs in pieces:
            plain = signs.lower() if signs.isascii() else _bare(signs)
            parts.append(plain)
            places.extend([place] * len(plain))
    return "".join(parts), places


def _meant(match: re.Match[str]) -> str:
    """What is meant by an escape in a literal, or by the comma in 1,000."""
    code = match.group(1) or match.group(2)
    return chr(int(code, 16)) if code else "" if match.group() == "," else " "


def _bare(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join([each for each in decomposed if each.isascii() or unicodedata.category(each) not in ("Mn", "Cf")])


@dataclass(frozen=True)
class Found:
    """A phrase in a text.

    Attributes:
        phrase: its number.
        start: the first word of the text that belongs to it.
        end: the word after the last.
        whole: whether it is all there, word for word.
        share: how much of what is particular to it is there, from 0 to 1, counting other places of the text, too.
        particular: how many runs of words it has that few others share.
    """

    phrase: int
    start: int
    end: int
    whole: bool
    share: float
    particular: int


class PhraseIndex:
    """Phrases that a text can be searched for.

    Args:
        phrases: each as its words.
        owners: whose each one is. Whole phrases and runs of words that more than `most` owners have are not searched
            for: they say nothing of any.
        most: how many owners that may be.

    Attributes:
        telling: how many words in a row tell whose they are. It is larger where phrases are made after one pattern, so
            that two of them often share more than the pattern; infinite where even long runs tell nothing.
    """

    def __init__(self, phrases: Sequence[Sequence[str]], owners: Sequence[int], *, most: int = 2) -> None:
        import numpy as np

        self._numbers: dict[str, int] = {}
        numbers = self._numbers
        flat = [numbers.setdefault(word, len(numbers) + 1) for words in phrases for word in words]
        self.words: Any = np.array(flat, dtype=np.int64)
        self.lengths = np.array([len(words) for words in phrases], dtype=np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)])[:-1].astype(np.int64)
        self._owners = np.asarray(owners, dtype=np.int64)
        self._most = most
        hashes = _Hashes(self.words)
        self._whole = self._whole_phrases(hashes)
        self._grams, self._gram_phrases, self._gram_places = self._particular_grams(hashes)
        self._particular = np.bincount(self._gram_phrases, minlength=len(self.lengths))
        lengths = (length for length in _TELLING if self._shared_by_two(hashes, length) <= _CHANCE)
        self.telling: float = next(lengths, math.inf)

    def find(self, words: Sequence[str]) -> list[Found]:
        """The phrases of which a text has all, or something particular."""
        import numpy as np

        numbers = np.array([self._numbers.get(word, 0) for word in words], dtype=np.int64)
        hashes = _Hashes(numbers)
        found = [
            Found(phrase, place, place + length, True, 1.0, int(self._particular[phrase]))
            for length, (keys, phrases) in self._whole.items()
            for place, phrase in _matches(hashes.runs(length), keys, phrases)
        ]
        wholes = {each.phrase for each in found}
        return found + [each for each in self._pieces(hashes) if each.phrase not in wholes]

    def owners_with(self, words: Sequence[str]) -> int:
        """How many owners have a phrase in which these words occur in a row."""
        import numpy as np

        numbers = [self._numbers.get(word, 0) for word in words]
        if not all(numbers):
            return 0
        places = np.flatnonzero(self.words[: len(self.words) - len(numbers) + 1] == numbers[0])
        for offset, number in enumerate(numbers[1:], 1):
            places = places[self.words[places + offset] == number]
        phrases = np.searchsorted(self.starts, places, side="right") - 1
        inside = places + len(numbers) <= self.starts[phrases] + self.lengths[phrases]
        return len(set(self._owners[phrases[inside]].tolist()))

    def _whole_phrases(self, hashes: _Hashes) -> dict[int, tuple[Any, Any]]:
        """For each length the sorted hashes of the phrases, and their numbers."""
        import numpy as np

        whole = {}
        for length in sorted(set(self.lengths[(self.lengths > 0) & (self.lengths <= _WHOLE)].tolist())):
            phrases = np.flatnonzero(self.lengths == length)
            keys = hashes.runs(length)[self.starts[phrases]]
            order = self._few(keys, phrases)
            if len(order):
                whole[length] = (keys[order], phrases[order])
        return whole

    def _particular_grams(self, hashes: _Hashes) -> tuple[Any, Any, Any]:
        """The sorted hashes of runs that few have, whose phrases they are of, and where in them they begin."""
        keys, phrases, offsets = self._runs_inside(hashes, _GRAM)
        order = self._few(keys, phrases)
        return keys[order], phrases[order], offsets[order]

    def _runs_inside(self, hashes: _Hashes, length: int) -> tuple[Any, Any, Any]:
        """The hashes of all runs of a length, their phrases, and where in them they begin."""
        import numpy as np

        keys = hashes.runs(length)
        phrases = np.repeat(np.arange(len(self.lengths)), self.lengths)[: len(keys)]
        offsets = np.arange(len(keys)) - self.starts[phrases]
        inside = np.flatnonzero(offsets + length <= self.lengths[phrases])
        return keys[inside], phrases[inside], offsets[inside]

    def _shared_by_two(self, hashes: _Hashes, length: int) -> float:
        """Which part of the runs of a length is shared by two owners; what more of them share is a pattern."""
        import numpy as np

        keys, phrases, _ = self._runs_inside(hashes, length)
        if not len(keys):
            return 0.0
        *_, counts = self._owner_counts(keys, phrases)
        return float(np.sum(counts == 2) / max(np.sum(counts <= 2), 1))

    def _few(self, keys: Any, phrases: Any) -> Any:
        """Where the keys are that few owners have, in the order of the keys, and one for each owner."""
        import numpy as np

        if not len(keys):
            return np.zeros(0, dtype=np.int64)
        order, new_owner, group, counts = self._owner_counts(keys, phrases)
        return order[(counts[group] <= self._most) & new_owner]

    def _owner_counts(self, keys: Any, phrases: Any) -> tuple[Any, Any, Any, Any]:
        """The order of the keys, where another key or owner begins, the number of each key, and its count of owners."""
        import numpy as np

        owners = self._owners[phrases]
        order = np.lexsort((owners, keys))
        new_key = np.diff(keys[order], prepend=~keys[order[:1]]) != 0
        new_owner = new_key | (np.diff(owners[order], prepend=-1) != 0)
        group = np.cumsum(new_key) - 1
        return order, new_owner, group, np.bincount(group, weights=new_owner)

    def _pieces(self, hashes: _Hashes) -> Iterable[Found]:
        """Runs of words that a text has of a phrase."""
        import numpy as np

        pieces: dict[int, dict[int, list[int]]] = {}
        matches = _matches(hashes.runs(_GRAM), self._grams, np.arange(len(self._grams)))
        for place, gram in matches:
            phrase, offset = int(self._gram_phrases[gram]), int(self._gram_places[gram])
            pieces.setdefault(phrase, {}).setdefault(place - offset, []).append(offset)
        for phrase, diagonals in pieces.items():
            particular = int(self._particular[phrase])
            share = len({offset for offsets in diagonals.values() for offset in offsets}) / particular
            for shift, offsets in diagonals.items():
                for first, last in _runs(sorted(offsets)):
                    yield Found(phrase, shift + first, shift + last + _GRAM, False, share, particular)


class _Hashes:
    """Hashes of all runs of the same length among some numbers, from sums of powers modulo 2^64."""

    def __init__(self, numbers: Any) -> None:
        import numpy as np

        mixed = numbers.astype(np.uint64) * np.uint64(_BASE)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(32)
        self._back = _powers(pow(_BASE, -1, 2**64), len(numbers))
        self._sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed * _powers(_BASE, len(numbers)))])

    def runs(self, length: int) -> Any:
        """The hash of the run that begins at each place."""
        count = max(len(self._sums) - length, 0)
        return (self._sums[length:] - self._sums[:count]) * self._back[:count]


def _powers(base: int, count: int) -> Any:
    import numpy as np

    factors = np.full(count, base, dtype=np.uint64)
    if count:
        factors[0] = 1
    return np.cumprod(factors)


def _matches(keys: Any, known: Any, values: Any) -> Iterable[tuple[int, int]]:
    """The place of each key that is known, with each of its values."""
    import numpy as np

    if not len(known):
        return
    first = np.searchsorted(known, keys, side="left")
    for place in np.flatnonzero(known[np.minimum(first, len(known) - 1)] == keys).tolist():
        at = int(first[place])
        while at < len(known) and known[at] == keys[place]:
            yield place, int(values[at])
            at += 1


def _runs(offsets: Sequence[int]) -> Iterable[tuple[int, int]]:
    """The first and the last of offsets that follow each other so closely that their runs of words touch."""
    first = last = offsets[0]
    for offset in offsets[1:]:
        if offset > last + _GRAM:
            yield first, last
            first = offset
        last = offset
    yield first, last
