"""The systems whose tracing is measured."""

from __future__ import annotations

import platform

from benchmarks.common.systems import System

__all__ = ["AUTOGRAD", "OPTO", "PEER", "TORCH"]

# On Linux the plain release of PyTorch brings gigabytes of libraries for graphics cards; only the CPU build will do.
_TORCH = "torch==2.13.0+cpu" if platform.system() == "Linux" else "torch==2.13.0"

OPTO = System("opto", (".",), "trace/workloads.py", own_source=True)
PEER = System("trace-opt 0.1.3.8", ("trace-opt==0.1.3.8",), "trace/workloads.py")
TORCH = System("torch 2.13.0", (_TORCH, "numpy"), "trace/yardsticks.py")
AUTOGRAD = System("autograd", ("autograd",), "trace/yardsticks.py")
