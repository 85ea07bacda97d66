"""The prompts are files of the package."""

import pytest

from opto.optimizers import prompts


def test_a_prompt_is_read_from_its_file():
    """The objective speaks of the sections that it is about."""
    assert "#Variables" in prompts.load("objective.txt")
    assert "#Feedback" in prompts.load("objective.txt")


def test_fill_replaces_names():
    """Each name in the file gets its value, which is not read again."""
    assert "- $reason" in prompts.fill("repair.txt", reasons="- $reason")


def test_a_missing_name_is_an_error():
    """A prompt with a hole is never sent."""
    with pytest.raises(KeyError):
        prompts.fill("repair.txt")
