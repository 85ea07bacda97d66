"""`run_dir=`: an optimizer that records its own steps."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import opto
from opto.errors import RecordInUseError
from opto.optimizers import LineSearch, Numeric, OptoPrime
from opto.runs import Recorder, read
from opto.trace import node


def _stepped(optimizer: Any, x: Any, feedback: Any = "larger") -> None:
    optimizer.zero_feedback()
    optimizer.backward(x + 1, feedback)
    optimizer.step()


def _model(name: str) -> Any:
    count = iter(range(1, 100))
    return lambda messages, **options: json.dumps({"suggestion": {name: f" {next(count)} "}})


def test_steps_are_recorded_with_the_suggestion_as_parsed(tmp_path: Path) -> None:
    """A folder given as run_dir gets the steps, and attempts tell the suggestion before and after conversion."""
    x = node(1, trainable=True, name="x")
    optimizer = OptoPrime([x], _model(x.py_name), run_dir=tmp_path / "run")
    _stepped(optimizer, x)
    _stepped(optimizer, x)
    optimizer._run_dir.recorder.flush()
    run = read(tmp_path / "run")
    assert [step.new for step in run.steps] == [{x.py_name: 1}, {x.py_name: 2}]
    assert [attempt["suggestion"] for attempt in run.attempts] == [{x.py_name: " 1 "}, {x.py_name: " 2 "}]
    assert [attempt["values"] for attempt in run.attempts] == [{x.py_name: 1}, {x.py_name: 2}]
    assert run.steps[0].exchanges[0].text


def test_update_and_astep_are_recorded(tmp_path: Path) -> None:
    """So are asynchronous steps, and values that are set by hand."""
    x = node(1, trainable=True, name="x")
    optimizer = OptoPrime([x], _model(x.py_name), run_dir=tmp_path)
    optimizer.backward(x + 1, "larger")
    asyncio.run(optimizer.astep())
    optimizer.update({x: 7})
    optimizer._run_dir.recorder.flush()
    kinds = [event.kind for event in read(tmp_path).events]
    assert kinds == ["problem", "request", "response", "attempt", "step", "update"]


def test_nothing_is_recorded_twice_inside_a_record(tmp_path: Path) -> None:
    """A record around it hears the same events once, and so does the folder."""
    x = node(1, trainable=True, name="x")
    optimizer = OptoPrime([x], _model(x.py_name), run_dir=tmp_path / "own")
    with opto.record(tmp_path / "all"):
        _stepped(optimizer, x)
    optimizer._run_dir.recorder.flush()
    own, everything = read(tmp_path / "own"), read(tmp_path / "all")
    assert [event.kind for event in own.events] == [event.kind for event in everything.events]


def test_optimizers_share_a_recorder(tmp_path: Path) -> None:
    """Several optimizers write to one record by one recorder; a folder in use is refused."""
    x, y = node(1, trainable=True, name="x"), node(1, trainable=True, name="y")
    with Recorder(tmp_path) as recorder:
        first = OptoPrime([x], _model(x.py_name), run_dir=recorder)
        second = LineSearch(OptoPrime([y], _model(y.py_name), run_dir=recorder), check=lambda values: 1.0)
        _stepped(first, x)
        _stepped(second, y)
        with pytest.raises(RecordInUseError):
            _stepped(OptoPrime([x], _model(x.py_name), run_dir=tmp_path), x)
    assert {step.which for step in read(tmp_path).steps} == {0, 1}


def test_the_folder_is_closed_with_the_optimizer(tmp_path: Path) -> None:
    """An optimizer that is forgotten lets another one go on with its record, as a further session."""
    x = node(1, trainable=True, name="x")
    for _ in range(2):
        optimizer = OptoPrime([x], _model(x.py_name), run_dir=tmp_path)
        _stepped(optimizer, x)
        del optimizer
        x.zero_feedback()
        gc.collect()
    assert len(read(tmp_path).sessions) == 2


def test_an_optimizer_without_a_model_is_recorded(tmp_path: Path) -> None:
    """`run_dir` is an option of those that ask nobody, too."""
    pytest.importorskip("optuna")
    x = node(5, trainable=True, name="x", constraint=range(10))
    optimizer = Numeric([x], seed=0, run_dir=tmp_path)
    _stepped(optimizer, x, 0.3)
    optimizer._run_dir.recorder.flush()
    assert read(tmp_path).totals.applied == 1


def test_copies_share_the_record_and_pickles_leave_it(tmp_path: Path) -> None:
    """A deep copy writes to the same record; an unpickled one to none."""
    x = node(1, trainable=True, name="x")
    optimizer = OptoPrime([x], _model(x.py_name), run_dir=tmp_path)
    assert copy.deepcopy(optimizer)._run_dir is optimizer._run_dir
    assert pickle.loads(pickle.dumps(optimizer._run_dir)).where is None


def test_a_wrong_run_dir_is_named() -> None:
    """The error names the argument and the value."""
    with pytest.raises(TypeError, match="run_dir must be a folder.*got 5"):
        OptoPrime([node(1, trainable=True)], run_dir=5)
