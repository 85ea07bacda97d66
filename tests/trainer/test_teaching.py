"""Optimizers learn from candidates that were run on training examples."""

import json

from opto.optimizers import OptoPrime
from opto.testing import Scripted
from opto.testing.search_suite import Silent
from opto.trace import GRAPH
from opto.trainer.algorithms.gepa import GEPA
from opto.trainer.algorithms.minibatch import BasicSearch
from tests.trainer.searching import Bare

SPLITS = {"validate_dataset": {"inputs": [7, 8], "infos": [7, 8]}, "seed": 0, "num_proposals": 1, "batch_size": 2}


def guide(query, response, reference):
    """Wants a 5."""
    return 1 / (1 + abs(5 - response[0][0])), f"{response[0][0]} at {query}: it should be 5"


def trained(kind, *values, steps=None, **options):
    """The memory of an optimizer after a search in which the model says one value after the other."""
    GRAPH.clear()  # so that names count from 0
    agent = Bare()
    answers = [json.dumps({"reasoning": "", "answer": "", "suggestion": {"part00": value}}) for value in values]
    optimizer = OptoPrime(agent.parameters(), Scripted(answers), memory_size=8)
    search = kind(agent, optimizer, 1, Silent())
    train = {"inputs": [1, 2], "infos": [1, 2]}
    search.train(guide, train, num_steps=steps or len(values), **SPLITS, **options)
    return [(past["variables"], past["feedback"]) for past in optimizer.memory]


def test_rejected_candidates_are_remembered():
    """What was said of a candidate on the minibatch is in the memory, also where it was rejected for it."""
    memory = trained(GEPA, -3)
    assert [variables for variables, _ in memory] == ["(int) part00=0", "(int) part00=-3"]
    assert sorted(memory[1][1].split("\n")) == ["-3 at 1: it should be 5", "-3 at 2: it should be 5"]


def test_validation_is_not_told():
    """What was said on validation examples stays hidden."""
    said = "\n".join(feedback for kind in (GEPA, BasicSearch) for _, feedback in trained(kind, 4, -1))
    assert "at 1" in said
    assert "at 7" not in said
    assert "at 8" not in said


def test_a_run_in_a_folder_remembers_the_same(tmp_path):
    """A run that is gone on with from its folder has the same memory as one that was not interrupted."""
    whole = trained(GEPA, -3, 2)
    trained(GEPA, -3, run_dir=tmp_path)
    assert trained(GEPA, 2, steps=2, run_dir=tmp_path, resume=True) == whole
