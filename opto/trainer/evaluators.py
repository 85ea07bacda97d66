"""How good a program is, as arrays of scores."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opto.errors import OptoWarning
from opto.trainer.objectives import aggregate_score_dicts
from opto.trainer.rolling_out.programs import Judging
from opto.trainer.rollouts import Evaluation, Evaluator, Request

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["aggregate_vector_scores", "evaluate", "evaluate_vector"]


def evaluate(  # noqa: PLR0913 - the interface of existing programs
    agent: Any,
    guide: Any,
    inputs: Sequence[Any],
    infos: Sequence[Any],
    min_score: float | None = None,
    num_samples: int = 1,
    num_threads: int | None = None,
    description: str | None = None,
    *,
    evaluator: Evaluator | None = None,
) -> NDArray[np.float64]:
    """The scores of a program on examples.

    Args:
        agent: the program: a module, a bundle or a plain function of one argument, sync or async.
        guide: a `Guide`, or a function as for `as_guide`; `guide.metric` gives the scores.
        inputs: the examples.
        infos: what the guide is told about each.
        min_score: the score of an example at which the program fails: where it raises an `ExecutionError`, takes too
            long or takes its worker with it. None for NaN.
        num_samples: how often each example is evaluated.
        num_threads: how many are evaluated at once.
        description: what is evaluated, in words, for warnings.
        evaluator: how to evaluate: with which executor, time-out, cache... None for threads, or an event loop for async
            programs.

    Returns:
        An array `(N,)`, or `(N, num_samples)` where `num_samples` is above 1.

    Raises:
        ValueError: `inputs` and `infos` differ in length; `num_samples` is not >= 1; `num_threads` is given besides an
            `evaluator`.
        TypeError: the guide gives dicts of scores: use `evaluate_vector`.
        Exception: as for `Evaluator.evaluations`.
    """
    import numpy as np

    found = _evaluations(agent, guide, inputs, infos, "metric", num_samples, num_threads, description, evaluator)
    fallback = float("nan") if min_score is None else float(min_score)
    scores = np.empty(len(inputs) * num_samples)
    for place, each in enumerate(found):
        if isinstance(each.score, Mapping):
            raise TypeError(f"the guide gives a dict of scores, {dict(each.score)}: use evaluate_vector.")
        scores[place] = fallback if each.failure is not None else each.score
    return scores if num_samples == 1 else scores.reshape(len(inputs), num_samples)


def evaluate_vector(
    agent: Any,
    guide: Any,
    inputs: Sequence[Any],
    infos: Sequence[Any],
    min_score: float | Mapping[str, float] | None = None,
    num_threads: int | None = None,
    description: str | None = None,
    *,
    evaluator: Evaluator | None = None,
) -> list[dict[str, float]]:
    """The scores of a program on examples in each objective.

    Args:
        agent: as for `evaluate`.
        guide: as for `evaluate`; `guide.get_score_dict` gives the scores.
        inputs: as for `evaluate`.
        infos: as for `evaluate`.
        min_score: the scores of an example at which the program fails: a dict, or a number for `"score"`. None for {}.
        num_threads: as for `evaluate`.
        description: as for `evaluate`.
        evaluator: as for `evaluate`.

    Returns:
        A dict for each example.

    Raises:
        Exception: as for `evaluate`.
    """
    found = _evaluations(agent, guide, inputs, infos, "scores", 1, num_threads, description, evaluator)
    if min_score is None:
        fallback: Mapping[str, float] = {}
    else:
        fallback = min_score if isinstance(min_score, Mapping) else {"score": float(min_score)}
    return [dict(fallback if each.failure is not None else each.score) for each in found]


def aggregate_vector_scores(score_dicts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each objective over the dicts that have it; {} for none."""
    return aggregate_score_dicts(score_dicts)


def _evaluations(  # noqa: PLR0913, PLR0917 - all of them as they were given
    agent: Any,
    guide: Any,
    inputs: Sequence[Any],
    infos: Sequence[Any],
    judging: Judging,
    samples: int,
    threads: int | None,
    description: str | None,
    evaluator: Evaluator | None,
) -> Iterator[Evaluation]:
    if len(inputs) != len(infos):
        raise ValueError(f"inputs and infos must have the same length, got {len(inputs)} and {len(infos)}.")
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise ValueError(f"num_samples must be an integer >= 1, got {samples!r}.")
    if evaluator is not None and threads is not None:
        raise ValueError("num_threads must not be given besides an evaluator: give the Evaluator workers=... instead.")
    requests = (
        Request(agent, x, info, sample) for x, info in zip(inputs, infos, strict=True) for sample in range(samples)
    )
    return _watched(requests, guide, judging, description, evaluator or Evaluator(workers=threads), evaluator is None)


def _watched(
    requests: Iterator[Request],
    guide: Any,
    judging: Judging,
    description: str | None,
    evaluator: Evaluator,
    own: bool,
) -> Iterator[Evaluation]:
    """The evaluations, with a warning about those that say more of the workers than of the program."""
    lost = []
    try:
        for each in evaluator.evaluations(requests, guide, judging=judging):
            if each.failure in ("timeout", "worker"):
                lost.append(each)
            yield each
    finally:
        if own:
            evaluator.close()
    if lost:
        what = f"{description}: " if description else ""
        warnings.warn(
            f"{what}{len(lost)} evaluations could not be completed, the first because {lost[0].feedback}; they count "
            "as failures.",
            OptoWarning,
            stacklevel=4,
        )
