"""Loggers: where the numbers and texts of a run go."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
