"""A model that is made when it is needed, and made again when it cannot travel or is too old."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from opto.llm.from_callable import as_model
from opto.llm.model import Messages, Model

__all__ = ["Rebuilt"]


class Rebuilt(Model):
    """A model that a factory makes at the first call. Pickles and copies leave the inner model out and make their own.

        Rebuilt(lambda: FromCallable(client.ask), reset_freq=3600)

    Args:
        factory: makes the model, or a callable that `as_model` takes. To pickle, it must pickle (cloudpickle takes
            lambdas and closures).
        reset_freq: seconds after which the model is made anew, for clients whose credentials expire; None never does.
        clock: tells the time in seconds; for tests.
    """

    asks_another = True

    def __init__(
        self,
        factory: Callable[[], Any],
        reset_freq: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not callable(factory):
            raise TypeError(f"factory must be a callable that makes a model, got {type(factory).__name__}")
        if reset_freq is not None and reset_freq <= 0:
            raise ValueError(f"reset_freq must be > 0 seconds or None, got {reset_freq!r}")
        self.factory, self.reset_freq = factory, reset_freq
        self._clock = clock
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._model: Model | None = None
        self._made = 0.0

    @property
    def model(self) -> Model:
        """The inner model, made if there is none or if it is too old."""
        with self._lock:
            now = self._clock()
            if self._model is None or (self.reset_freq is not None and now - self._made >= self.reset_freq):
                self._model, self._made = as_model(self.factory()), now
            return self._model

    @property
    def name(self) -> str:
        """The name of the inner model."""
        return self.model.name

    def complete(self, messages: Messages, **options: Any) -> Any:
        """The answer of the inner model."""
        return self.model(messages=messages, **options)

    async def acomplete(self, messages: Messages, **options: Any) -> Any:
        """The answer of the inner model, without blocking the event loop."""
        return await self.model.acall(messages=messages, **options)

    def reserve(self, messages: Messages, **options: Any) -> dict[str, Any]:
        """What the inner model reserves."""
        return self.model.reserve(messages, **options)

    def effective_options(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the inner model sends."""
        return self.model.effective_options(options)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_lock", "_model", "_made")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()
