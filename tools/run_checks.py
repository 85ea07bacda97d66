"""Run every static check, all of them even when one fails, and say which failed.

Usage: python3 -m tools.run_checks
"""

from __future__ import annotations

import subprocess
import sys
import time

from tools import environments, interpreters

CHECKS = [
    ("ruff check", ["-m", "ruff", "check", "--output-format", "concise", "."]),
    ("ruff format", ["-m", "ruff", "format", "--check", "."]),
    ("mypy opto", ["-m", "mypy"]),
    (
        "mypy tools, benchmarks",
        [
            "-m",
            "mypy",
            "-p",
            "tools",
            "-m",
            "benchmarks.optimizers.comparison",
            "-m",
            "benchmarks.few_shot.__main__",
            "-m",
            "benchmarks.trainer.comparison",
            "-m",
            "worker",
            "-m",
            "workloads",
            "-m",
            "own",
            "-m",
            "contestants",
        ],
    ),
    ("mypy benchmarks.trace", ["-m", "mypy", "-m", "benchmarks.trace.__main__"]),
    ("floors", ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-logo"]),
    ("stubs", ["-m", "tools.make_stubs", "--check"]),
    ("lengths", ["-m", "tools.check_lengths", "opto", "benchmarks", "tools"]),
]


def main() -> int:
    """Run the checks; returns the exit status."""
    python = environments.ensure("check", interpreters.preferred((3, 11)), "-e", ".[check]")
    failed = []
    for name, arguments in CHECKS:
        started = time.monotonic()
        print(f"--- {name}", flush=True)
        if subprocess.run([str(python), *arguments], cwd=environments.ROOT, check=False).returncode:
            failed.append(name)
        print(f"    {time.monotonic() - started:.1f} s", flush=True)
    print(f"check: {', '.join(failed)} failed" if failed else f"check: all {len(CHECKS)} are clean")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
