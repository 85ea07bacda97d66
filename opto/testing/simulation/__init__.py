"""How the simulated model reads a request and answers it. `opto.testing.Simulated` is the model itself.

These modules import the standard library and each other, nothing else of opto, so that the same simulated model can be
asked by programs in whose environment `opto` is another package.
"""

from .answering import Answer, answer
from .simulating import Simulation, estimated_tokens

__all__ = ["Answer", "Simulation", "answer", "estimated_tokens"]
