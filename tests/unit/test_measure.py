"""Figures of a classifier that may say "none of these"."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.metrics.measure import Answers, by_kind, measure

LABELS = ("art", "plant", "text")


def answers() -> Answers:
    """Six pictures of labels, one of them wrong and one held back; four of none, one of them given a label."""
    truth = np.array([0, 0, 1, 1, 2, 2, -1, -1, -1, -1])
    best = np.array([0, 0, 1, 2, 2, 2, 0, 1, 2, 0])
    known = np.array([0.9, 0.9, 0.8, 0.9, 0.9, 0.3, 0.1, 0.2, 0.1, 0.7])
    return Answers(
        labels=LABELS,
        truth=truth,
        probabilities=np.eye(3)[best] * 0.7 + 0.1,
        id_score=known,
        threshold=0.5,
        temperature=1.0,
        groups=tuple("abcdefghij"),
    )


def test_accuracy_leaves_out_pictures_of_none_and_ignores_what_was_held_back() -> None:
    accuracy = measure(answers(), resamples=100, seed=0)["accuracy"]
    assert (accuracy["value"], accuracy["n"]) == (pytest.approx(5 / 6), 6)
    assert accuracy["low"] < 5 / 6 < accuracy["high"]


def test_recall_and_precision_of_each_label() -> None:
    figures = measure(answers(), resamples=100, seed=0)
    assert [figures["recall"][label]["value"] for label in LABELS] == [1.0, 0.5, 1.0]
    assert [figures["precision"][label]["value"] for label in LABELS] == pytest.approx([1.0, 1.0, 2 / 3])
    assert figures["f1"]["plant"]["value"] == pytest.approx(2 / 3)


def test_none_of_these_counts_what_gets_a_label_and_what_is_held_back() -> None:
    none = measure(answers(), resamples=100, seed=0)["none_of_these"]
    assert (none["fpr"]["value"], none["fpr"]["n"]) == (0.25, 4)
    assert (none["fnr"]["value"], none["fnr"]["n"]) == (pytest.approx(1 / 6), 6)
    assert none["auroc"]["value"] == pytest.approx(23 / 24)  # one of 24 pairs stands the wrong way round
    assert none["accuracy"]["value"] == pytest.approx(7 / 10)


def test_without_pictures_of_none_nothing_is_said_of_them() -> None:
    shown = answers().take(answers().truth >= 0)
    assert measure(shown, resamples=100, seed=0)["none_of_these"] is None


def test_a_label_without_a_test_picture_has_no_figure_rather_than_a_wrong_one() -> None:
    without_text = answers().take(answers().truth != 2)
    assert measure(without_text, resamples=100, seed=0)["recall"]["text"]["value"] is None


def test_the_figure_before_temperature_is_that_of_the_plain_softmax() -> None:
    plain = measure(answers(), resamples=100, seed=0)
    sharper = replace(answers(), temperature=0.5)
    figures = measure(sharper, resamples=100, seed=0)
    assert figures["log_loss"] == plain["log_loss"]
    assert figures["log_loss_uncalibrated"]["value"] != pytest.approx(plain["log_loss"]["value"])
    assert plain["log_loss_uncalibrated"]["value"] == pytest.approx(plain["log_loss"]["value"], abs=1e-6)


def test_equal_seeds_give_equal_intervals() -> None:
    assert measure(answers(), resamples=200, seed=4) == measure(answers(), resamples=200, seed=4)


def test_real_and_rendered_pictures_are_told_apart() -> None:
    kinds = ["real", "real", "rendered", "rendered", "real", "real", "real", "real", "real", "real"]
    figures = by_kind(answers(), kinds)
    assert (figures["real"]["value"], figures["real"]["n"]) == (1.0, 4)
    assert (figures["rendered"]["value"], figures["rendered"]["n"]) == (0.5, 2)
