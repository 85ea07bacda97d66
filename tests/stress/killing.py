"""Processes that are killed while they save and record: what a reader finds afterwards.

    python -m tests.stress.killing [--kills N] [--seed N] [--only NAME]

A child process saves in a loop and tells over a pipe, after each write that has returned, how far it is. At a random
moment it gets SIGKILL. Then everything it wrote is read, and every second time the next child goes on with the same
files. A kill fails when

- a file does not load (damage), or not with the plain loader and no more than a warning of a torn last line,
- a file is older than the last write that had returned (lost),
- a folder holds anything but the files and temporary files of the writer (litter), or more of these than kills.

What a writer promises: `save` of modules and optimizers, exports, recordings of exchanges and caches hold all that had
returned. A record of a run holds every event that was written before, in order and without a gap, and all that a
`flush` which had returned wrote; what came within the last fifth of a second may be missing.
"""

from __future__ import annotations

import argparse
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from opto.errors import OptoWarning

from .killed_writers import WRITERS

_LONGEST = 0.4
"""Seconds from the moment before the first write to the kill, at most; the early moments are drawn more often."""
_ROOT = Path(__file__).parents[2]


@dataclass
class Deaths:
    """What was found, over all kills."""

    kills: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    torn: Counter[str] = field(default_factory=Counter)
    litter: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def table(self) -> str:
        """A line for each writer, what failed, and the sum."""
        rows = [f"{'writer':<14}{'kills':>8}{'writes':>10}{'torn ends':>11}{'temporary files':>17}"]
        for name, count in self.kills.items():
            rows.append(f"{name:<14}{count:>8}{self.writes[name]:>10}{self.torn[name]:>11}{self.litter[name]:>17}")
        rows += [f"FAILED {text}" for text in self.failures]
        rows.append(
            f"killing: {self.kills.total()} processes killed, {self.writes.total()} writes completed before, "
            f"{len(self.failures)} files damaged or older than the last completed write"
        )
        return "\n".join(rows)


def kill_one(name: str, folder: Path, seconds: float) -> list[int]:
    """Let a child write, and kill it after so many seconds of writing; returns the writes that it told of.

    Args:
        name: of the writer.
        folder: where it writes; what is there already is gone on with.
        seconds: from the moment before its first write on.
    """
    reading, writing = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.stress.killed_writers", name, str(folder), str(writing)],
        pass_fds=(writing,),
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), *sys.path])},
    )
    os.close(writing)
    told = b""
    try:
        end = time.monotonic() + 60.0
        while time.monotonic() < end:
            ready, _, _ = select.select([reading], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                break
            part = os.read(reading, 65536)
            if not part:
                raise RuntimeError(f"the writer {name} ended by itself with status {child.wait()}")
            if not told:
                end = time.monotonic() + seconds
            told += part
        child.send_signal(signal.SIGKILL)
        child.wait()
        while part := os.read(reading, 65536):
            told += part
    finally:
        child.kill()
        child.wait()
        os.close(reading)
    return sorted({int(line) for line in told.split(b"\n")[:-1]} - {-1})


def check(name: str, folder: Path, last: int, deaths: Deaths) -> int:
    """Read what a killed child left, note what is wrong with it, and return its last write, -1 for none."""
    writer = WRITERS[name]
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", OptoWarning)
            found = writer.read(folder)
    except Exception as error:
        deaths.failures.append(f"{name}, kill {deaths.kills[name]}: {type(error).__name__}: {error}")
        return -1
    deaths.torn[name] += len(said)
    if found < last:
        deaths.failures.append(f"{name}, kill {deaths.kills[name]}: holds write {found}, but {last} had returned")
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in writer.files]
    temporary = [path for path in files if path.suffix == ".tmp" and path.name.startswith(".")]
    deaths.litter[name] = max(deaths.litter[name], len(temporary))
    if len(temporary) < len(files) or len(temporary) > 2:
        deaths.failures.append(f"{name}, kill {deaths.kills[name]}: left {[path.name for path in files]}")
    for path in temporary:
        os.utime(path, (0, 0))  # as if time had passed: the next write removes it
    return found


def kill_many(count: int, *, seed: int = 0, only: str = "") -> Deaths:
    """Kill so many children, of each writer in turn, at moments drawn at random.

    Args:
        count: how many.
        seed: for the moments.
        only: a part of the names of the writers to kill.
    """
    deaths, moments = Deaths(), random.Random(seed)
    names = [name for name in WRITERS if only in name]
    held: dict[Path, int] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(count):
            name = names[number % len(names)]
            turn = number // len(names)
            folder = Path(temporary, f"{name}-{turn // 2}")  # every second time the files are gone on with
            folder.mkdir(exist_ok=True)
            deaths.kills[name] += 1
            told = kill_one(name, folder, moments.random() ** 2 * _LONGEST)
            deaths.writes[name] += len(told)
            held[folder] = check(name, folder, max([*told, held.get(folder, -1)]), deaths)
    return deaths


def main() -> int:
    """Print the table; the status tells whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500, help="how many processes are killed (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="for the moments (%(default)s)")
    parser.add_argument("--only", default="", help="a part of the names of the writers to kill")
    options = parser.parse_args()
    deaths = kill_many(options.kills, seed=options.seed, only=options.only)
    sys.stdout.write(f"{deaths.table()}\n")
    return 1 if deaths.failures else 0


if __name__ == "__main__":
    sys.exit(main())
