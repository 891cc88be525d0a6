"""Intervals, against published figures, scipy, and what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pipeline.metrics.intervals import Clusters, wilson

RNG = np.random.default_rng(5)
proportions = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def alone(count: int) -> Clusters:
    """Every picture a cluster of its own."""
    return Clusters([str(i) for i in range(count)], seed=0)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_figures(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


@given(proportions)
def test_wilson_agrees_with_scipy_and_holds_its_value(case: tuple[int, int]) -> None:
    successes, n = case
    low, high = wilson(successes, n)
    theirs = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert (low, high) == (theirs.low, theirs.high)
    assert 0 <= low <= successes / n + 1e-12
    assert successes / n - 1e-12 <= high <= 1


def test_a_perfect_score_on_few_pictures_is_not_certain() -> None:
    assert wilson(6, 6)[0] == pytest.approx(0.610, abs=1e-3)
    assert wilson(30, 30)[0] == pytest.approx(0.886, abs=1e-3)


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("clusters", [1, 2, 10, 300])
def test_no_figure_is_certain_however_clear_it_looks(clusters: int, right: bool) -> None:
    figure = Clusters([str(i % clusters) for i in range(600)], seed=0).mean(np.full(600, right))
    assert figure.value == right
    assert figure.low is not None
    assert figure.high is not None
    assert figure.high - figure.low > 0.005
    # What is known are so many clusters, however many pictures they hold.
    assert (figure.low, figure.high) == pytest.approx(wilson(clusters * right, clusters))


def test_a_cluster_is_no_more_evidence_than_one_picture() -> None:
    values = RNG.random(30) < 0.6
    once = alone(30).mean(values)
    copied = Clusters([str(i // 10) for i in range(300)], seed=0).mean(values.repeat(10))
    loose = alone(300).mean(values.repeat(10))
    assert (copied.value, copied.low, copied.high) == pytest.approx((once.value, once.low, once.high))
    assert width(loose) < 0.5 * width(copied)


def width(figure: object) -> float:
    low, high = figure.low, figure.high  # type: ignore[attr-defined]
    return float(high - low)


def test_the_interval_of_a_mean_is_near_the_normal_one() -> None:
    values = RNG.normal(5, 2, 400)
    figure = alone(400).mean(values)
    half = 1.96 * values.std(ddof=1) / 20
    assert (figure.low, figure.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.05)


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    values, names = RNG.random(30), [str(i) for i in range(30)]
    assert Clusters(names, 7).mean(values) == Clusters(names, 7).mean(values)
    assert Clusters(names, 7).mean(values) != Clusters(names, 8).mean(values)


def test_any_statistic_gets_the_interval_that_the_mean_gets() -> None:
    values, clusters = RNG.random(40), Clusters([str(i // 2) for i in range(40)], seed=1)
    figure = clusters.statistic(lambda weights: float(np.average(values, weights=weights)), 40)
    assert figure.model_dump() == pytest.approx(clusters.mean(values).model_dump())


def test_only_the_pictures_that_are_meant_count() -> None:
    values = np.array([True, False, True, True])
    figure = alone(4).mean(values, np.array([True, True, False, False]))
    assert (figure.value, figure.n) == (0.5, 2)


def test_nothing_measured_is_null_and_no_number() -> None:
    nothing = {"value": None, "low": None, "high": None, "n": 0}
    assert alone(3).mean(np.ones(3, bool), np.zeros(3, bool)).model_dump() == nothing
    assert alone(3).statistic(lambda _: float("nan"), 3).model_dump() == nothing


def test_resamples_with_nothing_to_measure_are_left_out() -> None:
    figure = alone(3).statistic(lambda weights: 0.5 if weights[0] else float("nan"), 3)
    assert (figure.value, figure.low, figure.high) == (0.5, 0.5, 0.5)
