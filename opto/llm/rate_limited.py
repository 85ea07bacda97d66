"""Keeping to the requests and tokens a minute that a provider allows.

Kept libraries were looked at first: aiolimiter serves one event loop and no threads, and pyrate-limiter keeps an entry
for every token of a minute and sleeps by a clock that cannot be handed in.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from opto.llm.model import Messages
from opto.llm.response import Response
from opto.llm.worst_case import WorstCase
from opto.llm.wrapper import Wrapper

__all__ = ["RateLimited"]

_MINUTE = 60.0


class RateLimited(Wrapper):
    """A model that is asked no more often than a provider allows; callers wait for their turn, in order of arrival.

        Retrying(RateLimited(LiteLLM("gpt-4o"), requests_per_minute=60, tokens_per_minute=30_000))

    In no minute, wherever it begins, are more requests or tokens sent than allowed. A request counts with its worst
    case (its prompt, and `max_tokens` where it says so) until its answer says what it took. Threads and tasks share
    the limit; a copy of the model shares it too, but one that was pickled into another process has a limit of its own.

    Args:
        model: the model to ask, or a callable that `as_model` takes.
        requests_per_minute: how many requests may be sent in any minute; None for any number.
        tokens_per_minute: how many tokens they may take; None for any number.
        clock: tells the time in seconds; for tests.
        sleep: waits; for tests.
        asleep: waits on the event loop; for tests.

    Raises:
        ValueError: no limit is given, or one is not > 0.
    """

    def __init__(
        self,
        model: Any,
        *,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        asleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(model)
        limits = {"requests_per_minute": requests_per_minute, "tokens_per_minute": tokens_per_minute}
        if requests_per_minute is None and tokens_per_minute is None:
            raise ValueError("RateLimited needs a limit: requests_per_minute= or tokens_per_minute=")
        for name, limit in limits.items():
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
                raise ValueError(f"{name} must be an integer >= 1 or None, got {limit!r}")
        self.requests_per_minute, self.tokens_per_minute = requests_per_minute, tokens_per_minute
        self._clock, self._sleep, self._asleep = clock, sleep, asleep
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._turns: deque[_Turn] = deque()

    def complete(self, messages: Messages, **options: Any) -> Response:
        """The model's answer, after this request's turn has come.

        Raises:
            ValueError: the request alone takes more tokens than a minute allows.
        """
        turn = self._take_turn(self._most_tokens(messages, options))
        while (wait := turn.time - self._clock()) > 0:
            self._sleep(wait)
        return _corrected(turn, self.model(messages=messages, **options))

    async def acomplete(self, messages: Messages, **options: Any) -> Response:
        """`complete` without blocking the event loop."""
        import asyncio

        tokens = 0
        if self.tokens_per_minute is not None:  # counting may load a tokenizer
            tokens = await asyncio.to_thread(self._most_tokens, messages, options)
        turn = self._take_turn(tokens)
        while (wait := turn.time - self._clock()) > 0:
            await (self._asleep or asyncio.sleep)(wait)
        return _corrected(turn, await self.model.acall(messages=messages, **options))

    def _most_tokens(self, messages: Messages, options: dict[str, Any]) -> int:
        if self.tokens_per_minute is None:
            return 0
        worst = WorstCase(self.name, messages, self.effective_options(options))
        tokens = worst.prompt_tokens + (worst.completion_tokens or 0)
        if tokens > self.tokens_per_minute:
            raise ValueError(
                f"a request that may take {tokens} tokens never fits tokens_per_minute={self.tokens_per_minute}: "
                "shorten it, or lower its max_tokens"
            )
        return tokens

    def _take_turn(self, tokens: int) -> _Turn:
        """The next turn, in a plan of the last and the coming minutes."""
        with self._lock:
            now = self._clock()
            while self._turns and self._turns[0].time <= now - _MINUTE:
                self._turns.popleft()
            start = max(now, self._turns[-1].time) if self._turns else now
            turn = _Turn(max(start, self._room_for_request(), self._room_for_tokens(tokens)), tokens)
            self._turns.append(turn)
            return turn

    def _room_for_request(self) -> float:
        """When the number of requests allows one more."""
        most = self.requests_per_minute
        return 0.0 if most is None or len(self._turns) < most else self._turns[-most].time + _MINUTE

    def _room_for_tokens(self, tokens: int) -> float:
        """When so many requests have gone out of sight that the rest and this one keep to the tokens."""
        if self.tokens_per_minute is None:
            return 0.0
        excess = sum(turn.tokens for turn in self._turns) + tokens - self.tokens_per_minute
        room = 0.0
        for turn in self._turns:
            if excess <= 0:
                break
            excess, room = excess - turn.tokens, turn.time + _MINUTE
        return room

    def __deepcopy__(self, memo: dict[int, Any]) -> RateLimited:
        """The same object: two that count on their own would send twice as much."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_lock", "_turns")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __repr__(self) -> str:
        limits = {"requests_per_minute": self.requests_per_minute, "tokens_per_minute": self.tokens_per_minute}
        shown = ", ".join(f"{name}={limit}" for name, limit in limits.items() if limit is not None)
        return f"RateLimited({self.model!r}, {shown})"


@dataclass
class _Turn:
    """When a request may be sent, and the tokens it counts for."""

    time: float
    tokens: int


def _corrected(turn: _Turn, response: Response) -> Response:
    """Let a request count for what it took, once this is known."""
    if response.replayed:
        turn.tokens = 0
    elif response.usage is not None and response.usage.total_tokens > 0:
        turn.tokens = response.usage.total_tokens
    return response
