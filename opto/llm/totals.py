"""Counting what model calls took, for a block of code, an optimizer, or a whole program."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from opto.llm.ambient import collecting, collectors

__all__ = ["ModelTotals", "Totals", "tell_replayed", "usage"]


@dataclass(eq=False)
class ModelTotals:
    """What the calls of one model took.

    Attributes:
        calls: requests sent, failed ones among them.
        failed: those that failed.
        replayed: answers from a cache or a recording, which are no calls.
        prompt_tokens: of the answered ones, as the providers count.
        completion_tokens: likewise.
        usd: dollars, by LiteLLM's price list; of the calls that have a price.
        unpriced: answered calls whose price or token count is not known.
        seconds: the sum of the calls' wall times.
    """

    calls: int = 0
    failed: int = 0
    replayed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0
    seconds: float = 0.0

    def add(self, other: ModelTotals) -> None:
        """Add another one's counts."""
        for each in fields(ModelTotals):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def __str__(self) -> str:
        extra = [f"{self.failed} failed"] if self.failed else []
        extra += [f"{self.replayed} more replayed"] if self.replayed else []
        calls = f"{self.calls} call{'' if self.calls == 1 else 's'}" + (f" ({', '.join(extra)})" if extra else "")
        money = f"${self.usd:.6f}" + (f" and {self.unpriced} of unknown price" if self.unpriced else "")
        tokens = f"{self.prompt_tokens:,} + {self.completion_tokens:,} tokens"
        return f"{calls}, {tokens}, {money}, {self.seconds:.1f} s"


@dataclass(eq=False)
class Totals(ModelTotals):
    """What calls took in all, and by model. Safe to add to from several threads.

    Attributes:
        models: the same counts by name of model.
    """

    models: dict[str, ModelTotals] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def count(self, model: str, counts: ModelTotals) -> None:
        """Add the counts of a call."""
        with self._lock:
            self.add(counts)
            self.models.setdefault(model, ModelTotals()).add(counts)

    def to_dict(self) -> dict[str, Any]:
        """All counts as plain data."""
        with self._lock:
            whole = {each.name: getattr(self, each.name) for each in fields(ModelTotals)}
            return {**whole, "models": {name: asdict(each) for name, each in self.models.items()}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Totals:
        """The totals that `to_dict` wrote."""
        models = {name: ModelTotals(**each) for name, each in data.get("models", {}).items()}
        return cls(**{**data, "models": models})

    def __str__(self) -> str:
        lines = [ModelTotals.__str__(self)]
        if len(self.models) > 1:
            lines += [f"  {name}: {each}" for name, each in sorted(self.models.items())]
        return "\n".join(lines)

    def __deepcopy__(self, memo: dict[int, Any]) -> Totals:
        return self.from_dict(self.to_dict())

    def __reduce__(self) -> Any:
        return Totals.from_dict, (self.to_dict(),)


@contextmanager
def usage() -> Iterator[Totals]:
    """Count what the model calls in this block take; blocks nest.

        with usage() as totals:
            optimizer.step()
        print(totals)                        # "3 calls, 2,210 + 312 tokens, $0.008645, 4.1 s"
        totals.models["gpt-4o"].calls

    Tasks and the threads that run in a copy of this context count too, such as those of `asyncio.to_thread` and of the
    optimizers; a thread of your own begins with none.
    """
    with collecting(Totals()) as totals:
        yield totals


def tell_replayed(model: str) -> None:
    """Count an answer from a cache or a recording."""
    for totals in collectors.get():
        totals.count(model, ModelTotals(replayed=1))
