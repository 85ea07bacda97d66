"""POLCA: the net, the summaries, and what they do in a search."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from opto.errors import ModelError
from opto.llm import Budget
from opto.optimizers import OptoPrimeV2
from opto.testing import Scripted
from opto.trace import Module, bundle, node
from opto.trace.registry import GRAPH
from opto.trainer.algorithms import POLCA
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.priority.neighbours import Neighbours
from opto.trainer.priority.novelty import EpsilonNet, ValueDistance
from opto.trainer.priority.summaries import Summarizer
from tests.trainer.algorithms.searching import Adder, Near, Silent, Walk, data


class Prompted(Module):
    """A program with a text and a number."""

    def __init__(self) -> None:
        self.prompt = node("Answer in one word.", trainable=True, name="prompt")
        self.limit = node(3, trainable=True, name="limit")

    def forward(self, x: Any) -> Any:
        return self.prompt + x


def candidate(agent: Any, prompt: str, limit: Any = 3) -> ModuleCandidate:
    """The program with these values."""
    return ModuleCandidate(agent, {agent.prompt: prompt, agent.limit: limit})


# ---- the net


def test_distances_are_zero_for_equal_values_and_symmetric() -> None:
    """From 0 to 1: a word changed is near, another text is far; numbers by their relative difference."""
    agent, distance = Prompted(), ValueDistance()
    base = candidate(agent, "Answer in one word, without a full stop.")
    near = candidate(agent, "Answer in one word, without any full stop.")
    far = candidate(agent, "Translate into French")
    assert distance(base, candidate(agent, "Answer in one word, without a full stop.")) == 0
    assert distance(base, near) == distance(near, base)
    assert 0 < distance(base, near) < 0.2 < distance(base, far) <= 0.5
    assert distance(candidate(agent, "a", 3), candidate(agent, "a", 4)) == pytest.approx(0.5 / 7)
    assert distance(candidate(agent, "a", 3), candidate(agent, "a", None)) > 0


def test_code_that_is_another_program_is_far() -> None:
    """One sign makes another program, which no count of words tells; comments and layout make none."""

    @bundle(trainable=True)
    def older(age: Any) -> Any:
        """Whether a person may vote."""
        return age > 18  # years

    (parameter,) = older.parameters()
    distance, code = ValueDistance(), parameter.data
    assert ModuleCandidate(older).update_dict == {parameter: code}
    base, mended, laid_out, broken = (
        ModuleCandidate(older, {parameter: text})
        for text in (code, code.replace(">", ">="), code.replace("  # years", "\n\n"), "def older(")
    )
    assert distance(base, mended) == distance(base, broken) == 1.0
    assert distance(base, laid_out) < 0.05
    near = Neighbours(distance)
    near.put(base)
    assert EpsilonNet(0.05).too_near(mended, near.within(mended, 0.05)) is None


def test_a_net_lets_in_what_is_far_enough() -> None:
    """Equal ones never; the nearest one is named."""
    agent = Prompted()
    inside = [candidate(agent, "Answer in one word."), candidate(agent, "Think step by step, then answer.")]
    net = EpsilonNet(0.1)
    assert net.too_near(candidate(agent, "Be kind to the person who asks."), inside) is None
    near = net.too_near(candidate(agent, "Answer in one word"), inside)
    assert near is not None
    assert near[0] == pytest.approx(0.0, abs=1e-9)
    assert near[1] is inside[0]
    assert net.too_near(candidate(agent, "x"), []) is None
    assert EpsilonNet(1.0, lambda one, other: 0.7).too_near(inside[0], inside[1:]) == (0.7, inside[1])
    with pytest.raises(ValueError, match="epsilon"):
        EpsilonNet(-1)


def trained(guide: Any = None, kind: Any = POLCA, optimizer: Any = None, **options: Any) -> Any:
    """A search that was trained, and its outcome."""
    agent = Adder()
    made = Walk(agent.parameters()) if optimizer is None else optimizer(agent.parameters())
    algorithm = kind(agent, made, logger=Silent())
    options = {"train_dataset": data(), "num_steps": 8, "num_candidates": 2, **options}
    if kind is POLCA and optimizer is None:
        options.setdefault("summarizer", None)
    return algorithm, algorithm.train(guide=guide or Near(), **options)


def test_candidates_near_others_cost_nothing() -> None:
    """They are rejected with the distance as the reason, and never run; those in the memory are apart."""
    algorithm, outcome = trained(epsilon=0.2)
    rejected = [each for each in outcome.archive if "its distance from candidate" in each.verdict]
    assert rejected
    assert not any(each.rollouts or each.scores for each in rejected)
    kept = [each for _, each in algorithm.memory]
    distance = ValueDistance()
    assert all(distance(one, other) > 0.2 for one in kept for other in kept if one is not other)
    _, without = trained(epsilon=0.0)
    assert outcome.evaluations < without.evaluations


def test_evaluations_add_up_under_noise() -> None:
    """The best candidate's score is a mean over many rollouts, so that a lucky one does not stay on top."""
    lots = random.Random(1)

    def noisy(query: Any, response: Any, reference: Any) -> float:
        return max(0.0, 1 - abs(reference - response) / 10) + lots.gauss(0, 0.3)

    _, outcome = trained(noisy, num_steps=25, batch_size=3, num_threads=1)
    assert outcome.best.num_rollouts > 10
    (value,) = outcome.best.values.values()
    assert abs(value - 6.0) <= 2.0


# ---- the summaries


class Modelled:
    """A model for both: it notes what it is asked, summarizes by counting, and proposes one more than it is shown."""

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.summaries: list[str] = []

    def __call__(self, messages: Any, **options: Any) -> str:
        import re

        system, user = messages[0]["content"], messages[1]["content"]
        if "notebook" in system:
            self.summaries.append(user)
            return f"Lesson {len(self.summaries)}: larger is better."
        self.prompts.append(user)
        name, value = re.findall(r'<variable name="(.*?)" type=.*?>\s*<value>\s*(\S+)\s*</value>', user)[-1]
        return f"<reasoning>more</reasoning><variable><name>{name}</name><value>{float(value) + 1}</value></variable>"


def test_what_was_tried_is_summarized_and_told_to_the_optimizer() -> None:
    """After each iteration; the next prompts end their objective with it, and afterwards it is the user's own again."""
    model = Modelled()
    algorithm, outcome = trained(
        optimizer=lambda parameters: OptoPrimeV2(parameters, llm=model, objective="Add the right number."),
        num_steps=3,
        num_candidates=1,
    )
    assert [each.splitlines()[1] for each in model.summaries] == [
        "(none)",
        "Lesson 1: larger is better.",
        "Lesson 2: larger is better.",
    ]
    assert "## Score 0.6 over 1 runs" in model.summaries[0]
    assert "## Score 0.5 over 1 runs" in model.summaries[0]
    assert "Lesson" not in model.prompts[0]
    assert "Add the right number." in model.prompts[1]
    assert "Lesson 1: larger is better." in model.prompts[1]
    assert "Lesson 2: larger is better." in model.prompts[2]
    assert algorithm.optimizer.objective == "Add the right number."
    assert algorithm.summary == "Lesson 3: larger is better."
    assert outcome.usage.calls == 6


def test_summaries_can_come_from_another_model_and_more_rarely() -> None:
    """`summarizer` names the model; None makes none."""
    model, own = Modelled(), Modelled()
    options: dict[str, Any] = {
        "optimizer": lambda parameters: OptoPrimeV2(parameters, llm=own),
        "num_steps": 4,
        "num_candidates": 1,
    }
    trained(summarizer=model, summary_frequency=2, **options)
    assert (len(model.summaries), len(own.summaries)) == (2, 0)
    trained(summarizer=None, **options)
    assert not own.summaries


def test_a_failing_summarizer_leaves_the_older_summary() -> None:
    """The search goes on, and the log says so; a budget that is used up ends it."""
    script = Scripted(["First lesson.", ModelError("down"), "Third lesson."])
    options: dict[str, Any] = {"optimizer": lambda parameters: OptoPrimeV2(parameters, llm=Modelled())}
    algorithm, outcome = trained(summarizer=script, num_steps=3, **options)
    assert outcome.steps == 3
    assert algorithm.summary == "Third lesson."
    assert "First lesson." in str(script.requests[2][0])
    assert [step for name, _, step in algorithm.logger.lines if name == "No summary"] == [2]
    _, ended = trained(num_steps=9, budget=Budget(calls=5), **options)
    assert ended.steps < 9
    assert ended.usage.calls == 5


def test_a_summary_survives_a_stop(tmp_path: Path) -> None:
    """It is part of the state that each step saves."""
    options: dict[str, Any] = {
        "optimizer": lambda parameters: OptoPrimeV2(parameters, llm=Modelled()),
        "num_candidates": 1,
        "run_dir": tmp_path,
    }
    trained(num_steps=2, **options)
    model = Modelled()
    options["optimizer"] = lambda parameters: OptoPrimeV2(parameters, llm=model)
    trained(num_steps=3, resume=True, **options)
    assert "Lesson 2: larger is better." in model.prompts[0]


def test_a_step_that_is_begun_again_does_not_pay_for_its_summary_twice(tmp_path: Path) -> None:
    """What was answered before the step was cut off is taken from the folder."""

    class Cut(POLCA):
        def update_memory(self, results: Any, samples: Any) -> None:
            super().update_memory(results, samples)
            if self.n_iters == 2:
                raise RuntimeError("cut off")

    options: dict[str, Any] = {"num_candidates": 1, "num_steps": 2, "run_dir": tmp_path}
    before, after = Modelled(), Modelled()
    GRAPH.clear()
    with pytest.raises(RuntimeError, match="cut off"):
        trained(kind=Cut, optimizer=lambda parameters: OptoPrimeV2(parameters, llm=before), **options)
    assert len(before.summaries) == 2
    GRAPH.clear()  # as in a new process
    algorithm, outcome = trained(
        optimizer=lambda parameters: OptoPrimeV2(parameters, llm=after), resume=True, **options
    )
    assert outcome.steps == 2
    assert not after.summaries
    assert not after.prompts
    assert algorithm.summary == "Lesson 2: larger is better."


def test_a_summary_shows_the_best_and_the_worst() -> None:
    """No more than asked for, the best first."""
    agent = Adder()
    script = Scripted(["lesson"])
    scored = [(number / 10, ModuleCandidate(agent, {agent.number: float(number)})) for number in range(10)]
    assert Summarizer(script, most=4).summary(scored) == "lesson"
    text = script.requests[0][0][1]["content"]
    assert [line.split()[2] for line in text.splitlines() if line.startswith("##")] == ["0.9", "0.8", "0.1", "0"]


def test_an_optimizer_without_an_objective_cannot_be_told() -> None:
    """A summarizer that is given is refused, and the error says what to do; by default there is none then."""
    with pytest.raises(ValueError, match="summarizer must be None"):
        trained(kind=POLCA, summarizer=Scripted([]))
    assert trained(kind=POLCA, summarizer="optimizer")[1].steps == 8
