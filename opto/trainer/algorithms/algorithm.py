"""The base of all algorithms under its published name."""

from __future__ import annotations

from opto.trainer.trainer import Trainer

__all__ = ["AlgorithmBase", "Trainer"]

AlgorithmBase = Trainer
