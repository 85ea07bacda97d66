"""Candidates."""

from __future__ import annotations

import pytest

from opto.trainer.candidates import ModuleCandidate
from tests.trainer.counting import Nudge, cutter


def test_values_of_the_program_by_default():
    """Without values it has those that the parameters have now, whatever they become."""
    program = cutter(3)
    candidate = ModuleCandidate(program)
    program.limit._data = 9
    assert list(candidate.values.values()) == [3]


def test_get_module():
    """The copy has the values and names, the base keeps its own."""
    program = cutter(3)
    twin = ModuleCandidate(program, {program.limit: 5}).get_module()
    assert twin("abcdefgh").data == "abcde"
    assert program("abcdefgh").data == "abc"
    assert twin.limit.py_name == program.limit.py_name


def test_apply():
    """The values are set in the base."""
    program = cutter(3)
    ModuleCandidate(program, {program.limit: 5}).apply()
    assert program.limit.data == 5


def test_equal_values():
    """Same base, optimizer and values: equal, with one hash; ordered by birth all the same."""
    program = cutter()
    optimizer = Nudge(program.parameters())
    first, second = (ModuleCandidate(program, {program.limit: 5}, optimizer) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    assert first < second
    assert first != ModuleCandidate(program, {program.limit: 6}, optimizer)
    assert first != ModuleCandidate(program, {program.limit: 5})


def test_values_of_a_child():
    """Where they are given for all parameters, they are in the order of the parent's, and its own."""
    program = cutter()
    optimizer = Nudge(program.parameters())
    parent = ModuleCandidate(program, {program.limit: 5}, optimizer)
    child = ModuleCandidate(program, {**parent.update_dict, program.limit: 6}, optimizer, parents=[parent])
    assert list(child.update_dict) == list(parent.update_dict)
    assert (child.update_dict[program.limit], parent.update_dict[program.limit]) == (6, 5)
    assert child.key == ModuleCandidate(program, {program.limit: 6}, optimizer).key


def test_rollouts():
    """Their mean is the mean score; dicts of scores have means of their own."""
    program = cutter()
    candidate = ModuleCandidate(program)
    assert candidate.mean_score() is None
    assert candidate.mean_score_dict() is None
    rollout = {"module": None, "x": 1, "info": 2, "target": 3, "feedback": ""}
    candidate.add_rollouts([{**rollout, "score": 1.0}, {**rollout, "score": 0.0}])
    assert candidate.num_rollouts == 2
    assert candidate.mean_score() == 0.5
    assert candidate.mean_score_dict() is None
    candidate.add_rollouts([{**rollout, "score": 0.5, "score_dict": {"good": 0.5}}])
    assert candidate.mean_score_dict() == {"good": 0.5}


def test_rollout_that_lacks_a_key():
    """It is refused by name."""
    with pytest.raises(ValueError, match="lacks target"):
        ModuleCandidate(cutter()).add_rollouts([{"module": 0, "x": 0, "info": 0, "score": 0, "feedback": 0}])


def test_diff():
    """Against the first parent, line by line, with the name of the parameter."""
    program = cutter(3)
    parent = ModuleCandidate(program)
    child = ModuleCandidate(program, {program.limit: 4}, parents=[parent])
    assert child.diff().splitlines()[-2:] == ["-3", "+4"]
    assert program.limit.py_name in child.diff()
    assert parent.diff(parent) == ""
