"""Predicts the score of a candidate from its values, by those that were evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from opto.optimizers.text_features import hashed_ngrams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ScoreModel"]

_STRENGTHS = (0.01, 0.1, 1.0)


class ScoreModel:
    """Ridge regression on hashed n-grams, a block of them for each parameter.

    How strongly weights are held near zero is chosen, and the error measured, by predicting each score from all others
    (which ridge regression does in closed form).

    Args:
        values: the text of each parameter by name, for each candidate.
        scores: of these candidates, at least two.

    Attributes:
        error: the root of the mean squared error of predictions of scores that were left out.
        chance: what it is for the mean of the others as a prediction.
        lowest: the lowest of the scores, as it fits them: without the luck that noise brings.
        highest: the highest.
    """

    def __init__(self, values: Sequence[Mapping[str, str]], scores: Sequence[float]) -> None:
        import numpy as np

        self._rows, found = _features(values), np.asarray(scores, dtype=float)
        self._mean = float(found.mean())
        count = len(found)
        apart = found - self._mean
        self.chance = float(np.sqrt(((apart * count / (count - 1)) ** 2).mean()))
        center = self._rows.mean(axis=0)
        self._center = center
        kernel = (self._rows - center) @ (self._rows - center).T
        powers, vectors = np.linalg.eigh(kernel)
        turned = vectors.T @ apart
        self.error, self._weights = float("inf"), apart
        for strength in _STRENGTHS:
            shrunk = 1 / (np.maximum(powers, 0) + strength)
            solved = vectors @ (shrunk * turned)
            # The diagonal of I - H, with what the mean itself takes of each score.
            kept = (vectors**2 @ (strength * shrunk)) - 1 / count
            left_out = strength * solved / np.maximum(kept, 1e-9)
            error = float(np.sqrt((left_out**2).mean()))
            if error < self.error:
                self.error, self._weights = error, solved
        fitted = kernel @ self._weights + self._mean
        self.lowest, self.highest = float(fitted.min()), float(fitted.max())

    @property
    def skilled(self) -> bool:
        """Whether it predicts better than the mean does, by more than one in twenty models would that learned noise."""
        return self.error < (1 - 3 / len(self._rows)) * self.chance

    def predict(self, values: Sequence[Mapping[str, str]]) -> list[float]:
        """The expected scores of candidates."""
        kernel = (_features(values) - self._center) @ (self._rows - self._center).T
        found: list[float] = (kernel @ self._weights + self._mean).tolist()
        return found


def _features(values: Sequence[Mapping[str, str]]) -> NDArray[np.float64]:
    import numpy as np

    names = sorted(values[0])
    return np.hstack([hashed_ngrams([each[name] for each in values]) for name in names])
