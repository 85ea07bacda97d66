"""Data, guides and evaluation: what a program is trained on, and how its responses are judged."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opto.trainer.datasets import Dataset, as_dataset
    from opto.trainer.guide import Guide, as_guide
    from opto.trainer.loader import DataLoader
    from opto.trainer.objectives import ObjectiveConfig

__all__ = ["DataLoader", "Dataset", "Guide", "ObjectiveConfig", "as_dataset", "as_guide"]

_LAZY = {
    "DataLoader": "loader",
    "Dataset": "datasets",
    "Guide": "guide",
    "ObjectiveConfig": "objectives",
    "as_dataset": "datasets",
    "as_guide": "guide",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
