"""The folder of a search that `PrioritySearch.train` saves, and what is needed to go on with it.

algo.pkl     a text: which search it is, its options, and how its optimizers and its guide are made again
data.json    the examples to validate and to test on, where they have a text form
run/         the run itself, as in any `run_dir`: its candidates, their scores, the memories
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from opto.errors import FileFormatError
from opto.optimizers import Optimizer
from opto.optimizers.options import checked_count
from opto.runs import codec
from opto.trace.modules import Module
from opto.trainer.objectives import ObjectiveConfig
from opto.trainer.recipes import (
    Unwritable,
    class_named,
    guide_of,
    guide_recipe,
    name_of,
    optimizer_of,
    optimizer_recipe,
)

__all__ = ["Reporting", "SavedSearch", "begin_anew"]

_FILE, _DATA, _KIND = "algo.pkl", "data.json", "search"
_RUN_FILES = ("state.json", "candidates.jsonl", "results.jsonl", "step.jsonl", "optimizers.jsonl")
_DATASETS = ("validate_dataset", "test_dataset")
_PARTS = ("agent", "guide", "logger")


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
    """What `algo.pkl` and `data.json` hold.

    Attributes:
        name: the class of the search.
        options: those of `train` that have a text form, with the datasets.
        missing: what has none, and why; it must be given again.
        recipes: how its parts are made again.
        run_dir: the folder of the run.
        n_iters: the number of the iteration that was completed last.
        objects: its parts themselves, where pickles are allowed.
    """

    name: str
    options: dict[str, Any]
    missing: dict[str, str]
    recipes: dict[str, Any]
    run_dir: str
    n_iters: int = 0
    objects: dict[str, Any] | None = field(default=None, repr=False)
    _data_written: str = ""

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
        made = cls(f"{type(search).__module__}:{type(search).__qualname__}", {}, {}, {}, str(run_dir.resolve()))
        for name, value in options.items():
            if value is train_dataset and name in _DATASETS:
                made.options[name] = "train_dataset"
            elif name not in ("run_dir", "resume"):
                made._note(name, partial(_written, value))
        if options.get("allow_pickle"):
            made.objects = {"agent": search.agent, "optimizer": search.optimizers, "guide": guide}
            return made
        paths = {id(each): path for path, each in search.agent.named_parameters()}
        parts: dict[str, Callable[[], Any]] = {
            "agent": lambda: name_of(type(search.agent)),
            "optimizer": lambda: [optimizer_recipe(each, paths) for each in search.optimizers],
            "guide": lambda: guide_recipe(guide),
        }
        for name, describe in parts.items():
            made._note(name, describe, made.recipes)
        return made

    def _note(self, name: str, describe: Callable[[], Any], where: dict[str, Any] | None = None) -> None:
        try:
            (self.options if where is None else where)[name] = describe()
        except Unwritable as why:
            self.missing[name] = str(why)

    # ---- the folder

    def write(self, path: str | os.PathLike[str], n_iters: int) -> None:
        """Write the folder; the datasets only once."""
        folder = Path(path)
        self.n_iters = n_iters
        data = {name: self.options[name] for name in _DATASETS if name in self.options}
        about = {name: getattr(self, name) for name in ("name", "missing", "recipes", "run_dir", "n_iters")}
        about["options"] = {name: value for name, value in self.options.items() if name not in _DATASETS}
        about["objects"] = None if self.objects is None else _Together(self.objects)
        if self._data_written != str(folder.resolve()):
            codec.save(folder / _DATA, data, kind=_KIND)
            self._data_written = str(folder.resolve())
        codec.save(folder / _FILE, about, kind=_KIND, allow_pickle=self.objects is not None)

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, allow_pickle: bool) -> SavedSearch:
        """Read a folder, or the `algo.pkl` in it.

        Raises:
            FileNotFoundError: it holds no search.
            FileFormatError: it is damaged, or holds a pickle that is not allowed.
        """
        folder = Path(path) if Path(path).is_dir() else Path(path).parent
        about = codec.load(folder / _FILE, kind=_KIND, allow_pickle=allow_pickle)
        needed = {"name", "missing", "recipes", "run_dir", "n_iters", "options", "objects"}
        if not isinstance(about, dict) or about.keys() != needed or type(about["n_iters"]) is not int:
            raise FileFormatError(f"{folder / _FILE}: it must hold a search.")
        objects = about.pop("objects")
        options = {**about.pop("options"), **codec.load(folder / _DATA, kind=_KIND)}
        if isinstance(options.get("objective_config"), dict):
            options["objective_config"] = ObjectiveConfig(**options["objective_config"])
        inside = folder / "run"
        if inside.is_dir():  # the folder may have been moved
            about["run_dir"] = str(inside)
        options["save_path"] = str(folder)
        return cls(**about, options=options, objects=None if objects is None else objects.parts)

    # ---- going on

    def options_for(self, train_dataset: Any, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The options to go on with.

        Raises:
            ValueError: one that could not be saved is not among the overrides.
        """
        parts = {*_PARTS, "optimizer"}
        options = {**self.options, **{name: value for name, value in overrides.items() if name not in parts}}
        for name, why in self.missing.items():
            if name not in options and name not in parts:
                raise ValueError(f"{name} must be given again to resume(): {why}.")
        for name in _DATASETS:
            if isinstance(options.get(name), str) and options[name] == "train_dataset":
                options[name] = train_dataset
        return {**options, "run_dir": self.run_dir, "resume": True}

    def part(self, name: str, overrides: Mapping[str, Any], make: Callable[[Any], Any]) -> Any:
        """A part of the search: that of the overrides, the saved object, or one made of its recipe.

        Raises:
            ValueError: there is none of them.
        """
        if overrides.get(name) is not None:
            return overrides[name]
        if self.objects is not None:
            return self.objects[name]
        if name in self.missing:
            raise ValueError(f"{name} must be given again to resume(): {self.missing[name]}.")
        return make(self.recipes[name])

    def agent(self, given: Module | None) -> Module:
        """The program: the given one, or one made without arguments."""
        if given is None and "agent" in self.missing and self.objects is None:
            raise ValueError(f"model must be given to resume(): {self.missing['agent']}.")
        made: Module = self.part("agent", {"agent": given}, _program)
        return made

    def optimizers(self, agent: Module, overrides: Mapping[str, Any]) -> list[Optimizer]:
        """The optimizers for the parameters of a program."""
        parameters = dict(agent.named_parameters())
        made = self.part("optimizer", overrides, lambda recipes: [optimizer_of(each, parameters) for each in recipes])
        return list(made) if isinstance(made, (list, tuple)) else [made]

    def guide(self, overrides: Mapping[str, Any]) -> Any:
        """What judges."""
        return self.part("guide", overrides, guide_of)


class _Together:
    """Objects that are pickled as one, so that what they share stays shared."""

    def __init__(self, parts: dict[str, Any]) -> None:
        self.parts = parts


def begin_anew(run_dir: Path) -> None:
    """Remove the run that an earlier search saved there."""
    for name in _RUN_FILES:
        (run_dir / name).unlink(missing_ok=True)


def _program(name: str) -> Any:
    try:
        return class_named(name, Module)()
    except TypeError as error:
        raise ValueError(
            f"model must be given to resume(): {name} cannot be made without arguments: {error}"
        ) from error


def _written(value: Any) -> Any:
    if isinstance(value, ObjectiveConfig):
        return asdict(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    try:
        codec.dumps(value)
    except (TypeError, ValueError) as error:
        raise Unwritable(str(error).rstrip(".")) from error
    return value
