"""Optimizers: from feedback and the graph it came through to new values of parameters."""

from opto.optimizers.domains import Choices, Range
from opto.optimizers.few_shot import FewShot
from opto.optimizers.hybrid import Hybrid
from opto.optimizers.line_search import LineSearch
from opto.optimizers.numeric import Numeric
from opto.optimizers.opro import OPRO, OPROv2
from opto.optimizers.optimizer import Optimizer
from opto.optimizers.optoprime import OptoPrime
from opto.optimizers.optoprime import OptoPrime as OptoPrimeV1
from opto.optimizers.optoprime_multi import OptoPrimeMulti, OptoPrimeMultiV2
from opto.optimizers.optoprime_v2 import OptoPrimeV2
from opto.optimizers.preference import Preference
from opto.optimizers.schedule import Schedule
from opto.optimizers.scoring import trying
from opto.optimizers.select import Select
from opto.optimizers.textgrad import TextGrad

__all__ = [
    "Choices",
    "FewShot",
    "Hybrid",
    "LineSearch",
    "Numeric",
    "OPRO",
    "OPROv2",
    "Optimizer",
    "OptoPrime",
    "OptoPrimeMulti",
    "OptoPrimeMultiV2",
    "OptoPrimeV1",
    "OptoPrimeV2",
    "Preference",
    "Range",
    "Schedule",
    "Select",
    "TextGrad",
    "trying",
]
