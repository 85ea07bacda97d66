"""Words of texts, and the index of phrases."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from opto.trainer.leaks.phrases import PhraseIndex, read_words, words_of


@given(
    st.text(alphabet=st.one_of(st.characters(), st.sampled_from("aA1,\\nux0\u0301\u00ad ([")), max_size=60),
    st.booleans(),
)
def test_both_ways_of_reading_agree(text, symbols):
    """The quick reading gives the same words as the one with places, and places lie in the text in order."""
    read = read_words(text, symbols=symbols)
    assert tuple(read.words) == words_of(text, symbols=symbols)
    assert read.starts == sorted(read.starts)
    assert all(0 <= start < end <= len(text) for start, end in zip(read.starts, read.ends, strict=True))


def test_words():
    """Marks part words, thousands do not, and symbols are words if they are asked for."""
    assert words_of("It's 1,234.5 o_k!") == ("it", "s", "1234", "5", "o", "k")
    assert words_of('if x == "(A)":', symbols=True) == ("if", "x", "=", "=", "(", "a", ")", ":")


@given(
    st.lists(st.lists(st.sampled_from("abc"), max_size=6), min_size=1, max_size=6),
    st.lists(st.sampled_from("abcx"), max_size=15),
)
def test_whole_phrases_are_found_where_they_are(phrases, text):
    """The index finds the places that a plain search finds, of all phrases that two owners at most have."""
    index = PhraseIndex(phrases, range(len(phrases)))
    found = {(each.phrase, each.start) for each in index.find(text) if each.whole}
    expected = {
        (number, at)
        for number, phrase in enumerate(phrases)
        for at in range(len(text) - len(phrase) + 1)
        if phrase and phrases.count(phrase) <= 2 and text[at : at + len(phrase)] == phrase
    }
    assert found == expected
    for phrase in phrases:
        holders = sum(any(other[at : at + len(phrase)] == phrase for at in range(len(other))) for other in phrases)
        assert not phrase or index.owners_with(phrase) == holders


def test_pieces():
    """A cut or edited copy is found in runs, and says how much of the phrase the text has."""
    phrase = [f"w{number}" for number in range(20)]
    index = PhraseIndex([phrase, ["else"] * 3], [0, 1])
    (piece,) = index.find(["a", *phrase[5:15], "b"])
    assert (piece.start, piece.end, piece.whole, piece.particular) == (1, 11, False, 17)
    assert piece.share == 7 / 17
    edited = [*phrase[:8], "x", *phrase[9:]]
    assert [(each.start, each.end) for each in index.find(edited)] == [(0, 8), (9, 20)]
    assert index.telling == 8


def test_phrases_after_one_pattern():
    """Where two phrases often share long runs, it takes more words to tell whose a run is."""
    common = [[f"{block}{word}" for word in "abcdefghij"] for block in range(8)]
    pairs = [common[first] + common[first + 1] for first in range(7)]
    assert PhraseIndex(pairs, range(7)).telling == 12
    assert PhraseIndex([common[0] * 6, common[0] * 6], [0, 1]).telling == math.inf
