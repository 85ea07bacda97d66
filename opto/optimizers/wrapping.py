"""Optimizers around another one: they change when, with what, or whether it steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from opto.optimizers.drivers import Proposal, Reply, Request
from opto.optimizers.optimizer import Optimizer, Update

if TYPE_CHECKING:
    from opto.llm import Model
    from opto.trace.nodes import ParameterNode
    from opto.trace.propagators import Propagator, TraceGraph

__all__ = ["Wrapper", "addressed", "asks_by_itself", "rewritten"]

T = TypeVar("T")


class Wrapper(Optimizer):
    """An optimizer that lets another one propose.

    Feedback, projections and updates are the inner optimizer's, and so is every attribute that the wrapper itself does
    not have. A subclass drives the inner proposal in `_propose`, changes its requests on their way (`rewritten`), and
    changes or drops its values:

        class EveryOther(Wrapper):
            '''Lets every second step pass without a change.'''

            def _propose(self, *args, **kwargs):
                if self.steps % 2:
                    return (yield from self._inner(*args, **kwargs))
                return {}

    Args:
        optimizer: the inner optimizer.

    Attributes:
        optimizer: the same.
        steps: how many steps were begun through this wrapper.

    Raises:
        TypeError: it is no optimizer.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must be an Optimizer, got {optimizer!r}.")
        self.optimizer = optimizer
        self.parameters = optimizer.parameters
        self.steps = 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "optimizer" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")
        return getattr(self.optimizer, name)

    @property
    def reads_scores(self) -> bool:  # type: ignore[override]
        """As the inner optimizer."""
        return self.optimizer.reads_scores

    @property
    def llm(self) -> Any:
        """The model of the inner optimizer."""
        return self.optimizer.llm

    @llm.setter
    def llm(self, model: Any) -> None:
        self.optimizer.llm = model

    @property
    def objective(self) -> Any:
        """The objective of the inner optimizer."""
        return self.optimizer.objective  # type: ignore[attr-defined]

    @objective.setter
    def objective(self, objective: Any) -> None:
        self.optimizer.objective = objective  # type: ignore[attr-defined]

    @property
    def propagator(self) -> Propagator:
        """How feedback travels in the inner optimizer."""
        return self.optimizer.propagator

    @property
    def trace_graph(self) -> TraceGraph:
        """The graph of the inner optimizer."""
        return self.optimizer.trace_graph

    def zero_feedback(self) -> None:
        """As in the inner optimizer."""
        self.optimizer.zero_feedback()

    def backward(self, *args: Any, **kwargs: Any) -> Any:
        """As in the inner optimizer."""
        return self.optimizer.backward(*args, **kwargs)

    def project(self, update_dict: Mapping[ParameterNode[Any], Any]) -> Update:
        """As in the inner optimizer."""
        return self.optimizer.project(update_dict)

    def update(self, update_dict: Mapping[ParameterNode[Any], Any]) -> None:
        """As in the inner optimizer."""
        self.optimizer.update(update_dict)

    # ---- for subclasses

    def _inner(self, *args: Any, **kwargs: Any) -> Proposal[Update]:
        """The proposal of the inner optimizer."""
        if self.optimizer._overrides("propose"):
            return self.optimizer.propose(*args, **kwargs)
        if self.optimizer._overrides("_step"):
            return self.optimizer._step(*args, **kwargs)
        return (yield from self.optimizer._propose(*args, **kwargs))

    # ---- keeping

    def state_dict(self) -> dict[str, Any]:
        """Also the state of the inner optimizer."""
        return {**super().state_dict(), "inner": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`."""
        super().load_state_dict(state)
        self.optimizer.load_state_dict(state["inner"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} around {self.optimizer!r}>"

    # ---- internals

    def _accept(self, update_dict: Update) -> Update:
        return self.optimizer._accept(update_dict)

    def _answering_model(self) -> Model:
        return self.optimizer._answering_model()

    def _about(self) -> dict[str, Any]:
        return {**self.optimizer._about(), "wrapper": type(self).__name__}

    def _begin(self) -> None:
        self.steps += 1
        if not self.optimizer._overrides("propose"):
            self.optimizer._begin()

    def _overrides(self, name: str) -> bool:
        return self.optimizer._overrides(name)


def asks_by_itself(optimizer: Optimizer) -> bool:
    """Whether an optimizer calls its model itself, as older ones do, so that its requests are not seen."""
    return optimizer._overrides("propose") or optimizer._overrides("_step")


def addressed(optimizer: Optimizer, *args: Any, **kwargs: Any) -> Proposal[Update]:
    """The proposal of an optimizer among others, with its requests addressed to its own model where it has one.

    Args:
        optimizer: one that does not ask by itself.
        *args: for its proposal.
        **kwargs: likewise.
    """

    def own(request: Request) -> Request:
        if request.model is not None or optimizer.llm is None:
            return request
        return replace(request, model=optimizer._answering_model())

    return rewritten(optimizer._propose(*args, **kwargs), own)


def rewritten(proposal: Proposal[T], rewrite: Callable[[Request], Request]) -> Proposal[T]:
    """The same proposal, each of whose requests goes out as `rewrite` has it; the replies name the original ones."""
    try:
        requests = next(proposal)
        while True:
            replies: list[Reply] = yield [rewrite(request) for request in requests]
            requests = proposal.send(
                [replace(reply, request=asked) for reply, asked in zip(replies, requests, strict=True)]
            )
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        proposal.close()
