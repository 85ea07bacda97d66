"""How the benchmark reads its figures."""

from __future__ import annotations

import pytest

from benchmarks.trace.measure import Series
from benchmarks.trace.report import limit_promise, microseconds, ratio, ratio_promise


@pytest.mark.parametrize(
    ("mine", "theirs", "shown"), [(1.0, 20.0, "1/20.0"), (3.0, 1.5, "2.0 x"), (1.0, 1.0, "1/1.0"), (0.0, 1.0, "-")]
)
def test_ratio(mine: float, theirs: float, shown: str) -> None:
    """A ratio says how many times less, or how many times more; without a figure it says nothing."""
    assert ratio(mine, theirs) == shown


def test_least_window() -> None:
    """A series is worth its quickest window, counted for one unit."""
    series = Series()
    for seconds in (3.0, 2.0, 5.0):
        series.add(seconds, 4)
    assert series.least() == 0.5
    assert microseconds(series.least()) == "500,000 µs"


def test_promises() -> None:
    """A promise is kept up to its limit, broken beyond it, and neither when there is no figure."""
    mine, theirs = Series(), Series()
    mine.add(1.0, 1)
    theirs.add(20.0, 1)
    assert ratio_promise("x", mine, theirs, 20).kept is True
    assert ratio_promise("x", mine, theirs, 21).kept is False
    assert ratio_promise("x", mine, "cannot be installed", 20).kept is None
    assert str(limit_promise("import", 0.25, 0.15, "s")) == "import: 0.25 s (promised at most 0.15 s): NOT KEPT"
    assert limit_promise("import", None, 0.15, "s").kept is None
