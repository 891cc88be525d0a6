"""Likely label errors, found by confident learning on out-of-fold probabilities.

C. G. Northcutt, L. Jiang, I. L. Chuang: Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 70 (2021).
Done by cleanlab 2.9, whose metadata and LICENSE file say Apache-2.0 (releases from 2.0 on were AGPL before).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score

from pipeline.models import crossval

SEED = 0  # of the folds


@dataclass(frozen=True)
class LabelError:
    """A picture that probably belongs under another label, by what was learned from the other folds."""

    index: int
    probability: float  # of its own label
    other: str
    other_probability: float


def find(
    features: NDArray[np.float32],
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    folds: int,
    strength: float,
    accuracy: float,
) -> list[LabelError]:
    """Find likely label errors, the least probable label first.

    Args:
        features: of the pretrained backbone, [pictures, features].
        groups: pictures of one group are in one fold. Labels with a single group are left out.
        folds: as many at most.
        strength: inverse of the heads' L2 penalty.
        accuracy: balanced accuracy out of fold below which nothing is said: the features don't tell the labels apart,
            and every other picture would be called an error.
    """
    from cleanlab.filter import find_label_issues  # here, as it takes 0.7 s to import

    number = Counter(label for label, _ in set(zip(labels, groups, strict=True)))
    used = [index for index, label in enumerate(labels) if number[label] > 1]
    names, targets = np.unique([labels[index] for index in used], return_inverse=True)
    if len(names) < 2:
        return []
    parts = crossval.grouped_folds([groups[index] for index in used], targets, folds, SEED)
    logits = crossval.out_of_fold(features[used], targets, parts, len(names), strength)
    probabilities = softmax(logits, axis=1)
    answers = probabilities.argmax(axis=1)
    if balanced_accuracy_score(targets, answers) < accuracy:
        return []
    found = find_label_issues(targets, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    return [
        LabelError(
            used[index],
            float(probabilities[index, targets[index]]),
            str(names[answers[index]]),
            float(probabilities[index, answers[index]]),
        )
        for index in found
        if answers[index] != targets[index]
    ]
