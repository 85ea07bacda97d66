"""What is measured of opto and of trace-opt: the same code for both, since both offer the same names.

Every workload takes plain arguments and returns plain data; times are CPU seconds.
"""

from __future__ import annotations

import gc
import resource
import sys
from collections.abc import Callable
from itertools import repeat
from time import process_time
from typing import Any

import yardsticks
from graphs import BUILDERS
from model import FixedModel

from opto.optimizers import OptoPrime
from opto.trace import GRAPH, bundle, node


@bundle()
def one_argument(first: Any) -> Any:
    """Return the argument."""
    return first


@bundle()
def five_arguments(first: Any, second: Any, third: Any, fourth: Any, fifth: Any) -> Any:
    """Return the first argument."""
    return first


@bundle(trainable=True)
def trainable_code(first: Any) -> Any:
    """Return the argument."""
    return first


def create(count: int) -> float:
    """Nodes made of plain values."""
    start = process_time()
    for _ in repeat(None, count):
        node(1)
    return _ended(start)


def operator(count: int) -> float:
    """Additions of two nodes, results dropped."""
    first, second = node(1, trainable=True), node(2)
    start = process_time()
    for _ in repeat(None, count):
        first + second
    return _ended(start)


def bundle_1(count: int) -> float:
    """Calls of a bundled function of one argument."""
    return _calls(one_argument, 1, count)


def bundle_5(count: int) -> float:
    """Calls of a bundled function of five arguments."""
    return _calls(five_arguments, 5, count)


def trainable(count: int) -> float:
    """Calls of a bundled function whose code is a parameter."""
    return _calls(trainable_code, 1, count)


def _calls(function: Callable[..., Any], width: int, count: int) -> float:
    arguments = [node(index, trainable=True) for index in range(width)]
    start = process_time()
    for _ in repeat(None, count):
        function(*arguments)
    return _ended(start)


def _ended(start: float) -> float:
    seconds = process_time() - start
    GRAPH.clear()
    return seconds


def graph(shape: str, size: int, windows: int = 1) -> dict[str, float]:
    """Forward, backward and `propose` on one graph: the least CPU seconds of each, and the peak memory in MB."""
    least: dict[str, float] = {}
    for _ in range(windows):
        gc.collect()
        for phase, seconds in _loop(shape, size).items():
            least[phase] = min(seconds, least.get(phase, seconds))
        GRAPH.clear()
    least["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 2**20)
    return least


def _loop(shape: str, size: int) -> dict[str, float]:
    start = process_time()
    outputs, parameters = BUILDERS[shape](size)
    forward = process_time()
    optimizer = OptoPrime(parameters, llm=FixedModel({parameter.py_name: 1 for parameter in parameters}))
    optimizer.zero_feedback()
    before_backward = process_time()
    for output in outputs:
        optimizer.backward(output, "The output should be larger.")
    backward = process_time()
    proposal = optimizer.propose()
    end = process_time()
    if len(proposal) != len(parameters):
        raise AssertionError(f"{len(proposal)} of {len(parameters)} parameters were proposed for")
    return {"forward": forward - start, "backward": backward - before_backward, "propose": end - backward}


def walks_back(shape: str, size: int, windows: int) -> list[float]:
    """CPU seconds of each of `windows` walks back over one graph, which is retained."""
    (output,), parameters = BUILDERS[shape](size)
    seconds = []
    for _ in range(windows):
        for parameter in parameters:
            parameter.zero_feedback()
        start = process_time()
        output.backward("The output should be larger.", retain_graph=True)
        seconds.append(process_time() - start)
    return seconds


def training_growth(steps: int, warm_up: int, seconds: float) -> dict[str, float]:
    """Memory left behind by training steps of 20 operators each, all defaults on, counted after `warm_up` of them.

    Stops early after `seconds`, and says how many steps were counted.
    """
    parameter = node(0, trainable=True)
    optimizer = OptoPrime([parameter], llm=FixedModel({parameter.py_name: 1}))

    def step() -> None:
        optimizer.zero_feedback()
        optimizer.backward(_twenty_operators(parameter), "The output should be larger.")
        optimizer.step()

    return _growth(step, steps, warm_up, seconds)


def dropped_growth(steps: int, warm_up: int, seconds: float) -> dict[str, float]:
    """Memory left behind by forward passes of 20 operators each whose results are dropped."""
    parameter = node(0, trainable=True)
    return _growth(lambda: _twenty_operators(parameter), steps, warm_up, seconds)


def _twenty_operators(value: Any) -> Any:
    for _ in repeat(None, 20):
        value = value + 0
    return value


def _growth(step: Callable[[], Any], steps: int, warm_up: int, seconds: float) -> dict[str, float]:
    for _ in range(warm_up):
        step()
    gc.collect()
    before, start, done = _resident_mb(), process_time(), 0
    while done < steps and process_time() - start <= seconds:
        step()
        done += 1
    gc.collect()
    return {"steps": done, "mb": _resident_mb() - before, "seconds": process_time() - start}


def _resident_mb() -> float:
    """Memory of this process now; where the system does not say, the most it ever was."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def prompt() -> dict[str, int]:
    """Length of the request that OptoPrime makes of one small problem, in characters."""
    number, factor = node(3, name="number", trainable=True), node(2, name="factor", trainable=True)
    model = FixedModel()
    optimizer = OptoPrime([number, factor, *trainable_code.parameters()], llm=model)
    output = five_arguments(trainable_code(number) * factor + 1, number, factor, number - factor, 4) - number
    optimizer.zero_feedback()
    optimizer.backward(output, "The output should be larger.")
    optimizer.propose()
    return {message["role"]: len(message["content"]) for message in model.messages}


WORKLOADS = {
    function.__name__: function
    for function in (
        create,
        operator,
        bundle_1,
        bundle_5,
        trainable,
        graph,
        walks_back,
        training_growth,
        dropped_growth,
        prompt,
        yardsticks.calibration,
    )
}
