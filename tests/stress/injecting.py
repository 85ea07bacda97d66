"""Every text from outside in every place of a prompt, with models that quote it: which of them change a parameter?

python -m tests.stress.injecting
"""

# ruff: noqa: T201

from __future__ import annotations

import sys
import warnings

from tests.optimizers.injections import INJECTIONS
from tests.optimizers.test_injection import OPTIMIZERS, PLACES, check


def main() -> int:
    """Print a line for each optimizer; 1 where something got through."""
    through = 0
    for kind in OPTIMIZERS:
        steps = 0
        for place in PLACES:
            try:
                steps += check(kind, place, thorough=True)
            except AssertionError as error:
                through += 1
                print(f"{kind.__name__}, {place}: {error}")
        print(f"{kind.__name__:<12} {len(INJECTIONS)} texts in {len(PLACES)} places, {steps:,} steps")
    print(f"injecting: {len(INJECTIONS)} texts, {through} got through")
    return 1 if through else 0


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.exit(main())
