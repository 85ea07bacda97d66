"""Searches that are saved under a path of their own, and gone on with by `load` and `resume`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from opto.trace.modules import Module
from opto.trainer.outcomes import Outcome
from opto.trainer.priority.priorities import SearchParameters
from opto.trainer.priority.saved_searches import Reporting, SavedSearch, begin_anew
from opto.trainer.saving.checkpoints import RunFolder, folder_path
from opto.trainer.search import Ending, Search
from opto.trainer.session import Session

__all__ = ["ResumableSearch"]


class ResumableSearch(Search):
    """The part of a priority search that saves it.

    Attributes:
        n_iters: how many iterations were completed; of a search that was just loaded, the number of the last one.
    """

    n_iters: int = 0
    _saved: SavedSearch | None = None
    _reporting: Reporting = Reporting()
    _own_options: Mapping[str, Any] = {}
    """Options of `train` that a subclass has besides, as they were given."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `algo.pkl`, a text, into a folder; what the search remembers is in the folder of its run.

        Raises:
            ValueError: the search was trained without `save_frequency`.
        """
        self._of_a_saved_run().write(path, max(0, self.n_iters - 1))

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, allow_pickle: bool = False) -> ResumableSearch:
        """A search of which `train` saved a folder; `resume` goes on with it.

        Args:
            path: the folder, `save_path` of `train`.
            allow_pickle: also open pickles, which `train(allow_pickle=True)` wrote. They can run any code.

        Returns:
            A search whose `n_iters` is the number of the last iteration that was completed. Its memories and its
            program come back with `resume`.

        Raises:
            FileNotFoundError: the folder holds none.
            FileFormatError: it is damaged, or holds a pickle that is not allowed.
        """
        saved = SavedSearch.read(path, allow_pickle=allow_pickle)
        made = object.__new__(cls)
        made._saved, made.n_iters, made.run = saved, saved.n_iters, None
        made._initialize_search_parameters(**SearchParameters.among(saved.options()[0]))
        return made

    def resume(self, model: Module | None = None, train_dataset: Any = None, **overrides: Any) -> Outcome:
        """Go on with a search that was saved, with the options that it had.

        Args:
            model: the program; None for that of this search, or for one that is made by calling its class.
            train_dataset: the examples that the search had.
            **overrides: options of `train` to be changed, for example a higher `num_steps`; and `guide`, `optimizer`
                and `logger` in place of those that it had.

        Returns:
            How it ended, as `train`.

        Raises:
            TypeError: `train_dataset` is missing.
            ValueError: nothing was saved, or something is needed that could not be saved; the message says what.
        """
        saved = self._of_a_saved_run()
        if train_dataset is None:
            raise TypeError("train_dataset must be given: it is not saved.")
        options, guide = saved.options_for(train_dataset, overrides), saved.guide(overrides.get("guide"))
        if not hasattr(self, "agent") or model is not None or "optimizer" in overrides:
            agent = saved.agent(model)
            optimizers = saved.optimizers(agent, overrides.get("optimizer"))
            logger = overrides.get("logger", getattr(self, "logger", None))
            type(self).__init__(self, agent, optimizers, options.get("num_threads"), logger)  # type: ignore[arg-type]
        return self.train(guide, train_dataset, **options)

    def _begin_saving(
        self, reporting: Reporting, guide: Any, train_dataset: Any, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Say what is to be saved of the run that begins now; options that this changes are returned."""
        self._reporting, self._saved = reporting, None
        if not reporting.save_frequency:
            return {}
        given = options.get("run_dir")
        run_dir = folder_path(given or reporting.run_dir)
        self._saved = SavedSearch.of(self, guide, train_dataset, {**options, **self._own_options}, run_dir)
        data = self._saved.datasets
        if isinstance(given, RunFolder):
            return data
        if run_dir == reporting.run_dir and not options.get("resume"):
            begin_anew(run_dir)
        return {**data, "run_dir": options.get("run_dir") or run_dir}

    def _initialize_search_parameters(self, **parameters: Any) -> None:
        raise NotImplementedError

    def _of_a_saved_run(self) -> SavedSearch:
        if self._saved is None:
            raise ValueError(
                "nothing is saved of this search: give train() a save_frequency; of a run with a run_dir alone, go on "
                "by train(..., resume=True)."
            )
        return self._saved

    def _commit(self, session: Session) -> None:
        super()._commit(session)
        if self._saved is not None and self._reporting.saves(self._run.counts.steps):
            self.save(self._reporting.save_path)

    def _finish(self, ending: Ending, session: Session) -> Outcome:
        outcome = super()._finish(ending, session)
        if self._saved is not None:
            self.save(self._reporting.save_path)
        return outcome

    def __getstate__(self) -> dict[str, Any]:
        """All but the run, which belongs to this process."""
        return {**vars(self), "run": None, "_exploration": None}
