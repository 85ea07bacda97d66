"""The folder of a training run: after each step it holds all that is needed to go on.

`candidates.jsonl` gets a line for each step, with what is new. `state.json` is replaced, in one move, once the line is
written; it says how far the growing files count. So whenever a process is killed, the folder holds the run as it was
after some step, and what comes after that in the growing files is passed over, or found again (results).
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opto.errors import FileFormatError
from opto.llm.totals import Totals
from opto.runs import codec
from opto.runs.files import open_appending
from opto.secrets import REDACTED, redact_json
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.run import Counts, Run

__all__ = ["RunFolder"]

_STATE, _CANDIDATES = "state.json", "candidates.jsonl"
_KIND, _LINE_KIND = "training", "training step"


class RunFolder:
    """Saves a run into a folder, and restores it.

    Args:
        path: the folder; made if it is missing.

    Attributes:
        path: the same.
        state: what `state.json` held when it was read; {} for a new folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.state: dict[str, Any] = {}
        if (self.path / _STATE).exists():
            self.state = _read(self.path / _STATE)
        self._size = int(self.state.get("size", 0))
        self._lines = open_appending(self.path / _CANDIDATES)
        self._born = self._accepted = 0  # how many the file has

    def close(self) -> None:
        """Close the growing file."""
        if self._lines >= 0:
            os.close(self._lines)
            self._lines = -1

    @property
    def begun(self) -> bool:
        """Whether it holds a run."""
        return bool(self.state)

    # ---- saving

    def save(self, run: Run, about: Mapping[str, Any]) -> None:
        """Write what is new, then the state.

        Args:
            run: as it is after a step.
            about: plain data to keep with it, `restore` returns it.
        """
        line = _line(self._news(run))
        os.ftruncate(self._lines, self._size)  # what a killed step left there
        os.write(self._lines, line)
        self._size += len(line)
        stages = [run.stages[place] for place in range(len(run.stages))]
        self.state = {
            "size": self._size,
            "counts": dataclasses.asdict(run.counts),
            "best": run.best.number,
            "loader": run.loader.state_dict(),
            "optimizers": [stage.optimizer.state_dict() for stage in stages],
            "usage": run.usage.to_dict(),
            "about": dict(about),
        }
        codec.save(self.path / _STATE, self.state, kind=_KIND)

    def _news(self, run: Run) -> dict[str, Any]:
        """What the archive has and the file has not."""
        archive = run.archive
        born = [_written(archive[number]) for number in range(self._born, len(archive))]
        told = [
            {"number": number, "status": each.status, "verdict": each.verdict, "cost": each.cost, "leaks": each.leaks}
            for number, each in sorted(archive.touched.items())
        ]
        accepted = [each.number for each in archive.accepted[self._accepted :]]
        self._born, self._accepted = len(archive), len(archive.accepted)
        return {"born": born, "told": told, "scores": [list(each) for each in archive.scored], "accepted": accepted}

    # ---- restoring

    def restore(self, run: Run) -> dict[str, Any]:
        """Bring a new run to where the saved one was.

        Args:
            run: with the same program, data and plan, at its beginning.

        Returns:
            What `save` was given as `about`.

        Raises:
            FileFormatError: the folder is damaged, or holds a run of another program.
        """
        with open(self.path / _CANDIDATES, "rb") as lines:
            content = lines.read(self._size)
        if len(content) < self._size:
            raise FileFormatError(f"{self.path / _CANDIDATES} is shorter than {_STATE} says: it was cut or exchanged.")
        for line in content.splitlines():
            _repeat(run, codec.loads(line.decode(), kind=_LINE_KIND))
        state = self.state
        run.counts = Counts(**state["counts"])
        run.best = run.archive[state["best"]]
        run.loader.load_state_dict(state["loader"])
        run.usage = Totals.from_dict(state["usage"])
        for stage, kept in zip(run.stages.first(len(state["optimizers"])), state["optimizers"], strict=False):
            stage.optimizer.load_state_dict(kept)
        run.archive.forget_changes()
        self._born, self._accepted = len(run.archive), len(run.archive.accepted)
        return dict(state["about"])


def _repeat(run: Run, news: Mapping[str, Any]) -> None:
    """Bring back what one line tells of."""
    originals = run.stages[0].originals
    for each in news["born"]:
        values = {originals[int(place)]: value for place, value in each["values"].items()}
        if each["number"] == 0:
            _bring_back_first(run, values)
            continue
        parents = [run.archive[number] for number in each["parents"]]
        run.new(values, parents=parents, reason=each["reason"]).step = each["step"]
    for number, split, place, score in news["scores"]:
        run.archive[number].table(split).add(place, score)
    for each in news["told"]:
        candidate = run.archive[each["number"]]
        candidate.status, candidate.verdict = each["status"], each["verdict"]
        candidate.cost, candidate.leaks = dict(each["cost"]), list(each["leaks"])
    run.archive.accepted.extend(run.archive[number] for number in news["accepted"] if number)


def _bring_back_first(run: Run, values: Mapping[Any, Any]) -> None:
    """Let the first candidate have the values that it had, whatever the program has now."""
    first, count = run.archive[0], len(run.stages[0].originals)
    if len(values) != count:
        raise FileFormatError(f"the run is one of a program with {len(values)} parameters, and this one has {count}.")
    kept = {each: value for each, value in values.items() if REDACTED not in str(value)}  # the program has its keys
    first.update_dict.update(kept)
    first.forget_key()


def _written(candidate: ModuleCandidate) -> dict[str, Any]:
    """A candidate as it is written: what it has that its first parent has not."""
    values = list(candidate.update_dict.items())
    if candidate.parents:
        before = candidate.parents[0].update_dict
        changed = {str(place): value for place, (each, value) in enumerate(values) if not _same(before[each], value)}
    else:
        changed = {str(place): value for place, (_, value) in enumerate(values)}
    return {
        "number": candidate.number,
        "parents": [each.number for each in candidate.parents],
        "values": changed,
        "reason": candidate.reason,
        "step": candidate.step,
    }


def _same(old: Any, new: Any) -> bool:
    return old is new or (type(old) is type(new) and type(old) in (str, int, float, bool) and old == new)


def _line(news: dict[str, Any]) -> bytes:
    document = json.loads(codec.dumps(news, kind=_LINE_KIND))
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return redact_json(text.encode("utf-8", "surrogatepass")) + b"\n"


def _read(path: Path) -> dict[str, Any]:
    state = codec.load(path, kind=_KIND)
    needed = {"size", "counts", "best", "loader", "optimizers", "usage", "about"}
    if not isinstance(state, dict) or not needed <= state.keys():
        raise FileFormatError(f"{path}: it must hold the state of a training run.")
    return state
