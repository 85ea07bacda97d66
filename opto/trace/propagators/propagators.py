"""How feedback travels from a node to its parents: the extension point, and the simplest calculus."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from functools import reduce
from operator import add
from types import MappingProxyType
from typing import Any

__all__ = ["Propagator", "SumPropagator"]


class Propagator(abc.ABC):
    """Turns the feedback that reached a node into feedback for its parents.

    One method is required. A propagator that hands each parent the list of all feedback:

        class Collect(Propagator):
            def _propagate(self, child):
                collected = [each for sent in child.feedback.values() for each in sent]
                return {parent: collected for parent in child.parents}

    `node.backward(feedback, propagator=Collect())` calls it from the output down, on each computed node that some
    trainable node leads to, when all its children have sent.
    """

    _registered: Mapping[str, Callable[[Any], dict[Any, Any]]] = MappingProxyType({})

    def register(self, op_name: str, function: Callable[[Any], dict[Any, Any]]) -> None:
        """Let `function(child)` propagate through the operator called `op_name`, in place of `_propagate`."""
        if not isinstance(op_name, str):
            raise TypeError(f"op_name must be the name of an operator, such as 'add', got {op_name!r}.")
        if not callable(function):
            raise TypeError(f"function must be callable, got {function!r}.")
        self._registered = {**self._registered, op_name: function}

    @abc.abstractmethod
    def _propagate(self, child: Any) -> dict[Any, Any]:
        """The feedback for each parent of `child`, made from `child.feedback`."""

    def propagate(self, child: Any) -> dict[Any, Any]:
        """The feedback for each parent, by the function registered for the operator or else by `_propagate`."""
        return self._registered.get(child.op_name, self._propagate)(child)

    def __call__(self, child: Any) -> dict[Any, Any]:
        """What `propagate` says, checked.

        Raises:
            TypeError: if it is no dict.
            ValueError: if a parent is missing.
        """
        feedback = self.propagate(child)
        if not isinstance(feedback, dict):
            raise TypeError(
                f"{type(self).__name__} must give a dict of parent -> feedback for {child.name}, got {feedback!r}."
            )
        missing = [parent.name for parent in child.parents if parent not in feedback]
        if missing:
            raise ValueError(f"{type(self).__name__} gave no feedback for {missing}, parents of {child.name}.")
        return feedback

    def init_feedback(self, node: Any, feedback: Any) -> Any:
        """What the output `node` starts with when it gets `feedback`; by default the feedback itself."""
        return feedback


class SumPropagator(Propagator):
    """Hands every parent the sum of a node's feedback: numbers add, strings concatenate."""

    def _propagate(self, child: Any) -> dict[Any, Any]:
        total = reduce(add, [each for sent in child.feedback.values() for each in sent])
        return dict.fromkeys(child.parents, total)
