"""What a beam pays for."""

from __future__ import annotations

import pytest

from opto.trainer.algorithms import Beam
from opto.trainer.plan import Plan
from tests.trainer.algorithms.searching import Adder, Near, Silent, Walk, data


@pytest.mark.parametrize(("validation", "before"), [(2, 2), (None, 5), (50, 5)])
def test_the_initial_values_are_scored_on_as_many_examples_as_in_a_step(validation, before) -> None:
    """However many validation examples there are; an estimate says the same."""
    agent = Adder()
    search = Beam(agent, Walk(agent.parameters()), 1, Silent(), validation=validation)
    outcome = search.train(Near(), data(), validate_dataset=data(), num_steps=0)
    assert outcome.evaluations == before
    assert search.workload(Plan(), 5).before == before
