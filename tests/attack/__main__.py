"""Runs every hostile program by every runner, prints the table, and fails if one got through.

    python -m tests.attack [--family F] [--runner R] [--jobs N] [NAME ...]

A row tells, per runner, what stopped the program, and whether the same program wins without a wall (the control).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from opto.errors import SandboxUnavailableError
from opto.sandbox.bubblewrap import program
from tests.attack.effects import Run
from tests.attack.harness import Place, as_ordinary_user, run, snapshot
from tests.attack.programs import Attack, attacks
from tests.attack.table import Row, summary, text_of


def main() -> int:
    """Run what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="tests.attack", description="Hostile programs against every runner.")
    parser.add_argument("names", nargs="*", help="programs to run (default: all)")
    parser.add_argument("--family", action="append")
    runners = "subprocess-root, subprocess-user, bubblewrap-root, bubblewrap-user, monty, control"
    parser.add_argument("--runner", action="append", help=runners)
    parser.add_argument("--jobs", type=int, default=3)
    options = parser.parse_args()
    wanted = {*options.names, *(options.family or [])}
    chosen = [attack for attack in attacks() if not wanted or wanted & {attack.name, attack.family}]
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    with ExitStack() as stack:
        places = _places(stack)
        if options.runner:
            places = {name: place for name, place in places.items() if name in options.runner}
        rows = _rows(chosen, places, options.jobs)
    sys.stdout.write(summary(rows, time.monotonic() - started) + "\n")
    return 0 if rows and all(row.held for row in rows) else 1


def _rows(chosen: list[Attack], places: dict[str, Place], jobs: int) -> list[Row]:
    """Run the programs, and print each row as soon as it is known."""
    rows = []
    with ThreadPoolExecutor(jobs) as pool:
        waiting = [
            (attack, {name: pool.submit(_run, attack, name, place) for name, place in places.items()})
            for attack in chosen
        ]
        try:
            for attack, futures in waiting:
                rows.append(Row(attack, {name: future.result() for name, future in futures.items()}))
                sys.stdout.write(text_of(rows[-1]) + "\n")
                sys.stdout.flush()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # what runs takes away what it planted
            raise
    return rows


def _places(stack: ExitStack) -> dict[str, Place]:
    own = stack.enter_context(snapshot())
    kinds = ["subprocess", "bubblewrap"] if _has_bubblewrap() else ["subprocess"]
    if os.geteuid() == 0:
        user = stack.enter_context(as_ordinary_user())
        places = {f"{kind}-{name}": place for kind in kinds for name, place in (("root", own), ("user", user))}
    else:
        places = dict.fromkeys(kinds, own)
    return {**places, "monty": own, "control": own}


def _has_bubblewrap() -> bool:
    try:
        program()
    except SandboxUnavailableError:
        return False
    return True


def _run(attack: Attack, name: str, place: Place) -> Run | None:
    kind = name.partition("-")[0]
    if kind == "control":
        if attack.control == "none":
            return None
        kind = attack.control
    return run(attack, kind, place)


if __name__ == "__main__":
    sys.exit(main())
