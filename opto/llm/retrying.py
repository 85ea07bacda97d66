"""Asking again when a failure may pass by itself."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from opto.llm.model import Messages
from opto.llm.redacting import logger
from opto.llm.response import Response
from opto.llm.retry_rules import is_transient, seconds_to_wait
from opto.llm.wrapper import Wrapper

__all__ = ["Retrying"]


class Retrying(Wrapper):
    """A model that asks again after a failure that may pass: 429, 5xx, time-outs, cut connections, malformed answers.

        Retrying(LiteLLM("gpt-4o"), attempts=3)

    It waits between attempts, twice as long each time and by a random share less, so that many clients do not come
    back together; where the provider says how long to wait (Retry-After), at least that. What will not pass (a wrong
    key, a refused request, a prompt too long for the model) is raised at once, and after the last attempt its error.

    Args:
        model: the model to ask, or a callable that `as_model` takes.
        attempts: how many times to ask at most, at least 1.
        first_wait: seconds before the second attempt.
        longest_wait: no wait is longer, in seconds. A provider that asks for more is not waited for.
        seed: for the random share; by default it differs between objects.
        sleep: waits; for tests.
        asleep: waits on the event loop; for tests.
    """

    def __init__(
        self,
        model: Any,
        *,
        attempts: int = 6,
        first_wait: float = 1.0,
        longest_wait: float = 60.0,
        seed: int | None = None,
        sleep: Callable[[float], None] = time.sleep,
        asleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(model)
        if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1:
            raise ValueError(f"attempts must be an integer >= 1, got {attempts!r}")
        if not 0 <= first_wait <= longest_wait:
            raise ValueError(f"first_wait must be between 0 and longest_wait, got {first_wait!r} and {longest_wait!r}")
        self.attempts, self.first_wait, self.longest_wait = attempts, first_wait, longest_wait
        self._random = random.Random(seed)
        self._sleep, self._asleep = sleep, asleep

    def complete(self, messages: Messages, **options: Any) -> Response:
        """The answer of the first attempt that succeeds."""
        from tenacity import Retrying as Attempts

        attempts = Attempts(sleep=self._sleep, **self._policy())
        return attempts(self.model, messages=messages, **options)

    async def acomplete(self, messages: Messages, **options: Any) -> Response:
        """`complete` without blocking the event loop."""
        import asyncio

        from tenacity import AsyncRetrying as Attempts

        attempts = Attempts(sleep=self._asleep or asyncio.sleep, **self._policy())
        return await attempts(self.model.acall, messages=messages, **options)

    def _policy(self) -> dict[str, Any]:
        from tenacity import retry_if_exception, stop_after_attempt

        return {
            "retry": retry_if_exception(self._is_worth_another),
            "stop": stop_after_attempt(self.attempts),
            "wait": self._wait,
            "before_sleep": self._report,
            "reraise": True,
        }

    def _is_worth_another(self, error: BaseException) -> bool:
        return is_transient(error) and (seconds_to_wait(error) or 0.0) <= self.longest_wait

    def _wait(self, state: Any) -> float:
        longest: float = min(self.longest_wait, self.first_wait * 2.0 ** (state.attempt_number - 1))
        wait = longest * (1.0 - 0.5 * self._random.random())
        return max(wait, seconds_to_wait(state.outcome.exception()) or 0.0)

    def _report(self, state: Any) -> None:
        error, wait = state.outcome.exception(), state.next_action.sleep
        logger.info("attempt %d of %d failed, next in %.1f s: %s", state.attempt_number, self.attempts, wait, error)

    def __repr__(self) -> str:
        return f"Retrying({self.model!r}, attempts={self.attempts})"
