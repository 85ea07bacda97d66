"""Training algorithms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opto.lazy import lazy_names

if TYPE_CHECKING:
    from opto.trainer.algorithms.algorithm import AlgorithmBase, Trainer
    from opto.trainer.algorithms.minibatch import BasicSearch, Minibatch

__all__ = [
    "AlgorithmBase",
    "BasicSearch",
    "Minibatch",
    "Trainer",
]

_LAZY = {
    "AlgorithmBase": "algorithm",
    "BasicSearch": "minibatch",
    "Minibatch": "minibatch",
    "Trainer": "algorithm",
}

__getattr__, __dir__ = lazy_names(__name__, _LAZY)
