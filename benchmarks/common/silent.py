"""A logger for runs of which only the outcome counts."""

from __future__ import annotations

from typing import Any

from opto.trainer.loggers import BaseLogger

__all__ = ["Silent"]


class Silent(BaseLogger):
    """Says nothing."""

    def log(self, name: str, data: Any, step: int, **options: Any) -> None:
        """Nothing is done."""
