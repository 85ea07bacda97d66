"""Going on with a run that died, from its folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from opto.errors import FileFormatError
from opto.runs import codec
from opto.trainer.assembling.agents import as_agent
from opto.trainer.assembling.assembling import Assembled, Given, assemble
from opto.trainer.datasets import as_dataset
from opto.trainer.rebuilding.described import NotRebuiltError, parameters_again, rebuilt
from opto.trainer.rebuilding.kept_data import check_dataset, kept_dataset
from opto.trainer.rebuilding.objects import rebuilt_guide, rebuilt_optimizer
from opto.trainer.rebuilding.references import Source
from opto.trainer.rebuilding.written_plan import NAME, read_plan, written_budget, written_options
from opto.trainer.saving.checkpoints import RunFolder
from opto.trainer.search import Search
from opto.trainer.surroundings import as_budget

__all__ = ["resume"]

_DATA = {"train_dataset": "train", "validate_dataset": "validate", "test_dataset": "test"}


def resume(
    run_dir: str | os.PathLike[str],
    *,
    model: Any = None,
    guide: Any = None,
    train_dataset: Any = None,
    validate_dataset: Any = None,
    test_dataset: Any = None,
    optimizer: Any = None,
    **overrides: Any,
) -> Any:
    """Go on with a run of `opto.train` that was killed, interrupted or ended by a limit.

        opto.resume("runs/first")
        opto.resume("runs/first", num_steps=400, budget={"usd": 5.0})

    The run goes on from its last completed step, as if nothing had happened. What it was given is taken from its
    folder: the program, the guide and functions by where they are imported from, data from files, other parts by name
    and options. Nothing of this is unpickled, and no text of the folder is executed; but the modules that it names are
    imported, so go on with a folder from somebody else only if you would also run their program.

    A run that ended, and has no higher limit now, gives its outcome at once, without a model call.

    Args:
        run_dir: the folder; it may have been moved.
        model: the program, where it cannot be made again; or to use another object of it.
        guide: likewise.
        train_dataset: likewise; it must be the one that the run began with.
        validate_dataset: likewise.
        test_dataset: likewise.
        optimizer: likewise.
        **overrides: what is to be otherwise from now on: higher limits (`num_steps`, `max_evaluations`, `budget`...),
            or any other argument of `opto.train`. Options and the budget are kept with the run. What was spent of a
            budget counts on.

    Returns:
        What the algorithm returns; of those of opto, an `Outcome`.

    Raises:
        FileNotFoundError: there is no run in `run_dir`.
        TypeError: parts are missing that cannot be made again; the message lists them.
        ValueError: an argument is out of its range, or a dataset is another one.
        RecordInUseError: another process is running in `run_dir`.
        FileFormatError: what is in the folder is damaged, or of a newer version.
        Exception: as for `opto.train`.
    """
    path = Path(run_dir)
    if not (path / NAME).exists():
        state = (path / "state.json").exists()
        raise FileNotFoundError(
            f"run_dir {os.fspath(run_dir)!r} holds no run of opto.train"
            + (
                ": this one was begun by hand, so go on by search.train(..., run_dir=..., resume=True)."
                if state
                else "."
            )
        )
    parts = {
        "model": model,
        "guide": guide,
        "optimizer": optimizer,
        "train_dataset": train_dataset,
        "validate_dataset": validate_dataset,
        "test_dataset": test_dataset,
    }
    with RunFolder(path) as folder:
        plan = read_plan(path)
        again = _Again(path, plan, parts, overrides)
        given = again.given()
        made = assemble(given)
        _check_kind(made)
        again.keep(made)
        return made.train(run_dir=folder, resume=folder.begun)


class _Again:
    """The arguments of a run, given anew or made again.

    Args:
        folder: of the run.
        plan: what it was given.
        parts: those that are given anew; None for others.
        overrides: further arguments of `opto.train`.
    """

    def __init__(
        self, folder: Path, plan: dict[str, Any], parts: Mapping[str, Any], overrides: Mapping[str, Any]
    ) -> None:
        self.folder, self.plan, self.parts, self.overrides = folder, plan, parts, dict(overrides)
        self.source = Source(plan["main"])
        self.missing: dict[str, str] = {}

    def given(self) -> Given:
        """The arguments.

        Raises:
            TypeError: some can neither be made again nor were given.
        """
        try:
            given = self._given()
        except (AttributeError, KeyError, TypeError) as error:
            if self.missing or not isinstance(error, KeyError):
                raise
            raise FileFormatError(f"{self.folder / NAME} is damaged: {error!r}") from error
        if self.missing:
            lines = [f"  {name}: {why}" for name, why in self.missing.items()]
            example = ", ".join([repr(os.fspath(self.folder)), *(f"{name}=..." for name in self.missing)])
            raise TypeError(
                "\n".join(["some parts of the run cannot be made again:", *lines, f"Give them: opto.resume({example})"])
            )
        return given

    def _given(self) -> Given:
        plan, overrides = self.plan, self.overrides
        model = self.parts["model"]
        if model is None:
            model = self._tried("model", lambda: rebuilt(plan["model"], self.source))
        optimizer, optimizer_kwargs = self._part("optimizer", "optimizer_kwargs", model=model)
        guide, guide_kwargs = self._part("guide", "guide_kwargs")
        algorithm, _ = self._part("algorithm")
        logger, logger_kwargs = self._part("logger", "logger_kwargs", default=Given.logger)
        options = {
            name: self._tried(name, lambda each=each: rebuilt(each, self.source))  # type: ignore[misc]
            for name, each in plan["options"].items()
            if name not in overrides
        }
        budget = overrides.pop("budget", None)
        return Given(
            model=model,
            algorithm=algorithm,
            optimizer=optimizer,
            guide=guide,
            logger=logger,
            **{name: self._dataset(name) for name in _DATA},
            budget=as_budget(self._budget() if budget is None else budget),
            optimizer_kwargs=optimizer_kwargs,
            guide_kwargs=guide_kwargs,
            logger_kwargs=logger_kwargs,
            trainer_kwargs={**options, **overrides},
            parameters=self._parameters(model),
        )

    def _part(self, name: str, options: str = "", default: Any = None, model: Any = None) -> tuple[Any, Any]:
        """A part as `opto.train` takes it, and its options."""
        anew = self.parts.get(name) if name in self.parts else self.overrides.pop(name, None)
        further = self.overrides.pop(options, None) if options else None
        if anew is not None:
            return anew, further
        description = self.plan[name]
        if "missing" in description and default is not None:
            return default, further
        if further and "options" in description:
            kept = {each: what for each, what in description["options"].items() if each not in further}
            description = {**description, "options": kept}
        if "state" in description:
            return self._tried(name, lambda: rebuilt_guide(description, self.source)), further
        if "parameters" in description:
            if model is None:  # which is asked for
                return None, further
            paths = dict(as_agent(model).named_parameters())
            return self._tried(name, lambda: rebuilt_optimizer(description, self.source, paths)), further
        found = self._tried(name, lambda: rebuilt(description, self.source))
        if "options" in description and isinstance(found, tuple):
            return found[0], {**found[1], **(further or {})}
        return found, further

    def _tried(self, name: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except NotRebuiltError as error:
            self.missing[name] = str(error)
            return None

    def _dataset(self, name: str) -> Any:
        anew, known = self.parts[name], self.plan["data"][_DATA[name]]
        if anew is not None:
            if known is None:
                raise ValueError(f"{name} must not be given: the run has none.")
            dataset = as_dataset(anew)
            check_dataset(name, dataset, known)
            return dataset
        if known is None:
            return None
        if known["file"] is None:
            self.missing[name] = f"it was not kept: {known['why']}"
            return None
        return kept_dataset(self.folder, known)

    def _budget(self) -> dict[str, Any] | None:
        kept: dict[str, Any] | None = self.plan["budget"]
        return kept

    def _parameters(self, model: Any) -> Any:
        """Those that the program reads from around it, where they are known without running it."""
        places = self.plan["parameters"]
        if self.missing or not places or list(as_agent(model).parameters()):
            return None
        try:
            return parameters_again(places, self.source)
        except NotRebuiltError:
            return None  # one run on the first example finds them

    def keep(self, made: Assembled) -> None:
        """Write down what is otherwise from now on."""
        plan = {
            **self.plan,
            "options": {**self.plan["options"], **written_options(self.overrides)},
            "budget": written_budget(made.options.get("budget")),
        }
        if plan != self.plan:
            codec.save(self.folder / NAME, plan, kind="training plan")


def _check_kind(made: Assembled) -> None:
    if not isinstance(made.algorithm, Search):
        raise TypeError(
            f"{type(made.algorithm).__name__} is no Search, and saves no steps: its run cannot be gone on with."
        )
