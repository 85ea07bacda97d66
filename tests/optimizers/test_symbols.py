"""Symbol sets: what is asked for can be read."""

import pytest

from opto.optimizers.symbols import (
    OptimizerPromptSymbolSet,
    OptimizerPromptSymbolSet2,
    OptimizerPromptSymbolSetJSON,
    TagsForm,
)

SETS = [OptimizerPromptSymbolSet(), OptimizerPromptSymbolSet2(), OptimizerPromptSymbolSetJSON()]


@pytest.mark.parametrize("symbols", SETS)
def test_instructions_name_every_tag_and_heading(symbols):
    """The system message explains all that a problem consists of, and leaves no hole."""
    text = TagsForm(symbols, str).instructions()
    for heading in symbols.headings().values():
        assert heading in text
    for tag in (symbols.node_tag, symbols.variable_tag, symbols.value_tag, symbols.constraint_tag):
        assert f"<{tag}" in text
    assert symbols.example_output("...", {"name of a variable": "its new value"}) in text
    assert "$" not in text


@pytest.mark.parametrize("symbols", SETS)
def test_complete_and_cut_answers_are_told_apart(symbols):
    """An answer that lacks its end is not complete."""
    answer = symbols.example_output("why", {"a0": "some text"})
    form = TagsForm(symbols, str)
    assert form.is_complete(answer)
    assert form.suggestion(answer) == {"a0": "some text"}
    assert not form.is_complete(answer[: answer.index("some te")] + "some te")


@pytest.mark.parametrize("symbols", SETS)
def test_reasoning_alone_suggests_nothing(symbols):
    """Reasoning without variables is an answer; prose is none."""
    form = TagsForm(symbols, str)
    assert form.suggests_nothing(symbols.example_output("all is well", {}))
    assert not form.suggests_nothing("prose")
