"""Texts as vectors without a model: hashed n-grams of words and letters."""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["hashed_ngrams"]

_WORD = re.compile(r"\w+")


def hashed_ngrams(texts: Sequence[str], *, dimensions: int = 512) -> NDArray[np.float64]:
    """One vector of length 1 for each text; the same on every machine and in every run.

    Counted are words, pairs of words and runs of four letters, each hashed to a place and a sign ("feature hashing",
    arXiv 0902.2206), with counts dampened by a square root.

    Args:
        texts: the texts.
        dimensions: how long the vectors are.

    Returns:
        An array of shape (texts, dimensions).
    """
    import numpy as np

    vectors = np.zeros((len(texts), dimensions))
    for row, text in zip(vectors, texts, strict=True):
        counts: dict[str, int] = {}
        for gram in _grams(text.lower()):
            counts[gram] = counts.get(gram, 0) + 1
        for gram, count in counts.items():
            code = zlib.crc32(gram.encode())
            row[(code >> 1) % dimensions] += (1 if code & 1 else -1) * count**0.5
        length: Any = np.linalg.norm(row)
        if length > 0:
            row /= length
    return vectors


def _grams(text: str) -> list[str]:
    words = _WORD.findall(text)
    letters = f" {' '.join(words)} "
    pairs = [f"{left} {right}" for left, right in itertools.pairwise(words)]
    return [*(f"w:{word}" for word in words), *(f"p:{pair}" for pair in pairs)] + [
        f"l:{letters[start : start + 4]}" for start in range(len(letters) - 3)
    ]
