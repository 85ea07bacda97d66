"""The parts of the benchmark, in the order in which they are printed. Each returns what the promises are read from."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.common.systems import Python, System, WorkerError
from benchmarks.trace import measure, report
from benchmarks.trace.measure import Growth, Lane, Series
from benchmarks.trace.systems import AUTOGRAD, OPTO, PEER, TORCH

COSTS = {
    "create": "node",
    "operator": "operator",
    "bundle_1": "bundle, 1 argument",
    "bundle_5": "bundle, 5 arguments",
    "trainable": "trainable bundle",
}
SHAPES = ["chain", "fan_in", "shared", "layered", "joined"]
SAME_SIZE = 500
SAME_SIZE_WINDOWS = 20
OPTO_SIZES = [10_000, 100_000, 1_000_000]
# Twenty windows of a million nodes take minutes, so a size gets as many as fit in this, and the table says how many.
SECONDS_PER_SIZE = 5.0
GROWTH_STEPS = 10_000
GROWTH_WARM_UP = 500
IMPORTS = "from opto.trace import node, bundle; from opto.optimizers import OptoPrime"

Pythons = dict[System, "Python | str"]


def say(text: str) -> None:
    """Show progress."""
    print(text, flush=True)


def costs(pythons: Pythons) -> dict[str, Series | str]:
    """What one of each thing costs, all systems in turn."""
    workers = {system: python.start() for system, python in pythons.items() if isinstance(python, Python)}
    wanted: list[tuple[System, str]] = [(OPTO, "calibration"), (PEER, "calibration")]
    wanted += [(system, workload) for workload in COSTS for system in (OPTO, PEER)]
    wanted += [(AUTOGRAD, "floor"), (AUTOGRAD, "autograd_chain"), (TORCH, "torch_operator"), (TORCH, "torch_chain")]
    lanes = [
        Lane(f"{system.name} {workload}", workers[system], workload) for system, workload in wanted if system in workers
    ]
    try:
        results = measure.interleaved(lanes)
    finally:
        for worker in workers.values():
            worker.close()
    for system, workload in wanted:
        if system not in workers:
            results[f"{system.name} {workload}"] = str(pythons[system])
    _print_costs(results)
    return results


def _print_costs(results: dict[str, Series | str]) -> None:
    calibration = [results[f"{system.name} calibration"] for system in (OPTO, PEER)]
    for each in calibration:
        if isinstance(each, Series):
            spread = statistics.median(each.windows["all"]) / each.least()
            say(f"Calibration: {each.least() * 1e9:.1f} ns a round of plain Python (median {spread:.2f} times that)")
    rows = [
        report.cost_row(what, results[f"{OPTO.name} {key}"], results[f"{PEER.name} {key}"])
        for key, what in COSTS.items()
    ]
    report.table(
        f"What one costs (least CPU time of {measure.WINDOWS} windows)", ["", OPTO.name, PEER.name, "ratio"], rows
    )
    mine = results[f"{OPTO.name} operator"]
    yardsticks = [
        ("floor of pure Python", f"{AUTOGRAD.name} floor", "all"),
        ("PyTorch, one addition", f"{TORCH.name} torch_operator", "all"),
        ("PyTorch, addition in a chain", f"{TORCH.name} torch_chain", "forward"),
        ("PyTorch, walking back", f"{TORCH.name} torch_chain", "backward"),
        ("autograd, addition in a chain", f"{AUTOGRAD.name} autograd_chain", "forward"),
        ("autograd, walking back", f"{AUTOGRAD.name} autograd_chain", "backward"),
    ]
    rows = []
    for what, key, phase in yardsticks:
        other = results[key]
        figure = other if isinstance(other, str) else report.microseconds(other.least(phase))
        against = "-"
        if isinstance(mine, Series) and isinstance(other, Series) and phase != "backward":
            against = report.ratio(mine.least(), other.least(phase))
        rows.append([what, figure, against])
    report.table("Second yardstick", ["", "one node", "opto's operator is"], rows)


def same_size(opto: Python, peer: Python | str) -> None:
    """Forward, backward and propose on small graphs that both can do, in turn."""
    if isinstance(peer, str):
        say(f"\n{PEER.name}: {peer}")
        return
    rows = []
    with opto.start() as mine, peer.start() as theirs:
        for shape in SHAPES:
            least: dict[str, dict[str, float]] = {}
            try:
                for _ in range(SAME_SIZE_WINDOWS):
                    for worker in (mine, theirs):
                        phases = worker.ask("graph", shape=shape, size=SAME_SIZE)
                        known = least.setdefault(worker.name, phases)
                        least[worker.name] = {phase: min(known[phase], phases[phase]) for phase in phases}
            except WorkerError as error:
                rows.append([shape, str(error), "", ""])
                continue
            for phase in ("forward", "backward", "propose"):
                first, second = least[OPTO.name][phase], least[PEER.name][phase]
                rows.append(
                    [f"{shape}, {phase}", report.duration(first), report.duration(second), report.ratio(first, second)]
                )
    title = f"Graphs of {SAME_SIZE} operators (least CPU time of {SAME_SIZE_WINDOWS} windows)"
    report.table(title, ["", OPTO.name, PEER.name, "ratio"], rows)


def growth(opto: Python, peer: Python | str) -> dict[tuple[str, int], Growth]:
    """How graphs of each shape grow: the peer up to its limit, opto at that size and up to a million."""
    say("\nGrowing graphs")
    theirs: list[list[str]] = []
    notes = []
    found: dict[tuple[str, int], Growth] = {}
    for shape in SHAPES:
        sizes = list(OPTO_SIZES)
        if isinstance(peer, Python):
            last, reason = measure.largest(peer, shape, OPTO_SIZES[0], say)
            if reason:
                notes.append(f"{PEER.name}, {shape} of {reason}")
            if last:
                theirs.append(report.growth_row(f"{shape}, {PEER.name}", last))
                sizes = sorted({last.size, *sizes})
        for size in sizes:
            try:
                found[shape, size] = _repeated(opto, shape, size)
            except WorkerError as error:
                notes.append(f"{OPTO.name}, {shape} of {size:,}: {error}")
                break
        say(f"  {OPTO.name}, {shape}: done")
    title = f"Largest graphs that {PEER.name} ends within {measure.PEER_LIMIT:.0f} s, up to {OPTO_SIZES[0]:,}"
    report.table(title, report.GROWTH_HEADING, theirs)
    mine = [report.growth_row(shape, each) for (shape, _), each in found.items()]
    report.table(f"{OPTO.name} at those sizes and beyond", report.GROWTH_HEADING, mine)
    for note in notes:
        say(f"not reached: {note}")
    return found


def _repeated(opto: Python, shape: str, size: int) -> Growth:
    """One window, and then as many as there is time for, at most 20."""
    first = measure.one_size(opto, shape, size, limit=2 * measure.PEER_LIMIT)
    windows = min(20, int(SECONDS_PER_SIZE / max(first.total, 1e-6)))
    if windows <= 1:
        return first
    return measure.one_size(opto, shape, size, windows=windows, limit=10 * measure.PEER_LIMIT)


def million(opto: Python) -> float | None:
    """Seconds for one node of the longest chain: the quickest of 20 walks back."""
    size = OPTO_SIZES[-1]
    walks = measure.ask(opto, "walks_back", 5 * measure.PEER_LIMIT, shape="chain", size=size, windows=20)
    if isinstance(walks, str):
        say(f"\nWalking back over a chain of {size:,}: {walks}")
        return None
    each = float(min(walks)) / size
    shown = report.microseconds(each)
    say(f"\nWalking back over a chain of {size:,}, the quickest of {len(walks)} times: {shown} a node")
    return each


def memory(pythons: list[Python]) -> dict[str, Any]:
    """What 10,000 training steps, and as many dropped forward passes, leave behind."""
    rows, results = [], {}
    for workload, what in (("training_growth", "training steps"), ("dropped_growth", "dropped forward passes")):
        for python in pythons:
            arguments = {"steps": GROWTH_STEPS, "warm_up": GROWTH_WARM_UP, "seconds": measure.PEER_LIMIT}
            result = measure.ask(python, workload, 4 * measure.PEER_LIMIT, **arguments)
            results[f"{python.system.name} {workload}"] = result
            if isinstance(result, str):
                rows.append([what, python.system.name, "-", result, "-"])
                continue
            each = f"{1024 * result['mb'] / result['steps']:.3f} kB"
            rows.append([what, python.system.name, f"{result['steps']:,}", f"{result['mb']:.2f} MB", each])
    title = f"Memory left behind by {GROWTH_STEPS:,} rounds of 20 operators, counted after the first {GROWTH_WARM_UP}"
    report.table(title, ["", "system", "rounds", "left behind", "each"], rows)
    return results


def imports_and_prompt(pythons: list[Python]) -> dict[str, float | str]:
    """Time to import, and the length of the request that is made of one small problem."""
    seconds = measure.import_seconds(pythons, IMPORTS)
    lengths = {python.system.name: measure.ask(python, "prompt", measure.PEER_LIMIT) for python in pythons}
    rows = []
    for name, value in seconds.items():
        length = lengths[name]
        shown = length if isinstance(length, str) else f"{length['system']:,} + {length['user']:,}"
        rows.append([name, value if isinstance(value, str) else report.duration(value), shown])
    report.table(
        "Import (least of 10 fresh interpreters), and OptoPrime's request for one small problem",
        ["", "import", "characters (system + user)"],
        rows,
    )
    return seconds
