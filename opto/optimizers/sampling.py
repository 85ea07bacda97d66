"""The base of optimizers that need no model: they try values, and learn from the scores of what was tried."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from opto.errors import OptoWarning, UnreachedFeedbackWarning
from opto.optimizers.buffers import FIFOBuffer
from opto.optimizers.canonical import plain
from opto.optimizers.drivers import Proposal, describe, finished
from opto.optimizers.optimizer import Optimizer, Update
from opto.optimizers.scores import score_of, scores_of
from opto.optimizers.seeds import checked_seed
from opto.optimizers.updates import same_value, warn_of_stale_values
from opto.trace.nodes import ExceptionNode, Node

if TYPE_CHECKING:
    from pathlib import Path

    from opto.runs import Recorder
    from opto.trace.nodes import ParameterNode
    from opto.trace.propagators import Propagator, TraceGraph

__all__ = ["Evaluation", "Sampler"]


@dataclass(frozen=True)
class Evaluation:
    """Values that were tried, and the scores they got.

    Attributes:
        values: by parameter.
        scores: one for each evaluated output or item; a failed one is left out.
        failures: how many evaluations failed.
        reason: what made the last of them fail.
    """

    values: Update
    scores: Sequence[float]
    failures: int = 0
    reason: str | None = None

    @property
    def score(self) -> float | None:
        """The mean of the scores; None if every evaluation failed."""
        return math.fsum(self.scores) / len(self.scores) if self.scores else None


class Sampler(Optimizer):
    """Tries values and learns from their scores, without a model.

    A subclass writes `_sample`, which learns and returns the values to set next, and `best`:

        class Jitter(Sampler):
            '''Steps from the best numbers known to others nearby.'''

            top, known = None, {}

            def _sample(self):
                tried = self._tried()
                if tried and self._better(tried.score, self.top):
                    self.top, self.known = tried.score, tried.values
                draw = self._random()
                return {parameter: value + draw.gauss(0, 1) for parameter, value in self.known.items()}

            def best(self):
                return self.known

    Scores come from one of two places. Given a function `score`, a step calls it on the values it wants to try, and
    then sets the best values known. Without one, a step takes the numbers given to `backward` as scores of the values
    that the forward pass read, and sets the values to try next; `update(best())` ends the search.

    Args:
        parameters: the `ParameterNode`s to optimize.
        propagator: see `Optimizer`.
        run_dir: likewise.
        score: a function of a dict of values by parameter that returns a number, or a list of numbers, one for each
            item it evaluated. It sees to it that the values are used, and must not change the parameters for good.
            An exception it raises counts as a failed evaluation, with a warning.
        score_from: a function that gives the score of a feedback; by default numbers, pairs `(score, text)` and
            mappings with `"score"` are understood (`opto.optimizers.scores.score_of`).
        direction: "maximize" or "minimize" the score.
        seed: makes all draws repeatable; None takes a new one.
        memory_size: how many past evaluations `memory` keeps.

    Attributes:
        memory: the last evaluations: dicts of `values` (plain, by `py_name`) and `score`, None for a failed one.
        seed: the seed.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: an unknown direction, or what `Optimizer` raises.
    """

    reads_scores = True

    def __init__(
        self,
        parameters: Iterable[ParameterNode[Any]],
        *,
        propagator: Propagator | None = None,
        run_dir: str | Path | Recorder | None = None,
        score: Callable[..., Any] | None = None,
        score_from: Callable[[Any], float] | None = None,
        direction: Literal["maximize", "minimize"] = "maximize",
        seed: int | None = None,
        memory_size: int = 100,
    ) -> None:
        super().__init__(parameters, propagator=propagator, run_dir=run_dir)
        for name, function in (("score", score), ("score_from", score_from)):
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be a function or None, got {function!r}.")
        if direction not in ("maximize", "minimize"):
            raise ValueError(f"direction must be 'maximize' or 'minimize', got {direction!r}.")
        self.score = score
        self.score_from = score_from
        self.direction = direction
        self.seed = checked_seed(seed)
        self.memory: FIFOBuffer[dict[str, Any]] = FIFOBuffer(memory_size)

    def best(self) -> Update:
        """The best values known, by parameter."""
        raise NotImplementedError(f"{type(self).__name__} must define `best`, see opto.optimizers.sampling.Sampler.")

    # ---- for subclasses

    def _sample(self) -> Update:
        """Learn from what was tried, and return the values to set."""
        raise NotImplementedError(f"{type(self).__name__} must define `_sample`, see opto.optimizers.sampling.Sampler.")

    def _random(self, purpose: str = "") -> random.Random:
        """The generator of this step; the same again for the same seed, step and purpose."""
        return random.Random(f"{self.seed}/{self.steps}/{purpose}")

    def _changed(self, values: Update) -> Update:
        """The values that trainable parameters do not have yet."""
        return {
            parameter: value
            for parameter, value in values.items()
            if parameter.trainable and not same_value(value, parameter._data)
        }

    def _better(self, score: float | None, than: float | None) -> bool:
        """Whether one score is better than another; None is worse than any."""
        if score is None or than is None:
            return score is not None
        return score > than if self.direction == "maximize" else score < than

    def _tried(self) -> Evaluation | None:
        """What the feedback says of the values that the forward pass read; None, with a warning, without feedback."""
        graph = self.trace_graph
        readings = self._readings(graph)
        if not readings:
            warnings.warn(
                f"{type(self).__name__} has nothing to do: none of its trainable parameters has feedback. "
                "Call optimizer.backward(output, score) before step(), or give a function as score=.",
                UnreachedFeedbackWarning,
                stacklevel=4,
            )
            return None
        scores = [score for score, _ in readings if math.isfinite(score)]
        reasons = [reason for score, reason in readings if not math.isfinite(score)]
        warn_of_stale_values(self.parameters, graph)
        values = {parameter: graph.value(parameter) for parameter in self.parameters if parameter.trainable}
        return self._remember(Evaluation(values, scores, len(reasons), reasons[-1] if reasons else None))

    def _readings(self, graph: TraceGraph) -> list[tuple[float, str]]:
        """Of each feedback the score, NaN for a failed evaluation, and what was said.

        Raises:
            TypeError: a feedback holds no score.
        """
        failed = {node.py_name: str(node._data) for _, node in graph if isinstance(node, ExceptionNode)}
        return [
            (math.nan, failed[output]) if output in failed else (self._read(feedback), str(feedback))
            for output, feedback in graph.feedback_by_output
        ]

    def _evaluate(self, values: Update, *args: Any) -> Evaluation:
        """What the score function says of some values."""
        if self.score is None:
            raise ValueError(f"{type(self).__name__} has no score function: give score= when it is made.")
        try:
            result = finished(self.score(values, *args))
        except Exception as error:  # an evaluation that fails says something of its values; the search goes on
            warnings.warn(f"The score function failed: {describe(error)}", OptoWarning, stacklevel=4)
            return self._remember(Evaluation(values, [], 1, describe(error)))
        scores = scores_of(result)
        kept = [score for score in scores if math.isfinite(score)]
        failures = len(scores) - len(kept)
        return self._remember(Evaluation(values, kept, failures, "a score is not finite" if failures else None))

    def _observe(self, node: Node[Any], feedback: Any) -> None:
        """Take note of an output and its feedback, right after it was sent back; by default nothing is done."""

    def _read(self, feedback: Any) -> float:
        read = score_of if self.score_from is None else self.score_from
        return score_of(read(feedback))

    def _remember(self, evaluation: Evaluation) -> Evaluation:
        values = {parameter.py_name: plain(value) for parameter, value in evaluation.values.items()}
        score = evaluation.score
        self.memory.add({"values": values, "score": score})
        outcome = "failed" if score is None else "scored"
        self._emit("attempt", purpose="evaluate", outcome=outcome, reason=evaluation.reason, values=values, score=score)
        return evaluation

    # ---- the interface of optimizers

    def backward(self, node: Any, feedback: Any, **kwargs: Any) -> Any:
        """As in `Optimizer`; the feedback holds a score."""
        sent = super().backward(node, feedback, **kwargs)
        self._observe(node, feedback._data if isinstance(feedback, Node) else feedback)
        return sent

    def _propose(self, *args: Any, **kwargs: Any) -> Proposal[Update]:
        """Ask no model."""
        yield from ()
        return self._sample()

    async def _astep(self, *args: Any, **kwargs: Any) -> Update:
        """As in `Optimizer`; a score function runs in a thread, so that the event loop goes on."""
        if self.score is None:
            return await super()._astep(*args, **kwargs)
        import asyncio

        return await asyncio.to_thread(self.propose, *args, **kwargs)

    def state_dict(self) -> dict[str, Any]:
        """Also the seed and the memory."""
        return {**super().state_dict(), "seed": self.seed, "memory": [dict(past) for past in self.memory]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`; the memory keeps as much of it as its size allows."""
        super().load_state_dict(state)
        self.seed = int(state["seed"])
        self.memory = FIFOBuffer(self.memory.size, [dict(past) for past in state["memory"]])
