"""A model of what a person prefers: hidden utilities given by a small neural network, learned from pairs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["NeuralUtilities"]

_ROUNDS = 150
_RATE = 0.1
_SLOPE = 1.0
"""How steep hidden units are over typical features: at 0 the network is linear."""


class NeuralUtilities:
    """Bradley and Terry's model, P(i over j) = 1 / (1 + exp(u_j - u_i)), with utilities u of a small neural network.

    The network has one hidden layer, of tanh units. Its weights start from a random draw at which all utilities are 0,
    and have a normal prior around it. They are fitted by Adam, on all comparisons at once and anew each time, so the
    same comparisons always give the same model. What is not known of a utility is told by Laplace's approximation, with
    the gradients by the first weights as features: those by the fitted ones fade where units saturate, and a search by
    them stops too soon.

    Args:
        rows: the features of each alternative, `opto.optimizers.preferences.reduced`.
        comparisons: triples (winner, loser, weight) of row numbers.
        spread: the standard deviation of utilities before anything is known.
        seed: of the random draw.
        width: how many hidden units there are, an even number.

    Attributes:
        means: the utility of each alternative, relative to their average.
    """

    def __init__(
        self,
        rows: NDArray[np.float64],
        comparisons: Iterable[tuple[int, int, float]],
        *,
        spread: float = 3.0,
        seed: int = 0,
        width: int = 64,
    ) -> None:
        import numpy as np

        count, size = rows.shape
        pairs = list(comparisons)
        self._apart = np.zeros((len(pairs), count))  # times the utilities: how much better each winner is
        for row, (winner, loser, _) in zip(self._apart, pairs, strict=True):
            row[winner] += 1
            row[loser] -= 1
        self._weights = np.array([weight for _, _, weight in pairs], dtype=float)
        length = float(np.sqrt((rows**2).sum(axis=1).mean())) if rows.size else 0.0
        self._rows = np.hstack([rows * (_SLOPE / max(length, 1e-12)), np.ones((count, 1))])  # and a bias
        self._start = _drawn(size + 1, width, seed)
        self._scale = 1.0
        features = self._gradients(self._start)
        apart = features - features.mean(axis=0)
        deviation = float(np.sqrt((apart**2).sum(axis=1).mean()))
        self._scale = spread / deviation if deviation > 1e-9 else 0.0
        utilities = self._utilities(self._fitted())
        self.means: NDArray[np.float64] = utilities - utilities.mean()
        self._covariance = self._covariances(self._scale * features, utilities)

    def uncertainty(self, reference: int) -> NDArray[np.float64]:
        """The standard deviation of each alternative's utility, less that of `reference`."""
        import numpy as np

        variances = np.diag(self._covariance)
        apart = variances + variances[reference] - 2 * self._covariance[reference]
        deviations: NDArray[np.float64] = np.sqrt(np.maximum(apart, 0))
        return deviations

    # ---- the network: hidden weights first, one row for each feature, then the weights of the hidden units

    def _utilities(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np

        return self._scale * np.tanh(self._rows @ weights[:-1]) @ weights[-1]  # type: ignore[no-any-return]

    def _gradients(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The derivatives of each utility by all weights, a row for each alternative."""
        import numpy as np

        hidden = np.tanh(self._rows @ weights[:-1])
        inner = (1 - hidden**2) * weights[-1]
        by_hidden = self._rows[:, :, None] * inner[:, None, :]
        by_last = hidden[:, None, :]
        return self._scale * np.concatenate([by_hidden, by_last], axis=1).reshape(len(self._rows), -1)

    def _slope(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The derivatives of the loss: minus the log-probability of the comparisons and of the weights."""
        import numpy as np

        hidden = np.tanh(self._rows @ weights[:-1])
        utilities = self._scale * hidden @ weights[-1]
        surprise = self._weights / (1 + np.exp((self._apart @ utilities).clip(-30, 30)))
        by_utility = -self._scale * (surprise @ self._apart)
        inner = (1 - hidden**2) * weights[-1] * by_utility[:, None]
        slope: NDArray[np.float64] = np.vstack([self._rows.T @ inner, by_utility @ hidden])
        return slope + weights - self._start

    def _fitted(self) -> NDArray[np.float64]:
        """The likeliest weights, by Adam (arXiv 1412.6980) with a rate that falls to zero."""
        import numpy as np

        weights = self._start.copy()
        if not len(self._weights) or not self._scale:
            return weights
        mean, square = np.zeros_like(weights), np.zeros_like(weights)
        for round_number in range(1, _ROUNDS + 1):
            slope = self._slope(weights)
            mean = 0.9 * mean + 0.1 * slope
            square = 0.99 * square + 0.01 * slope**2
            step = (mean / (1 - 0.9**round_number)) / (np.sqrt(square / (1 - 0.99**round_number)) + 1e-8)
            weights = weights - _RATE * (1 - (round_number - 1) / _ROUNDS) * step
        return weights

    def _covariances(self, features: NDArray[np.float64], utilities: NDArray[np.float64]) -> Any:
        """The covariances of the utilities, given the comparisons."""
        import numpy as np

        prior = features @ features.T
        chance = 1 / (1 + np.exp(-(self._apart @ utilities).clip(-30, 30)))
        curvature = (self._apart.T * (self._weights * chance * (1 - chance))) @ self._apart
        return np.linalg.solve(np.eye(len(prior)) + prior @ curvature, prior)


def _drawn(size: int, width: int, seed: int) -> NDArray[np.float64]:
    """Random weights of a network whose output is 0: each hidden unit stands twice in it, with opposite signs.

    Returns:
        An array of shape (size + 1, width): the weights of the features, and in the last row those of the hidden units.
    """
    import numpy as np

    half = np.random.default_rng(seed).standard_normal((size + 1, width // 2))
    return np.hstack([half, np.vstack([half[:-1], -half[-1:]])])
