"""What other tracers, and plain Python, pay for one addition. Each workload returns CPU seconds for `count` of them."""

from __future__ import annotations

import itertools
import weakref
from time import process_time
from typing import Any


def calibration(count: int) -> float:
    """A loop of integer additions and list look-ups: how fast this machine runs Python just now."""
    table = list(range(256))
    total = 0
    start = process_time()
    for index in range(count):
        total += table[index & 255]
    return process_time() - start


class _Slotted:
    __slots__ = ("__weakref__", "children", "data", "level", "number", "parents")

    def __init__(self, data: Any, parents: tuple[_Slotted, ...], number: int) -> None:
        self.data = data
        self.parents = parents
        self.number = number
        self.children: list[Any] | None = None
        self.level: int = 1 + max(parent.level for parent in parents) if parents else 0


def floor(count: int) -> float:
    """The least that a tracer in pure Python can do: a slotted node with a level, a counter, and a weak child."""
    first, second = _Slotted(1, (), 0), _Slotted(2, (), 1)
    counter = itertools.count(2)
    start = process_time()
    for _ in itertools.repeat(None, count):
        result = _Slotted.__new__(_Slotted)
        result.data = first.data + second.data
        result.parents = (first, second)
        result.number = next(counter)
        level = first.level
        result.level = 1 + (level if level >= second.level else second.level)
        result.children = None
        first.children = [weakref.ref(result)]
        second.children = [weakref.ref(result)]
    return process_time() - start


def torch_operator(count: int) -> float:
    """PyTorch: additions of two tensors that require gradients, results dropped."""
    import torch

    first, second = (torch.tensor(value, requires_grad=True) for value in (1.0, 2.0))
    start = process_time()
    for _ in itertools.repeat(None, count):
        first + second
    return process_time() - start


def torch_chain(count: int) -> dict[str, float]:
    """PyTorch: a chain of additions, and the walk back through it."""
    import torch

    torch.set_num_threads(1)
    first, second = (torch.tensor(value, requires_grad=True) for value in (1.0, 2.0))
    value = first
    start = process_time()
    for _ in itertools.repeat(None, count):
        value = value + second
    middle = process_time()
    value.backward()
    return {"forward": middle - start, "backward": process_time() - middle}


def autograd_chain(count: int) -> dict[str, float]:
    """HIPS autograd: the same chain."""
    from autograd.core import make_vjp

    def chain(first: Any) -> Any:
        value = first
        for _ in itertools.repeat(None, count):
            value = value + first
        return value

    start = process_time()
    pull_back, _ = make_vjp(chain, 1.0)
    middle = process_time()
    pull_back(1.0)
    return {"forward": middle - start, "backward": process_time() - middle}


WORKLOADS = {
    function.__name__: function for function in (calibration, floor, torch_operator, torch_chain, autograd_chain)
}
