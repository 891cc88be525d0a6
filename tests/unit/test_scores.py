"""Figures of a classifier that may answer "none of these": each says what a user will see."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from pipeline.metrics.scores import Answers, answers_of, auroc, score, served_accuracy

LABELS = ("art", "plant", "text")


def answers() -> Answers:
    """Six pictures of labels, one of them wrong and one rejected; four of none, one of them accepted."""
    truth = np.array([0, 0, 1, 1, 2, 2, -1, -1, -1, -1])
    best = np.array([0, 0, 1, 2, 2, 2, 0, 1, 2, 0])
    return Answers(
        labels=LABELS,
        truth=truth,
        probabilities=np.eye(3)[best] * 0.7 + 0.1,
        id_score=np.array([0.9, 0.9, 0.8, 0.9, 0.9, 0.3, 0.1, 0.2, 0.1, 0.7]),
        threshold=0.5,
        clusters=tuple("abcdefghij"),
    )


def without(gone: int) -> Answers:
    """Less the pictures whose truth is ``gone``."""
    whole = answers()
    kept = whole.truth != gone
    return replace(
        whole,
        truth=whole.truth[kept],
        probabilities=whole.probabilities[kept],
        id_score=whole.id_score[kept],
        clusters=tuple(np.array(whole.clusters)[kept]),
    )


def test_served_accuracy_counts_a_rejected_picture_as_wrong_and_closed_set_accuracy_does_not() -> None:
    found = score(answers(), seed=0)
    assert found.served_accuracy.value == pytest.approx(4 / 6)
    assert found.served_accuracy.n == 6
    assert found.closed_set_accuracy.value == pytest.approx(5 / 6)
    assert found.closed_set_accuracy.n == 6
    assert found.served_accuracy == served_accuracy(answers(), seed=0)


def test_recall_is_served_accuracy_of_a_label_and_precision_is_of_its_answers() -> None:
    found = score(answers(), seed=0)
    assert [found.recall[label].value for label in LABELS] == [1.0, 0.5, 0.5]
    assert [found.precision[label].value for label in LABELS] == pytest.approx([2 / 3, 1.0, 0.5])


def test_none_of_these_counts_what_is_accepted_and_what_is_rejected() -> None:
    found = score(answers(), seed=0)
    assert (found.fpr.value, found.fpr.n) == (0.25, 4)
    assert found.fnr.value == pytest.approx(1 / 6)
    assert found.fnr.n == 6
    assert found.auroc.value == pytest.approx(23 / 24)  # one of 24 pairs stands the wrong way round
    assert found.open_set_accuracy.value == pytest.approx(7 / 10)


def test_a_threshold_a_picture_is_held_against_that_picture() -> None:
    each = np.array([0.95, 0.5, 0.5, 0.5, 0.5, 0.2, 0.5, 0.5, 0.5, 0.8])
    found = score(replace(answers(), threshold=each), seed=0)
    assert found.fnr.value == pytest.approx(1 / 6)  # the first, and no longer the sixth
    assert found.fpr.value == 0


def test_without_pictures_of_none_nothing_is_said_of_them() -> None:
    found = score(without(-1), seed=0)
    assert (found.fpr.value, found.auroc.value) == (None, None)
    assert found.confusion[3] == [0, 0, 0, 0]


def test_a_label_without_a_picture_has_no_figure_rather_than_a_wrong_one() -> None:
    assert score(without(2), seed=0).recall["text"].value is None


def test_the_confusion_counts_every_picture_once_with_none_of_these_last() -> None:
    assert score(answers(), seed=0).confusion == [[2, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 3]]


def test_equal_seeds_give_equal_figures() -> None:
    assert score(answers(), seed=4) == score(answers(), seed=4)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8), st.integers(0, 4)), min_size=2, max_size=40))
def test_auroc_is_scikit_learns_with_ties_and_with_weights(pictures: list[tuple[bool, int, int]]) -> None:
    positive, scores, weights = (np.array(column) for column in zip(*pictures, strict=True))
    if not 0 < positive.sum() < len(positive):
        assert np.isnan(auroc(positive, scores / 8))
        return
    assert auroc(positive, scores / 8) == pytest.approx(roc_auc_score(positive, scores / 8))
    if (weights[positive].sum() and weights[~positive].sum()) > 0:
        assert auroc(positive, scores / 8, weights) == pytest.approx(
            roc_auc_score(positive, scores / 8, sample_weight=weights)
        )


def test_the_answers_of_a_head_leave_the_output_of_none_out_of_the_probabilities() -> None:
    logits = np.array([[2.0, 0.0, 5.0], [0.0, 3.0, -5.0]])
    found = answers_of(logits, np.array([2, 1]), ("art", "plant"), 0.5, "ab")
    assert found.truth.tolist() == [-1, 1]
    assert found.answer.tolist() == [-1, 1]
    assert found.probabilities.sum(1) == pytest.approx(1)
