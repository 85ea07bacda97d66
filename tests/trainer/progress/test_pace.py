"""How long a run still takes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opto.trainer.progress.pace import Left, Pace, rate, seconds_left


def test_a_steady_run() -> None:
    """What is left at the rate so far; what is under way counts as going on, for no more than one increase."""
    samples = [(10.0 * step, step) for step in range(6)]
    assert rate(samples) == pytest.approx(0.1)
    assert seconds_left(samples, 20, 50.0) == pytest.approx(150)
    assert seconds_left(samples, 20, 55.0) == pytest.approx(145)
    assert seconds_left(samples, 20, 500.0) == pytest.approx(140)
    assert seconds_left(samples, 5, 50.0) == 0


def test_steps_that_take_far_longer_change_little() -> None:
    """One step of an hour among steps of ten seconds, wherever it was."""
    for slow in range(1, 12):
        samples, now = [(0.0, 0)], 0.0
        for step in range(1, 13):
            now += 3600 if step == slow else 10
            samples.append((now, step))
        assert seconds_left(samples, 22, now) == pytest.approx(100, rel=0.4)


def test_bursts() -> None:
    """Evaluations that come eight at a time, every four seconds."""
    samples = [(4.0 * (number // 8), number) for number in range(80)]
    assert rate(samples) == pytest.approx(2, rel=0.15)


def test_steps_that_take_long_again_and_again_count() -> None:
    """Every fifth step validates for twenty times as long."""
    samples, now = [(0.0, 0)], 0.0
    for step in range(1, 21):
        now += 20.0 if step % 5 == 0 else 1.0
        samples.append((now, step))
    assert rate(samples) == pytest.approx(20 / 96)


def test_nothing_is_said_where_nothing_is_known() -> None:
    """Before the first increase, and where the clock stood still."""
    assert seconds_left([], 5, 1.0) is None
    assert seconds_left([(0.0, 3)], 5, 1.0) is None
    assert seconds_left([(0.0, 3), (0.0, 4)], 5, 1.0) is None
    assert rate([(0.0, 3), (1.0, 3)]) is None


def test_mostly_standstill_counts_on_the_whole() -> None:
    """Money that is spent seldom."""
    assert rate([(float(second), 0.0 if second < 9 else 1.0) for second in range(10)]) == pytest.approx(1 / 9)


def test_the_first_limit_counts() -> None:
    """Here the money is used up before the steps are done."""
    pace = Pace(0.0)
    for step in range(5):
        pace.take(10.0 * step, {"steps": step, "usd": 0.1 * step, "tokens": None}.items())
    assert pace.left(40.0, {"steps": 100, "usd": 0.5}) == Left(pytest.approx(10.0), "usd")  # type: ignore[arg-type]
    assert pace.left(40.0, {"steps": 8, "usd": 5.0, "tokens": 9}) == Left(pytest.approx(40.0), "steps")  # type: ignore[arg-type]
    assert pace.left(40.0, {"calls": 7}) is None


def test_a_run_that_is_gone_on_with() -> None:
    """What was done before this process does not count as done in no time."""
    pace = Pace(0.0)
    for step in range(120, 125):
        pace.take(10.0 * (step - 119), [("steps", step)])
    assert pace.left(50.0, {"steps": 134}) == Left(pytest.approx(100.0), "steps")  # type: ignore[arg-type]


def test_long_runs_are_judged_by_their_last_half() -> None:
    """Slow steps, then many fast ones; few samples are kept."""
    pace, now = Pace(0.0), 0.0
    for step in range(30_000):
        now += 1.0
        pace.take(now, [("steps", step)])
    for step in range(30_000, 400_000):
        now += 0.1
        pace.take(now, [("steps", step)])
    found = pace.left(now, {"steps": 410_000})
    assert found is not None
    assert found.seconds == pytest.approx(1000, rel=0.1)
    assert len(pace._samples["steps"]) <= 24


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=12),
    st.floats(0, 1e7),
    st.floats(0, 1e6),
)
@example([(0.0, 0.0), (2.0, 5e-324)], 1.0, 0.0)
def test_any_samples(increases: list[tuple[float, float]], limit: float, later: float) -> None:
    """The time left is never negative, and finite or unknown."""
    samples, time, amount = [], 0.0, 0.0
    for seconds, more in increases:
        time, amount = time + seconds, amount + more
        samples.append((time, amount))
    found = seconds_left(samples, limit, time + later)
    assert found is None or found >= 0
