"""Guides that compare: exact match, numbers, patterns, schemas."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from opto.errors import FileFormatError
from opto.runs import codec
from opto.trainer.guides import ExactMatch, JSONSchema, NumericTolerance, PatternMatch

SCHEMA = {
    "type": "object",
    "properties": {"items": {"type": "array", "items": {"properties": {"price": {"type": "number"}}}}},
    "required": ["items"],
}


class Person(BaseModel):
    name: str
    age: int


def lowered(text: Any) -> str:
    """A function that pickles."""
    return str(text).lower()


@pytest.mark.parametrize(
    ("response", "reference", "feedback"),
    [
        ("Paris\n", "Paris", "Correct."),
        ("Rome", "Paris", "Incorrect. Expected: Paris\nGot: Rome"),
        ("paris", "Paris", "upper and lower case only"),
        ("Pa ris", "Paris", "white space only"),
        ("It is Paris.", "Paris", "must be that text alone"),
        (5, "5", "of type int, and str is expected"),
        ([1, 2], [1, 2], "Correct."),
        (1, True, "of type int, and bool is expected"),
        (None, None, "Correct."),
        ("x" * 5000, "y", r"\+3,000 characters"),
    ],
)
def test_exact_match(response: Any, reference: Any, feedback: str) -> None:
    """1.0 or 0.0, and what a reader might miss."""
    import re

    score, said = ExactMatch().get_feedback("q", response, reference)
    assert re.search(feedback, said)
    assert score == (1.0 if feedback == "Correct." else 0.0)


def test_arrays_match_item_by_item() -> None:
    """Of the same shape; what cannot be compared does not match."""
    guide = ExactMatch()
    assert guide.metric("q", np.array([1, 2]), np.array([1, 2])) == 1.0
    assert guide.metric("q", np.array([1, 2]), np.array([1, 3])) == 0.0
    assert guide.metric("q", np.array([1, 1]), np.array([1])) == 0.0
    assert guide.metric("q", [np.array([1, 2])], [np.array([1, 2])]) == 0.0


def test_exact_match_by_options() -> None:
    """Case, alternatives, and a form of one's own."""
    assert ExactMatch(ignore_case=True).metric("q", "PARIS", "paris") == 1.0
    several = ExactMatch(any_of=True)
    assert several.metric("q", "b", ["a", "b"]) == 1.0
    assert several.get_feedback("q", "z", ["a", "b"])[1].startswith("Incorrect. Expected: a or b\n")
    with pytest.raises(TypeError, match="list of right answers"):
        several.metric("q", "a", "a")
    with pytest.raises(ValueError, match="at least one right answer"):
        several.metric("q", "a", [])
    assert ExactMatch(normalize=lowered).metric("q", "A", "a") == 1.0
    with pytest.raises(TypeError, match="normalize"):
        ExactMatch(normalize=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("response", "reference", "score"),
    [
        (3.1416, 3.14159, 0.0),
        ("1,234", 1234, 1.0),
        ("The answer is 1,234.", 1234, 1.0),
        ("between 1 and 12", 12, 1.0),
        ("twelve", "12", 1.0),
        ("50%", 0.5, 1.0),
        ("so 50 %", 50, 1.0),
        ("\u22125", -5, 1.0),
        ("none", 5, 0.0),
        ("", 5, 0.0),
        (None, 5, 0.0),
        (True, 1, 1.0),
        (1e9 + 1, 1e9, 1.0),
    ],
)
def test_numbers(response: Any, reference: Any, score: float) -> None:
    """A number, a text that is one, or the last in a text."""
    assert NumericTolerance().metric("q", response, reference) == score


def test_numbers_by_options() -> None:
    """Tolerances, whole texts only, and scores that fall with the distance."""
    assert NumericTolerance(absolute=0.1).metric("q", 3.2, 3.14) == 1.0
    assert NumericTolerance(relative=0.1).metric("q", 109, 100) == 1.0
    assert NumericTolerance(anywhere=False).metric("q", "it is 5", 5) == 0.0
    falling = NumericTolerance(absolute=1, scale=2)
    assert falling.get_feedback("q", 13, 10) == (0.5, "Incorrect. Expected 10 within 1, got 13: 3 too large.")
    assert falling.metric("q", 5, 10) == 0.25
    assert "no number in: nothing" in NumericTolerance().get_feedback("q", "nothing", 5)[1]
    with pytest.raises(ValueError, match="reference must be a number, got 'x'"):
        falling.metric("q", 1, "x")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"absolute": -1}, ValueError, "absolute must be >= 0"),
        ({"relative": "x"}, TypeError, "relative must be a number"),
        ({"scale": 0}, ValueError, "scale must be > 0"),
    ],
)
def test_wrong_tolerances_are_named(options: dict[str, Any], error: type[Exception], message: str) -> None:
    """The message names the argument."""
    with pytest.raises(error, match=message):
        NumericTolerance(**options)


@given(st.one_of(st.text(max_size=60), st.floats(), st.integers(), st.none(), st.lists(st.integers())))
def test_any_response_gets_a_score(response: Any) -> None:
    """Nothing that a program returns raises."""
    for guide in (ExactMatch(), NumericTolerance(scale=1.0), PatternMatch(r"\d+"), JSONSchema(SCHEMA)):
        score, feedback = guide.get_feedback("q", response, 5)
        assert 0 <= score <= 1  # type: ignore[operator]
        assert feedback


def test_patterns() -> None:
    """Found, whole, forbidden, by reference, by group."""
    assert PatternMatch(r"\d+").metric("q", "it is 5") == 1.0
    score, feedback = PatternMatch(r"\d+", whole=True).get_feedback("q", "it is 5")
    assert (score, feedback) == (0.0, "Incorrect. The response must match as a whole: \\d+\nGot: it is 5")
    assert PatternMatch("sorry", forbidden=True).get_feedback("q", "I am sorry.")[1].endswith("Found: sorry")
    assert PatternMatch("sorry", forbidden=True).metric("q", "fine") == 1.0
    assert PatternMatch().metric("q", "aab", "a+b") == 1.0
    group = PatternMatch(r"Answer: (?P<answer>\w+)", group="answer")
    assert group.get_feedback("q", "Answer: 4", 4) == (1.0, "Correct.")
    assert group.get_feedback("q", "Answer: 5", 4) == (0.0, "Incorrect. Expected: 4\nGot: 5")
    assert "Write a date" in PatternMatch(r"\d{4}-", hint="Write a date.").get_feedback("q", "x")[1]
    assert PatternMatch("A", flags=2).metric("q", "a") == 1.0
    import re

    assert PatternMatch(re.compile("A", re.IGNORECASE)).metric("q", "a") == 1.0
    assert "must be a text, got int" in PatternMatch("a").get_feedback("q", 5)[1]
    assert "3 are the most" in PatternMatch("a", longest=3).get_feedback("q", "aaaa")[1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"pattern": "("}, ValueError, "pattern must be a regular expression"),
        ({"pattern": 5}, TypeError, "pattern must be a regular expression"),
        ({"pattern": "a", "group": 1}, ValueError, "no group 1"),
        ({"pattern": "(a)", "group": "x"}, ValueError, "no group 'x'"),
        ({"group": 1}, ValueError, "needs a pattern"),
    ],
)
def test_wrong_patterns_are_named(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    """The message names the argument."""
    with pytest.raises(error, match=message):
        PatternMatch(**arguments)
    with pytest.raises(ValueError, match="reference must be a regular expression"):
        PatternMatch().metric("q", "a", "(")


def test_schemas() -> None:
    """Valid JSON of the right shape scores 1.0; else each fault is told with its place."""
    guide = JSONSchema(SCHEMA)
    assert guide.metric("q", '{"items": []}') == guide.metric("q", {"items": []}) == 1.0
    assert guide.metric("q", '```json\n{"items": []}\n```') == 1.0
    score, feedback = guide.get_feedback("q", '{"items": [{"price": 1}, {"price": "x"}]}')
    assert score == 0.0
    assert "At items[1].price: 'x' is not of type 'number'" in feedback
    assert "At the top: 'items' is a required property" in guide.get_feedback("q", "{}")[1]
    assert guide.get_feedback("q", "{")[1].startswith("The response is no JSON:")
    assert "no JSON" in guide.get_feedback("q", "[" * 100_000)[1]
    many = JSONSchema({"items": {"type": "integer"}}).get_feedback("q", ["x"] * 20)[1]
    assert many.endswith("... and 12 more")


def test_schemas_of_pydantic() -> None:
    """A class stands for its schema."""
    guide = JSONSchema(Person)
    assert guide.metric("q", '{"name": "Ada", "age": 36}') == 1.0
    assert "At age: 'x' is not of type 'integer'" in guide.get_feedback("q", '{"name": "Ada", "age": "x"}')[1]


def test_wrong_schemas_are_named() -> None:
    """What is no schema is refused when the guide is made; a foreign reference is never fetched."""
    with pytest.raises(TypeError, match="schema must be a JSON schema"):
        JSONSchema("object")
    with pytest.raises(ValueError, match="no valid JSON schema: at type"):
        JSONSchema({"type": "objekt"})
    with pytest.raises(ValueError, match="refers to what is not in it"):
        JSONSchema({"$ref": "http://127.0.0.1:9/schema.json"}).metric("q", {})


@pytest.mark.parametrize(
    ("guide", "state"),
    [
        (ExactMatch(), {"ignore_case": True}),
        (NumericTolerance(), {"absolute": -1.0, "relative": 0.0, "anywhere": True, "scale": None}),
        (PatternMatch("a"), {**vars(PatternMatch("a")), "pattern": "("}),
        (JSONSchema(SCHEMA), {"schema": 5}),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_damaged_state_is_refused(guide: Any, state: dict[str, Any], tmp_path: Path) -> None:
    """What the constructor would refuse is no state; the guide stays as it was."""
    before = dict(vars(guide))
    codec.save(tmp_path / "guide.json", {"class": type(guide).__name__, "state": state}, kind="guide")
    with pytest.raises(FileFormatError, match=r"guide\.json"):
        guide.load(tmp_path / "guide.json")
    assert vars(guide) == before


@pytest.mark.parametrize(
    "guide",
    [
        ExactMatch(ignore_case=True, normalize=lowered),
        NumericTolerance(absolute=2),
        PatternMatch(r"(\d+)", group=1),
        JSONSchema(SCHEMA),
    ],
    ids=lambda guide: type(guide).__name__,
)
def test_guides_pickle_copy_and_save(guide: Any, tmp_path: Path) -> None:
    """A pickled, a copied and a loaded one judge alike."""
    guide.save(tmp_path / "guide.json")
    loaded = pickle.loads(pickle.dumps(guide))
    loaded.load(tmp_path / "guide.json")
    for other in (loaded, guide.copy()):
        for response in ("5", "5A", {"items": []}):
            assert other.get_feedback("q", response, "5") == guide.get_feedback("q", response, "5")
