"""What a model makes of the candidates that were tried: a summary, for optimizers to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opto.llm import as_model
from opto.optimizers.canonical import canonical
from opto.optimizers.options import checked_count
from opto.trainer import prompts
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.guides.base import shown

__all__ = ["Summarizer"]

_LONGEST_VALUE = 1_500


class Summarizer:
    """Asks a model what the candidates that were tried teach.

    Args:
        model: an `opto.llm.Model`, or a callable as for optimizers.
        most: how many candidates it is shown: the better half of them are the best, the others the worst.

    Raises:
        TypeError: `most` is no whole number.
        ValueError: `most` is below 2.
    """

    def __init__(self, model: Any, *, most: int = 12) -> None:
        self._model, self._most = as_model(model), checked_count("most", most, least=2)

    def summary(self, scored: Sequence[tuple[float, ModuleCandidate]], before: str = "") -> str:
        """A summary in words.

        Args:
            scored: candidates with their mean scores.
            before: the summary that was made last.

        Raises:
            ModelError: the model failed.
        """
        ordered = sorted(scored, key=lambda pair: (-pair[0], pair[1]))
        if len(ordered) > self._most:
            ordered = [*ordered[: (self._most + 1) // 2], *ordered[-(self._most // 2) :]]
        user = prompts.fill(
            "summary.txt",
            attempts="\n\n".join(_told(score, each) for score, each in ordered),
            before=before or "(none)",
        )
        system = {"role": "system", "content": prompts.load("summary_system.txt")}
        reply = self._model([system, {"role": "user", "content": user}])
        return str(reply.choices[0].message.content or "").strip()


def _told(score: float, candidate: ModuleCandidate) -> str:
    values = "\n".join(
        f"{name} = {shown(canonical(value), _LONGEST_VALUE)}" for name, value in candidate.values.items()
    )
    return f"## Score {score:.4g} over {candidate.num_rollouts} runs\n{values}"
