"""Objects of a search as plain data, and what no file may name."""

from __future__ import annotations

from typing import Any

import pytest

from opto.errors import FileFormatError
from opto.llm import LLM
from opto.optimizers import OPRO, Optimizer, OptoPrime
from opto.trainer.guide import Guide
from opto.trainer.guides import ExactMatch
from opto.trainer.recipes import (
    Unwritable,
    class_named,
    guide_of,
    guide_recipe,
    name_of,
    optimizer_of,
    optimizer_recipe,
)
from tests.trainer.algorithms.searching import Adder, Near, says_five
from tests.trainer.programs import exact


def recipe_of(optimizer: Any, agent: Any) -> Any:
    """Its recipe, in a program."""
    return optimizer_recipe(optimizer, {id(each): path for path, each in agent.named_parameters()})


def test_an_optimizer_is_made_again_with_its_options() -> None:
    """Those that differ from the defaults, the size of its memory, and its model if that is a function."""
    agent, other = Adder(), Adder()
    optimizer = OptoPrime(agent.parameters(), llm=says_five, memory_size=3, retries=2, objective="Add.")
    recipe = recipe_of(optimizer, agent)
    assert recipe["options"].keys() == {"memory", "retries", "objective"}
    made = optimizer_of(recipe, dict(other.named_parameters()))
    assert type(made) is OptoPrime
    assert made.parameters == [other.number]
    assert (made.memory.size, made.retries, made.objective, made.llm) == (3, 2, "Add.", says_five)
    assert type(optimizer_of(recipe_of(OPRO(agent.parameters()), agent), dict(other.named_parameters()))) is OPRO


def test_what_has_no_recipe_says_why() -> None:
    """Models with an address, parameters from elsewhere, local classes and functions."""
    agent = Adder()
    with pytest.raises(Unwritable, match="model"):
        recipe_of(OptoPrime(agent.parameters(), llm=LLM("some-model")), agent)
    with pytest.raises(Unwritable, match="not all in the program"):
        recipe_of(OptoPrime(Adder().parameters()), agent)

    class Local(OptoPrime):
        pass

    with pytest.raises(Unwritable, match="local"):
        recipe_of(Local(agent.parameters()), agent)
    with pytest.raises(Unwritable, match="local"):
        guide_recipe(lambda query, response, reference: 1.0)


def test_guides_are_made_again_with_their_state() -> None:
    """A class of the program, one of opto with settings, and a function."""
    assert type(guide_of(guide_recipe(Near()))) is Near
    for guide in (ExactMatch(), ExactMatch(ignore_case=True)):
        again = guide_of(guide_recipe(guide))
        assert vars(again) == vars(guide)
    assert isinstance(guide_of(guide_recipe(exact)), Guide)


@pytest.mark.parametrize(
    "name", ["subprocess:Popen", "builtins:eval", "opto.optimizers.nothing:Here", "tests.trainer:Missing", "x"]
)
def test_a_class_must_be_imported_and_have_its_role(name: str) -> None:
    """Nothing outside of opto is imported for a file."""
    with pytest.raises(FileFormatError):
        class_named(name, Optimizer)


def test_names_lead_back() -> None:
    """What is found by its name is the thing itself."""
    assert class_named(name_of(OptoPrime), Optimizer) is OptoPrime
    with pytest.raises(Unwritable, match="local"):
        name_of(lambda: None)
