"""The systems whose optimizers are compared."""

from __future__ import annotations

from benchmarks.common.systems import System

__all__ = ["OPTO", "PEER"]

OPTO = System(
    "opto", (".", "optuna>=4", "black>=24"), "optimizers/own.py", own_source=True, environment="bench-optimizers"
)
PEER = System("trace-opt 0.1.3.8", ("trace-opt==0.1.3.8",), "optimizers/peers.py")
