"""Measure everything and print it. Run from the root of the repository with any Python 3.10 or newer: `make bench`."""

from __future__ import annotations

import platform
import sys
import time
from typing import Any

from benchmarks.common.crew import begin
from benchmarks.common.systems import Python
from benchmarks.trace import report, sections
from benchmarks.trace.measure import Growth, Series
from benchmarks.trace.report import Promise
from benchmarks.trace.systems import AUTOGRAD, OPTO, PEER, TORCH
from tools.interpreters import preferred


def main() -> int:
    """Run the benchmark; the exit status is non-zero only if opto itself could not be measured."""
    begin()
    interpreter = preferred((3, 11))
    pythons = {system: system.prepare(interpreter) for system in (OPTO, PEER, TORCH, AUTOGRAD)}
    opto, peer = pythons[OPTO], pythons[PEER]
    if isinstance(opto, str):
        print(opto)
        return 1
    started = time.monotonic()
    print(f"Python {interpreter.name} on {platform.machine()}; CPU time unless said otherwise")
    both = [python for python in (opto, peer) if isinstance(python, Python)]
    costs = sections.costs(pythons)
    sections.same_size(opto, peer)
    seconds = sections.imports_and_prompt(both)
    memory = sections.memory(both)
    growth = sections.growth(opto, peer)
    million = sections.million(opto)
    print(f"\nWhat DESIGN.md promises (measured in {(time.monotonic() - started) / 60:.1f} minutes)")
    for promise in promises(costs, seconds, memory, growth, million):
        print(f"  {promise}")
    return 0


def promises(
    costs: dict[str, Series | str],
    seconds: dict[str, float | str],
    memory: dict[str, Any],
    growth: dict[tuple[str, int], Growth],
    million: float | None,
) -> list[Promise]:
    """Every promise that this benchmark can judge."""

    def against(what: str, workload: str, times: float) -> Promise:
        mine, theirs = (costs[f"{system.name} {workload}"] for system in (OPTO, PEER))
        return report.ratio_promise(f"{what}, against {PEER.name}", mine, theirs, times)

    def phase(shape: str, size: int, name: str) -> float | None:
        found = growth.get((shape, size))
        return found.phases[name] if found else None

    def left(workload: str) -> float | None:
        result = memory[f"{OPTO.name} {workload}"]
        complete = not isinstance(result, str) and result["steps"] == sections.GROWTH_STEPS
        return float(result["mb"]) if complete else None

    backward = None if million is None else million * 1e6
    imported = seconds[OPTO.name]
    return [
        against("one operator", "operator", 20),
        report.ratio_promise(
            "one operator, against PyTorch", costs[f"{OPTO.name} operator"], costs[f"{TORCH.name} torch_operator"], 1
        ),
        against("one bundle call, 1 argument", "bundle_1", 10),
        against("one bundle call, 5 arguments", "bundle_5", 10),
        against("one trainable bundle call", "trainable", 10),
        report.limit_promise("backward on a chain of 1,000,000, each node", backward, 3, "µs"),
        *(_linear(growth, shape, name) for shape in ("chain", "shared", "layered") for name in ("backward", "propose")),
        report.limit_promise("propose with 10,000 parameters", phase("fan_in", 10_000, "propose"), 1, "s"),
        report.limit_promise("propose with 10,000 joined samples", phase("joined", 10_000, "propose"), 1, "s"),
        report.limit_promise("memory after 10,000 training steps", left("training_growth"), 1, "MB"),
        report.limit_promise("memory after 10,000 dropped forward passes", left("dropped_growth"), 1, "MB"),
        report.limit_promise("import", imported if isinstance(imported, float) else None, 0.15, "s"),
    ]


def _linear(growth: dict[tuple[str, int], Growth], shape: str, phase: str) -> Promise:
    """The promise that a node costs no more in the largest graph than in a small one, give or take the caches."""
    small, large = (growth.get((shape, size)) for size in (sections.OPTO_SIZES[0], sections.OPTO_SIZES[-1]))
    each = (large.phases[phase] / large.size) / (small.phases[phase] / small.size) if small and large else None
    what = f"{phase} of one node of a {shape} graph, {sections.OPTO_SIZES[-1]:,} against {sections.OPTO_SIZES[0]:,}"
    # What is promised is linear; the caches and the collector make a node of a large graph dearer, hence the bound.
    judged = report.limit_promise(what, each, 3, "times")
    return Promise(what, "linear: at most 3 times", judged.reached, judged.kept)


if __name__ == "__main__":
    sys.exit(main())
