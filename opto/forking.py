"""Locks of modules that a forked process can use, whoever held them in its parent."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["forkable_lock"]


def forkable_lock() -> AbstractContextManager[Any]:
    """A re-entrant lock that is free in a forked process.

    A lock that another thread holds while a process forks would stay locked in the child for ever: that thread is not
    in it. What such a thread was about is left in the child as it was at that moment.
    """
    lock: Any = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lock._at_fork_reinit)  # as `logging` does; it is on no page of the manual
    return lock  # type: ignore[no-any-return]
