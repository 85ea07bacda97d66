"""The long runs of `make stress`, one after the other; the last lines sum up.

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
    start = time.monotonic()
    outcomes = {name: told(name, arguments) for name, arguments in parts.items()}
    failed = [name for name, (status, _) in outcomes.items() if status]
    sys.stdout.write(f"== in all, in {time.monotonic() - start:.0f} s\n")
    for name, (status, last) in outcomes.items():
        sys.stdout.write(f"{f'FAILED ({status})' if status else 'well':<12}{name:<16}{last}\n")
    sys.stdout.write(f"stress: {', '.join(failed) + ' FAILED' if failed else f'all {len(parts)} parts are well'}\n")
    return 1 if failed else 0


def told(name: str, arguments: list[str]) -> tuple[int, str]:
    """Run a part, whose lines are passed on; its status and its last line, which sums it up."""
    sys.stdout.write(f"== {name} {' '.join(arguments)}\n")
    last = ""
    command = [sys.executable, "-u", "-m", f"tests.stress.{name}", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as part:
        for line in part.stdout or ():
            sys.stdout.write(line)
            sys.stdout.flush()
            last = line.strip() or last
    return part.returncode, last.removeprefix(f"{name}: ")


if __name__ == "__main__":
    sys.exit(main())
