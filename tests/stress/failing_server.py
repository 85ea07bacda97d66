"""Many steps against a model server that fails half of the time: what is lost, half applied, or not handled.

    python -m tests.stress.failing_server [--steps N] [--workers N] [--seed N]

Each worker is a thread with two parameters and an optimizer of its own; all of them ask one server on loopback, through
LiteLLM, with retries. Of the requests 10% each are answered with 429 and 500, never, with a body that is cut off, and
with a body that is no JSON; of the answers that arrive 5% are no suggestion. Every good answer proposes a fresh pair of
values (n, -n). The loop knows two ways for a step to go wrong: a `ModelError`, and an empty result. All else counts:

- lost: the model's answer arrived whole, or the step returned values, and the parameters do not hold them
- half applied: a parameter has a new value and the other has not, after a step or at any moment, as a reader that holds
  the feedback lock sees them
- unhandled: any other exception
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import opto
import opto.runs
from opto.errors import ModelError, SuggestionWarning
from opto.llm import LiteLLM, Retrying
from opto.optimizers import OptoPrime
from opto.testing import ModelServer
from opto.trace import node
from opto.trace.nodes import feedback_lock

RATES = {"429": 0.1, "500": 0.1, "timeout": 0.1, "cut": 0.1, "malformed": 0.1}
_NONSENSE = 0.05
_NAME = re.compile(r"\((?:int)\) ((left|right)\d+)=(-?\d+)")


@dataclass
class Tally:
    """What happened, over all steps."""

    steps: int = 0
    applied: int = 0
    empty: int = 0
    recorded: int = 0
    seconds: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    half_applied: list[str] = field(default_factory=list)
    unhandled: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, half applied, unhandled or left out of the record."""
        return not (self.lost or self.half_applied or self.unhandled) and self.recorded == self.steps

    def table(self) -> str:
        """The numbers, one a line; the last line sums up."""
        rows: list[tuple[str, Any]] = [
            ("steps", self.steps),
            ("  applied", self.applied),
            ("  nothing usable", self.empty),
        ]
        rows += [(f"  {name}", count) for name, count in sorted(self.errors.items())]
        rows += [("requests served", sum(self.served.values()))]
        rows += [(f"  {kind or 'answered'}", count) for kind, count in sorted(self.served.items())]
        found = [*self.lost[:5], *self.half_applied[:5], *self.unhandled[:5]]
        total = (
            f"failing_server: {self.steps} steps, {self.recorded} of them on record, {len(self.lost)} updates lost, "
            f"{len(self.half_applied)} half applied, {len(self.unhandled)} exceptions unhandled, {self.seconds:.0f} s"
        )
        return "\n".join([*(f"{name:<24}{value:>10}" for name, value in rows), *found, total])


class Answers:
    """The model: a fresh pair for the variables that the request names, or nonsense now and then."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._number = 0

    def __call__(self, body: dict[str, Any]) -> str:
        """The text of an answer."""
        names = {side: name for name, side, _ in _NAME.findall(body["messages"][1]["content"])}
        if self._random.random() < _NONSENSE:
            return "I would rather talk about something else."
        self._number += 1
        values = {names["left"]: self._number, names["right"]: -self._number}
        return json.dumps({"reasoning": "a fresh pair", "answer": "", "suggestion": values})


class Worker:
    """A loop of training over one pair of parameters."""

    def __init__(self, server: ModelServer, tally: Tally, lock: threading.Lock, timeout: float) -> None:
        self.left, self.right = node(0, trainable=True, name="left"), node(0, trainable=True, name="right")
        model = LiteLLM("openai/any", api_base=server.url, api_key="none", timeout=timeout)
        self.optimizer = OptoPrime(
            [self.left, self.right], Retrying(model, attempts=2, first_wait=0.001, longest_wait=0.01, seed=1)
        )
        self.server, self.tally, self._lock = server, tally, lock

    def pair(self) -> tuple[int, int]:
        """The values of both parameters at one moment."""
        with feedback_lock:
            return self.left._data, self.right._data

    def run(self, steps: int) -> None:
        """Take so many steps."""
        for _ in range(steps):
            self._step()

    def _step(self) -> None:
        before = self.pair()
        self.optimizer.zero_feedback()
        self.optimizer.backward(self.left + self.right * 2, "a fresh pair, please")
        returned: dict[Any, Any] | None = None
        error: BaseException | None = None
        try:
            returned = self.optimizer.step()
        except Exception as raised:
            error = raised
        with self._lock:
            self._judge(before, returned, error)

    def _judge(self, before: tuple[int, int], returned: dict[Any, Any] | None, error: BaseException | None) -> None:
        after, tally = self.pair(), self.tally
        name = f"{self.left.py_name}, step {self.optimizer.steps}"
        tally.steps += 1
        if error is not None:
            tally.errors[type(error).__name__] += 1
            if not isinstance(error, ModelError):
                tally.unhandled.append(f"{name}: {type(error).__name__}: {error}")
            if after != before:
                tally.half_applied.append(f"{name}: failed, but {before} became {after}")
        elif returned:
            tally.applied += 1
            if (returned.get(self.left), returned.get(self.right)) != after:
                tally.lost.append(f"{name}: returned {list(returned.values())}, holds {after}")
        else:
            tally.empty += 1
            if after != before:
                tally.half_applied.append(f"{name}: nothing was returned, but {before} became {after}")
        if after[0] != -after[1]:
            tally.half_applied.append(f"{name}: {after}")


def watch(workers: list[Worker], done: threading.Event, tally: Tally) -> None:
    """Look at all pairs again and again while the workers step."""
    while not done.wait(0.002):
        for worker in workers:
            left, right = worker.pair()
            if left != -right:
                tally.half_applied.append(f"{worker.left.py_name}: seen as {left}, {right}")


def lost_answers(run: opto.runs.Run) -> list[str]:
    """Steps of the record whose last answer arrived and was accepted, and which did not apply it."""
    lost = []
    for step in run.steps:
        accepted = [attempt["values"] for attempt in step.attempts if attempt.get("outcome") == "accepted"]
        if accepted and (step.outcome != "applied" or step.new != accepted[-1]):
            lost.append(f"step {step.number} of {step.which}: accepted {accepted[-1]}, but {step.outcome} {step.new}")
        arrived = [exchange.text for exchange in step.exchanges if exchange.response]
        good = [text for text in arrived if text.startswith("{")]
        if good and json.loads(good[-1])["suggestion"] != step.new:
            lost.append(f"step {step.number} of {step.which}: {good[-1]} arrived, and {step.new} was set")
    return lost


def stress(steps: int, workers: int, *, seed: int = 0, timeout: float = 1.0, folder: Path | None = None) -> Tally:
    """Take `steps` steps in all.

    Args:
        steps: how many.
        workers: in how many threads.
        seed: for the failures and the nonsense.
        timeout: how long a request may take, in seconds.
        folder: where to record the run; by default in a temporary one.
    """
    tally, lock, done = Tally(), threading.Lock(), threading.Event()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", SuggestionWarning)
        place = folder or Path(temporary) / "run"
        with ModelServer(Answers(seed), failure_rates=RATES, seed=seed) as server, opto.record(place):
            loops = [Worker(server, tally, lock, timeout) for _ in range(workers)]
            watcher = threading.Thread(target=watch, args=(loops, done, tally))
            watcher.start()
            shares = [steps // workers + (number < steps % workers) for number in range(workers)]
            with ThreadPoolExecutor(workers) as pool:
                futures = [
                    pool.submit(copy_context().run, loop.run, share) for loop, share in zip(loops, shares, strict=True)
                ]
            done.set()
            watcher.join()
            for future in futures:
                future.result()
            tally.served = Counter(request.failure for request in server.requests)
        run = opto.runs.read(place)
        tally.recorded = sum(step.outcome != "unfinished" for step in run.steps)
        tally.lost += lost_answers(run)
    tally.seconds = time.perf_counter() - start
    return tally


def main() -> int:
    """Print the table; the status tells whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000, help="steps in all (%(default)s)")
    parser.add_argument("--workers", type=int, default=8, help="threads (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="for the failures (%(default)s)")
    options = parser.parse_args()
    tally = stress(options.steps, options.workers, seed=options.seed)
    sys.stdout.write(f"{tally.table()}\n")
    return 0 if tally.clean else 1


if __name__ == "__main__":
    sys.exit(main())
