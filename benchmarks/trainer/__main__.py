"""Run the comparison. From the root of the repository, with any Python 3.10 or newer: `make bench-trainer`."""

from __future__ import annotations

import sys

from benchmarks.trainer.comparison import main

if __name__ == "__main__":
    sys.exit(main())
