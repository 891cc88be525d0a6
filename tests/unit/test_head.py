"""The head: a logistic regression that is fitted to convergence, the same in whatever coordinates it is fitted."""

import warnings

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from pipeline.models.head import ABSENT, Head, Space

RNG = np.random.default_rng(2)
OUTPUTS, FEATURES, STRENGTH = 3, 200, 0.01


def clouds(each: int, features: int = FEATURES, outputs: int = OUTPUTS) -> tuple[np.ndarray, np.ndarray]:
    """``each`` points of every output around a centre of its own, not centred and not of unit length."""
    centres = RNG.normal(3, 4, (outputs, features))
    targets = np.arange(each * outputs) % outputs
    return centres[targets] + RNG.normal(0, 4, (len(targets), features)), targets


def unrotated(x: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Probabilities of every point by scikit-learn on the scaled features as they are."""
    mean = x.mean(0)
    scaled = (x - mean) / np.sqrt(((x - mean) ** 2).mean())
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=5000, tol=1e-8)
    return np.asarray(model.fit(scaled[rows], targets[rows]).predict_proba(scaled))


@pytest.mark.parametrize("outputs", [2, 3])
@pytest.mark.parametrize("each", [8, 120])
def test_the_head_is_that_of_the_features_as_they_are_rotated_or_not(each: int, outputs: int) -> None:
    x, targets = clouds(each, outputs=outputs)
    space, rows = Space(x), RNG.random(len(x)) < 0.8
    assert (space.basis is None) == (len(x) >= FEATURES)
    found = space.head(*space.fit(rows, targets, outputs, STRENGTH))
    assert softmax(found.logits(x), axis=1) == pytest.approx(unrotated(x, targets, rows), abs=2e-3)


def test_the_rotation_keeps_every_distance() -> None:
    x, _ = clouds(5)
    space = Space(x)
    assert space.coordinates.shape == (15, 15)
    assert np.linalg.norm(space.coordinates[0] - space.coordinates[1]) == pytest.approx(
        np.linalg.norm(x[0] - x[1]) / space.scale
    )


def test_weights_in_coordinates_and_in_features_give_the_same_logits() -> None:
    x, targets = clouds(10)
    space = Space(x)
    weights, bias = space.fit(np.ones(30, bool), targets, OUTPUTS, STRENGTH)
    logits = space.coordinates @ weights.T + bias
    assert space.head(weights, bias).logits(x.astype(np.float32)) == pytest.approx(logits, abs=1e-4)


def test_with_two_outputs_each_has_half_of_the_logit() -> None:
    x, targets = clouds(10, outputs=2)
    found = Space(x).fitted(targets, 2, STRENGTH)
    assert found.weights[0] == pytest.approx(-found.weights[1], abs=1e-6)
    assert (found.logits(x).argmax(1) == targets).all()


@pytest.mark.parametrize("absent", range(3))
def test_an_output_without_photos_is_never_the_answer_and_the_others_are_as_without_it(absent: int) -> None:
    x, targets = clouds(10)
    present = targets != absent
    space = Space(x)
    found = space.head(*space.fit(present, targets, OUTPUTS, STRENGTH))
    logits = found.logits(x * 10)
    assert np.isfinite(logits).all()
    assert (logits.argmax(1) != absent).all()
    assert found.bias[absent] == ABSENT
    others = [i for i in range(3) if i != absent]
    alone = space.head(*space.fit(present, np.searchsorted(others, targets.clip(min(others))), 2, STRENGTH))
    assert found.weights[others] == pytest.approx(alone.weights, abs=1e-6)


def test_with_photos_of_one_output_that_one_is_always_the_answer() -> None:
    x, targets = clouds(4)
    space = Space(x)
    weights, bias = space.fit(targets == 1, targets, OUTPUTS, STRENGTH)
    assert (weights == 0).all()
    assert bias.tolist() == [ABSENT, 0.0, ABSENT]


@pytest.mark.parametrize("strength", [1e-4, 1e-2, 1.0, 100.0])
def test_the_fit_converges(strength: float) -> None:
    x, targets = clouds(20)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        Space(x).fitted(targets, OUTPUTS, strength)


def test_every_output_has_the_same_say_however_many_photos_it_has() -> None:
    x, targets = clouds(8)
    copies = np.concatenate([np.arange(24), np.flatnonzero(targets == 0).repeat(9)])
    # Weighed as 80 photos where it was 24, so fitted more strongly; the scale is fixed by the whole set.
    space = Space(x[copies])
    rows = np.ones(len(copies), bool)
    bias = space.head(*space.fit(rows, targets[copies], OUTPUTS, STRENGTH)).logits(x)
    assert (bias.argmax(1) == targets).all()


def test_features_that_are_all_alike_give_a_head_of_finite_numbers() -> None:
    found = Space(np.ones((6, 4))).fitted(np.array([0, 1, 2] * 2), OUTPUTS, STRENGTH)
    assert isinstance(found, Head)
    assert np.isfinite(found.weights).all()
    assert np.isfinite(found.bias).all()
