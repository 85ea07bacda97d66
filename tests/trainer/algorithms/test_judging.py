"""What may be the best candidate of a priority search, and what may be in its memory at all."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from opto.llm import as_model
from opto.optimizers import OptoPrime
from opto.trace import Module, bundle, node
from opto.trainer.algorithms import POLCA, PrioritySearch, SequentialSearch
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.priority.leading import leads
from tests.trainer.algorithms.searching import Adder, Near, OlderWalk, Silent, data


def with_scores(agent: Adder, scores: dict[int, list[float]]) -> ModuleCandidate:
    """A candidate that was scored."""
    made = ModuleCandidate(agent, {agent.number: 1.0})
    blank = dict.fromkeys(("module", "x", "info", "target", "feedback"))
    for place, some in scores.items():
        for each in some:
            made.table("train").add(place, each)
            made.add_rollouts([{**blank, "score": each}])
    return made


@pytest.mark.parametrize(
    ("scores", "leading"),
    [
        ({9: [1.0]}, False),  # one lucky rollout, on an example of its own
        ({0: [1.0]}, False),
        ({0: [1.0], 1: [0.4], 2: [0.9]}, False),  # ahead on three examples in common, but not clearly
        ({0: [0.6], 1: [0.6], 2: [0.6]}, True),  # a little ahead on each of them
        ({place: [0.6] for place in range(8, 12)}, True),  # half as many rollouts
    ],
)
def test_a_short_record_must_be_clearly_better(scores: dict[int, list[float]], leading: bool) -> None:
    """Half as many rollouts are enough for the higher mean to count; fewer must be ahead by two standard errors."""
    agent = Adder()
    known = {0: [0.5], 1: [0.5], 2: [0.5], 3: [0.9], 4: [0.1], 5: [0.9], 6: [0.1], 7: [0.5]}
    best = with_scores(agent, known)
    assert leads(with_scores(agent, scores), best, "train") is leading


def trained(kind: Any = PrioritySearch, guide: Any = None, **options: Any) -> Any:
    """What comes of a short search."""
    agent = Adder()
    algorithm = kind(agent, OlderWalk(agent.parameters()), 1, Silent())
    return algorithm.train(guide=guide or Near(), **{"train_dataset": data(), "num_steps": 8, **options})


def noise(scale: float) -> Any:
    """A guide that judges by lot."""
    lots = random.Random(3)
    return lambda query, response, reference: min(1.0, max(0.0, lots.gauss(0.5, scale)))


def test_luck_proves_nothing() -> None:
    """Where scores are noise alone, nothing takes the place of the initial values if it has to prove itself."""
    for kind in (PrioritySearch, SequentialSearch):
        doubting = trained(kind, noise(0.3), num_steps=25, confidence=0.99)
        assert doubting.best.number == 0
        assert doubting.best.status == "accepted"


@pytest.mark.parametrize("kind", [PrioritySearch, SequentialSearch])
def test_what_is_better_proves_it(kind: Any) -> None:
    """On all examples that the best one has scores of; the verdict has the numbers."""
    examples = {"inputs": list(range(12)), "infos": [x + 9.0 for x in range(12)]}
    outcome = trained(kind, train_dataset=examples, num_steps=20, batch_size=6, confidence=0.9)
    assert outcome.score > outcome.start
    assert "against" in outcome.best.verdict
    assert "90%" in outcome.best.verdict


def test_pinned_examples_do_not_get_worse() -> None:
    """A candidate that is worse at one of them is rejected, whatever its mean is."""
    uneven = {"inputs": [0, 1, 2, 3], "infos": [1.0, 7.0, 8.0, 9.0]}
    free = trained(train_dataset=uneven, batch_size=4)
    assert free.best.number > 0
    bound = trained(train_dataset=uneven, batch_size=4, pinned=(0,))
    assert bound.best.number == 0
    rejected = [each for each in bound.archive if each.status == "rejected"]
    assert any("worse than the initial values at pinned example 0" in each.verdict for each in rejected)


@bundle()
def asked(instruction: Any, question: str) -> str:
    """The instruction, then the question."""
    return f"{instruction} {question}"


class Instructed(Module):
    """A program with a text."""

    def __init__(self) -> None:
        self.instruction = node("Answer.", trainable=True, name="instruction")

    def forward(self, question: str) -> Any:
        return asked(self.instruction, question)


@pytest.mark.parametrize("kind", [PrioritySearch, POLCA])
@pytest.mark.parametrize("on_leak", ["report", "reject", "ignore"])
def test_copied_examples(kind: Any, on_leak: str) -> None:
    """Candidates that copy a training example are reported, or rejected before they are run."""
    secret = "The capital of the little island state of Nauru is Yaren, although it has no official one"
    copied = f"Answer. {secret}."
    agent = Instructed()
    reply = json.dumps({"reasoning": "", "suggestion": {agent.instruction.py_name: copied}})
    optimizer = OptoPrime(agent.parameters(), as_model(lambda messages, **options: reply))
    examples = {
        "inputs": ["What is the capital of Nauru, which has few people?", "Who was first?"],
        "infos": [secret, "Ada"],
    }
    options = {} if kind is PrioritySearch else {"summarizer": None}
    outcome = kind(agent, optimizer, 1, Silent()).train(
        lambda query, response, reference: float(reference in response),
        examples,
        num_steps=2,
        batch_size=2,
        num_candidates=2,
        on_leak=on_leak,
        **options,
    )
    made = [each for each in outcome.archive if copied in each.values.values()][0]
    assert bool(made.leaks) is (on_leak != "ignore")
    assert (made.status == "rejected") is (on_leak == "reject")
    assert bool(made.scores) is (on_leak != "reject")
    assert agent.instruction.data == ("Answer." if on_leak == "reject" else copied)
