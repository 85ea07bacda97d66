"""The JSON form writes and reads the same keys."""

import json

import pytest

from opto.optimizers.forms import JSON_KEYS, JSONForm, checked_names, replace_headings
from opto.optimizers.rendering import HEADINGS

FORM = JSONForm(HEADINGS, JSON_KEYS)


def test_its_own_answer_is_read_back():
    """What the example shows can be read."""
    answer = FORM.answer("why", {"int0": 5})
    assert FORM.suggestion(answer) == {"int0": 5}
    assert FORM.is_complete(answer)
    assert not FORM.suggests_nothing(answer)


@pytest.mark.parametrize(
    ("answer", "nothing"),
    [
        ({"suggestion": {}}, True),
        ({"suggestion": None, "reasoning": "r"}, True),
        ({"reasoning": "r", "answer": "a"}, True),
        ({"suggestion": {"x": 1}}, False),
        ({"int0": 5}, False),
        ({}, False),
    ],
)
def test_suggesting_nothing(answer, nothing):
    """An empty suggestion is on purpose; an answer without form is not."""
    assert FORM.suggests_nothing(json.dumps(answer)) is nothing


def test_checked_names():
    """Names are laid over the defaults."""
    assert checked_names("keys", {"a": "x"}, {"a": "a", "b": "b"}) == {"a": "x", "b": "b"}
    assert checked_names("keys", {"a": None}, {"a": "a"}, "a") == {"a": None}


def test_replace_headings_leaves_longer_words():
    """Only whole headings are replaced."""
    assert replace_headings("#Codes #Code", {"code": "#Program"}) == "#Codes #Program"
