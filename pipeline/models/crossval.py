"""Cross-validation of heads: every photo answered by a head that was fitted without its source, or its group."""

import hashlib
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from pipeline.metrics.calibration import balanced_log_loss, fit_temperature
from pipeline.models.head import Floats, Space

Method = Literal["leave-one-source-out", "grouped-k-fold"]
FOLDS = 10  # of photos whose source is not known
MOST_SOURCES = 50  # more are put together, so that a large set takes no longer
STRENGTHS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)


@dataclass(frozen=True)
class Parts:
    """Which photos are left out together: the index of each photo's part [n], their number, and how they were made."""

    index: NDArray[np.intp]
    number: int
    method: Method

    def coarse(self, most: int) -> "Parts":
        """The same parts put together to at most ``most`` of about equal size, for fits that are only compared."""
        size = np.bincount(self.index, minlength=self.number)
        load, place = [0] * min(most, self.number), np.zeros(self.number, np.intp)
        for part in np.argsort(-size, kind="stable"):
            place[part] = int(np.argmin(load))
            load[place[part]] += int(size[part])
        return Parts(place[self.index], len(load), self.method)


def parts(sources: Sequence[str], groups: Sequence[str], targets: NDArray[np.intp], labels: int, seed: int) -> Parts:
    """Part photos by source where sources are known, else by group.

    A source is left out as a whole. Photos without a known source, and those of a label that has only one (nothing
    would be left to learn it from), are parted into folds by group, each with its share of every label (stratified).

    Args:
        sources: of each photo; "" where it is not known.
        groups: of each photo; photos of one group are in one part.
        targets: index of each photo's output.
        labels: number of the outputs that are labels; the one after them is none of these.
        seed: of the folds.
    """
    known = np.array([source != "" for source in sources])
    by_target = defaultdict(set)
    for source, target in zip(sources, targets, strict=True):
        by_target[int(target)].add(source)
    known &= np.array([len(by_target[int(target)] - {""}) > 1 for target in targets], bool)
    # A group that is partly known stays whole: it goes with the unknown ones.
    torn = {group for group, sure in zip(groups, known, strict=True) if not sure}
    known &= np.array([group not in torn for group in groups], bool)
    names = [source if sure else "" for source, sure in zip(sources, known, strict=True)]
    if len(set(names) - {""}) > MOST_SOURCES:  # by hash, so that a new photo moves no other
        names = [
            str(int(hashlib.sha256(name.encode()).hexdigest(), 16) % MOST_SOURCES) if name else "" for name in names
        ]
    number = {name: i for i, name in enumerate(sorted(set(names) - {""}))}
    index = np.array([number.get(name, -1) for name in names], np.intp)
    rest = ~known
    if rest.any():
        folds = grouped_folds([g for g, r in zip(groups, rest, strict=True) if r], targets[rest], FOLDS, seed)
        index[rest] = len(number) + folds
    shown = targets < labels
    by_source = known[shown].mean() > 0.5 if shown.any() else False
    _, index = np.unique(index, return_inverse=True)
    return Parts(index, int(index.max()) + 1, "leave-one-source-out" if by_source else "grouped-k-fold")


def grouped_folds(groups: Sequence[str], targets: NDArray[np.intp], most: int, seed: int) -> NDArray[np.intp]:
    """At most ``most`` folds of whole groups, each with its share of every target: index of each photo's fold [n].

    As many as the rarest target has groups, two at least; a single group can't be parted and is fold 0.
    """
    folds = np.zeros(len(targets), np.intp)
    if len(set(groups)) < 2:
        return folds
    if len(set(targets)) == len(targets):  # a photo of each: there are no shares, which scikit-learn refuses
        return np.asarray(np.unique(list(groups), return_inverse=True)[1] % 2, np.intp)
    rarest = min(len({g for g, t in zip(groups, targets, strict=True) if t == target}) for target in set(targets))
    count = max(2, min(most, rarest))
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about a label with fewer photos than folds
        for number, (_, out) in enumerate(splitter.split(np.zeros(len(targets)), targets, list(groups))):
            folds[out] = number
    return folds


def out_of_fold(
    features: NDArray[np.floating] | Space,
    targets: NDArray[np.intp],
    folds: NDArray[np.intp],
    outputs: int,
    strength: float,
    kept: NDArray[np.bool_] | None = None,
) -> Floats:
    """Logits [n, outputs], each photo's by a head that was fitted without its fold; see `pipeline.models.head`.

    With ``kept`` [n] the heads are fitted on those photos alone; all are answered.
    """
    space = features if isinstance(features, Space) else Space(features)
    logits = np.zeros((len(targets), outputs))
    for fold in np.unique(folds):
        out = folds == fold
        weights, bias = space.fit(~out if kept is None else ~out & kept, targets, outputs, strength)
        logits[out] = space.coordinates[out] @ weights.T + bias
    return logits


def choose_strength(
    space: Space, targets: NDArray[np.intp], apart: Parts, outputs: int
) -> tuple[float, dict[float, float]]:
    """The strength with the least log loss on photos that were left out, and the loss of each in nats.

    Every output has the same say in the loss, and each strength its best temperature, as the export fits one.
    """
    folds = apart.coarse(FOLDS).index
    losses = {}
    for strength in STRENGTHS:
        logits = out_of_fold(space, targets, folds, outputs, strength)
        losses[strength] = balanced_log_loss(logits / fit_temperature(logits, targets), targets)
    return min(losses, key=lambda strength: losses[strength]), losses
