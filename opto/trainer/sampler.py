"""Minibatches of rollouts, with the graphs through which feedback is sent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from opto.trace.containers import ParameterContainer
from opto.trainer.guides.functions import as_guide
from opto.trainer.rolling_out.step_journal import StepJournal
from opto.trainer.rollouts import Evaluator, Request, Rollout

__all__ = ["BatchRollout", "Rollout", "Sampler"]


@dataclass
class BatchRollout:
    """Rollouts of one program.

    Attributes:
        module: the program, or a copy of it that shares its parameters.
        rollouts: in the order of the examples.
    """

    module: Any
    rollouts: list[Rollout] = field(default_factory=list)

    def __iter__(self) -> Iterator[Rollout]:
        return iter(self.rollouts)

    def __len__(self) -> int:
        return len(self.rollouts)

    def get_scores(self) -> list[Any]:
        """The score of each rollout."""
        return [each.score for each in self.rollouts]

    def to_list(self) -> list[dict[str, Any]]:
        """The rollouts as dicts, with the keys `module`, `x`, `info`, `target`, `score` and `feedback`."""
        return [dict(vars(each)) for each in self.rollouts]


class Sampler:
    """Runs programs on the next minibatch of a loader.

        sampler = Sampler(DataLoader(dataset, batch_size=8), guide, num_threads=8)
        batches, examples = sampler.sample([agent])
        for rollout in batches[0]:
            optimizer.backward(rollout.target, rollout.feedback)

    Each rollout has a graph of its own, and runs on a copy of the program whose state is that of the program now.

    Args:
        loader: gives minibatches: `loader.sample()` returns `(inputs, infos)`.
        guide: a `Guide`, or a function as for `as_guide`.
        num_threads: how many rollouts are under way at once; None for as many as there are workers.
        subbatch_size: how many rollouts a `BatchRollout` has at most; None for the whole minibatch.
        forward: `(agent, x, guide, info) -> (target, score, feedback)`: what a rollout does instead of calling the
            agent and asking the guide.
        score_range: the lowest and the highest score. A program that fails at an example gets the lowest.
        evaluator: how to run: with which executor, time-out, retries... None for threads, or an event loop for async
            programs.

    Raises:
        ValueError: a size or the range is out of range; `num_threads` is given besides an `evaluator`.
    """

    def __init__(
        self,
        loader: Any,
        guide: Any,
        num_threads: int | None = 1,
        subbatch_size: int | None = None,
        forward: Callable[..., Any] | None = None,
        score_range: tuple[float, float] | None = (-math.inf, math.inf),
        *,
        evaluator: Evaluator | None = None,
    ) -> None:
        if not callable(getattr(loader, "sample", None)):
            raise TypeError(f"loader must have a method sample() that gives (inputs, infos), got {loader!r}.")
        if subbatch_size is not None and (not isinstance(subbatch_size, int) or subbatch_size < 1):
            raise ValueError(f"subbatch_size must be an integer >= 1, or None, got {subbatch_size!r}.")
        lowest, highest = (-math.inf, math.inf) if score_range is None else score_range
        if not lowest <= highest:
            raise ValueError(f"score_range must be (lowest, highest), got {score_range!r}.")
        if evaluator is not None and num_threads not in (None, 1):
            raise ValueError(
                "num_threads must not be given besides an evaluator: give the Evaluator workers=... instead."
            )
        self.loader, self.guide = loader, as_guide(guide)
        self.num_threads, self.subbatch_size, self.forward = num_threads, subbatch_size, forward
        self.score_range = (lowest, highest)
        self._evaluator = evaluator
        self._batch: tuple[Sequence[Any], Sequence[Any]] | None = None

    def sample(
        self,
        agents: Sequence[Any],
        use_prev_batch: bool = False,
        description_prefix: str = "",
        *,
        journal: StepJournal | None = None,
    ) -> tuple[list[BatchRollout], dict[str, list[Any]]]:
        """Roll all programs out on one minibatch.

        Args:
            agents: the programs.
            use_prev_batch: take the examples of the last call once more; the first call takes new ones all the same.
            description_prefix: what this is for, in words, for errors.
            journal: see `Evaluator.rollouts`.

        Returns:
            A `BatchRollout` for each program and part of the minibatch, those of one program in a row; and the
            examples, `{"inputs": [...], "infos": [...]}`. The second and further parts belong to copies of the program.

        Raises:
            ValueError: a score lies outside of `score_range`.
            Exception: as for `Evaluator.rollouts`.
        """
        if self._batch is None or not use_prev_batch:
            self._batch = self.loader.sample()
        inputs, infos = self._batch
        size = self.subbatch_size or max(1, len(inputs))
        parts: list[tuple[BatchRollout, int]] = []
        requests: list[Request] = []
        for agent in agents:
            for start in range(0, len(inputs), size):
                module = agent if start == 0 else _twin(agent)
                pairs = list(zip(inputs[start : start + size], infos[start : start + size], strict=True))
                requests.extend(Request(module, x, info) for x, info in pairs)
                parts.append((BatchRollout(module), len(pairs)))
        evaluator = self._evaluator or Evaluator(workers=self.num_threads)
        try:
            found = evaluator.rollouts(requests, self.guide, forward=self.forward, journal=journal)
            for batch, count in parts:
                batch.rollouts.extend(self._scored(next(found), description_prefix) for _ in range(count))
        finally:
            if self._evaluator is None:
                evaluator.close()
        return [batch for batch, _ in parts], {"inputs": list(inputs), "infos": list(infos)}

    def _scored(self, rollout: Rollout, what: str) -> Rollout:
        lowest, highest = self.score_range
        if rollout.score is None:
            rollout.score = lowest
        values = rollout.score.values() if isinstance(rollout.score, dict) else (rollout.score,)
        if not all(lowest <= each <= highest for each in values):
            raise ValueError(f"{what}a score must be within score_range={self.score_range}, got {rollout.score!r}.")
        return rollout


def _twin(agent: Any) -> Any:
    return agent.copy() if isinstance(agent, ParameterContainer) else agent
