"""The loop that the parts share: run, send feedback back, step, show what changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from examples.demo.display import Display
from opto.optimizers import OptoPrime
from opto.trace import ExecutionError, Node

__all__ = ["Outcome", "attempt", "train"]


@dataclass
class Outcome:
    """What one run of a program gave: its output node, and what is said about it.

    Attributes:
        node: the output, or the node of the error that it ended with.
        feedback: what the optimizer is told.
        solved: whether there is nothing to improve.
    """

    node: Node[Any]
    feedback: str
    solved: bool


def attempt(run: Callable[[], Node[Any]], judge: Callable[[Any], tuple[bool, str]]) -> Outcome:
    """Run a program once; an error is an outcome too.

    Args:
        run: the program.
        judge: from the output's value, whether it is right and what to say.
    """
    try:
        output = run()
    except ExecutionError as error:
        return Outcome(error.exception_node, error.exception_node.create_feedback("full"), False)
    solved, feedback = judge(output.data)
    return Outcome(output, feedback, solved)


def train(
    display: Display,
    optimizer: OptoPrime,
    forward: Callable[[], list[Outcome]],
    *,
    what: str,
    steps: int,
) -> list[Outcome]:
    """Step until every outcome is solved, or the steps run out; the last outcomes are returned."""
    outcomes = forward()
    with display.progress(what, steps) as bar:
        for number in range(1, steps + 1):
            if all(each.solved for each in outcomes):
                break
            optimizer.zero_feedback()
            for each in outcomes:
                optimizer.backward(each.node, each.feedback)
            before = {parameter: parameter.data for parameter in optimizer.parameters}
            optimizer.step()
            changes = [
                (parameter.py_name, old, parameter.data) for parameter, old in before.items() if parameter.data != old
            ]
            display.step(number, _summary(outcomes), changes)
            outcomes = forward()
            bar.advance()
    return outcomes


def _summary(outcomes: list[Outcome]) -> str:
    """The first unsolved feedback, and how many there are."""
    open_ones = [each.feedback for each in outcomes if not each.solved]
    rest = f"  (and {len(open_ones) - 1} more)" if len(open_ones) > 1 else ""
    return open_ones[0] + rest
