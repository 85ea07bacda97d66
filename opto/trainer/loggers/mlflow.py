"""Entries for MLflow."""

from __future__ import annotations

import re
import threading
from typing import Any

from opto.errors import MissingExtraError
from opto.trainer.loggers.base import BaseLogger, pieces

__all__ = ["MLflowLogger"]

_NOT_IN_NAMES = re.compile(r"[^\w\-. /]")


class MLflowLogger(BaseLogger):
    """Sends entries to MLflow, by its package `mlflow` (extra `mlflow`): numbers as metrics, the rest as text files.

        logger = MLflowLogger("greeter", tracking_uri="sqlite:///mlflow.db")

    It has a run of its own, whatever run is active in the program. A text is the artifact `name/step.txt`. In names,
    MLflow takes letters, digits and `_-. /`; other characters become `_`.

    Args:
        experiment: the name of the experiment, which is made if there is none; None takes MLflow's default.
        tracking_uri: where to write; None takes what MLflow is set to.
        run_name: the name of the run; None lets MLflow choose.

    Attributes:
        run_id: of the run, once there is one.

    Raises:
        MissingExtraError: mlflow is not installed.
    """

    def __init__(
        self, experiment: str | None = None, *, tracking_uri: str | None = None, run_name: str | None = None
    ) -> None:
        try:
            import mlflow  # noqa: F401  # so that its absence is told of before a long run
        except ImportError as error:
            raise MissingExtraError("mlflow", "mlflow", "MLflowLogger") from error
        self.experiment, self.tracking_uri, self.run_name = experiment, tracking_uri, run_name
        self.run_id: str | None = None
        self._client: Any = None
        self._lock = threading.Lock()

    def log(self, name: str, data: Any, step: int, **kwargs: Any) -> None:
        """Send an entry; the first one begins the run."""
        with self._lock:
            self._begin()
            for each, value in pieces(name, data):
                known = _NOT_IN_NAMES.sub("_", each)
                if isinstance(value, str):
                    self._client.log_text(self.run_id, value, f"{known}/{step}.txt")
                else:
                    self._client.log_metric(self.run_id, known, value, step=step)

    def _begin(self) -> None:
        if self._client is None:
            from mlflow import MlflowClient

            self._client = MlflowClient(self.tracking_uri)
        if self.run_id is None:
            self.run_id = self._client.create_run(self._experiment_id(), run_name=self.run_name).info.run_id

    def _experiment_id(self) -> str:
        if self.experiment is None:
            return "0"
        found = self._client.get_experiment_by_name(self.experiment)
        return str(self._client.create_experiment(self.experiment) if found is None else found.experiment_id)

    def close(self) -> None:
        """Mark the run as finished; the next entry begins another."""
        with self._lock:
            if self.run_id is not None and self._client is not None:
                self._client.set_terminated(self.run_id)
            self.run_id = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_client", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._client, self._lock = None, threading.Lock()
