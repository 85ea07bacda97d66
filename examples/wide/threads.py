"""Rollouts in threads of this process, which is what happens unless told: for programs that wait for models.

python -m examples.wide.threads
"""

from __future__ import annotations

from examples.wide.program import Labeller, measured

__all__ = ["main"]


def main(workers: int = 16) -> float:
    """Evaluate the program on so many threads; returns its score."""
    return measured(f"{workers} threads", Labeller(), workers=workers)


if __name__ == "__main__":
    main()
