"""The long runs of `make stress`, one after the other; the last line sums up.

python -m tests.stress [--kills N] [--trainings N] [--seconds N] [--steps N]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time


def main() -> int:
    """Run all; the status tells whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500, help="processes killed while they save (%(default)s)")
    parser.add_argument(
        "--trainings", type=int, default=100, help="training runs killed and gone on with (%(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=600, help="how long to fuzz (%(default)s)")
    parser.add_argument("--steps", type=int, default=2000, help="steps against a failing server (%(default)s)")
    options = parser.parse_args()
    parts: dict[str, list[str]] = {
        "injecting": [],
        "killing": ["--kills", str(options.kills)],
        "training": ["--kills", str(options.trainings)],
        "fuzzing": ["--seconds", str(options.seconds)],
        "failing_server": ["--steps", str(options.steps)],
    }
    outcomes = []
    start = time.monotonic()
    for name, arguments in parts.items():
        sys.stdout.write(f"== {name} {' '.join(arguments)}\n")
        sys.stdout.flush()
        done = subprocess.run([sys.executable, "-m", f"tests.stress.{name}", *arguments], check=False)
        outcomes.append((name, done.returncode))
    told = ", ".join(f"{name} {'well' if status == 0 else f'FAILED ({status})'}" for name, status in outcomes)
    sys.stdout.write(f"stress: {told}, in {time.monotonic() - start:.0f} s\n")
    return 1 if any(status for _, status in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
