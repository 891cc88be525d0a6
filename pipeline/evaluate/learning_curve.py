"""What more photos of a label are expected to bring, from what fewer would have brought."""

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.elsewhere import Fit
from pipeline.metrics.calibration import choose_threshold, id_scores
from pipeline.metrics.schema import Gain
from pipeline.models import crossval
from pipeline.models.crossval import Parts
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
    space, apart, found = Space(x), photos.parts(), {}
    everything = np.ones(len(photos.rows), bool)
    present = label_accuracies(space, photos, apart, everything, fit)
    for label, name in enumerate(photos.outputs[: photos.labels]):
        random, own = np.random.default_rng(seed), np.flatnonzero(photos.targets == label)
        counts, accuracy = [], []
        for share in SHARES[:-1]:
            for _ in range(DRAWS):
                kept = everything.copy()
                kept[random.permutation(own)[max(2, round(share * len(own))) :]] = False
                counts.append(kept[own].sum())
                accuracy.append(label_accuracies(space, photos, apart, kept, fit)[label])
        counts, accuracy = [*counts, len(own)], [*accuracy, present[label]]
        found[name] = _gain(np.array(counts, float), np.array(accuracy), more, len(own), seed)
    return found


def label_accuracies(space: Space, photos: Photos, apart: Parts, kept: NDArray[np.bool_], fit: Fit) -> list[float]:
    """Served accuracy of each label by heads that were fitted on the photos ``kept`` [n] of the other parts.

    The parts are put together to `FOLDS`.
    """
    targets, folds = photos.targets, apart.coarse(FOLDS).index
    logits = crossval.out_of_fold(space, targets, folds, len(photos.outputs), fit.strength, kept)
    scores = id_scores(logits, photos.labels)
    used = kept & (targets < photos.labels)
    threshold = choose_threshold(scores[used], fit.rejected, apart.index[used])
    right = (logits[:, : photos.labels].argmax(1) == targets) & (scores >= threshold)
    return [float(right[targets == label].mean()) for label in range(photos.labels)]


def _gain(counts: NDArray[np.float64], accuracy: NDArray[np.float64], more: int, own: int, seed: int) -> Gain:
    nothing = Gain(photos=more, expected=None, low=None, high=None)
    if own < 4:
        return nothing
    far, present, x = np.log(own + more) - np.log(own), accuracy[-1], np.log(counts)
    random = np.random.default_rng(seed)
    slope, offset = np.polyfit(x, accuracy, 1)
    missed = (accuracy - slope * x - offset) * np.sqrt(len(counts) / (len(counts) - 2))
    drawn = random.integers(0, len(counts), (RESAMPLES, len(counts)))
    dx = x[drawn] - x[drawn].mean(1, keepdims=True)
    with np.errstate(invalid="ignore"):  # a draw of one number of photos alone has no slope: NaN
        gained = (dx * accuracy[drawn]).sum(1) / (dx**2).sum(1) * far
    gained += random.choice(missed, RESAMPLES)  # other photos would have given other figures at both ends
    gained -= random.choice(missed, RESAMPLES)
    low, high = (min(float(q), 1 - present) for q in np.nanquantile(gained, (0.025, 0.975)))
    expected = min(float(slope) * far, 1 - present)
    if high - low > WIDEST:
        return nothing
    return Gain(photos=more, expected=expected, low=min(low, expected), high=max(high, expected))
