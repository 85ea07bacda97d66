"""Bundled functions of which the words are left."""

from __future__ import annotations

import json
import pickle
import sys

import pytest

from opto.errors import FileFormatError
from opto.trace import bundle
from opto.trace.remembered import Remembered, found, place_of, words_of


@bundle()
def importable(x, *more, key=1):
    """Can be found by name."""
    return x


@bundle(trainable=True, description="[named] Says something else.")
def trainable(x):
    """Has code."""
    return x


class Holder:
    """Has methods."""

    @bundle()
    def method(self, x):
        """A method."""
        return x

    @staticmethod
    def plain(x):
        """A function."""
        return x


def remembered(function):
    """Its words after a journey through JSON."""
    return Remembered(json.loads(json.dumps(words_of(function))))


@pytest.mark.parametrize("function", [importable, trainable, Holder.method, bundle()(lambda x: x)])
def test_it_says_what_the_function_says(function):
    """Name, description and all that is known of a call."""
    words = remembered(function)
    result = function(1) if function is not Holder.method else Holder().method(1)
    told, wanted = words.info_of(result), function.info_of(result)
    assert (words.name, words.description_of(result)) == (function.name, function.description_of(result))
    assert {**told, "fun": None} == {**wanted, "fun": None}
    assert told["fun"] in (wanted["fun"], None)
    assert (told["fun"] is None) == (function.fun.__name__ == "<lambda>")
    twin = pickle.loads(pickle.dumps(words))
    assert twin.info_of(result) == told
    assert repr(words) == f"<bundle {function.name}, remembered>"


def test_extra_arguments_are_told_apart():
    """As by the bundle itself."""
    result = importable(1, 2, 3, key=4)
    assert remembered(importable).info_of(result)["inputs"] == importable.info_of(result)["inputs"]
    assert len(importable.info_of(result)["inputs"]["args"]) == 2


@pytest.mark.parametrize("value", [len, json.loads, dict, Holder, Holder.plain, importable.fun])
def test_places_of_code(value):
    """What a loaded module has is found under its name; bundles stand for their functions."""
    place = place_of(value)
    assert found(place) in (value, importable)


def test_nothing_is_imported():
    """A module that is not loaded has nothing, and is not loaded."""
    assert found(["this", "s"]) is None
    assert "this" not in sys.modules
    assert [found(place) for place in (None, "json", ["json"], ["json", 5], ["json", "no.such"])] == [None] * 5
    assert place_of(lambda: 1) is None
    assert place_of(5) is None


def test_words_must_be_words():
    """Anything else is damage."""
    for words in ({}, {"name": "x"}, 5):
        with pytest.raises(FileFormatError):
            Remembered(words)
