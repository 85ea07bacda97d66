"""Optimizers: from feedback and the graph it came through to new values of parameters."""

from opto.optimizers.optimizer import Optimizer
from opto.optimizers.optoprime import OptoPrime
from opto.optimizers.optoprime import OptoPrime as OptoPrimeV1
from opto.optimizers.optoprime_v2 import OptoPrimeV2

__all__ = ["Optimizer", "OptoPrime", "OptoPrimeV1", "OptoPrimeV2"]
