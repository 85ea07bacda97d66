"""The graphs that the benchmark grows. Each builder returns the output, the parameters, and how many operators it ran.

Values stay zero on purpose: what is measured is the tracing, not arithmetic on ever longer integers.
"""

from __future__ import annotations

from typing import Any

from opto.trace import bundle, node

WIDTH = 100


@bundle()
def gather(*values: Any) -> int:
    """Put many values together."""
    return len(values)


@bundle()
def judge(value: Any, sample: Any) -> int:
    """Apply the value to one sample."""
    return 0


def chain(size: int) -> tuple[list[Any], list[Any]]:
    """One operator after the other, each with a constant."""
    parameter = node(0, name="start", trainable=True)
    value: Any = parameter
    for _ in range(size):
        value = value + 1
    return [value], [parameter]


def fan_in(size: int) -> tuple[list[Any], list[Any]]:
    """One call with as many parameters as there are."""
    parameters = [node(0, name="weight", trainable=True) for _ in range(size)]
    return [gather(*parameters)], parameters


def shared(size: int) -> tuple[list[Any], list[Any]]:
    """Fibonacci: every value is used twice, so the number of paths grows exponentially."""
    parameters = [node(0, name="start", trainable=True), node(0, name="next", trainable=True)]
    before: Any
    value: Any
    before, value = parameters
    for _ in range(size):
        before, value = value, before + value
    return [value], parameters


def layered(size: int) -> tuple[list[Any], list[Any]]:
    """Layers of 100 values, each made of two values of the layer before, and their sum."""
    parameters = [node(0, name="weight", trainable=True) for _ in range(WIDTH)]
    layer: list[Any] = list(parameters)
    for _ in range(max(1, size // WIDTH - 1)):
        layer = [value + layer[index - 1] for index, value in enumerate(layer)]
    total: Any = layer[0]
    for value in layer[1:]:
        total = total + value
    return [total], parameters


def joined(size: int) -> tuple[list[Any], list[Any]]:
    """A minibatch: one parameter, and an output for each sample, all of them judged in one step."""
    parameter = node(0, name="start", trainable=True)
    return [judge(parameter, index) for index in range(size)], [parameter]


BUILDERS = {builder.__name__: builder for builder in (chain, fan_in, shared, layered, joined)}
