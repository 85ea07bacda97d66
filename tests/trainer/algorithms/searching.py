"""A program, optimizers and models for the tests of priority searches."""

from __future__ import annotations

import random
import re
from typing import Any

from opto.optimizers import Optimizer
from opto.trace import Module, bundle, node
from opto.trainer.guide import Guide

XS = [1, 2, 3, 4, 5]


@bundle()
def plus(x: Any, number: Any) -> Any:
    """The sum of both."""
    return x + number


class Adder(Module):
    """Adds a number that it has to learn; it counts its calls."""

    def __init__(self) -> None:
        self.number = node(1.0, trainable=True, name="number")
        self.calls = 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return plus(x, self.number)


class Near(Guide):
    """The nearer to the reference, the higher the score: 1 at it, 0 at a distance of 10."""

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> tuple[float, str]:
        apart = reference - response
        return max(0.0, 1 - abs(apart) / 10), f"off by {apart:g}"


class TwoScores(Near):
    """Two objectives: how near it is, and how small the number is."""

    def get_score_dict(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> dict[str, float]:
        near = self.metric(query, response, reference)
        return {"near": near, "size": float(response - query)}


class Walk(Optimizer):
    """Moves the number by a step that it draws; it learns nothing, but counts in its state what it has drawn."""

    def __init__(self, parameters: Any, seed: int = 0) -> None:
        super().__init__(parameters)
        self.seed, self.drawn = seed, 0

    def _propose(self, *args: Any, **kwargs: Any) -> Any:
        self.drawn += 1
        yield from ()
        values = {}
        for each in self.parameters:
            if each.feedback:
                step = random.Random(f"{self.seed}/{self.drawn}/{each.data}").choice([-1.0, 0.5, 1.0, 2.0])
                values[each] = each.data + step
        return values

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "drawn": self.drawn}

    def load_state_dict(self, state: Any) -> None:
        super().load_state_dict(state)
        self.drawn = state["drawn"]


class OlderWalk(Optimizer):
    """The same move by one in the older form: `_step` gives the values."""

    def _step(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return {each: each.data + 1.0 for each in self.parameters}


class Nothing(Optimizer):
    """Never proposes anything."""

    def _propose(self, *args: Any, **kwargs: Any) -> Any:
        yield from ()
        return {}


def says_five(messages: Any, **options: Any) -> str:
    """A model that answers in tags, always with 5."""
    name = re.findall(r'<variable name="\s*(.*?)" type=.*>', messages[1]["content"])[-1]
    return (
        f"<reasoning> It should be five. </reasoning> <variable> <name> {name} </name> <value> 5 </value> </variable>"
    )


def data(target: float = 6.0) -> dict[str, list[Any]]:
    """Examples whose right answer is more by `target`."""
    return {"inputs": list(XS), "infos": [x + target for x in XS]}


class Silent:
    """A logger that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Any, int]] = []

    def log(self, name: str, data: Any, step: int, **kwargs: Any) -> None:
        self.lines.append((name, data, step))
