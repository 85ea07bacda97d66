"""Minibatches of rollouts."""

from __future__ import annotations

import json
import math
import re
import threading

import pytest

import opto
from opto.optimizers import Optimizer, OptoPrime
from opto.trainer.evaluators import evaluate
from opto.trainer.executors import LoopExecutor
from opto.trainer.loader import DataLoader
from opto.trainer.rollouts import Evaluator
from opto.trainer.sampler import BatchRollout, Rollout, Sampler
from opto.trainer.utils import batchify
from tests.trainer.programs import exact, shouter


class Loader:
    """Gives the given minibatches in turn."""

    def __init__(self, *batches):
        self.batches = list(batches)

    def sample(self):
        """The next one."""
        return self.batches.pop(0)


FIRST = (["a", "b", "bad"], ["A!", "x", ""])
SECOND = (["c"], ["C!"])


def test_with_a_loader_of_opto():
    """A `DataLoader` gives the minibatches."""
    loader = DataLoader({"inputs": ["a", "b"], "infos": ["A!", "B!"]}, batch_size=2)
    [batch], examples = Sampler(loader, exact).sample([shouter()])
    assert batch.get_scores() == [1.0, 1.0]
    assert sorted(examples["inputs"]) == ["a", "b"]


def test_a_batch_for_each_program():
    """In the order of the programs, each with a rollout for each example."""
    agents = [shouter(), shouter("?")]
    batches, examples = Sampler(Loader(FIRST), exact, num_threads=4).sample(agents)
    assert [batch.module for batch in batches] == agents
    assert [[each.target.data for each in batch][:2] for batch in batches] == [["A!", "B!"], ["A?", "B?"]]
    assert examples == {"inputs": FIRST[0], "infos": FIRST[1]}
    assert [len(batch) for batch in batches] == [3, 3]


def test_sub_batches_run_on_copies():
    """Three examples by two are batches of two and of one; the second belongs to a copy with the same parameters."""
    agent = shouter()
    first, second = Sampler(Loader(FIRST), exact, subbatch_size=2).sample([agent])[0]
    assert (len(first), len(second)) == (2, 1)
    assert first.module is agent
    assert second.module is not agent
    assert second.module.parameters() == [agent.mark]
    assert agent.calls == second.module.calls == []


def test_each_target_is_a_graph_of_its_own():
    """Feedback can be sent to each, also where the program failed; the optimizer's parameters get it."""

    class Keep(Optimizer):
        def _propose(self):
            yield from ()
            return {}

    agent = shouter()
    optimizer = Keep([agent.mark])
    [batch] = Sampler(Loader(FIRST), exact, score_range=(0, 1)).sample([agent])[0]
    for rollout in batch:
        optimizer.zero_feedback()
        optimizer.backward(rollout.target, rollout.feedback)
        assert len(agent.mark.feedback) == 1


def test_a_program_that_fails_gets_the_lowest_score():
    """Which is minus infinity, unless `score_range` says otherwise."""
    assert Sampler(Loader(FIRST), exact).sample([shouter()])[0][0].get_scores() == [1.0, 0.0, -math.inf]
    assert Sampler(Loader(FIRST), exact, score_range=(-2, 1)).sample([shouter()])[0][0].get_scores()[2] == -2
    assert Sampler(Loader(FIRST), exact, score_range=None).sample([shouter()])[0][0].get_scores()[2] == -math.inf


def test_the_last_examples_again():
    """`use_prev_batch` takes no new ones, unless there were none yet."""
    sampler = Sampler(Loader(FIRST, SECOND), exact)
    assert sampler.sample([shouter()], use_prev_batch=True)[1]["inputs"] == FIRST[0]
    assert sampler.sample([shouter()], use_prev_batch=True)[1]["inputs"] == FIRST[0]
    assert sampler.sample([shouter()])[1]["inputs"] == SECOND[0]


def test_a_forward_of_ones_own():
    """It makes the rollout."""

    def forward(agent, x, guide, info):
        return agent(x), *guide(x, "A!", info)

    [batch] = Sampler(Loader(SECOND), exact, forward=forward).sample([shouter()])[0]
    assert batch.get_scores() == [0.0]


def test_a_run_with_rollouts_side_by_side_can_be_replayed(tmp_path):
    """Prompts do not depend on which rollout was faster, nor on what was evaluated in between and where."""
    xs = [letter * 3 for letter in "abcdefgh"]
    reverse = False

    def model(messages, **options):
        name, value = re.search(r"(mark\d+)=(.)", messages[1]["content"]).groups()
        return json.dumps({"reasoning": "", "suggestion": {name: "?" if value == "!" else "!"}})

    def forward(agent, x, guide, info):
        # Now the first examples are slow, now the last ones.
        turns = order[::-1] if reverse else order
        mine = turns.index(x)
        if mine:
            done[turns[mine - 1]].wait()
        target = agent(x) + "."
        done[x].set()
        return target, *guide(x, target.data, info)

    order, done = xs, {}

    def train():
        agent = shouter()
        optimizer = OptoPrime(agent.parameters(), llm=model)
        sampler = Sampler(Loader(*[(xs, xs)] * 2), exact, num_threads=8, forward=forward)
        for _ in range(2):
            done.update({x: threading.Event() for x in xs})
            [batch], _ = sampler.sample([agent])
            optimizer.zero_feedback()
            targets = batchify(*(rollout.target for rollout in batch))
            optimizer.backward(targets, batchify(*(rollout.feedback for rollout in batch)).data)
            optimizer.step()
            evaluate(agent, exact, xs, xs, num_threads=2 if reverse else 8)
        return agent.mark.data

    with opto.record(tmp_path):
        assert train() == "!"
    reverse = True
    assert opto.replay(tmp_path, train) == "!"


def test_rollouts_as_dicts():
    """`to_list` gives the fields by name."""
    agent = shouter()
    [batch] = Sampler(Loader(SECOND), exact).sample([agent])[0]
    [rollout] = batch.rollouts
    assert isinstance(batch, BatchRollout)
    assert isinstance(rollout, Rollout)
    assert batch.to_list() == [
        {
            "module": agent,
            "x": "c",
            "info": "C!",
            "target": rollout.target,
            "score": 1.0,
            "feedback": "'C!' for 'C!'",
        }
    ]


def test_an_evaluator_says_where_to_run():
    """Any executor will do."""
    with Evaluator(executor=LoopExecutor) as evaluator:
        [batch] = Sampler(Loader(FIRST), exact, evaluator=evaluator).sample([shouter()])[0]
    assert batch.get_scores()[:2] == [1.0, 0.0]


def test_arguments_are_checked():
    """Errors name the argument and the value."""
    with pytest.raises(TypeError, match="loader must have a method sample"):
        Sampler([1, 2], exact)
    with pytest.raises(ValueError, match="subbatch_size must be an integer >= 1, or None, got 0"):
        Sampler(Loader(), exact, subbatch_size=0)
    with pytest.raises(ValueError, match="score_range must be"):
        Sampler(Loader(), exact, score_range=(1, 0))
    with pytest.raises(ValueError, match="num_threads must not be given"):
        Sampler(Loader(), exact, 8, evaluator=Evaluator())
    with pytest.raises(ValueError, match="got 1.0"):
        Sampler(Loader(SECOND), exact, score_range=(0, 0.5)).sample([shouter()])
