"""Entries for Weights & Biases."""

from __future__ import annotations

import threading
from typing import Any

from opto.errors import MissingExtraError
from opto.trainer.loggers.base import BaseLogger, pieces

__all__ = ["WandbLogger"]


class WandbLogger(BaseLogger):
    """Sends entries to Weights & Biases, by its package `wandb` (extra `wandb`), which has its own settings and keys.

        logger = WandbLogger(project="greeter", mode="offline")

    Every entry carries its step as the value `step`, which is the axis of all charts, so entries may come in any order.

    Args:
        project: the project; None takes that of the settings.
        **init: further arguments of `wandb.init`.

    Raises:
        MissingExtraError: wandb is not installed.
    """

    def __init__(self, project: str | None = None, **init: Any) -> None:
        try:
            import wandb  # noqa: F401  # so that its absence is told of before a long run
        except ImportError as error:
            raise MissingExtraError("wandb", "wandb", "WandbLogger") from error
        self.init = {"project": project, **init}
        self._run: Any = None
        self._lock = threading.Lock()

    def log(self, name: str, data: Any, step: int, **kwargs: Any) -> None:
        """Send an entry; the first one begins a run."""
        with self._lock:
            if self._run is None:
                import wandb

                self._run = wandb.init(**self.init)
                self._run.define_metric("*", step_metric="step")
            self._run.log({**dict(pieces(name, data)), "step": step})

    def close(self) -> None:
        """End the run; the next entry begins another."""
        with self._lock:
            run, self._run = self._run, None
            if run is not None:
                run.finish()

    def __getstate__(self) -> dict[str, Any]:
        return {"init": self.init}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state["init"])  # type: ignore[misc]
