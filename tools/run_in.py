"""Run a command of Python in an environment that holds opto with some extras, set up first if need be.

Usage: python3 -m tools.run_in ENVIRONMENT EXTRAS ARGUMENTS..., as in `tools.run_in demo demo,svg -m examples.demo`.
"""

from __future__ import annotations

import subprocess
import sys

from tools import environments, interpreters


def main(name: str, extras: str, arguments: list[str]) -> int:
    """Set up `.venv/<name>` with the extras and run its Python; returns the exit status."""
    python = environments.ensure(name, interpreters.preferred((3, 11)), "-e", f".[{extras}]")
    return subprocess.run([str(python), *arguments], cwd=environments.ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
