"""The folder of a search that `PrioritySearch.train` saves, and what is needed to go on with it.

algo.pkl        a text: its options, and how its program, its optimizers and its guide are made again
data/*.jsonl    the examples to validate and to test on, where they have a text form
run/            the run itself, as in any `run_dir`: its candidates, their scores, the memories
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from opto.errors import FileFormatError
from opto.optimizers import Optimizer
from opto.optimizers.options import checked_count
from opto.runs import codec
from opto.runs.files import lock_for_writing, open_appending
from opto.trace.modules import Module
from opto.trainer.datasets import Dataset, as_dataset
from opto.trainer.rebuilding.described import NotRebuiltError, described_program, rebuilt
from opto.trainer.rebuilding.kept_data import keep_dataset, kept_dataset
from opto.trainer.rebuilding.objects import described_guide, described_optimizer, rebuilt_guide, rebuilt_optimizer
from opto.trainer.rebuilding.references import Source, main_file
from opto.trainer.rebuilding.written_plan import written_options

__all__ = ["Reporting", "SavedSearch", "begin_anew"]

_FILE, _KIND = "algo.pkl", "search"
_LINES = "candidates.jsonl"
_RUN_FILES = ("state.json", "results.jsonl", "step.jsonl", "optimizers.jsonl", "events.jsonl")
_DATASETS = ("validate_dataset", "test_dataset")
_SAME = "train_dataset"
"""Stands for a dataset that is the one to train on."""
_PARTS = ("agent", "guide", "logger", "optimizer")


@dataclass(frozen=True)
class Reporting:
    """How much a priority search samples, tests, tells and saves.

    Attributes:
        num_batches: how many minibatches of `batch_size` examples each explored candidate is run on.
        validation_size: on how many examples of `validate_dataset`, drawn anew for each iteration, candidates are
            judged; None for as many as they are explored on.
        verbose: handed to the hooks.
        test_frequency: every how many iterations the best candidate is tested on `test_dataset`; None or 0 for never.
        num_test_samples: how often each test example is run.
        log_frequency: every how many iterations numbers are logged; None for every one.
        save_frequency: every how many iterations the search is saved; None or 0 for never.
        save_path: the folder to save it in.
        allow_pickle: keep the program, the optimizers and the guide in that folder as a pickle.

    Raises:
        TypeError: a count that is no whole number.
        ValueError: one out of its range.
    """

    num_batches: int = 1
    validation_size: int | None = None
    verbose: bool | str = False
    test_frequency: int | None = 1
    num_test_samples: int = 1
    log_frequency: int | None = None
    save_frequency: int | None = None
    save_path: str | os.PathLike[str] = "checkpoints"
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        for name, least in (("num_batches", 1), ("num_test_samples", 1)):
            checked_count(name, getattr(self, name), least=least)
        for name, least in (
            ("validation_size", 1),
            ("test_frequency", 0),
            ("log_frequency", 1),
            ("save_frequency", 0),
        ):
            if getattr(self, name) is not None:
                checked_count(name, getattr(self, name), least=least)

    @classmethod
    def names(cls) -> list[str]:
        """The names of the options."""
        return [each.name for each in fields(cls)]

    @property
    def run_dir(self) -> Path:
        """Where the run of a saved search is."""
        return Path(self.save_path) / "run"

    def tests(self, step: int) -> bool:
        """Whether the best candidate is tested now."""
        return bool(self.test_frequency) and step % (self.test_frequency or 1) == 0

    def logs(self, step: int) -> bool:
        """Whether numbers are logged now."""
        return step % (self.log_frequency or 1) == 0

    def saves(self, step: int) -> bool:
        """Whether the search is saved now."""
        return bool(self.save_frequency) and step % (self.save_frequency or 1) == 0


@dataclass
class SavedSearch:
    """What `algo.pkl` and the datasets beside it hold.

    Attributes:
        plan: the descriptions of the options of `train`, of the datasets, and of the parts of the search.
        datasets: those besides the one to train on, by the names of the options.
        save_path: the folder.
        run_dir: that of the run.
        n_iters: the number of the iteration that was completed last.
        objects: the parts themselves, where pickles are allowed.
    """

    plan: dict[str, Any]
    datasets: dict[str, Dataset]
    save_path: str
    run_dir: str
    n_iters: int = 0
    objects: dict[str, Any] | None = field(default=None, repr=False)
    _kept_in: Path | None = None

    @classmethod
    def of(cls, search: Any, guide: Any, train_dataset: Any, options: Mapping[str, Any], run_dir: Path) -> SavedSearch:
        """What is to be saved of a search that is about to begin.

        Args:
            search: a `PrioritySearch`.
            guide: as `train` was given it.
            train_dataset: likewise.
            options: those of `train`.
            run_dir: the folder of the run.
        """
        given = {name: options[name] for name in _DATASETS if options.get(name) is not None}
        data = {name: as_dataset(each) for name, each in given.items() if each is not train_dataset}
        others = {name: value for name, value in options.items() if name not in (*_DATASETS, "save_path")}
        plan: dict[str, Any] = {
            "main": main_file(),
            "options": written_options(others),
            "data": {name: _SAME for name in given if name not in data},
        }
        made = cls(plan, data, os.fspath(options.get("save_path", Reporting.save_path)), str(run_dir.resolve()))
        if options.get("allow_pickle"):
            made.objects = {"model": search.agent, "optimizer": search.optimizers, "guide": guide}
            return made
        paths = {id(each): path for path, each in search.agent.named_parameters()}
        plan["model"] = described_program(search.agent)
        plan["optimizer"] = [described_optimizer(each, paths) for each in search.optimizers]
        plan["guide"] = described_guide(guide)
        return made

    # ---- the folder

    def write(self, path: str | os.PathLike[str], n_iters: int) -> None:
        """Write the folder; the datasets only once."""
        folder = Path(path)
        self.n_iters = n_iters
        if self._kept_in != folder.resolve():
            self.plan["data"].update({name: keep_dataset(folder, name, each) for name, each in self.datasets.items()})
            self._kept_in = folder.resolve()
        objects = None if self.objects is None else _Together(self.objects)
        about = {**self.plan, "run_dir": self.run_dir, "n_iters": n_iters, "objects": objects}
        codec.save(folder / _FILE, about, kind=_KIND, allow_pickle=objects is not None)

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, allow_pickle: bool) -> SavedSearch:
        """Read a folder, or the `algo.pkl` in it.

        Raises:
            FileNotFoundError: it holds no search.
            FileFormatError: it is damaged, or holds a pickle that is not allowed.
        """
        folder = Path(path) if Path(path).is_dir() else Path(path).parent
        plan = codec.load(folder / _FILE, kind=_KIND, allow_pickle=allow_pickle)
        try:
            run_dir, n_iters, objects = (plan.pop(name) for name in ("run_dir", "n_iters", "objects"))
            inside = folder / "run"  # the folder may have been moved
            kept = {name: each for name, each in plan["data"].items() if each != _SAME and each["file"] is not None}
            made = cls(plan, {}, str(folder), str(inside if inside.is_dir() else run_dir), int(n_iters))
            made.datasets = {name: kept_dataset(folder, each) for name, each in kept.items()}
            made.objects = None if objects is None else objects.parts
            made.options()
        except (AttributeError, KeyError, TypeError) as error:
            raise FileFormatError(f"{folder / _FILE}: it must hold a search: {error!r}.") from error
        return made

    @property
    def _source(self) -> Source:
        """Nothing is imported for a file that `load` is given."""
        return Source(self.plan["main"], imports=False)

    # ---- going on

    def options(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The options that it had, with the datasets; and those that must be given again, each with the reason."""
        options: dict[str, Any] = {"save_path": self.save_path, **self.datasets}
        missing = {}
        for name, each in self.plan["options"].items():
            try:
                options[name] = rebuilt(each, self._source)
            except NotRebuiltError as why:
                missing[name] = str(why)
        for name, known in self.plan["data"].items():
            if known == _SAME:
                options[name] = _SAME
            elif name not in options:
                missing[name] = f"it was not kept: {known['why']}"
        return options, missing

    def options_for(self, train_dataset: Any, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The options to go on with.

        Raises:
            ValueError: one that could not be saved is not among the overrides.
        """
        options, missing = self.options()
        options.update({name: value for name, value in overrides.items() if name not in _PARTS})
        for name, why in missing.items():
            if name not in options:
                raise _to_be_given(name, why)
        for name in _DATASETS:
            if isinstance(options.get(name), str) and options[name] == _SAME:
                options[name] = train_dataset
        return {**options, "run_dir": self.run_dir, "resume": True}

    def part(self, name: str, given: Any, make: Callable[[Any], Any]) -> Any:
        """A part of the search: what is given, the saved object, or one made of its description.

        Raises:
            ValueError: there is none of them.
        """
        if given is not None:
            return given
        if self.objects is not None:
            return self.objects[name]
        try:
            return make(self.plan[name])
        except NotRebuiltError as why:
            raise _to_be_given(name, why) from why
        except KeyError as error:
            raise FileFormatError(f"{_FILE} is damaged: its {name} has no {error}.") from error

    def agent(self, given: Module | None) -> Module:
        """The program: the given one, or one made again."""
        made: Module = self.part("model", given, lambda each: rebuilt(each, self._source))
        return made

    def optimizers(self, agent: Module, given: Any) -> list[Optimizer]:
        """The optimizers for the parameters of a program."""
        parameters = dict(agent.named_parameters())
        made = self.part(
            "optimizer", given, lambda plans: [rebuilt_optimizer(each, self._source, parameters) for each in plans]
        )
        return list(made) if isinstance(made, (list, tuple)) else [made]

    def guide(self, given: Any) -> Any:
        """What judges."""
        return self.part("guide", given, lambda each: rebuilt_guide(each, self._source))


class _Together:
    """Objects that are pickled as one, so that what they share stays shared."""

    def __init__(self, parts: dict[str, Any]) -> None:
        self.parts = parts


def _to_be_given(name: str, why: object) -> ValueError:
    return ValueError(f"{name} must be given again to resume(): {str(why).rstrip('.')}.")


def begin_anew(run_dir: Path) -> None:
    """Remove the run that an earlier search saved there.

    Raises:
        RecordInUseError: that search is still under way.
    """
    if not run_dir.is_dir():
        return
    lines = open_appending(run_dir / _LINES)
    try:
        lock_for_writing(lines, run_dir / _LINES)
        for name in _RUN_FILES:
            (run_dir / name).unlink(missing_ok=True)
        os.ftruncate(lines, 0)
    finally:
        os.close(lines)
