"""What a test of a program that uses opto needs: a scripted model, a model server that fails when told, contract tests.

`Scripted` is a model with answers written down, `Simulated` one that reads requests and answers well with a given
probability. `ModelServer` is a real HTTP server on loopback that speaks the OpenAI
chat protocol. `LoopbackOnly` forbids every other connection. `ModelSuite` is a class of tests to subclass for a new
back-end. None of them is imported by the rest of opto.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from opto.testing.network import LoopbackOnly, NetworkForbiddenError
from opto.testing.scripted import Scripted
from opto.testing.server import ModelServer, ServedRequest
from opto.testing.simulated import Simulated

if TYPE_CHECKING:
    from opto.testing.model_suite import ModelSuite

__all__ = [
    "LoopbackOnly",
    "ModelServer",
    "ModelSuite",
    "NetworkForbiddenError",
    "Scripted",
    "ServedRequest",
    "Simulated",
]


def __getattr__(name: str) -> Any:
    if name == "ModelSuite":  # it needs pytest, which a program that uses the rest of this package may lack
        return import_module(f"{__name__}.model_suite").ModelSuite
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
