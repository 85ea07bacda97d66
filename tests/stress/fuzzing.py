"""Damaged files and nonsensical answers: what is not refused by an error of opto's own, or takes too long.

    python -m tests.stress.fuzzing [--seconds N] [--seed N] [--only NAME]

Valid documents of every kind that opto reads, and valid answers of models, are damaged: bytes flipped, cut, doubled and
put in, brackets nested 100,000 deep, numbers without end, other versions, keys twice, values of another type. Each goes
to the real loader or to the real step of an optimizer. An example fails when

- an exception escapes that is not a `opto.errors.OptoError`,
- it takes more than 10 seconds of processor time,
- a module or an optimizer whose file was refused is not as it was before,
- a parameter holds a value that its type or constraint does not allow.

A watchdog ends the process, with its stack, when an example does not come back within two minutes; the memory that the
process may use is bounded.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from opto.errors import OptoError

from .fuzz_targets import Target, targets

_SECONDS_EACH = 10.0
_SECONDS_HUNG = 120.0
_MEMORY = 4 << 30


class Fuzzer:
    """Runs targets in turn and notes what failed."""

    def __init__(self, first_seed: int = 0) -> None:
        self.examples: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.failures: dict[str, str] = {}
        self.slowest = 0.0
        self._seed = first_seed

    def round(self, target: Target, count: int) -> None:
        """Give so many examples to a target; at the first failure, find the smallest one like it."""
        self._seed += 1

        def once(example):
            self._once(target, example)

        run = given(target.examples)(once)
        phases = (Phase.generate, Phase.shrink)
        quiet = {"database": None, "deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": False}
        run = settings(max_examples=count, phases=phases, report_multiple_bugs=False, **quiet)(seed(self._seed)(run))
        try:
            run()
        except Exception as error:
            notes = "\n".join(getattr(error, "__notes__", []))
            self.failures[target.name] = (
                f"seed {self._seed}: {type(error).__name__}: {str(error)[:500]}\n{notes[:2000]}"
            )

    def _once(self, target: Target, example) -> None:
        faulthandler.dump_traceback_later(_SECONDS_HUNG, exit=True)
        start = time.process_time()
        self.examples[target.name] += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                target.read(example)
        except OptoError:
            self.refused[target.name] += 1
        finally:
            faulthandler.cancel_dump_traceback_later()
        took = time.process_time() - start
        self.slowest = max(self.slowest, took)
        assert took < _SECONDS_EACH, f"took {took:.1f} s"

    def table(self) -> str:
        """What was tried, a line a target, and what failed."""
        rows = [f"{'target':<28}{'examples':>10}{'refused':>10}"]
        rows += [f"{name:<28}{count:>10}{self.refused[name]:>10}" for name, count in sorted(self.examples.items())]
        rows += [f"FAILED {name}: {text}" for name, text in self.failures.items()]
        rows.append(
            f"fuzzing: {sum(self.examples.values())} examples of {len(self.examples)} targets, "
            f"{len(self.failures)} failures, the slowest took {self.slowest:.2f} s"
        )
        return "\n".join(rows)


def fuzz(folder: Path, *, seconds: float = 0.0, count: int = 50, first_seed: int = 0, only: str = "") -> Fuzzer:
    """Run every target in rounds until the time is up, at least once.

    Args:
        folder: for the files.
        seconds: how long.
        count: examples of a target in a round.
        first_seed: for the examples.
        only: a part of the names of the targets to run.
    """
    fuzzer, end = Fuzzer(first_seed), time.monotonic() + seconds
    chosen = [target for target in targets(folder) if only in target.name]
    while True:
        for target in chosen:
            if target.name not in fuzzer.failures:
                fuzzer.round(target, count)
        if time.monotonic() >= end or len(fuzzer.failures) == len(chosen):
            return fuzzer


def main() -> int:
    """Print the table; the status tells whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="how long (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="for the examples (%(default)s)")
    parser.add_argument("--only", default="", help="a part of the names of the targets to run")
    options = parser.parse_args()
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        fuzzer = fuzz(place, seconds=options.seconds, first_seed=options.seed * 1_000_000, only=options.only)
    sys.stdout.write(f"{fuzzer.table()}\n")
    return 1 if fuzzer.failures else 0


if __name__ == "__main__":
    sys.exit(main())
