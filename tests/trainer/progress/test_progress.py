"""What is shown where, and how a run is followed."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from opto.llm import Budget, FromCallable
from opto.runs import emit, listening, tell
from opto.trainer.progress import Progress, Status
from opto.trainer.progress.displays import Lines
from opto.trainer.progress.pace import Left
from opto.trainer.results import ResultCache
from opto.trainer.rollouts import Evaluator, Request

ROOT = Path(__file__).resolve().parents[3]


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_pipe_gets_nothing() -> None:
    """Neither lines nor notes; a last line only where it is asked for."""
    for summary, expected in ((False, ""), (True, "step 2 of 2, 0:00 passed\n")):
        stream = io.StringIO()
        with Progress(total_steps=2, stream=stream, summary=summary) as progress:
            progress.update(Status(step=1))
            progress.note("a note")
            progress.update(Status(step=2))
        assert stream.getvalue() == expected


def test_off_is_off(capsys: pytest.CaptureFixture[str]) -> None:
    """Also for the last line."""
    with Progress(mode="off", summary=True) as progress:
        progress.update(Status(step=1))
        progress.note("a note")
    assert capsys.readouterr() == ("", "")


def test_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line now and then, however often it is updated; notes at once; a last line."""
    clock = Clock()
    monkeypatch.setattr("opto.trainer.progress.displays.time.monotonic", clock)
    stream = io.StringIO()
    with Progress(total_steps=9, stream=stream, mode="plain", clock=clock) as progress:
        for step in range(10):
            progress.update(Status(step=step))
            progress.update(Status(event=f"candidate {step}"))
            clock.now += 4
        progress.note("a \x1b[31mnote")
    assert stream.getvalue().splitlines() == [
        "step 3 of 9, 0:12 passed, about 0:24 left: candidate 2",
        "step 6 of 9, 0:24 passed, about 0:12 left: candidate 5",
        "step 9 of 9, 0:36 passed, about 0:00 left: candidate 8",
        "a \\x1b[31mnote",
        "step 9 of 9, 0:40 passed: candidate 9",
    ]


def test_a_broken_stream_does_not_end_the_run() -> None:
    """One that was closed, and one whose reader has gone."""

    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    closed = io.StringIO()
    closed.close()
    for stream in (Broken(), closed):
        for mode in ("plain", "auto"):
            with Progress(stream=stream, mode=mode, summary=True) as progress:
                progress.note("a note")


def test_rich_is_imported_when_it_is_shown_only() -> None:
    """Nor is LiteLLM, or IPython."""
    program = (
        "import sys; from opto.trainer.progress import Progress, Status\n"
        "with Progress(summary=True) as p: p.update(Status(step=1))\n"
        "assert not {'rich', 'litellm', 'IPython', 'numpy', 'asyncio'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, capture_output=True)


def test_what_is_not_told_stays() -> None:
    """A status tells what has changed."""
    progress = Progress(total_steps=5)
    progress.update(Status(step=1, best=0.5, event="first"))
    progress.update(Status(step=2))
    assert progress.status == Status(step=2, steps=5, best=0.5, event="first")


def test_it_follows_a_run_by_itself() -> None:
    """Through the events of trainers, and of evaluators between them; known results cost nothing and do not count."""
    progress = Progress()

    def program(x: int) -> int:
        return x

    requests = [Request(program, x, x) for x in range(5)]
    with progress, listening(progress), Evaluator(cache=ResultCache()) as evaluator:
        guide = lambda query, response, reference: (1.0, "good")  # noqa: E731
        tell("training", {"step": 0, "steps": 8, "evaluations": 10, "max_evaluations": 50, "other": object()})
        list(evaluator.evaluations(requests[:3], guide))
        assert progress.status.evaluations == 13
        list(evaluator.evaluations(requests, guide))
        assert progress.status.evaluations == 15
        emit(
            "training",
            step=1,
            best=0.5,
            evaluations=15,
            candidates=4,
            rollouts_in_flight=2,
            usd=0.25,
            tokens=99,
            event="accepted",
        )
        emit("step", step=5)
    assert progress.status == Status(
        step=1,
        steps=8,
        best=0.5,
        evaluations=15,
        max_evaluations=50,
        usd=0.25,
        tokens=99,
        candidates=4,
        rollouts_in_flight=2,
        event="accepted",
    )


def test_a_budget_is_shown_and_ends_the_run() -> None:
    """What is spent of it, its limits, and when it is used up, if that is first."""
    answer = {"choices": [{"message": {"content": "hi"}}], "usage": {"prompt_tokens": 10, "completion_tokens": 10}}
    model = FromCallable(lambda messages, **options: answer)
    clock = Clock()
    budget = Budget(usd=100, calls=20, prices={model.name: (10_000, 10_000)})
    progress = Progress(total_steps=100, budget=budget, clock=clock)
    progress.update(Status(step=0))
    with budget:
        for step in range(1, 6):
            model([{"role": "user", "content": "hi"}], max_tokens=10)
            clock.now += 2
            progress.update(Status(step=step))
            view = progress.view()
    assert (view.status.usd, view.status.max_usd, view.status.calls, view.status.max_calls) == (1.0, 100.0, 5, 20)
    assert view.status.tokens == 100
    assert view.left == Left(pytest.approx(30.0), "calls")  # type: ignore[arg-type]
    assert progress.left == view.left


def test_time_of_a_budget() -> None:
    """It runs out whatever is done."""
    clock = Clock()
    budget = Budget(seconds=60, clock=clock)
    with budget:
        clock.now += 20
        assert Progress(budget=budget, clock=clock).left == Left(40.0, "seconds")


def test_after_its_end_it_stays_as_it_was() -> None:
    """Its words are a summary then."""
    clock = Clock()
    with Progress(total_steps=2, mode="off", clock=clock) as progress:
        progress.update(Status(step=0))
        clock.now += 5
        progress.update(Status(step=1))
        assert str(progress) == "step 1 of 2, 0:05 passed, about 0:05 left"
    clock.now += 500
    assert str(progress) == "step 1 of 2, 0:05 passed"


def test_an_update_costs_little() -> None:
    """Nothing is drawn by those who update: drawing is put off till the display asks."""
    progress = Progress(total_steps=5, mode="plain", stream=io.StringIO())
    with progress:
        display = progress._display
        assert isinstance(display, Lines)
        views: list[Any] = []
        display._view = lambda: views.append(1)  # type: ignore[assignment, return-value]
        for step in range(1000):
            progress.update(Status(step=step))
        assert views == []
        display._view = progress.view


def test_no_thread_is_left() -> None:
    """Also after an error within the block, with a display forced upon a stream that is no terminal."""
    before = threading.active_count()
    stream = io.StringIO()

    def run() -> None:
        with Progress(total_steps=2, stream=stream, mode="live") as progress:
            progress.update(Status(step=1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    assert threading.active_count() == before
    assert "step 1/2" in stream.getvalue()
    assert "write" not in vars(stream)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mode": "loud"}, "mode must be one of 'auto', 'live', 'plain', 'off', got 'loud'"),
        ({"total_steps": -1}, ">= 0"),
    ],
)
def test_arguments_are_checked(options: dict[str, Any], said: str) -> None:
    """With what they may be."""
    with pytest.raises(ValueError, match=said):
        Progress(**options)
