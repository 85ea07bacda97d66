"""A model of what a person prefers: hidden utilities, linear in features of the alternatives, learned from pairs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Utilities", "reduced"]

_ROUNDS = 50


def reduced(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """The features, one row for each alternative, in at most as many dimensions as there are alternatives.

    Distances between rows stay as they are, and the rows add up to zero.
    """
    import numpy as np

    centred = features - features.mean(axis=0)
    squares, vectors = np.linalg.eigh(centred @ centred.T)
    kept = squares > 1e-12 * max(float(squares.max(initial=0.0)), 1e-12)
    rows: NDArray[np.float64] = vectors[:, kept] * np.sqrt(squares[kept])
    return rows


class Utilities:
    """Bradley and Terry's model with linear utilities: P(i over j) = 1 / (1 + exp(u_j - u_i)), u = features · weights.

    The weights have a normal prior and are fitted by Newton's method; their covariance is Laplace's approximation.

    Args:
        rows: the features of each alternative, `reduced`.
        comparisons: triples (winner, loser, weight) of row numbers.
        spread: the standard deviation of utilities before anything is known.

    Attributes:
        means: the expected utility of each alternative, relative to their average.
    """

    def __init__(
        self, rows: NDArray[np.float64], comparisons: Iterable[tuple[int, int, float]], *, spread: float = 3.0
    ) -> None:
        import numpy as np

        scale = float(np.sqrt((rows**2).sum(axis=1).mean())) if rows.size else 1.0
        self._rows = rows / max(scale, 1e-12) * spread  # so that the prior of the weights has variance 1
        pairs = list(comparisons)
        differences = np.array([self._rows[i] - self._rows[j] for i, j, _ in pairs]).reshape(
            len(pairs), self._rows.shape[1]
        )
        weights = np.array([weight for _, _, weight in pairs])
        self._fitted, self._covariance = _fit(differences, weights, self._rows.shape[1])
        self.means: NDArray[np.float64] = self._rows @ self._fitted

    def uncertainty(self, reference: int) -> NDArray[np.float64]:
        """The standard deviation of each alternative's utility, less that of `reference`."""
        import numpy as np

        apart = self._rows - self._rows[reference]
        deviations: NDArray[np.float64] = np.sqrt(
            np.maximum(np.einsum("nd,de,ne->n", apart, self._covariance, apart), 0)
        )
        return deviations


def _fit(differences: NDArray[np.float64], weights: NDArray[np.float64], size: int) -> tuple[Any, Any]:
    """The most likely weights, and their covariance."""
    import numpy as np

    fitted = np.zeros(size)
    curvature = np.eye(size)
    for _ in range(_ROUNDS):
        chance = 1 / (1 + np.exp(-np.clip(differences @ fitted, -30, 30))) if len(weights) else np.zeros(0)
        slope = differences.T @ (weights * (1 - chance)) - fitted if len(weights) else -fitted
        curvature = np.eye(size)
        if len(weights):
            curvature = curvature + (differences.T * (weights * chance * (1 - chance))) @ differences
        move = np.linalg.solve(curvature, slope)
        length = float(np.linalg.norm(move))
        fitted = fitted + move * min(1.0, 4.0 / max(length, 1e-12))  # a bounded step cannot run away
        if length < 1e-8:
            break
    return fitted, np.linalg.inv(curvature)
