"""A program to be trained, an optimizer that draws its proposals from the parameter's own value, and a logger."""

from __future__ import annotations

from typing import Any

from opto.optimizers import Optimizer
from opto.trace import Module, bundle, node
from opto.trainer.loggers import BaseLogger


class Nudge(Optimizer):
    """Moves every number that has feedback by one, the way the feedback says; remembers how often."""

    def __init__(self, parameters, **kwargs):
        super().__init__(parameters, **kwargs)
        self.moves = 0

    def _propose(self):
        yield from ()
        self.moves += 1
        up = sum(1 if "more" in str(graph.user_feedback) else -1 for graph in [self.trace_graph])
        return {each: each.data + (1 if up > 0 else -1) for each in self.parameters if each.feedback}

    def state_dict(self):
        return {**super().state_dict(), "moves": self.moves}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.moves = state["moves"]


class Kept(BaseLogger):
    """Keeps entries."""

    def __init__(self, mark=""):
        self.mark, self.entries = mark, []

    def log(self, name, data, step, **kwargs):
        self.entries.append((name, data, step))


def cutter(limit: int = 1, skip: int = 0) -> Any:
    """A module with two parameters: the answer is a number of letters of the text."""

    @bundle()
    def cut(text, skip, limit):
        """`limit` letters of the text, after `skip`."""
        if limit > 50:
            raise ValueError("too long")
        return text[skip : skip + max(limit, 0)]

    class Cutter(Module):
        def __init__(self):
            self.limit = node(limit, trainable=True, name="limit")
            self.skip = node(skip, trainable=False, name="skip")

        def forward(self, text):
            return cut(text, self.skip, self.limit)

    return Cutter()


TEXTS = ["abcdefgh", "ijklmnop", "qrstuvwx", "yzabcdef"]
DATA = {"inputs": TEXTS, "infos": [text[:4] for text in TEXTS]}


def closeness(query: Any, response: Any, reference: Any) -> tuple[float, str]:
    """A guide: how near the length is, and which way to go."""
    missing = len(reference) - len(response)
    return 1 / (1 + abs(missing)), "more" if missing > 0 else "less" if missing < 0 else "right"
