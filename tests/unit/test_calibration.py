"""Temperature, threshold and calibration error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics.calibration import (
    calibration_error,
    choose_threshold,
    fit_temperature,
    log_loss,
    reliability_bins,
    tempered,
)

RNG = np.random.default_rng(3)


def softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True))


def drawn(count: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits at the true temperature times ``scale``, and labels drawn from the true probabilities."""
    logits = RNG.normal(0, 2, (count, 3))
    chances = softmax(logits)
    truth = np.array([RNG.choice(3, p=p) for p in chances])
    return softmax(logits * scale), truth


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_fitted_temperature_undoes_over_and_underconfidence(scale: float) -> None:
    probabilities, truth = drawn(4000, scale)
    assert fit_temperature(probabilities, truth, (0.1, 10)) == pytest.approx(scale, rel=0.12)


def test_calibration_never_raises_the_log_loss_of_what_it_was_fitted_on() -> None:
    probabilities, truth = drawn(300, 2.5)
    temperature = fit_temperature(probabilities, truth, (0.1, 10))
    assert log_loss(tempered(probabilities, temperature), truth) < log_loss(probabilities, truth)


def test_a_set_without_a_mistake_does_not_drive_the_temperature_out_of_its_bounds() -> None:
    probabilities = softmax(np.eye(3)[[0, 1, 2, 0]] * 4.0)
    assert fit_temperature(probabilities, np.array([0, 1, 2, 0]), (0.3, 3)) == pytest.approx(0.3, rel=0.01)


def test_tempering_back_gives_the_probabilities_before() -> None:
    probabilities, _ = drawn(50, 1.0)
    assert tempered(tempered(probabilities, 1.6), 1 / 1.6) == pytest.approx(probabilities, abs=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_threshold_is_at_least_as_right_as_answering_everything_or_nothing(
    id_score: list[float], unknown: list[float]
) -> None:
    threshold = choose_threshold(np.array(id_score), np.array(unknown), keep=0.95, highest=0.6)
    right = np.mean(np.array(id_score) >= threshold) + np.mean(np.array(unknown) < threshold)
    assert 0 <= threshold <= 1
    assert right >= 1 - 1e-9


def test_the_threshold_lies_in_the_middle_of_a_clean_gap() -> None:
    threshold = choose_threshold(np.array([0.9, 0.8]), np.array([0.2, 0.1]), keep=0.95, highest=0.6)
    assert threshold == pytest.approx(0.5)


def test_of_thresholds_that_are_about_as_right_the_one_nearest_the_middle_is_taken() -> None:
    """One picture of 200 would move the best one to 0.9."""
    id_score = np.array([0.95] * 97 + [0.2] * 3)
    unknown = np.array([0.05] * 95 + [0.25] * 4 + [0.85])
    assert choose_threshold(id_score, unknown, keep=0.95, highest=0.6) == pytest.approx(0.55)


def test_without_pictures_of_none_a_few_easy_ones_do_not_set_the_threshold() -> None:
    nothing = np.array([])
    assert choose_threshold(np.array([0.99, 0.98]), nothing, keep=0.95, highest=0.6) == 0.6
    spread = np.linspace(0, 1, 101)
    assert choose_threshold(spread, nothing, keep=0.95, highest=0.6) == pytest.approx(0.05)


def test_the_calibration_error_is_the_distance_of_confidence_from_share_right() -> None:
    sure = np.tile([0.9, 0.1], (10, 1))
    half_right = np.array([0] * 5 + [1] * 5)
    assert calibration_error(sure, half_right) == pytest.approx(0.4)
    assert calibration_error(sure, np.array([0] * 9 + [1])) == pytest.approx(0.0)


def test_every_answer_is_in_one_bin_and_certainty_in_the_last() -> None:
    probabilities = np.array([[1.0, 0.0], [0.5, 0.5], [0.3, 0.7]])
    bins = reliability_bins(probabilities, np.array([0, 0, 1]))
    assert sum(b.count for b in bins) == 3
    assert bins[-1].confidence == 1.0
