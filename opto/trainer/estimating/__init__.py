"""What a run may take, before it begins."""

from __future__ import annotations

from opto.trainer.estimating.estimate import Estimate, estimate_plan
from opto.trainer.estimating.unit_costs import UnitCost, measure, prompt_cost

__all__ = ["Estimate", "UnitCost", "estimate_plan", "measure", "prompt_cost"]
