"""A sample of the 500 kills that `make stress` does."""

from __future__ import annotations

import sys

import pytest

from .killed_writers import WRITERS
from .killing import kill_many


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_killed_process_leaves_no_damaged_file_and_nothing_older_than_its_last_write():
    """Each writer is killed three times, the second time while it goes on with what the first left."""
    deaths = kill_many(3 * len(WRITERS), seed=1)
    assert not deaths.failures, deaths.table()
    assert set(deaths.kills) == set(WRITERS)
    assert all(deaths.writes.values())
