"""The systems whose training algorithms are compared, and what draws their curves."""

from __future__ import annotations

from benchmarks.common.systems import System

__all__ = ["OPTO", "PEER", "PICTURE"]

OPTO = System(
    "opto", (".", "optuna>=4", "black>=24"), "trainer/contestants.py", own_source=True, environment="bench-optimizers"
)
PEER = System("gepa 0.1.4", ("gepa==0.1.4",), "trainer/peers.py")
PICTURE = System("picture", ("matplotlib>=3.8",), "trainer/picture.py", environment="bench-picture")
