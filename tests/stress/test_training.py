"""Training runs that are killed, a few times."""

from __future__ import annotations

import pytest

from .training import QUICK, killed, whole


@pytest.mark.parametrize("algorithm", QUICK)
def test_killed_run_ends_as_the_whole_one(algorithm):
    """Killed and gone on with, it has the same result, candidates and number of evaluations."""
    expected = whole(12, algorithm)
    assert expected.told["evaluations"] == expected.executed
    assert killed(expected, 12, algorithm, expected.seconds / 2) == []
