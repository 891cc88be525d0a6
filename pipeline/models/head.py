"""The head: multinomial logistic regression on a backbone's features, fitted to convergence (a linear probe).

Features are centred and divided by one number, their root mean square. Standardising each of them apart gives the rare,
noisy ones as much say as the others, and knew pictures from elsewhere less well (docs/pipeline.md, "Choices").
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import ThreadpoolController

Floats = NDArray[np.float64]
ABSENT = -30.0  # logit of an output without a photo to learn from: never the answer, and still finite
ITERATIONS = 2000  # far beyond the 30 to 80 that L-BFGS takes


@lru_cache
def _controller() -> ThreadpoolController:
    """Found once: looking for the libraries takes 3 ms, a sixth of a fit."""
    return ThreadpoolController()


@dataclass(frozen=True)
class Head:
    """A linear layer: float32 weights [outputs, features] and bias [outputs]."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def logits(self, features: NDArray[np.floating]) -> Floats:
        """Logits [n, outputs] of features [n, features]."""
        return np.asarray(features.astype(np.float64) @ self.weights.T + self.bias)


class Space:
    """Features [n, features] in coordinates in which many heads are fitted fast.

    With fewer photos than features the photos span a small part of the space, and the rest can't matter to a head with
    an L2 penalty: rotated into that part (singular value decomposition), a fit gives the same head, much faster.
    """

    def __init__(self, features: NDArray[np.floating]) -> None:
        x = features.astype(np.float64)
        self.mean = x.mean(0)
        self.scale = float(np.sqrt(((x - self.mean) ** 2).mean())) or 1.0
        scaled = (x - self.mean) / self.scale
        self.basis: Floats | None = None
        self.coordinates: Floats = scaled
        if len(scaled) < scaled.shape[1]:
            with _controller().limit(limits=1):
                left, values, self.basis = np.linalg.svd(scaled, full_matrices=False)
            self.coordinates = np.ascontiguousarray(left * values)

    def fit(
        self, rows: NDArray[np.bool_], targets: NDArray[np.intp], outputs: int, strength: float
    ) -> tuple[Floats, Floats]:
        """Weights [outputs, coordinates] and bias [outputs] of a head fitted on the photos of ``rows`` [n].

        Args:
            rows: which photos it learns from.
            targets: index of each photo's output [n].
            outputs: their number; each has the same say, however many photos it has.
            strength: inverse of the L2 penalty, scikit-learn's C.
        """
        weights = np.zeros((outputs, self.coordinates.shape[1]))
        bias = np.full(outputs, ABSENT)
        present = np.unique(targets[rows])
        if len(present) < 2:
            bias[present] = 0.0
            return weights, bias
        model = LogisticRegression(C=strength, class_weight="balanced", max_iter=ITERATIONS)
        with _controller().limit(limits=1):  # the matrices are small: a second thread costs more than it brings
            model.fit(self.coordinates[rows], targets[rows])
        coefficients, intercept = model.coef_, model.intercept_
        if len(present) == 2:  # scikit-learn gives the second one's logit against the first
            coefficients, intercept = (np.stack([-part[0] / 2, part[0] / 2]) for part in (coefficients, intercept))
        weights[present], bias[present] = coefficients, intercept
        return weights, bias

    def head(self, weights: Floats, bias: Floats) -> Head:
        """The head in the features' own coordinates."""
        mapped = (weights if self.basis is None else weights @ self.basis) / self.scale
        return Head(mapped.astype(np.float32), (bias - mapped @ self.mean).astype(np.float32))

    def fitted(
        self, targets: NDArray[np.intp], outputs: int, strength: float, rows: NDArray[np.bool_] | None = None
    ) -> Head:
        """The head that `fit` fits, on all photos or on those of ``rows``, in the features' own coordinates."""
        everything = np.ones(len(targets), bool)
        return self.head(*self.fit(everything if rows is None else rows, targets, outputs, strength))
