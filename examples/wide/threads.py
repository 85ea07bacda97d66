"""Rollouts in threads of this process, which is what happens unless told: for programs that wait for models.

python -m examples.wide.threads
"""

from __future__ import annotations

from examples.wide.program import Labeller, measured
from opto.trainer import Evaluator

__all__ = ["main"]


def main(workers: int = 16) -> float:
    """Evaluate the program on so many threads; returns its score."""
    with Evaluator(workers=workers) as evaluator:
        return measured(f"{workers} threads", Labeller(), evaluator)


if __name__ == "__main__":
    main()
