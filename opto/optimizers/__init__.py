"""Optimizers: from feedback and the graph it came through to new values of parameters."""

from opto.optimizers.line_search import LineSearch
from opto.optimizers.opro import OPRO, OPROv2
from opto.optimizers.optimizer import Optimizer
from opto.optimizers.optoprime import OptoPrime
from opto.optimizers.optoprime import OptoPrime as OptoPrimeV1
from opto.optimizers.optoprime_multi import OptoPrimeMulti
from opto.optimizers.optoprime_v2 import OptoPrimeV2
from opto.optimizers.schedule import Schedule
from opto.optimizers.scoring import trying
from opto.optimizers.textgrad import TextGrad

__all__ = [
    "LineSearch",
    "OPRO",
    "OPROv2",
    "Optimizer",
    "OptoPrime",
    "OptoPrimeMulti",
    "OptoPrimeV1",
    "OptoPrimeV2",
    "Schedule",
    "TextGrad",
    "trying",
]
