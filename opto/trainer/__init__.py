"""Training: what a program is trained on, how its responses are judged, and how it gets better."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opto.lazy import lazy_names

if TYPE_CHECKING:
    from opto.trainer.datasets import Dataset, as_dataset
    from opto.trainer.decoding.iterative import IterativeDecoding
    from opto.trainer.evaluators import evaluate, evaluate_vector
    from opto.trainer.guide import Guide, as_guide
    from opto.trainer.interrupts import Interrupts
    from opto.trainer.loader import DataLoader
    from opto.trainer.objectives import ObjectiveConfig
    from opto.trainer.outcomes import Outcome
    from opto.trainer.progress import Progress, Status
    from opto.trainer.rebuilding.references import rebuildable
    from opto.trainer.results import ResultCache
    from opto.trainer.resuming import resume
    from opto.trainer.rollouts import Evaluator, Request
    from opto.trainer.sampler import Sampler
    from opto.trainer.training import estimate, train

__all__ = [
    "DataLoader",
    "Dataset",
    "Evaluator",
    "Guide",
    "Interrupts",
    "IterativeDecoding",
    "ObjectiveConfig",
    "Outcome",
    "Progress",
    "Request",
    "ResultCache",
    "Sampler",
    "Status",
    "as_dataset",
    "as_guide",
    "estimate",
    "evaluate",
    "evaluate_vector",
    "rebuildable",
    "resume",
    "train",
]

_LAZY = {
    "DataLoader": "loader",
    "Dataset": "datasets",
    "Evaluator": "rollouts",
    "Guide": "guide",
    "Interrupts": "interrupts",
    "IterativeDecoding": "decoding",
    "ObjectiveConfig": "objectives",
    "Outcome": "outcomes",
    "Progress": "progress",
    "Request": "rollouts",
    "ResultCache": "results",
    "Sampler": "sampler",
    "Status": "progress",
    "as_dataset": "datasets",
    "as_guide": "guide",
    "estimate": "training",
    "evaluate": "evaluators",
    "evaluate_vector": "evaluators",
    "rebuildable": "rebuilding.references",
    "resume": "resuming",
    "train": "training",
}

__getattr__, __dir__ = lazy_names(__name__, _LAZY)
