"""Rollouts in other processes of this machine: for programs that compute, or that may take their process with them.

    pip install 'opto-trace[processes]'
    python -m examples.wide.processes

A process in which something hangs or dies is replaced. New processes import the main module, so a script needs the
usual `if __name__ == "__main__":`.
"""

from __future__ import annotations

from functools import partial

from examples.wide.program import Labeller, measured
from opto.trainer.executors import process_pool

__all__ = ["main"]


def main(workers: int = 4) -> float:
    """Evaluate the program in so many processes; returns its score."""
    pool = partial(process_pool, workers)  # a function that makes one, so that it can be replaced
    return measured(f"{workers} processes", Labeller(), executor=pool)


if __name__ == "__main__":
    main()
