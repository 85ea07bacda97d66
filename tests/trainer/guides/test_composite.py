"""Several guides as one."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from opto.errors import FileFormatError
from opto.trainer.guides import Composite, ExactMatch, NumericTolerance, Objectives


def brevity(query: Any, response: Any, reference: Any) -> tuple[float, str]:
    """Shorter is better."""
    return -len(response), f"{len(response)} characters."


def two(query: Any, response: Any, reference: Any) -> dict[str, float]:
    """Two objectives."""
    return {"a": 1.0, "b": 0.0}


def test_a_composite_weighs_its_parts() -> None:
    """The score is the weighted mean, the feedback that of each part by name."""
    guide = Composite({"right": ExactMatch(), "short": brevity}, weights={"right": 3})
    score, feedback = guide.get_feedback("q", "four", "four")
    assert score == (3 * 1.0 + 1 * -4) / 4
    assert feedback == "right (score 1): Correct.\nshort (score -4): 4 characters."
    assert guide.get_score_dict("q", "four", "four") == {"right": 1.0, "short": -4.0, "score": score}
    assert Composite({"both": two}).metric("q", "r") == 0.5


def test_objectives_keep_a_score_each() -> None:
    """Guides with several scores themselves give each under both names."""
    guide = Objectives({"right": ExactMatch(), "short": brevity, "more": two})
    score, feedback = guide.get_feedback("q", "x", "y")
    assert score == {"right": 0.0, "short": -1.0, "more.a": 1.0, "more.b": 0.0}
    assert feedback.startswith("right: Incorrect.")
    assert guide.get_score_dict("q", "x", "y") == score


async def test_parts_are_asked_together_on_the_loop() -> None:
    """The result is the same."""
    guide = Composite({"right": ExactMatch(), "short": brevity})
    assert await guide.aget_feedback("q", "a", "a") == guide.get_feedback("q", "a", "a")


@pytest.mark.parametrize(
    ("guides", "options", "error", "message"),
    [
        ({}, {}, ValueError, "at least one guide"),
        ([ExactMatch()], {}, TypeError, "guides must be a dict"),
        ({1: ExactMatch()}, {}, TypeError, "named by texts"),
        ({"a": 5}, {}, TypeError, "guide must be a Guide"),
        ({"a": two}, {"weights": {"b": 1}}, ValueError, r"weights names \['b'\]"),
        ({"a": two}, {"weights": {"a": -1}}, ValueError, "non-negative"),
        ({"a": two}, {"weights": {"a": 0}}, ValueError, "above 0"),
        ({"a": two}, {"weights": [1]}, TypeError, "weights must be a dict"),
    ],
)
def test_wrong_parts_are_named(guides: Any, options: Any, error: type[Exception], message: str) -> None:
    """The message names the argument."""
    with pytest.raises(error, match=message):
        Composite(guides, **options)


def test_composites_pickle_and_save(tmp_path: Path) -> None:
    """The state is that of the parts; one of other parts is refused, and changes nothing."""
    guide = Composite({"near": NumericTolerance(absolute=2), "right": ExactMatch()})
    guide.save(tmp_path / "guide.json")
    other = Composite({"near": NumericTolerance(), "right": ExactMatch()})
    other.load(tmp_path / "guide.json")
    assert other.metric("q", 6, 5) == pickle.loads(pickle.dumps(guide)).metric("q", 6, 5) == 0.5
    strange = Composite({"near": ExactMatch(), "right": ExactMatch()})
    with pytest.raises(FileFormatError):
        strange.load(tmp_path / "guide.json")
    assert not hasattr(strange.guides["near"], "absolute")
    with pytest.raises(FileFormatError, match="must be of the guides one"):
        Composite({"one": two}).load(tmp_path / "guide.json")
