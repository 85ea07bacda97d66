"""The folder of a training run: after each step it holds all that is needed to go on.

`candidates.jsonl` gets a line for each step, with what is new. `state.json` is replaced, in one move, once the line is
written; it says how far the growing files count. So whenever a process is killed, the folder holds the run as it was
after some step, and what comes after that in the growing files is passed over, or found again (results).

A run that ended in the middle of a step, because a limit was reached, has a line more for what that step had found, and
`ended` in the state. So its outcome can be read again, and with a higher limit the step is begun anew.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opto.errors import FileFormatError
from opto.llm import Budget
from opto.llm.totals import Totals
from opto.runs import codec
from opto.runs.files import make_folder
from opto.runs.own_lines import OwnLines
from opto.trainer.results import ResultCache
from opto.trainer.rolling_out.step_journal import StepJournal
from opto.trainer.run import Run
from opto.trainer.saving.written_candidates import news_of, repeat

__all__ = ["RunFolder", "folder_path"]

_STATE, _CANDIDATES, _STEP = "state.json", "candidates.jsonl", "step.jsonl"
_KIND, _LINE_KIND = "training", "training step"
_NEEDED = frozenset({"run", "size", "counts", "best", "loader", "optimizers", "usage", "about"})


class RunFolder:
    """Saves a run into a folder, and restores it. It is this object's alone until it is closed.

    Args:
        path: the folder; made if it is missing.

    Attributes:
        path: the same.
        state: what `state.json` holds; {} for a new folder.
        results: of evaluations.
        journal: what the step under way has bought besides.

    Raises:
        RecordInUseError: another process, or another part of this one, has it.
        FileFormatError: `state.json` is damaged, or of a newer version.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path, self._new_id = Path(path), uuid.uuid4().hex
        make_folder(self.path)
        self._lines = OwnLines(self.path / _CANDIDATES)
        try:
            self.state = _read(self.path / _STATE) if (self.path / _STATE).exists() else {}
            self.results = ResultCache(self.path, committed=int(self.state.get("results", 0)))
            self.journal = StepJournal(self.path / _STEP)
        except BaseException:
            self._lines.close()
            raise
        self._size = int(self.state.get("size", 0))
        self._born = self._accepted = 0  # how many the file has

    def close(self) -> None:
        """Let others have the folder."""
        self.journal.close()
        self._lines.close()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __fspath__(self) -> str:
        """The path, so that algorithms which keep files of their own in the folder find it."""
        return os.fspath(self.path)

    @property
    def begun(self) -> bool:
        """Whether it holds a run."""
        return bool(self.state)

    @property
    def run_id(self) -> str:
        """Names the run, wherever the folder is moved."""
        return str(self.state.get("run", self._new_id))

    def begin_anew(self) -> None:
        """Make room for a new run.

        One of which no step came to anything, because of a mistake in the program or a wrong key perhaps, is forgotten,
        but for the results that it paid for.

        Raises:
            ValueError: the folder holds a run that can be gone on with.
        """
        if not self.begun:
            return
        counts = self.state["counts"]
        if self.ended is not None or counts["steps"] > counts["failures"]:
            where = os.fspath(self.path)
            raise ValueError(
                f"run_dir {where!r} holds a run: go on with it by opto.resume({where!r}), or choose another folder."
            )
        os.unlink(self.path / _STATE)
        self.state, self._size = {}, 0
        self.results = ResultCache(self.path, committed=0)

    # ---- what is paid

    def charge(self, budget: Budget | None) -> None:
        """Let a budget count what the run has spent of one already."""
        if budget is not None:
            budget.charge(self.run_id, **(self.state.get("spent") or self._used()))

    def spent(self, budget: Budget | None) -> dict[str, Any]:
        """What the run has spent so far."""
        if budget is None:
            return dict(self.state.get("spent", {}))
        return dataclasses.asdict(budget.spent_on(self.run_id))

    def note_spent(self, budget: Budget | None) -> None:
        """Write down what was spent since the last step; for runs that end in the middle of one."""
        if self.begun and budget is not None:
            with contextlib.suppress(OSError):  # what made the run end is told
                self._replace({**self.state, "spent": self.spent(budget)})

    def _used(self) -> dict[str, Any]:
        """What was used while no budget paid."""
        if not self.begun:
            return {}
        used = Totals.from_dict(self.state["usage"])
        return {"usd": used.usd, "tokens": used.prompt_tokens + used.completion_tokens, "calls": used.calls}

    # ---- saving

    def check(self, run: Run) -> None:
        """See that the values of the parameters can be saved, before anything is paid for.

        Raises:
            TypeError: one has no text form; it is named.
        """
        for parameter, value in run.best.update_dict.items():
            try:
                codec.dumps(value)
            except TypeError as error:
                raise TypeError(
                    f"run_dir cannot hold the value of the parameter {parameter.py_name!r}, {type(value).__name__}: "
                    f"{error} Or train without run_dir."
                ) from error

    def save(self, run: Run, about: Mapping[str, Any], budget: Budget | None = None) -> None:
        """Write what is new, then the state.

        Args:
            run: as it is after a step.
            about: plain data to keep with it, `restore` returns it.
            budget: what pays for the run.

        Raises:
            OSError: it could not be written. The folder holds the run as it was saved last.
            TypeError: a value has no text form. Likewise.
        """
        size = self._append(run)
        written = {**self._written(run, size, about), "results": self.results.size}
        self._replace({"run": self.run_id, **written, "spent": self.spent(budget)})
        self._size, self._born, self._accepted = size, len(run.archive), len(run.archive.accepted)

    def end(self, run: Run, about: Mapping[str, Any], budget: Budget | None, ended: Mapping[str, Any]) -> None:
        """Write how the run ended, so that it can be read again; it still goes on from the last step that was saved.

        Args:
            run: as it is now, perhaps in the middle of a step.
            about: as for `save`.
            budget: as for `save`.
            ended: plain data; `restore` with `ended=True` returns it.

        Raises:
            OSError: as for `save`.
        """
        size = self._append(run)
        last = {**ended, "state": self._written(run, size, about)}
        self._replace({**self.state, "spent": self.spent(budget), "ended": last})

    def _append(self, run: Run) -> int:
        """Write a line behind those that count; returns where it ends."""
        line = codec.dumps_line(news_of(run, self._born, self._accepted), kind=_LINE_KIND)
        self._lines.cut(self._size)  # what a killed step left there
        self._lines.append(line)
        self._lines.sync()  # before the state, which says that it is there
        return self._lines.size

    def _written(self, run: Run, size: int, about: Mapping[str, Any]) -> dict[str, Any]:
        stages = [run.stages[place] for place in range(len(run.stages))]
        return {
            "size": size,
            "counts": dataclasses.asdict(run.counts),
            "best": run.best.number,
            "loader": run.loader.state_dict(),
            "optimizers": [stage.optimizer.state_dict() for stage in stages],
            "usage": run.usage.to_dict(),
            "about": dict(about),
        }

    def _replace(self, state: dict[str, Any]) -> None:
        codec.save(self.path / _STATE, state, kind=_KIND)
        self.state = state

    # ---- restoring

    @property
    def ended(self) -> dict[str, Any] | None:
        """What `end` was given, None for a run that can go on as it is."""
        return self.state.get("ended")

    def restore(self, run: Run, *, ended: bool = False) -> dict[str, Any]:
        """Bring a new run to where the saved one was.

        Args:
            run: with the same program, data and plan, at its beginning.
            ended: to where it ended, instead of the last step.

        Returns:
            What `save` was given as `about`.

        Raises:
            FileFormatError: the folder is damaged, or holds a run of another program.
        """
        state = self.state["ended"]["state"] if ended else self.state
        path = self.path / _CANDIDATES
        size = int(state["size"])
        content = path.read_bytes()[:size]
        if len(content) < size:
            raise FileFormatError(f"{path} is shorter than {_STATE} says: it was cut or exchanged.")
        for number, line in enumerate(content.splitlines(), start=1):
            try:
                repeat(run, codec.loads(line.decode(), kind=_LINE_KIND))
            except FileFormatError as error:
                raise FileFormatError(f"{path}, line {number}: {error}") from error
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                raise FileFormatError(f"{path} is damaged at line {number}: {error!r}") from error
        try:
            self._set(run, state)
        except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
            raise FileFormatError(f"{self.path / _STATE} is damaged: {error!r}") from error
        run.archive.forget_changes()
        self._born, self._accepted = len(run.archive), len(run.archive.accepted)
        return dict(state["about"])

    def _set(self, run: Run, state: Mapping[str, Any]) -> None:
        run.counts = type(run.counts)(**state["counts"])
        run.best = run.archive[state["best"]]
        run.loader.load_state_dict(state["loader"])
        run.usage = Totals.from_dict(state["usage"])
        for stage, kept in zip(run.stages.first(len(state["optimizers"])), state["optimizers"], strict=False):
            try:
                stage.optimizer.load_state_dict(kept)
            except ValueError as error:
                raise ValueError(
                    f"optimizer must be one like that of the run in {os.fspath(self.path)!r}: {error}"
                ) from error


def folder_path(folder: RunFolder | str | os.PathLike[str]) -> Path:
    """Where a folder is that is open already, or is not."""
    return folder.path if isinstance(folder, RunFolder) else Path(folder)


def _read(path: Path) -> dict[str, Any]:
    state = codec.load(path, kind=_KIND)
    if not _is_whole(state, _NEEDED) or not ("ended" not in state or _is_end(state["ended"])):
        raise FileFormatError(f"{path}: it must hold the state of a training run.")
    return dict(state)


def _is_whole(state: Any, needed: frozenset[str]) -> bool:
    return isinstance(state, dict) and state.keys() >= needed and type(state["size"]) is int and state["size"] >= 0


def _is_end(ended: Any) -> bool:
    known = isinstance(ended, dict) and ended.keys() >= {"reason", "notes", "limits", "state"}
    return known and _is_whole(ended["state"], _NEEDED - {"run"})
