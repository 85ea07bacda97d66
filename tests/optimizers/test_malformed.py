"""Two hundred answers as models send them: what can be saved is saved, and nothing else is applied."""

from pathlib import Path

import pytest

from tests.optimizers.malformed import applied, cases, table

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_answer(case):
    """Each answer gives the values that it should, of the right types."""
    found = applied(case)
    assert found == case.expected
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in case.expected.items()
    }


def test_there_are_two_hundred():
    """The table speaks of this many."""
    assert len(CASES) == 200


def test_the_page_shows_the_table_of_today():
    """`make malformed ARGS=--write` was run after the last change."""
    page = Path(__file__).parents[2] / "docs" / "optimizers" / "typed.md"
    assert table() in page.read_text(encoding="utf-8")
