"""Seeds of optimizers: the one given, that of the optimizer they are made for, or one by chance."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["checked_seed", "seeded"]

_around: ContextVar[int | None] = ContextVar("opto_seed", default=None)


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Give a seed to the optimizers that are made in the block without one; None changes nothing."""
    token = _around.set(_around.get() if seed is None else seed)
    try:
        yield
    finally:
        _around.reset(token)


def checked_seed(seed: int | None) -> int:
    """The seed as given; without one, that of `seeded` around; else a new one by chance.

    Raises:
        TypeError: it is neither an int nor None.
    """
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise TypeError(f"seed must be an int or None, got {seed!r}.")
    found = _around.get() if seed is None else seed
    return random.SystemRandom().randrange(2**31) if found is None else found
