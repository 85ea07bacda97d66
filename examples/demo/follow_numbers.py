"""The paper's numerical problem: an unknown target, and feedback that only says larger or smaller.

Section 5.1 of arXiv 2406.16218: minimize |h(x) - y*| over one number x, where h is a random composition of arithmetic
operators, and the feedback is "The output should be larger" or "smaller".
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from examples.demo.display import Display
from examples.demo.training import Outcome, train
from opto.optimizers import OptoPrime
from opto.trace import GRAPH, Node, TraceGraph, node

__all__ = ["Composition", "run"]

_STEPS = 10
_SEED = 2406
_TOLERANCE = 0.05


@dataclass(frozen=True)
class Composition:
    """A random function of one number, made of additions, subtractions and multiplications.

    Each draw combines two operands; an operand is a result that is there already, or a new number.
    """

    draws: tuple[tuple[str, int | float, int | float], ...]

    @classmethod
    def sampled(cls, generator: random.Random, size: int) -> Composition:
        """A function of `size` operators that depends on its argument."""
        while True:
            sampled = cls._drawn(generator, size)
            if len({sampled(x) for x in (-1.0, 0.0, 1.0)}) == 3:
                return sampled

    @classmethod
    def _drawn(cls, generator: random.Random, size: int) -> Composition:
        """A function of `size` operators. An int operand is the index of a result, a float a new number."""
        draws: list[tuple[str, int | float, int | float]] = []
        for index in range(size):
            left: int | float = index  # the newest result, so that all of them lead to the output
            reuse = generator.random() < 0.5
            right: int | float = generator.randrange(index + 1) if reuse else round(generator.uniform(-3, 3), 1)
            draws.append((generator.choice("+-*"), left, right))
        return cls(tuple(draws))

    def __call__(self, x: Any) -> Any:
        """The value at x, which may be a number or a node."""
        results = [x]
        for operator, left, right in self.draws:
            a = results[left] if isinstance(left, int) else left
            b = results[right] if isinstance(right, int) else right
            results.append(a + b if operator == "+" else a - b if operator == "-" else a * b)
        return results[-1]


def run(display: Display, answering: Callable[[str], Any]) -> TraceGraph:
    """Move x until the output is near the target; returns the graph of the last step."""
    GRAPH.clear()
    generator = random.Random(_SEED)
    h = Composition.sampled(generator, 5)
    target = round(float(h(generator.uniform(-2.0, 2.0))), 2)
    x = node(0.0, name="x", trainable=True, description="A real number.")
    display.say(f"The target {target} is not shown to the optimizer: it sees the run, and one of two sentences.\n")

    def forward() -> list[Outcome]:
        output: Node[Any] = h(x)
        solved = abs(output.data - target) <= _TOLERANCE
        feedback = f"The output should be {'larger' if output.data < target else 'smaller'}."
        return [Outcome(output, feedback, solved)]

    optimizer = OptoPrime([x], llm=answering("numbers"), memory_size=_STEPS)
    before = abs(h(x.data) - target)
    train(display, optimizer, forward, what="following the feedback", steps=_STEPS)
    after = abs(h(x.data) - target)
    display.gain("distance to the unknown target", f"{before:.2f}", f"{after:.2f}")
    return optimizer.trace_graph
