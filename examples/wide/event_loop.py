"""Rollouts of an async program on an event loop: for programs that await models, hundreds at once.

    python -m examples.wide.event_loop

`Evaluator` sees that `forward` is a coroutine function, and starts a loop in a thread of its own; so this also works
from a program that runs on a loop itself.
"""

from __future__ import annotations

from examples.wide.program import AsyncLabeller, measured

__all__ = ["main"]


def main(workers: int = 64) -> float:
    """Evaluate the async program, so many rollouts at once; returns its score."""
    return measured(f"{workers} coroutines", AsyncLabeller(), workers=workers)


if __name__ == "__main__":
    main()
