"""Whether a candidate is better, how good it is, and how sure that is."""

from __future__ import annotations

from opto.trainer.evidence.comparing import (
    Comparison,
    Gap,
    Interval,
    compare,
    gap,
    interval,
    regressions,
    wilson,
)

__all__ = [
    "Comparison",
    "Gap",
    "Interval",
    "compare",
    "gap",
    "interval",
    "regressions",
    "wilson",
]
