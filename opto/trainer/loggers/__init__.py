"""Loggers: where the numbers and texts of a run go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opto.lazy import lazy_names
from opto.trainer.loggers.base import BaseLogger
from opto.trainer.loggers.console import ConsoleLogger

if TYPE_CHECKING:
    from opto.trainer.loggers.json_lines import JSONLinesLogger
    from opto.trainer.loggers.mlflow import MLflowLogger
    from opto.trainer.loggers.tensorboard import TensorboardLogger
    from opto.trainer.loggers.wandb import WandbLogger

__all__ = [
    "BaseLogger",
    "ConsoleLogger",
    "DefaultLogger",
    "JSONLinesLogger",
    "MLflowLogger",
    "TensorboardLogger",
    "WandbLogger",
]

DefaultLogger = ConsoleLogger
"""The logger where none was chosen."""

_LAZY = {
    "JSONLinesLogger": "json_lines",
    "MLflowLogger": "mlflow",
    "TensorboardLogger": "tensorboard",
    "WandbLogger": "wandb",
}

__getattr__, __dir__ = lazy_names(__name__, _LAZY)
