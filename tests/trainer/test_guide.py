"""Guides: the base class, and plain functions as guides."""

from __future__ import annotations

import asyncio
import functools
import pickle
from pathlib import Path
from typing import Any

import pytest

import opto
from opto.errors import FileFormatError
from opto.trainer import guide as module
from opto.trainer.guide import FunctionGuide, Guide, as_guide
from opto.trainer.guides import Composite, ExactMatch


class Counting(Guide):
    """Scores by how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Any:
        self.asked += 1
        return self.asked, f"asked {self.asked} times"


def equal(query: Any, response: Any, reference: Any) -> bool:
    """A function at the top of a module, which pickles."""
    return bool(response == reference)


async def later(query: Any, response: Any, reference: Any) -> tuple[float, str]:
    """A coroutine function."""
    await asyncio.sleep(0)
    return 0.5, "later"


def test_a_guide_is_one_method() -> None:
    """Calling, `metric` and `get_score_dict` follow from `get_feedback`."""
    guide = Counting()
    assert guide("q", "r", "info") == (1, "asked 1 times")
    assert guide.metric("q", "r") == 2
    assert guide.get_score_dict("q", "r", None) == {"score": 3.0}
    with pytest.raises(NotImplementedError, match="Guide must define get_feedback"):
        Guide().get_feedback("q", "r")


def test_score_dicts_can_be_overridden() -> None:
    """A guide may tell several objectives beside its one score."""

    class Two(Counting):
        def get_score_dict(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> dict[str, float]:
            return {"a": 1.0, "b": 2.0}

    assert Two().get_score_dict("q", "r") == {"a": 1.0, "b": 2.0}


def test_a_copy_has_a_state_of_its_own() -> None:
    """What a copy counts, the original does not."""
    guide = Counting()
    twin = guide.copy()
    twin.metric("q", "r")
    assert (guide.asked, twin.asked) == (0, 1)


def test_state_is_saved_as_text(tmp_path: Path) -> None:
    """`load` takes over what `save` wrote, and refuses what another guide wrote."""
    guide = Counting()
    guide.metric("q", "r")
    guide.save(tmp_path / "new" / "guide.json")
    again = Counting()
    again.load(tmp_path / "new" / "guide.json")
    assert again.asked == 1
    with pytest.raises(FileFormatError, match="saved by a Counting, and this is a ExactMatch"):
        ExactMatch().load(tmp_path / "new" / "guide.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(FileFormatError):
        again.load(tmp_path / "broken.json")
    with pytest.raises(ValueError, match="no 'other' to load"):
        again.load_state({"other": 1})


@pytest.mark.parametrize(
    ("result", "score", "feedback"),
    [
        (True, 1.0, "Correct."),
        (False, 0.0, "Incorrect. The reference is: ref"),
        (0.25, 0.25, "Score: 0.25 (larger is better)."),
        (3, 3.0, "Score: 3 (larger is better)."),
        ((0.5, "so so"), 0.5, "so so"),
        ((True, None), 1.0, "Correct."),
        ({"a": 1, "b": 0.5}, {"a": 1.0, "b": 0.5}, "Scores (larger is better): a: 1, b: 0.5."),
        (({"a": 1}, "one"), {"a": 1.0}, "one"),
    ],
)
def test_functions_may_return_a_score_in_any_form(result: Any, score: Any, feedback: str) -> None:
    """A score without words gets some."""
    assert as_guide(lambda query, response, reference: result).get_feedback("q", "r", "ref") == (score, feedback)


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (None, TypeError, "must return a score"),
        ("good", TypeError, "got str"),
        ((1.0, 2.0), TypeError, "feedback in words, got feedback 2.0"),
        (float("nan"), ValueError, "finite"),
        (1.7e308, ValueError, r"between -1e\+100 and 1e\+100, got 1\.7e\+308"),
        ({}, ValueError, "empty"),
    ],
)
def test_functions_that_return_no_score_are_named(result: Any, error: type[Exception], message: str) -> None:
    """The message names the function."""

    def judge(query: Any, response: Any, reference: Any) -> Any:
        return result

    with pytest.raises(error, match=message) as raised:
        as_guide(judge).get_feedback("q", "r")
    assert "judge" in str(raised.value)


def test_functions_that_take_something_else_are_refused() -> None:
    """Before anything is run, with what they take; those that do not tell, or take anything, are not."""

    def judge(answer: Any, example: Any) -> float:
        return 1.0

    with pytest.raises(TypeError, match=r"guide must be a function of three arguments .*, got judge\(answer.*lambda"):
        as_guide(judge)
    with pytest.raises(TypeError, match="guide must be"):
        opto.train(model=lambda x: 1 / 0, train_dataset=[("a", "b")], guide=judge)
    for taking in (lambda *args: 1.0, lambda query, response, reference, more=0: 1.0, functools.partial(max, 0)):
        assert isinstance(as_guide(taking), FunctionGuide)


async def test_coroutine_functions_are_awaited() -> None:
    """On the loop by `aget_feedback`; `get_feedback` would block it, and says so."""
    guide = as_guide(later)
    assert await guide.aget_feedback("q", "r") == (0.5, "later")
    assert await as_guide(lambda q, r, ref: later(q, r, ref)).aget_feedback("q", "r") == (0.5, "later")
    with pytest.raises(TypeError, match="aget_feedback"):
        guide.get_feedback("q", "r")
    assert await Counting().aget_feedback("q", "r") == (1, "asked 1 times")


def test_coroutine_functions_run_where_there_is_no_loop() -> None:
    """`get_feedback` waits for them."""
    assert as_guide(later).get_feedback("q", "r") == (0.5, "later")


def test_only_guides_and_functions_are_guides() -> None:
    """A guide stays itself; classes and other things are refused."""
    guide = ExactMatch()
    assert as_guide(guide) is guide
    for thing in (ExactMatch, 5, "exact", None):
        with pytest.raises(TypeError, match="guide must be a Guide, or a function"):
            as_guide(thing)
    with pytest.raises(TypeError, match="function must be callable"):
        FunctionGuide(5)  # type: ignore[arg-type]


def test_function_guides_pickle() -> None:
    """With a function of a module."""
    assert pickle.loads(pickle.dumps(as_guide(equal))).get_feedback("q", 1, 1) == (1.0, "Correct.")


def test_the_names_of_existing_programs() -> None:
    """They are found where programs look for them."""
    assert module.AutoGuide is Guide
    assert module.VerbalJudgeGuide is module.LLMJudge
    with pytest.raises(AttributeError):
        module.Unknown  # noqa: B018
    import opto.trainer
    from opto.trainer import guides

    assert opto.trainer.Guide is Guide
    assert guides.Composite is Composite
    assert set(guides.__all__) <= set(dir(guides))
    assert {"Guide", "as_guide"} <= set(dir(opto.trainer))
    for name in guides.__all__:
        assert getattr(guides, name).__name__ == name
