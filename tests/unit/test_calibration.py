"""Temperature, threshold and calibration error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from pipeline.metrics.calibration import (
    balanced_log_loss,
    calibration_error,
    choose_threshold,
    fit_temperature,
    id_scores,
    log_loss,
    reliability_bins,
)

RNG = np.random.default_rng(3)
SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def drawn(count: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits at the true temperature times ``scale``, and labels drawn from the true probabilities."""
    logits = RNG.normal(0, 2, (count, 3))
    truth = np.array([RNG.choice(3, p=p) for p in softmax(logits, axis=1)])
    return logits * scale, truth


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_fitted_temperature_undoes_over_and_underconfidence(scale: float) -> None:
    logits, truth = drawn(4000, scale)
    assert fit_temperature(logits, truth) == pytest.approx(scale, rel=0.12)


def test_calibration_never_raises_the_log_loss_of_what_it_was_fitted_on() -> None:
    logits, truth = drawn(300, 2.5)
    temperature = fit_temperature(logits, truth)
    assert balanced_log_loss(logits / temperature, truth) < balanced_log_loss(logits, truth)


def test_a_set_without_a_mistake_does_not_drive_the_temperature_out_of_its_bounds() -> None:
    assert fit_temperature(np.eye(3)[[0, 1, 2, 0]] * 4.0, np.array([0, 1, 2, 0])) == pytest.approx(0.2, rel=0.01)


def test_every_target_has_the_same_say_in_the_balanced_loss() -> None:
    logits, truth = drawn(60, 1.0)
    copies = np.concatenate([np.arange(60), np.flatnonzero(truth == 0).repeat(5)])
    assert balanced_log_loss(logits[copies], truth[copies]) == pytest.approx(balanced_log_loss(logits, truth))


def test_the_log_loss_of_a_probability_that_underflowed_is_finite() -> None:
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-np.log(1e-7))


def test_the_id_score_is_what_is_left_of_none_or_without_such_an_output_the_largest_probability() -> None:
    logits = RNG.normal(0, 2, (9, 4))
    assert id_scores(logits, 3) == pytest.approx(1 - softmax(logits, axis=1)[:, 3])
    assert id_scores(logits, 4) == pytest.approx(softmax(logits, axis=1).max(1))


@given(SHARES, st.floats(0.01, 0.99))
def test_the_threshold_rejects_at_most_the_share_and_no_higher_one_does(scores: list[float], rejected: float) -> None:
    threshold = choose_threshold(np.array(scores), rejected)
    assert np.mean(np.array(scores) < threshold) <= rejected
    higher = [score for score in scores if score > threshold]
    if higher:
        assert np.mean(np.array(scores) < min(higher)) > rejected


def test_without_a_picture_nothing_is_rejected() -> None:
    assert choose_threshold(np.array([]), 0.05) == 0


def test_the_calibration_error_is_the_distance_of_confidence_from_share_right() -> None:
    """1000 answers: the variance that is taken off is that of a share of 100 pictures, 0.0025 of 0.16."""
    right = np.tile([True, False], 500)
    assert calibration_error(np.full(1000, 0.9), right) == pytest.approx(0.4, abs=0.004)
    assert calibration_error(np.full(1000, 0.5), right) == 0
    assert calibration_error(np.full(1000, 0.1), right) == pytest.approx(0.4, abs=0.004)


def test_only_answers_that_are_surer_than_right_are_overconfident() -> None:
    right = np.tile([True, False], 500)
    assert calibration_error(np.full(1000, 0.1), right, only_over=True) == 0
    assert calibration_error(np.full(1000, 0.9), right, only_over=True) == pytest.approx(0.4, abs=0.004)


def test_the_error_of_a_calibrated_model_is_near_0_on_few_pictures_where_the_plain_estimate_is_not() -> None:
    debiased, plain = [], []
    for _ in range(100):
        confidence = RNG.uniform(0.4, 1, 60)
        right = RNG.random(60) < confidence
        debiased.append(calibration_error(confidence, right) ** 2)
        bins = reliability_bins(confidence, right)
        plain.append(sum(b.count / 60 * (b.confidence - b.accuracy) ** 2 for b in bins))
    assert np.sqrt(np.mean(plain)) > 0.14
    assert np.median(debiased) < 0.05**2
    assert np.mean(debiased) < np.mean(plain) / 2


def test_every_answer_is_in_one_bin_and_bins_are_about_equally_full() -> None:
    confidence = RNG.random(57)
    bins = reliability_bins(confidence, confidence > 0.5)
    assert sum(b.count for b in bins) == 57
    assert {b.count for b in bins} == {5, 6}
    assert [b.confidence for b in bins] == sorted(b.confidence for b in bins)
    assert [b.count for b in reliability_bins(np.array([0.5, 0.9]), np.array([True, False]))] == [1, 1]


def test_one_large_source_does_not_decide_the_threshold_alone() -> None:
    """Half of the pictures are of one source whose scores are low; the other half of ten sources."""
    scores = np.concatenate([np.full(50, 0.1), np.full(50, 0.8)])
    clusters = np.concatenate([np.zeros(50, int), 1 + np.arange(50) % 10])
    assert choose_threshold(scores, 0.1) == 0.1
    assert choose_threshold(scores, 0.1, clusters) == 0.8


@pytest.mark.parametrize("n", [20, 60, 297])
def test_clusters_of_one_picture_each_make_no_difference(n: int) -> None:
    scores = np.random.default_rng(n).random(n)
    assert choose_threshold(scores, 0.05, np.arange(n)) == choose_threshold(scores, 0.05) == np.sort(scores)[n // 20]
