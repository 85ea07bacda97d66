"""Guides: what says how good a response is, and what to do better. Those for common cases are in `guides`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opto.trainer.guides.base import Guide, Verdict
from opto.trainer.guides.functions import FunctionGuide, as_guide

if TYPE_CHECKING:
    from opto.trainer.guides.judge import LLMJudge

    VerbalJudgeGuide = LLMJudge

__all__ = ["AutoGuide", "FunctionGuide", "Guide", "LLMJudge", "VerbalJudgeGuide", "Verdict", "as_guide"]

AutoGuide = Guide
"""The name that `Guide` had."""


def __getattr__(name: str) -> Any:
    if name not in ("LLMJudge", "VerbalJudgeGuide"):  # the second is the name that the first had
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from opto.trainer.guides.judge import LLMJudge

    return LLMJudge
