"""A small training run that says what it does, for a test that kills it: `python -m tests.trainer.killed_run FOLDER`.

Each line that it prints is a rollout, an evaluation or a model call that begins; the same is appended to `executed`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from opto.llm import FromCallable
from opto.optimizers import OptoPrime
from opto.runs.files import write_atomic
from opto.trace import GRAPH, Module, bundle, node
from opto.trainer.results import ResultCache
from opto.trainer.rolling_out.step_journal import StepJournal
from opto.trainer.rollouts import Evaluator, Request

STEPS = 4
WORKERS = 3
FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()


def execute(what):
    """Note that something is executed, which a run pays for."""
    line = f"{what}\n".encode()
    log = os.open(FOLDER / "executed", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, line)
    os.close(log)
    os.write(1, line)


def digest(text):
    """A short text that depends on all of another."""
    return hashlib.sha256(text.encode()).hexdigest()[:6]


@bundle()
def answer(prompt, x):
    """The answer to x."""
    if x == 3:
        raise ValueError(f"no answer to {x} for {prompt}")
    return digest(f"{prompt} {x}")


class Program(Module):
    """Answers."""

    def __init__(self):
        self.prompt = node("start", trainable=True, name="prompt")

    def forward(self, x):
        execute(f"run {x}")
        return answer(self.prompt, x) + "!"


def guide(query, response, reference):
    """A score and words that depend on the response."""
    return len(set(response)) / 7, f"{response} for {query}"


def ask(messages, **options):
    """A suggestion that depends on every character of the prompt."""
    execute("model")
    text = messages[-1]["content"]
    return json.dumps({"reasoning": "", "answer": "", "suggestion": {"prompt0": digest(text)}})


def main():
    """Train, from where it was left."""
    path = FOLDER / "state.json"
    state = json.loads(path.read_text()) if path.exists() else {"step": 0, "prompt": "start", "size": 0, "told": []}
    agent = Program()
    agent.prompt._set(state["prompt"])
    journal = StepJournal(FOLDER / "step.jsonl")
    cache = ResultCache(FOLDER, committed=state["size"])
    optimizer = OptoPrime([agent.prompt], FromCallable(ask))
    with Evaluator(workers=WORKERS, cache=cache) as evaluator:
        for step in range(state["step"], STEPS):
            journal.begin(step)
            GRAPH.clear()
            optimizer.zero_feedback()
            for each in evaluator.rollouts([Request(agent, x) for x in (1, 2, 3, 1, step)], guide, journal=journal):
                optimizer.backward(each.target, each.feedback)
            with journal.replies():
                optimizer.step()
            found = list(evaluator.evaluations([Request(agent, x) for x in (1, 2, 3, 4, 5, 1)], guide))
            told = [agent.prompt.data, sum(each.fresh for each in found), [each.score for each in found]]
            state = {"step": step + 1, "prompt": agent.prompt.data, "size": cache.size, "told": [*state["told"], told]}
            write_atomic(path, json.dumps(state))
            journal.clear()
    write_atomic(FOLDER / "result.json", json.dumps(state["told"]))


if __name__ == "__main__":
    main()
