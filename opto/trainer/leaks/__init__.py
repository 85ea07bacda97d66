"""Whether a candidate copies what it is judged by."""

from __future__ import annotations

from opto.trainer.leaks.guard import Leak, LeakGuard

__all__ = ["Leak", "LeakGuard"]
