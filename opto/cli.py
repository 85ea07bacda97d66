"""The command `opto`.

    opto resume runs/first --steps 400 --usd 5

goes on with a training run from its folder; see `opto.resume`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["main"]

_LIMITS = {"usd": float, "tokens": int, "calls": int, "seconds": float}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: what stands behind `opto`; None for what this process was given.

    Returns:
        The exit status: 0 where all went well, 130 where somebody interrupted it, else 1.
    """
    options = _parser().parse_args(arguments)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m` does: the modules of the program are here
    try:
        outcome = _resume(options)
    except KeyboardInterrupt:
        return 130
    except (OSError, TypeError, ValueError) as error:
        sys.stderr.write(f"opto: {error}\n")
        return 1
    sys.stdout.write(f"{outcome}\n")
    return 130 if getattr(outcome, "interrupted", False) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="opto", description="Autodiff for workflows.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    resume = commands.add_parser(
        "resume",
        help="go on with a training run from its folder",
        description="Go on with a training run from its folder. The modules that the run names are imported, also from "
        "the working folder. Limits replace those that the run had; what it has spent counts.",
    )
    resume.add_argument("run_dir", metavar="RUN_DIR", help="the folder of the run")
    resume.add_argument(
        "--steps", type=int, dest="num_steps", metavar="N", help="the most steps, earlier ones included"
    )
    resume.add_argument(
        "--epochs", type=int, dest="num_epochs", metavar="N", help="how often the examples are gone through"
    )
    resume.add_argument("--evaluations", type=int, dest="max_evaluations", metavar="N", help="the most evaluations")
    for name, kind in _LIMITS.items():
        what = "dollars" if name == "usd" else name
        resume.add_argument(f"--{name}", type=kind, metavar="N", help=f"the most {what} of all model calls")
    return parser


def _resume(options: argparse.Namespace) -> Any:
    import opto
    from opto.trainer.rebuilding.written_plan import NAME, read_plan

    overrides = {name: getattr(options, name) for name in ("num_steps", "num_epochs", "max_evaluations")}
    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    limits = {name: getattr(options, name) for name in _LIMITS if getattr(options, name) is not None}
    folder = Path(options.run_dir)
    if limits:
        known = read_plan(folder)["budget"] if (folder / NAME).exists() else None
        given["budget"] = {**(known or {}), **limits}
    return opto.resume(folder, **given)
