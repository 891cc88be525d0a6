"""What more photos of a label are expected to bring, from what fewer would have brought."""

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.elsewhere import Fit
from pipeline.metrics.calibration import choose_threshold, id_scores
from pipeline.metrics.schema import Gain
from pipeline.models import crossval
from pipeline.models.head import Space
from pipeline.models.photos import Photos

MORE = 20  # photos
SHARES = (0.25, 0.5, 1.0)  # of a label's photos that are kept
DRAWS = 4  # of each share
FOLDS = 5
RESAMPLES = 300
WIDEST = 0.2  # of the interval; a wider one helps nobody


def gains(x: NDArray[np.float32], photos: Photos, fit: Fit, seed: int, more: int = MORE) -> dict[str, Gain]:
    """For each label, how much of its photos from elsewhere would be answered right besides, with ``more`` photos.

    Parts of a label's photos are left out at random, the other labels keep theirs, and the label's served accuracy by
    cross-validation is taken for a straight line in the logarithm of their number (power laws of learning curves look
    so over a short stretch: Viering & Loog 2021). The interval is a bootstrap over the draws, with what they missed the
    line by. ``expected`` is None where it is wider than `WIDEST`, or there are fewer than 4 photos.
    """
    space, folds = Space(x), photos.parts().coarse(FOLDS).index
    return {
        name: _gain(*_curve(space, photos, folds, label, fit, seed), more, int((photos.targets == label).sum()), seed)
        for label, name in enumerate(photos.outputs[: photos.labels])
    }


def _curve(
    space: Space, photos: Photos, folds: NDArray[np.intp], label: int, fit: Fit, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Numbers of photos and the served accuracy that they gave, a pair a draw."""
    random, own = np.random.default_rng(seed), np.flatnonzero(photos.targets == label)
    counts, accuracy = [], []
    for share in SHARES:
        for _ in range(DRAWS if share < 1 else 1):
            kept = np.ones(len(folds), bool)
            kept[random.permutation(own)[max(2, round(share * len(own))) :]] = False
            counts.append(int(kept[own].sum()))
            accuracy.append(label_accuracy(space, photos, folds, label, kept, fit))
    return np.array(counts, float), np.array(accuracy)


def label_accuracy(
    space: Space, photos: Photos, folds: NDArray[np.intp], label: int, kept: NDArray[np.bool_], fit: Fit
) -> float:
    """Served accuracy of ``label`` by heads that were fitted on the photos ``kept`` [n] of the other folds."""
    targets = photos.targets
    logits = crossval.out_of_fold(space, targets, folds, len(photos.outputs), fit.strength, kept)
    scores = id_scores(logits, photos.labels)
    threshold = choose_threshold(scores[kept & (targets < photos.labels)], fit.rejected)
    right = (logits[:, : photos.labels].argmax(1) == label) & (scores >= threshold)
    return float(right[targets == label].mean())


def _gain(counts: NDArray[np.float64], accuracy: NDArray[np.float64], more: int, own: int, seed: int) -> Gain:
    nothing = Gain(photos=more, expected=None, low=None, high=None)
    if own < 4:
        return nothing
    far, present = np.log(own + more) - np.log(own), accuracy[-1]

    def slope(of: NDArray[np.intp]) -> float:
        x = np.log(counts[of])
        return float(np.polyfit(x, accuracy[of], 1)[0]) if np.ptp(x) > 0 else float("nan")

    random = np.random.default_rng(seed)
    line = np.polynomial.Polynomial.fit(np.log(counts), accuracy, 1)
    missed = (accuracy - line(np.log(counts))) * np.sqrt(len(counts) / (len(counts) - 2))
    drawn = np.array([slope(random.integers(0, len(counts), len(counts))) for _ in range(RESAMPLES)]) * far
    drawn += random.choice(missed, RESAMPLES)  # other photos would have given other figures at both ends
    drawn -= random.choice(missed, RESAMPLES)
    low, high = (min(float(q), 1 - present) for q in np.nanquantile(drawn, (0.025, 0.975)))
    expected = min(slope(np.arange(len(counts))) * far, 1 - present)
    if high - low > WIDEST:
        return nothing
    return Gain(photos=more, expected=expected, low=min(low, expected), high=max(high, expected))
