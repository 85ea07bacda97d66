"""What a test of a program that uses opto needs: a scripted model, a model server that fails when told, contract tests.

`Scripted` is a model with answers written down, `Simulated` one that reads requests and answers well with a given
probability. `ModelServer` is a real HTTP server on loopback that speaks the OpenAI
chat protocol. `LoopbackOnly` forbids every other connection. `ModelSuite` is a class of tests to subclass for a new
back-end; `SearchSuite` and the suites of strategies (`ParentSelectorSuite`...) are the same for your own searches. None
of them is imported by the rest of opto.
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
    from opto.testing.search_suite import SearchSuite
    from opto.testing.strategy_suites import (
        AcceptanceSuite,
        ExampleSelectorSuite,
        ParentSelectorSuite,
        ProposerSuite,
        ScreeningSuite,
        StoppingSuite,
    )

__all__ = [
    "AcceptanceSuite",
    "ExampleSelectorSuite",
    "LoopbackOnly",
    "ModelServer",
    "ModelSuite",
    "NetworkForbiddenError",
    "ParentSelectorSuite",
    "ProposerSuite",
    "ScreeningSuite",
    "Scripted",
    "SearchSuite",
    "ServedRequest",
    "Simulated",
    "StoppingSuite",
]

_SUITES = {  # they need pytest, which a program that uses the rest of this package may lack
    "ModelSuite": "model_suite",
    "SearchSuite": "search_suite",
    **dict.fromkeys(
        (
            "AcceptanceSuite",
            "ExampleSelectorSuite",
            "ParentSelectorSuite",
            "ProposerSuite",
            "ScreeningSuite",
            "StoppingSuite",
        ),
        "strategy_suites",
    ),
}


def __getattr__(name: str) -> Any:
    if name in _SUITES:
        return getattr(import_module(f"{__name__}.{_SUITES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
