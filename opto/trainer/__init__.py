"""Data, guides and evaluation: what a program is trained on, and how its responses are judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opto.lazy import lazy_names

if TYPE_CHECKING:
    from opto.trainer.datasets import Dataset, as_dataset
    from opto.trainer.decoding import IterativeDecoding
    from opto.trainer.evaluators import evaluate, evaluate_vector
    from opto.trainer.guide import Guide, as_guide
    from opto.trainer.loader import DataLoader
    from opto.trainer.objectives import ObjectiveConfig
    from opto.trainer.results import ResultCache
    from opto.trainer.rollouts import Evaluator, Request
    from opto.trainer.sampler import Sampler

__all__ = [
    "DataLoader",
    "Dataset",
    "Evaluator",
    "Guide",
    "IterativeDecoding",
    "ObjectiveConfig",
    "Request",
    "ResultCache",
    "Sampler",
    "as_dataset",
    "as_guide",
    "evaluate",
    "evaluate_vector",
]

_LAZY = {
    "DataLoader": "loader",
    "Dataset": "datasets",
    "Evaluator": "rollouts",
    "Guide": "guide",
    "IterativeDecoding": "decoding",
    "ObjectiveConfig": "objectives",
    "Request": "rollouts",
    "ResultCache": "results",
    "Sampler": "sampler",
    "as_dataset": "datasets",
    "as_guide": "guide",
    "evaluate": "evaluators",
    "evaluate_vector": "evaluators",
}

__getattr__, __dir__ = lazy_names(__name__, _LAZY)
