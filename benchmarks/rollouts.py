"""What the evaluation engine costs, beside bare executors in the same run.

Usage: python -m benchmarks.rollouts [--seconds 4] [--cluster]

- The engine's own cost: rollouts of a program that does nothing, through threads, one at a time and many at once, and
  results that are known.
- A training run's own cost for each rollout, everything in it counted: choosing, proposing, judging, saving. In memory,
  and in a folder that is saved after each step and records every event.
- Waiting: rollouts of 50 ms through 64 threads, beside a bare `ThreadPoolExecutor` of 64.
- Computing, with `--cluster`: rollouts that keep a processor busy for 50 ms, and for 200 ms, through Ray and Dask with
  two workers, beside a bare `ProcessPoolExecutor` of two, and beside the same cluster with nothing but the function.

Times differ between machines and with what else they do, so what counts are the ratios. The measurements of a ratio
alternate, and the middle one of each is taken.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any

from benchmarks.common.silent import Silent
from opto.optimizers import Optimizer
from opto.trace import Module, bundle, node
from opto.trainer.algorithms.minibatch import BasicSearch
from opto.trainer.executors import LoopExecutor, RayExecutor, process_pool
from opto.trainer.results import ResultCache
from opto.trainer.rollouts import Evaluator, Request

WAITING = 0.05
THREADS = 64
ROUNDS = 3
CLUSTER_ROUNDS = 7
"""More than elsewhere: which processes get the processors differs from one round to the next."""


def made_module() -> Module:
    """A module of one operator and one parameter."""

    @bundle()
    def answer(x: int, prompt: str) -> int:
        """Answer."""
        return x

    class Agent(Module):
        def __init__(self) -> None:
            self.prompt = node("Answer.", trainable=True)

        def forward(self, x: int) -> Any:
            return answer(x, self.prompt)

    return Agent()


def right(query: Any, response: Any, reference: Any) -> float:
    """A guide that costs nothing."""
    return 1.0


def waits(x: int) -> int:
    """What a program does that waits for a model."""
    time.sleep(WAITING)
    return x


async def waits_async(x: int) -> int:
    """The same on an event loop."""
    import asyncio

    await asyncio.sleep(WAITING)
    return x


def computes(x: int, turns: int = 800_000) -> int:
    """What a program does that keeps a processor busy, for some 50 ms."""
    total = 0
    for number in range(turns):
        total = (total * 31 + number * x) % 1_000_003
    return total


def computes_longer(x: int) -> int:
    """The same for some 200 ms."""
    return computes(x, 3_200_000)


def seconds(call: Callable[[], Any]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def middle(*calls: Callable[[], Any], rounds: int = ROUNDS) -> list[float]:
    """The median time of each call; they take turns."""
    found = [[seconds(call) for call in calls] for _ in range(rounds)]
    return [statistics.median(times) for times in zip(*found, strict=True)]


def evaluation(evaluator: Evaluator, program: Any, count: int) -> Callable[[], Any]:
    """A call that evaluates a program on so many examples."""
    return lambda: [*evaluator.evaluations((Request(program, number, None) for number in range(count)), right)]


def own_cost(count: int) -> None:
    """Print what a rollout costs beyond the program's own work."""
    agent = made_module()

    def bare() -> None:
        for number in range(count):
            right(number, agent.copy()(number).data, None)

    cases = {
        "plain function, 1 thread": (Evaluator(workers=1), lambda x: x),
        "module, 1 thread": (Evaluator(workers=1), agent),
        "module, 64 threads": (Evaluator(workers=THREADS), agent),
        "module, 1 thread, with a time-out": (Evaluator(workers=1, timeout=60), agent),
        "module, event loop": (Evaluator(executor=LoopExecutor), agent),
    }
    print(f"\nOwn cost of a rollout ({count} rollouts of a program that does nothing):")
    for name, (evaluator, program) in cases.items():
        with evaluator:
            work, whole = middle(bare if program is agent else lambda: None, evaluation(evaluator, program, count))
        print(f"  {name:36} {1e6 * (whole - work) / count:7.0f} µs")

    def keeping() -> None:
        with Evaluator(workers=1, cache=ResultCache()) as evaluator:
            evaluation(evaluator, agent, count)()

    work, whole = middle(bare, keeping)
    print(f"  {'module, 1 thread, results kept':36} {1e6 * (whole - work) / count:7.0f} µs")
    cache = ResultCache()
    with Evaluator(cache=cache) as evaluator:
        known = evaluation(evaluator, agent, count)
        known()
        print(f"  {'module, results known':36} {1e6 * middle(known)[0] / count:7.0f} µs")


class Shorter(Optimizer):
    """Proposes another text in no time."""

    def _propose(self) -> Any:
        yield from ()
        return dict.fromkeys(self.parameters, f"{self.steps}")


def training(steps: int) -> None:
    """Print what a rollout costs in a training run: all of its CPU time, and its time on the clock."""
    data = {"inputs": list(range(64)), "infos": list(range(64))}
    print(f"\nA rollout in a training run ({steps} steps of basic search, 16 rollouts with graphs and 64 without):")
    for name, in_folder in (("in memory", False), ("in a folder, with a record", True)):
        agent = made_module()
        with tempfile.TemporaryDirectory() as folder:
            search = BasicSearch(agent, Shorter(agent.parameters()), num_threads=4, logger=Silent())
            where = folder if in_folder else None
            cpu, clock = time.process_time(), time.perf_counter()
            outcome = search.train(right, data, num_steps=steps, batch_size=16, run_dir=where, progress="off")
            cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
        each = 1e6 / outcome.evaluations
        print(f"  {name:36} {each * cpu:7.0f} µs of CPU, {each * clock:7.0f} µs")


def waiting(count: int) -> None:
    """Print how near 64 threads come to bare threads, where rollouts wait 50 ms."""

    def bare() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda x: right(x, waits(x), None), range(count)))

    with Evaluator(workers=THREADS) as threads, Evaluator(workers=THREADS) as loop:
        times = middle(bare, evaluation(threads, waits, count), evaluation(loop, waits_async, count))
    print(f"\nRollouts that wait {1000 * WAITING:.0f} ms ({count} of them, {THREADS} at once):")
    for name, taken in zip(("bare threads", "threads", "event loop"), times, strict=True):
        print(f"  {name:36} {count / taken:7.0f} /s {times[0] / taken:7.1%} of bare threads")


@contextlib.contextmanager
def dask_executor() -> Iterator[Executor]:
    """Two processes of Dask on this machine."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor()


@contextlib.contextmanager
def ray_executor() -> Iterator[Executor]:
    """Two workers of Ray on this machine."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield RayExecutor()
    finally:
        ray.shutdown()


def each_alone(executor: Executor, program: Callable[[int], int], count: int) -> None:
    """What an executor does without opto's engine: every call is submitted at once."""
    for future in [executor.submit(program, number) for number in range(count)]:
        future.result()


def computing(program: Callable[[int], int], milliseconds: int, count: int) -> None:
    """Print how near Ray and Dask come to a bare pool of two processes, where rollouts compute."""
    print(f"\nRollouts that compute for {milliseconds} ms ({count} of them, 2 workers):")
    with process_pool(2) as pool:
        list(pool.map(program, range(4)))  # starts its processes

        def bare() -> None:
            list(pool.map(program, range(count)))

        for name, opened in (
            ("processes", lambda: contextlib.nullcontext(pool)),
            ("Dask", dask_executor),
            ("Ray", ray_executor),
        ):
            with opened() as executor, Evaluator(executor=executor, workers=2) as evaluator:
                evaluation(evaluator, program, 4)()  # starts its workers
                calls = bare, partial(each_alone, executor, program, count), evaluation(evaluator, program, count)
                base, alone, taken = middle(*calls, rounds=CLUSTER_ROUNDS)
            for what, time_of in ((name, taken), (f"{name}, the function alone", alone)):
                print(f"  {what:36} {count / time_of:7.1f} /s {base / time_of:7.1%} of a bare process pool")


def main() -> None:
    """Run the measurements."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="about how long each measurement takes")
    parser.add_argument("--cluster", action="store_true", help="also measure Ray and Dask, which must be installed")
    arguments = parser.parse_args()
    own_cost(max(100, int(arguments.seconds * 500)))
    training(max(5, int(arguments.seconds * 5)))
    waiting(max(THREADS, int(arguments.seconds * THREADS / WAITING / ROUNDS / 3)))
    if arguments.cluster:
        computing(computes, 50, max(20, int(arguments.seconds * 10)))
        computing(computes_longer, 200, max(10, int(arguments.seconds * 3)))


if __name__ == "__main__":
    main()
