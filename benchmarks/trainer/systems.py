"""The systems whose training algorithms are compared."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.common.systems import System
from benchmarks.optimizers.systems import OPTO as OPTIMIZERS

__all__ = ["OPTO", "PEER"]

OPTO = replace(OPTIMIZERS, module="trainer/contestants.py")
PEER = System("gepa 0.1.4", ("gepa==0.1.4",), "trainer/peers.py")
