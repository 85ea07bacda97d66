"""Standings are in order, whatever comes, changes and goes."""

from __future__ import annotations

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from opto.trainer.pool.standings import Standings

CHANGES = st.lists(st.tuples(st.integers(0, 8), st.one_of(st.none(), st.integers(0, 3))))


@given(CHANGES, st.integers(1, 4))
def test_standings_are_those_of_a_sorted_list(changes, count):
    """After any changes: the same order, the same first ones, and the same heads of equal keys."""
    standings, expected = Standings(), {}
    for number, key in changes:
        if key is None:
            assert standings.drop(number) == (expected.pop(number, None) is not None)
        else:
            assert standings.put(number, key) == (expected.get(number) != key)
            expected[number] = key
    pairs = sorted((key, number) for number, key in expected.items())
    assert list(standings) == [number for _, number in pairs]
    assert standings.leading(count) == [number for _, number in pairs[:count]]
    assert (standings.least, standings.first) == (pairs[0] if pairs else (None, None))
    groups = [list(each)[:count] for _, each in groupby(pairs, key=lambda pair: pair[0])]
    assert list(standings.heads(count)) == groups
    assert all(number in standings and standings[number] == key for number, key in expected.items())
    assert len(standings) == len(expected)
