"""Schedule: another objective, temperature or model from step to step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opto.optimizers.asking import ThroughCallLLM
from opto.optimizers.drivers import Proposal, Request
from opto.optimizers.wrapping import Wrapper, asks_by_itself, rewritten

if TYPE_CHECKING:
    from opto.optimizers.optimizer import Optimizer, Update

__all__ = ["Schedule"]


class Schedule(Wrapper):
    """Changes the objective, the temperature or the model of another optimizer over its steps.

    Each is a list, of which the n-th step takes the n-th item and later steps the last one, or a function of the number
    of steps that were made, from 0. None in it leaves that step as it is.

        optimizer = Schedule(
            OptoPrime(program.parameters()),
            temperature=lambda step: max(0.2, 1.0 - 0.1 * step),
            llm=[small, small, large],
            objective=["Make it right.", "Make it right and short."],
        )

    A step that raises does not count: it is taken again with the same.

    Args:
        optimizer: any optimizer, also a wrapper.
        objective: what to strive for, in words.
        temperature: goes with each request that has none of its own.
        llm: the model of each request that names none. In a list, and from a function, anything that
            `opto.llm.as_model` takes; a `Model` alone serves for all steps.

    Attributes:
        position: how many steps were made.

    Raises:
        TypeError: an argument is neither list nor function; or the inner optimizer has no objective, or sends its
            requests itself, so that they cannot be changed.
    """

    def __init__(
        self, optimizer: Optimizer, *, objective: Any = None, temperature: Any = None, llm: Any = None
    ) -> None:
        from opto.llm import Model

        super().__init__(optimizer)
        self.schedules: dict[str, Any] = {
            "objective": _checked("objective", objective),
            "temperature": _checked("temperature", temperature),
            "llm": [llm] if isinstance(llm, Model) else _checked("llm", llm),
        }
        self.position = 0
        if objective is not None and not hasattr(optimizer, "objective"):
            raise TypeError(f"{type(optimizer).__name__} has no objective to change.")
        if not (temperature is None and llm is None) and asks_by_itself(self.optimizer):
            raise TypeError(
                f"{type(optimizer).__name__} sends its requests itself: they cannot be given another option."
            )

    def _propose(self, *args: Any, **kwargs: Any) -> Proposal[Update]:
        """Let the inner optimizer propose.

        Args:
            *args: for the inner optimizer.
            **kwargs: for the inner optimizer.
        """
        objective, temperature, llm = (self._now(name) for name in ("objective", "temperature", "llm"))
        if objective is not None:
            self.objective = objective

        def rewrite(request: Request) -> Request:
            if isinstance(request.model, ThroughCallLLM):
                return request
            options = request.options if temperature is None else {"temperature": temperature, **request.options}
            return replace(request, options=options, model=llm if request.model is None else request.model)

        values = yield from rewritten(self._inner(*args, **kwargs), rewrite)
        self.position += 1
        return values

    def _now(self, name: str) -> Any:
        schedule = self.schedules[name]
        if schedule is None:
            return None
        if callable(schedule):
            return schedule(self.position)
        return schedule[min(self.position, len(schedule) - 1)]

    def state_dict(self) -> dict[str, Any]:
        """Also the position."""
        return {**super().state_dict(), "position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`."""
        super().load_state_dict(state)
        self.position = int(state["position"])


def _checked(argument: str, schedule: Any) -> Any:
    if schedule is None or callable(schedule):
        return schedule
    if isinstance(schedule, (str, bytes)) or not isinstance(schedule, Sequence):
        raise TypeError(f"{argument} must be a list over the steps, or a function of the step, got {schedule!r}.")
    if not schedule:
        raise ValueError(f"{argument} must hold a value for at least one step, got none.")
    return list(schedule)
