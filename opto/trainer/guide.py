"""Guides: what says how good a response is, and what to do better. Those for common cases are in `guides`."""

from opto.trainer.guides.base import Guide, Verdict
from opto.trainer.guides.functions import FunctionGuide, as_guide

__all__ = ["FunctionGuide", "Guide", "Verdict", "as_guide"]
