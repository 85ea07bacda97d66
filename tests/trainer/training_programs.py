"""A module of a person's program, for tests of training: other processes import it under the name `person`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

SOURCE = '''
import os
import signal

from opto.optimizers import Optimizer
from opto.optimizers.drivers import Request
from opto.trace import Module, bundle, model, node
from opto.trainer import Guide, rebuildable


def executed():
    """Leave a byte for each run of the program, where a test counts them; and die after so many."""
    where = os.environ.get("EXECUTED")
    if where:
        with open(where, "ab") as file:
            file.write(b".")
        if os.path.getsize(where) >= int(os.environ.get("DIE_AT", "1000000")):
            os.kill(os.getpid(), signal.SIGKILL)


@bundle()
def cut(text, limit):
    """The first letters."""
    return text[: max(limit, 0)]


class Cutter(Module):
    def __init__(self):
        self.limit = node(1, trainable=True, name="limit")

    def forward(self, text):
        executed()
        return cut(text, self.limit)


class Marked(Cutter):
    def __init__(self, mark):
        super().__init__()
        self.mark = mark


@model
class Decorated:
    def __init__(self):
        self.limit = node(1, trainable=True, name="limit")

    def forward(self, text):
        executed()
        return cut(text, self.limit)


@rebuildable
def marked(mark):
    return Marked(mark)


agent = Cutter()
words = node(1, trainable=True, name="words")


def plain(text):
    """Reads a parameter from around it."""
    executed()
    return cut(text, words)


class Nudge(Optimizer):
    """Asks, and moves every number by one, the way the feedback says."""

    def __init__(self, parameters, llm=None, *, by=1):
        super().__init__(parameters)
        self.llm, self.by = llm, by

    def _propose(self):
        (reply,) = yield [Request([{"role": "user", "content": "which way?"}])]
        assert reply.text == "go"
        up = "more" in str(self.trace_graph.user_feedback)
        return {each: each.data + (self.by if up else -self.by) for each in self.parameters if each.feedback}


asked = []


def answer(messages, **options):
    asked.append(messages)
    return "go"


def closeness(query, response, reference):
    missing = len(reference) - len(response)
    return 1 / (1 + abs(missing)), "more" if missing > 0 else "less" if missing < 0 else "right"


class Closeness(Guide):
    def __init__(self):
        self.strict = False

    def get_feedback(self, query, response, reference=None, **kwargs):
        return closeness(query, response, reference)


TEXTS = ["abcdefgh", "ijklmnop", "qrstuvwx", "yzabcdef"]
DATA = {"inputs": TEXTS, "infos": [text[:6] for text in TEXTS]}
OPTIONS = {
    "train_dataset": DATA, "guide": closeness, "optimizer": Nudge, "optimizer_kwargs": {"llm": answer}, "batch_size": 2
}
'''


def written(folder: Path, name: str = "person") -> Path:
    """Write the module into a folder."""
    (folder / f"{name}.py").write_text(SOURCE, encoding="utf-8")
    return folder


def environment(folder: Path, **more: str) -> dict[str, Any]:
    """For processes that import it."""
    root = Path(__file__).parents[2]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(root)]), "PYTHONHASHSEED": "0", **more}
