"""Intervals and the paired test, against published figures, scipy, and what they promise."""

from itertools import pairwise
from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest

from pipeline.metrics.intervals import bootstrap, mcnemar, wilson

proportions = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


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
    interval = wilson(successes, n)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)
    assert (interval.value, interval.n) == (successes / n, n)


@given(proportions, st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_agrees_with_scipy_and_holds_its_value(case: tuple[int, int], confidence: float) -> None:
    successes, n = case
    interval = wilson(successes, n, confidence=confidence)
    theirs = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    assert interval.low == pytest.approx(theirs.low, abs=1e-9)
    assert interval.high == pytest.approx(theirs.high, abs=1e-9)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_a_perfect_score_on_few_pictures_is_not_certain() -> None:
    # The small_set rule of conf/promote rests on these.
    assert wilson(6, 6).low == pytest.approx(0.610, abs=1e-3)
    assert wilson(30, 30).low == pytest.approx(0.886, abs=1e-3)


def test_nothing_measured_is_null_and_no_number() -> None:
    assert isnan(wilson(0, 0).value)
    assert wilson(0, 0).to_json() == {"value": None, "low": None, "high": None, "n": 0}
    assert bootstrap(lambda _: 1.0, 0).to_json()["value"] is None


@pytest.mark.parametrize("case", [(-1, 3), (4, 3)])
def test_wilson_refuses_impossible_counts(case: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="within 0"):
        wilson(*case)


def mean_of(values: NDArray[np.float64]):  # type: ignore[no-untyped-def]
    return lambda indices: float(values[indices].mean())


def test_bootstrap_of_a_mean_is_near_the_normal_interval() -> None:
    values = np.random.default_rng(3).normal(5, 2, size=400)
    interval = bootstrap(mean_of(values), 400, resamples=2000)
    half = 1.96 * values.std(ddof=1) / 20
    assert interval.low == pytest.approx(values.mean() - half, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.03)


def test_the_same_seed_gives_the_same_interval() -> None:
    statistic = mean_of(np.random.default_rng(1).random(30))
    assert bootstrap(statistic, 30, seed=7) == bootstrap(statistic, 30, seed=7)
    assert bootstrap(statistic, 30, seed=7) != bootstrap(statistic, 30, seed=8)


def test_copies_in_one_group_are_no_more_evidence_than_one_picture() -> None:
    values = np.random.default_rng(5).random(20)
    copied = np.repeat(values, 10)
    groups = [f"burst{i // 10}" for i in range(200)]
    once = bootstrap(mean_of(values), 20)
    grouped = bootstrap(mean_of(copied), 200, groups=groups)
    alone = bootstrap(mean_of(copied), 200)
    assert grouped.low == pytest.approx(once.low)
    assert grouped.high == pytest.approx(once.high)
    assert alone.high - alone.low < 0.5 * (once.high - once.low)


def test_resamples_with_nothing_to_measure_are_left_out() -> None:
    rare = np.array([1.0] + [0.0] * 4)

    def when_present(indices: NDArray[np.intp]) -> float:
        return 0.5 if rare[indices].any() else nan

    interval = bootstrap(when_present, 5)
    assert (interval.value, interval.low, interval.high) == (0.5, 0.5, 0.5)
    assert isnan(bootstrap(lambda _: nan, 5).low)


def test_bootstrap_refuses_groups_of_another_length() -> None:
    with pytest.raises(ValueError, match="one group a picture"):
        bootstrap(lambda _: 0.0, 3, groups=["a"])


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(losses: int, gains: int) -> None:
    expected = binomtest(losses, losses + gains, alternative="greater").pvalue if losses + gains else 1.0
    assert mcnemar(losses, gains) == pytest.approx(expected, rel=1e-9)


@given(st.integers(0, 60), st.integers(0, 60))
def test_one_more_loss_never_looks_better(losses: int, gains: int) -> None:
    assert mcnemar(losses + 1, gains) <= mcnemar(losses, gains)
    assert 0 < mcnemar(losses, gains) <= 1


def test_known_p_values_of_clear_losses() -> None:
    assert [mcnemar(k, 0) for k in (0, 1, 5)] == [1.0, 0.5, 1 / 32]
    assert all(a > b for a, b in pairwise(mcnemar(k, 3) for k in range(3, 20)))
