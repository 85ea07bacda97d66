"""Values as trees for JSON."""

from __future__ import annotations

import json

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.errors import FileFormatError
from opto.runs.codec.trees import from_tree, to_tree

PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner),
        st.dictionaries(st.text(), inner),
        st.tuples(inner, inner),
        st.dictionaries(st.integers(), inner),
    ),
)


@given(PLAIN)
def test_what_is_read_is_equal(value):
    """Through JSON and back."""
    assert from_tree(json.loads(json.dumps(to_tree(value)))) == value


def test_depth_is_no_limit():
    """A value that is nested deeper than a JSON parser can follow comes back."""
    deep = []
    for _ in range(5000):
        deep = [deep]
    found = from_tree(json.loads(json.dumps(to_tree(deep))))
    for _ in range(5000):
        [found] = found
    assert found == []


def test_what_has_no_text_form_is_refused():
    """As by `dumps`; arrays have one."""
    with pytest.raises(TypeError, match="text form"):
        to_tree([object()])
    assert from_tree(to_tree(numpy.arange(3))).tolist() == [0, 1, 2]


@pytest.mark.parametrize("tree", [{"!deep": 5}, {"!deep": [[], {"!row": 3}]}, {"!nothing": 1}, {"!tuple": 5}])
def test_damaged_trees_are_refused(tree):
    """With the error for damaged files."""
    with pytest.raises(FileFormatError):
        from_tree(tree)
