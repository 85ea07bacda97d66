"""How far a run is, in words."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.trainer.progress import Status
from opto.trainer.progress.pace import Left
from opto.trainer.progress.words import View, duration, joined, lines, money, sentence, short

FULL = Status(
    step=12,
    steps=200,
    best=0.8211,
    interval=(0.74, 0.88),
    evaluations=340,
    max_evaluations=2000,
    usd=0.42,
    max_usd=2.0,
    tokens=123_456,
    candidates=13,
    candidates_in_flight=1,
    rollouts_in_flight=8,
    event="candidate 12 accepted: +0.12 on 20 examples",
)
VIEW = View(FULL, 192.0, Left(2830.0, "steps"))


def text(view: View, width: int, encoding: str = "utf-8") -> list[str]:
    """The lines without their styles."""
    return [joined(line) for line in lines(view, width, encoding)]


def test_all_there_is_to_see() -> None:
    """Three lines in a wide terminal; the bar follows the limit that is nearest."""
    assert text(VIEW, 120) == [
        "step 12/200 " + "━" * 8 + "─" * 32 + " 21%  3:12 · about 47:10 left",
        "best 0.8211 (0.74 to 0.88) · 340 of 2,000 evaluations · $0.42 of $2.00 · 123k tokens · 13 candidates",
        "1 candidate, 8 rollouts in flight",
        "candidate 12 accepted: +0.12 on 20 examples",
    ]


def test_a_narrow_terminal() -> None:
    """The bar goes, then the times; facts stand below each other."""
    assert text(VIEW, 34) == [
        "step 12/200",
        "best 0.8211 (0.74 to 0.88)",
        "340 of 2,000 evaluations",
        "$0.42 of $2.00 · 123k tokens",
        "13 candidates",
        "1 candidate, 8 rollouts in flight",
        "candidate 12 accepted: +0.12 on 20 examples",
    ]
    assert text(VIEW._replace(ended=True), 34)[0] == "step 12/200 ━━────────── 21%  3:12"


def test_a_terminal_without_unicode() -> None:
    """Plain signs, and what cannot be shown is written out."""
    view = VIEW._replace(status=Status(step=1, steps=4, event="é 日"))
    assert text(view, 60, "ascii") == ["step 1/4 #####------------------ 25%  3:12, about 47:10 left", "\\xe9 \\u65e5"]


def test_one_line_for_a_log() -> None:
    """Everything, in one sentence."""
    assert sentence(VIEW) == (
        "step 12 of 200, best 0.8211 (0.74 to 0.88), 340 of 2,000 evaluations, $0.42 of $2.00, 123k tokens, "
        "13 candidates, 1 candidate, 8 rollouts in flight, 3:12 passed, about 47:10 left: "
        "candidate 12 accepted: +0.12 on 20 examples"
    )
    assert sentence(View(Status(), 5.0)) == "0:05 passed"


def test_which_limit_ends_it() -> None:
    """Where it is not the number of steps."""
    assert "about 1:05 left (money)" in sentence(View(FULL, 1.0, Left(65.0, "usd")))
    assert "left" not in sentence(View(FULL, 1.0, Left(65.0, "usd"), ended=True))


@pytest.mark.parametrize(
    ("best", "shown"),
    [
        (0.5, "best 0.5, "),
        (-math.inf, ""),
        (math.nan, ""),
        ({"accuracy": 0.5, "cost": 2}, "best accuracy 0.5, cost 2, "),
    ],
)
def test_the_best_score(best: Any, shown: str) -> None:
    """A number, or one for each objective; before the first one there is none."""
    assert sentence(View(Status(best=best), 0.0)) == f"{shown}0:00 passed"


def test_texts_of_models_do_not_steer_the_terminal() -> None:
    """An event is one line, without escape sequences."""
    shown = text(View(Status(event="a\n\x1b[2J\u202eb"), 0.0), 80)
    assert shown[-1] == "a \\x1b[2J\\u202eb"


def test_figures() -> None:
    """Times, sums and counts as people write them."""
    assert [duration(seconds) for seconds in (0, 59.6, 3599, 3600, 90_061, math.inf)] == [
        "0:00",
        "1:00",
        "59:59",
        "1:00:00",
        "1 d 1:01:01",
        "?",
    ]
    assert [money(usd) for usd in (0, 0.000123, 0.05, 0.1, 1234.5)] == [
        "$0.00",
        "$0.00012",
        "$0.050",
        "$0.10",
        "$1,234.50",
    ]
    assert [short(count) for count in (0, 9999, 12_345, 999_999, 1.2e6, 3e9)] == [
        "0",
        "9,999",
        "12.3k",
        "1M",
        "1.2M",
        "3G",
    ]


numbers = st.none() | st.integers(0, 10**9)


@given(
    st.builds(Status, step=numbers, steps=numbers, best=st.none() | st.floats(), evaluations=numbers, tokens=numbers),
    st.integers(1, 200),
    st.sampled_from(["utf-8", "ascii", "latin-1", "cp1252"]),
)
def test_any_status_has_lines(status: Status, width: int, encoding: str) -> None:
    """The first line fits wherever the step does."""
    view = View(status, 1.0)
    first = text(view, width, encoding)[0]
    assert len(first) <= max(width, len(first.split("  ")[0]))
    assert sentence(view)
