"""Training algorithms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opto.lazy import lazy_names

if TYPE_CHECKING:
    from opto.trainer.algorithms.algorithm import AlgorithmBase
    from opto.trainer.algorithms.beam import Beam, BeamSearch, UCBSearch
    from opto.trainer.algorithms.few_shot import FewShotSearch
    from opto.trainer.algorithms.gepa import GEPA
    from opto.trainer.algorithms.minibatch import BasicSearch, Minibatch
    from opto.trainer.algorithms.pareto import ParetobasedPS
    from opto.trainer.algorithms.polca import POLCA
    from opto.trainer.algorithms.priority_search import PrioritySearch
    from opto.trainer.algorithms.sequential import SequentialSearch, SequentialUpdate
    from opto.trainer.algorithms.streaming import StreamingPrioritySearch
    from opto.trainer.candidates import ModuleCandidate
    from opto.trainer.priority.memories import HeapMemory, ParetoHeapMemory
    from opto.trainer.trainer import Trainer

__all__ = [
    "AlgorithmBase",
    "BasicSearch",
    "Beam",
    "BeamSearch",
    "FewShotSearch",
    "GEPA",
    "HeapMemory",
    "Minibatch",
    "ModuleCandidate",
    "POLCA",
    "ParetoHeapMemory",
    "ParetobasedPS",
    "PrioritySearch",
    "SequentialSearch",
    "SequentialUpdate",
    "StreamingPrioritySearch",
    "Trainer",
    "UCBSearch",
]

_LAZY = {
    "AlgorithmBase": "algorithm",
    "BasicSearch": "minibatch",
    "Beam": "beam",
    "BeamSearch": "beam",
    "FewShotSearch": "few_shot",
    "GEPA": "gepa",
    "HeapMemory": "priority_search",
    "Minibatch": "minibatch",
    "ModuleCandidate": "priority_search",
    "POLCA": "polca",
    "ParetoHeapMemory": "priority_search",
    "ParetobasedPS": "pareto",
    "PrioritySearch": "priority_search",
    "SequentialSearch": "sequential",
    "SequentialUpdate": "sequential",
    "StreamingPrioritySearch": "streaming",
    "Trainer": "algorithm",
    "UCBSearch": "beam",
}

__getattr__, __dir__ = lazy_names(__name__, _LAZY)
