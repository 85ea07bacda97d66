"""Guides and optimizers as plain data, and what no file may name."""

from __future__ import annotations

from typing import Any

import pytest

from opto.llm import LLM
from opto.optimizers import OPRO, OptoPrime
from opto.runs import codec
from opto.trainer.guides import ExactMatch, HumanFeedback, JSONSchema, LLMJudge, PairwisePreference, as_guide
from opto.trainer.rebuilding.described import NotRebuiltError, described, rebuilt
from opto.trainer.rebuilding.objects import described_guide, described_optimizer, rebuilt_guide, rebuilt_optimizer
from opto.trainer.rebuilding.references import Source, main_file
from opto.utils.llm import DummyLLM
from tests.trainer.algorithms.searching import Adder, Near, Walk, says_five
from tests.trainer.programs import exact

SOURCE = Source(main_file(), imports=False)


def description_of(optimizer: Any, agent: Any) -> Any:
    """Its description, in a program, as it comes back from a file."""
    found = described_optimizer(optimizer, {id(each): path for path, each in agent.named_parameters()})
    return codec.loads(codec.dumps(found))


def test_an_optimizer_is_made_again_with_its_options() -> None:
    """Those that differ from the defaults, the size of its memory, and its model if that is a function."""
    agent, other = Adder(), Adder()
    optimizer = OptoPrime(agent.parameters(), llm=says_five, memory_size=3, retries=2, objective="Add.")
    description = description_of(optimizer, agent)
    assert description["attributes"].keys() == {"memory", "retries", "objective"}
    parameters = dict(other.named_parameters())
    made: Any = rebuilt_optimizer(description, SOURCE, parameters)
    assert type(made) is OptoPrime
    assert made.parameters == [other.number]
    assert (made.memory.size, made.retries, made.objective, made.llm) == (3, 2, "Add.", says_five)
    assert type(rebuilt_optimizer(description_of(OPRO(agent.parameters()), agent), SOURCE, parameters)) is OPRO
    walk: Any = rebuilt_optimizer(description_of(Walk(agent.parameters(), 7), agent), SOURCE, parameters)
    assert (type(walk), walk.seed, walk.llm) == (Walk, 7, None)
    wrapped = OptoPrime(agent.parameters(), llm=DummyLLM(says_five))
    assert rebuilt_optimizer(description_of(wrapped, agent), SOURCE, parameters).llm.function is says_five


def test_what_cannot_be_described_says_why() -> None:
    """Models with an address or a key, parameters from elsewhere, local classes and functions."""
    agent = Adder()
    for model in (LLM("some-model", api_base="http://there"), LLM("huggingface/https://there")):
        assert "an address" in description_of(OptoPrime(agent.parameters(), llm=model), agent)["missing"]
    model = LLM("some-model", api_key="sk-0123456789abcdefghij0123")
    assert "a key" in description_of(OptoPrime(agent.parameters(), llm=model), agent)["missing"]
    assert "not all in the program" in description_of(OptoPrime(Adder().parameters()), agent)["missing"]

    class Local(OptoPrime):
        pass

    assert "not at the top level" in description_of(Local(agent.parameters()), agent)["missing"]
    assert "not at the top level" in described_guide(as_guide(lambda query, response, reference: 1.0))["missing"]
    assert "not at the top level" in described_guide(lambda query, response, reference: 1.0)["missing"]


def test_an_address_that_was_written_into_a_file_is_refused() -> None:
    """A model is sent to by its name alone."""
    plain = described(LLM("some-model", temperature=0))
    assert rebuilt(plain, SOURCE).name == "some-model"
    for change in (
        {"model": "x/https://there"},
        {"options": {"api_base": "there"}},
        {"options": {"x": {"base_url": 1}}},
    ):
        with pytest.raises(NotRebuiltError, match="address"):
            rebuilt({**plain, **change}, SOURCE)


def test_guides_are_made_again_with_their_state() -> None:
    """A class of the program, those of opto with settings, what was said so far, a judge's model, and a function."""
    said = PairwisePreference()
    said.load_state({"answers": [], "best": {"query": "response"}})
    judge = LLMJudge(llm=DummyLLM(says_five), samples=2)
    for guide in (Near(), ExactMatch(), ExactMatch(ignore_case=True), JSONSchema({"type": "object"}), said, judge):
        again = rebuilt_guide(codec.loads(codec.dumps(described_guide(guide))), SOURCE)
        assert type(again) is type(guide)
        assert again.state() == guide.state()
    assert again._model.function is says_five
    assert rebuilt_guide(described_guide(exact), SOURCE) is exact
    assert rebuilt_guide(described_guide(as_guide(exact)), SOURCE) is exact


@pytest.mark.parametrize("guide", [ExactMatch(normalize=str.strip), HumanFeedback(read=input)])
def test_guides_with_more_than_their_state_are_not_made_again(guide: Any) -> None:
    """They would judge otherwise."""
    assert "more than what its state" in described_guide(guide)["missing"]


@pytest.mark.parametrize(
    "name",
    [
        "subprocess:Popen",
        "builtins:eval",
        "opto.optimizers:OptoPrime",
        "_pytest.config:Config",
        "numpy:ndarray",
        "tests.trainer:Missing",
        "tests.trainer.algorithms.searching:Adder",
        "x",
    ],
)
def test_a_class_must_be_of_the_program_and_have_its_role(name: str) -> None:
    """Neither Python's classes, nor those of packages, nor what is no optimizer."""
    agent = Adder()
    description = {**description_of(Walk(agent.parameters()), agent), "class": name}
    with pytest.raises(NotRebuiltError):
        rebuilt_optimizer(description, SOURCE, dict(agent.named_parameters()))


def test_attributes_and_parameters_must_be_there() -> None:
    """A file sets nothing that the optimizer does not have."""
    agent = Adder()
    description = description_of(Walk(agent.parameters()), agent)
    for name in ("_propose", "__class__", "speed"):
        changed = {**description, "attributes": {name: {"value": 1}}}
        with pytest.raises(NotRebuiltError, match="no attribute"):
            rebuilt_optimizer(changed, SOURCE, dict(agent.named_parameters()))
    with pytest.raises(NotRebuiltError, match="run_dir"):
        rebuilt_optimizer({**description, "options": {"run_dir": {"value": "here"}}}, SOURCE, {})
    with pytest.raises(NotRebuiltError, match="no parameter 'number'"):
        rebuilt_optimizer(description, SOURCE, {})
