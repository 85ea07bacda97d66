"""Guides that are ready to use: by comparison, by pattern, by schema, by tests, by a model, by a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opto.lazy import lazy_names

if TYPE_CHECKING:
    from opto.trainer.guides.base import Guide
    from opto.trainer.guides.composite import Composite, Objectives
    from opto.trainer.guides.exact import ExactMatch
    from opto.trainer.guides.functions import FunctionGuide, as_guide
    from opto.trainer.guides.human import HumanFeedback
    from opto.trainer.guides.json_schema import JSONSchema
    from opto.trainer.guides.judge import LLMJudge
    from opto.trainer.guides.numeric import NumericTolerance
    from opto.trainer.guides.pairwise import PairwisePreference
    from opto.trainer.guides.pattern import PatternMatch
    from opto.trainer.guides.unit_tests import UnitTests

__all__ = [
    "Composite",
    "ExactMatch",
    "FunctionGuide",
    "Guide",
    "HumanFeedback",
    "JSONSchema",
    "LLMJudge",
    "NumericTolerance",
    "Objectives",
    "PairwisePreference",
    "PatternMatch",
    "UnitTests",
    "as_guide",
]

_LAZY = {
    "Composite": "composite",
    "ExactMatch": "exact",
    "FunctionGuide": "functions",
    "Guide": "base",
    "HumanFeedback": "human",
    "JSONSchema": "json_schema",
    "LLMJudge": "judge",
    "NumericTolerance": "numeric",
    "Objectives": "composite",
    "PairwisePreference": "pairwise",
    "PatternMatch": "pattern",
    "UnitTests": "unit_tests",
    "as_guide": "functions",
}

__getattr__, __dir__ = lazy_names(__name__, _LAZY)
