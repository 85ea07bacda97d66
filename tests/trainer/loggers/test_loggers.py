"""Loggers: what is written, where, and what is said when a package is missing."""

from __future__ import annotations

import importlib
import io
import json
import math
import pickle
import stat
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opto.errors import MissingExtraError
from opto.trainer import loggers
from opto.trainer.loggers import BaseLogger, ConsoleLogger, DefaultLogger, JSONLinesLogger
from opto.trainer.loggers.base import pieces

foreign = pytest.mark.filterwarnings("ignore")  # what other packages say while they are imported


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


class Odd:
    """Something without a text of its own."""


def entries(path: Path) -> list[dict[str, Any]]:
    """The lines of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_an_entry_is_numbers_and_texts() -> None:
    """A dict gives one piece for each key, at any depth."""
    data = {"score": np.float32(0.5), "parts": {"a": 1, "ok": True}, "prompt": "Be brief.", "rest": [1, 2]}
    assert list(pieces("val", data)) == [
        ("val/score", 0.5),
        ("val/parts/a", 1.0),
        ("val/parts/ok", 1.0),
        ("val/prompt", "Be brief."),
        ("val/rest", "[1, 2]"),
    ]


def test_a_logger_is_one_method() -> None:
    """Closing and `with` are there already."""

    class Kept(BaseLogger):
        def __init__(self) -> None:
            self.kept: list[Any] = []

        def log(self, name: str, data: Any, step: int, **kwargs: Any) -> None:
            self.kept.append((name, data, step, kwargs))

    with Kept() as logger:
        logger.log("score", 0.5, 1, color="green")
    assert logger.kept == [("score", 0.5, 1, {"color": "green"})]
    with pytest.raises(TypeError, match="abstract"):
        BaseLogger()  # type: ignore[abstract]


def test_the_console_shows_a_line_for_each_entry(capsys: pytest.CaptureFixture[str]) -> None:
    """Without colors, as it is no terminal."""
    ConsoleLogger().log("score", 1 / 3, 2, color="green")
    ConsoleLogger().log("best", {"score": 1, "text": "a"}, step=3)
    assert capsys.readouterr().out == "[step 2] score: 0.333333\n[step 3] best/score: 1\n[step 3] best/text: a\n"
    assert DefaultLogger is ConsoleLogger


def test_a_terminal_has_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are known, unless NO_COLOR is set or it is told otherwise."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    ConsoleLogger(stream=terminal).log("a", "x", 1, color="red")
    ConsoleLogger(stream=terminal).log("a", "x", 1, color="no such")
    ConsoleLogger(stream=terminal, color=False).log("a", "x", 1, color="red")
    monkeypatch.setenv("NO_COLOR", "1")
    ConsoleLogger(stream=terminal).log("a", "x", 1, color="red")
    plain = "[step 1] a: x\n"
    assert terminal.getvalue() == "\033[31m[step 1] a: x\033[0m\n" + plain * 3


def test_json_lines_are_appended(tmp_path: Path) -> None:
    """One line for each entry, with numbers as numbers; only the user may read them."""
    path = tmp_path / "new" / "run.jsonl"
    logger = pickle.loads(pickle.dumps(JSONLinesLogger(path)))
    logger.log("score", np.float64(0.5), 1, color="red")
    logger.log("scores", {"a": [1, None, True], "b": math.inf, "c": Odd()}, 2)
    logger.log("text", "é\n", 3)
    found = entries(path)
    assert [(each["step"], each["name"], each["value"]) for each in found] == [
        (1, "score", 0.5),
        (2, "scores", {"a": [1, None, True], "b": "inf", "c": "<Odd>"}),
        (3, "text", "é\n"),
    ]
    assert all(each["time"] > 1e9 for each in found)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_keys_are_struck_out_of_json_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those in the environment of the program."""
    monkeypatch.setenv("SOME_API_KEY", "kq7-Zw9-very-secret-value-31415")
    JSONLinesLogger(tmp_path / "run.jsonl").log("prompt", "Use kq7-Zw9-very-secret-value-31415.", 1)
    assert "very-secret" not in (tmp_path / "run.jsonl").read_text()


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    """Every line is whole."""
    logger = JSONLinesLogger(tmp_path / "run.jsonl")
    threads = [
        threading.Thread(target=lambda: [logger.log("x", "y" * 5000, step) for step in range(20)]) for _ in range(6)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(entries(tmp_path / "run.jsonl")) == 120


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("TensorboardLogger", "tensorboardX", "tensorboard"),
        ("WandbLogger", "wandb", "wandb"),
        ("MLflowLogger", "mlflow", "mlflow"),
    ],
)
def test_a_missing_package_is_named_at_once(
    name: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the extra that brings it, before a long run begins."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{name} needs the package '{package}': .*opto-trace\[{extra}\]"):
        getattr(loggers, name)()


def test_names_are_found_where_programs_look() -> None:
    """Light to import; unknown names are an error."""
    assert {"ConsoleLogger", "MLflowLogger"} <= set(dir(loggers))
    with pytest.raises(AttributeError):
        importlib.import_module("opto.trainer.loggers").Unknown  # noqa: B018


def events(folder: Path) -> Iterator[Any]:
    """What TensorBoard's event files hold: each record has a length, a checksum, the data and another checksum."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted(folder.glob("events.out.*")):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            yield Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]


@foreign
def test_tensorboard_gets_scalars_and_texts(tmp_path: Path) -> None:
    """They stand in its event files with their steps; after closing, another file is begun."""
    pytest.importorskip("tensorboardX")
    from opto.trainer.loggers import TensorboardLogger

    with TensorboardLogger(tmp_path) as logger:
        logger.log("train", {"score": 0.5, "prompt": "Be brief."}, 3)
    again = pickle.loads(pickle.dumps(logger))
    again.log("train", {"score": 1}, 4)
    again.close()
    values = [(event.step, value) for event in events(tmp_path) for value in event.summary.value]
    assert {(step, value.tag, value.simple_value) for step, value in values if value.tag == "train/score"} == {
        (3, "train/score", 0.5),
        (4, "train/score", 1.0),
    }
    assert any(b"Be brief." in value.SerializeToString() for _, value in values)


@foreign
def test_mlflow_gets_metrics_and_artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a run of its own, which is finished when the logger is closed."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow = pytest.importorskip("mlflow")
    from opto.trainer.loggers import MLflowLogger

    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    logger = MLflowLogger("greeter", tracking_uri=uri, run_name="first")
    logger.log("train", {"score@1": 0.5, "prompt": "Be brief."}, 3)
    logger.log("train", {"score@1": 0.75}, 4)
    run_id = logger.run_id
    again = pickle.loads(pickle.dumps(logger))
    again.log("train", {"score@1": 1}, 5)
    logger.close()
    client = mlflow.MlflowClient(uri)
    history = client.get_metric_history(run_id, "train/score_1")
    assert [(each.step, each.value) for each in history] == [(3, 0.5), (4, 0.75), (5, 1.0)]
    assert client.get_run(run_id).info.status == "FINISHED"
    assert client.get_run(run_id).info.run_name == "first"
    assert [each.path for each in client.list_artifacts(run_id, "train/prompt")] == ["train/prompt/3.txt"]
    logger.log("more", 1, 1)
    assert logger.run_id != run_id
    assert client.get_experiment_by_name("greeter").experiment_id == client.get_run(logger.run_id).info.experiment_id
    assert mlflow.active_run() is None


@foreign
def test_wandb_writes_an_offline_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries in any order of steps are in the summary of the run."""
    pytest.importorskip("wandb")
    from opto.trainer.loggers import WandbLogger

    monkeypatch.setenv("WANDB_SILENT", "true")
    with WandbLogger("greeter", mode="offline", dir=str(tmp_path)) as logger:
        logger.log("score", 0.5, 4)
        logger.log("score", 0.75, 3)
        logger.log("prompt", "Be brief.", 3)
        summary = dict(logger._run.summary)
    assert summary["score"] == 0.75
    assert summary["prompt"] == "Be brief."
    assert list(tmp_path.rglob("run-*.wandb"))


@pytest.fixture
def each_step() -> dict[str, Any]:
    """What a trainer may log in a step."""
    return {
        "score": np.float32(0.5),
        "unknown": None,
        "worst": -math.inf,
        "scores": [0.5, None, 1.0],
        "array": np.array([0.1, 0.2]),
        "prompt": "Be\nbrief. é",
        "of a model": "\x1b[2Jgone \ud800",
        "objectives": {"accuracy": 0.5, "cost": None, "parts": {1: "x"}},
        "empty": {},
        "error": ValueError("no"),
    }


def test_the_console_writes_out_what_would_steer_it(each_step: dict[str, Any]) -> None:
    """Texts of models among what is logged; nothing is lost and nothing fails where it cannot be encoded."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\n")
    ConsoleLogger(stream=stream).log("t", each_step, np.int64(1))  # type: ignore[arg-type]
    stream.seek(0)
    assert stream.read().split("\n") == [
        "[step 1] t/score: 0.5",
        "[step 1] t/unknown: None",
        "[step 1] t/worst: -inf",
        "[step 1] t/scores: [0.5, None, 1.0]",
        "[step 1] t/array: array([0.1, 0.2])",
        "[step 1] t/prompt: Be",
        "brief. \\xe9",
        "[step 1] t/of a model: \\x1b[2Jgone \\ud800",
        "[step 1] t/objectives/accuracy: 0.5",
        "[step 1] t/objectives/cost: None",
        "[step 1] t/objectives/parts/1: x",
        "[step 1] t/error: ValueError('no')",
        "",
    ]


def test_no_value_is_null_in_json_lines(tmp_path: Path, each_step: dict[str, Any]) -> None:
    """Steps may be numbers of numpy."""
    JSONLinesLogger(tmp_path / "run.jsonl").log("t", each_step, np.int64(1))  # type: ignore[arg-type]
    [entry] = entries(tmp_path / "run.jsonl")
    assert entry["step"] == 1
    assert entry["value"]["objectives"] == {"accuracy": 0.5, "cost": None, "parts": {"1": "x"}}
    assert entry["value"]["of a model"] == "\x1b[2Jgone \\ud800"


@foreign
@pytest.mark.parametrize("name", ["TensorboardLogger", "WandbLogger", "MLflowLogger"])
def test_a_package_takes_all_of_a_step(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, each_step: dict[str, Any]
) -> None:
    """What has no value yet is left out, so that a chart of numbers does not get the text "None"."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.chdir(tmp_path)
    pytest.importorskip({"TensorboardLogger": "tensorboardX", "WandbLogger": "wandb", "MLflowLogger": "mlflow"}[name])
    options: dict[str, Any] = {
        "TensorboardLogger": {"log_dir": tmp_path},
        "WandbLogger": {"mode": "offline", "dir": str(tmp_path)},
        "MLflowLogger": {"tracking_uri": f"sqlite:///{tmp_path}/mlflow.db"},
    }
    with getattr(loggers, name)(**options[name]) as logger:
        logger.log("t", each_step, 0, color="green")
        logger.log("t", {**each_step, "unknown": 1.0}, 1, color=None)
        logger.log("nothing yet", None, 1)
        if name == "WandbLogger":
            assert logger._run.summary["t/unknown"] == 1.0
            assert "nothing yet" not in dict(logger._run.summary)
