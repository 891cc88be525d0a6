"""Figures from elsewhere: what answers a photo has learnt nothing from its part, the threshold included."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.split import SplitRow
from pipeline.evaluate import elsewhere, learning_curve
from pipeline.evaluate.elsewhere import Fit, left_out
from pipeline.metrics.scores import score
from pipeline.models.crossval import Parts
from pipeline.models.photos import Photos

FIT = Fit(strength=0.1, rejected=0.1)
OUTPUTS = ("art", "plant", "other")


def photos(each: int, sources: int = 4, test: int = 0) -> Photos:
    """``each`` photos an output, in turn of so many sources (0: unknown), the last ``test`` of them tested."""
    rows = [
        SplitRow(
            file=f"{label}/{i:03}.jpg",
            label=label,
            group=f"{label}{i}",
            kind="real",
            split="test" if i >= each - test else "train",
            sha256=f"{label}{i}",
            source=f"source{i % sources}" if sources else "",
        )
        for label in OUTPUTS
        for i in range(each)
    ]
    return Photos(tuple(rows), Path("nowhere"), OUTPUTS, labels=2)


def clouds(of: Photos, distance: float = 6.0, seed: int = 0) -> np.ndarray:
    """Features [n, 40] in a cloud for each output."""
    rng = np.random.default_rng(seed)
    centres = np.eye(3, 40) * distance
    return np.asarray(centres[of.targets] + rng.normal(0, 1, (len(of.rows), 40)), np.float32)


def test_a_parts_own_photos_have_no_say_in_what_answers_and_calibrates_them() -> None:
    """Whatever stands in the features of its other photos, and whatever label they have, a photo's answer stays."""
    whole = photos(16)
    apart, x = whole.parts(), clouds(whole, 2.0)
    before = left_out(x, whole, apart, FIT)
    out = np.flatnonzero(apart.index == 0)
    rows = list(whole.rows)
    for i in out:
        rows[i] = replace(rows[i], label=OUTPUTS[(OUTPUTS.index(rows[i].label) + 1) % 3])
    after = left_out(x, replace(whole, rows=tuple(rows)), apart, FIT)
    assert isinstance(before.threshold, np.ndarray)
    assert isinstance(after.threshold, np.ndarray)
    assert (after.threshold[out] == before.threshold[out]).all()
    assert (after.probabilities[out] == before.probabilities[out]).all()
    assert (after.id_score[out] == before.id_score[out]).all()
    others = apart.index != 0
    assert not (after.threshold[others] == before.threshold[others]).all()


def test_about_as_many_are_rejected_as_the_setting_says_and_the_clear_ones_are_right() -> None:
    whole = photos(60)
    found = score(left_out(clouds(whole), whole, whole.parts(), FIT), seed=0)
    assert found.closed_set_accuracy.value == 1
    assert found.fnr.value == pytest.approx(FIT.rejected, abs=0.06)
    assert found.served_accuracy.value == pytest.approx(1 - FIT.rejected, abs=0.06)
    assert found.fpr.value == 0


def test_photos_of_a_source_are_one_cluster_and_without_sources_those_of_a_group() -> None:
    known, unknown = photos(12), photos(12, sources=0)
    by_source = left_out(clouds(known), known, known.parts(), FIT)
    by_group = left_out(clouds(unknown), unknown, unknown.parts(), FIT)
    assert len(set(by_source.clusters)) == 4
    assert by_group.clusters == tuple(row.group for row in unknown.rows)


def test_each_variant_is_measured_beside_what_the_commonest_label_alone_would_get() -> None:
    whole = photos(20)
    rows = [row for row in whole.rows if row.label != "plant" or int(row.file[6:9]) < 10]
    uneven = Photos(tuple(rows), whole.folder, OUTPUTS, 2)
    x = clouds(uneven)
    figures, answers = elsewhere.measure(uneven, {"fp32": x, "int8": x}, FIT, seed=0)
    assert (figures.method, figures.recipe, figures.parts) == ("leave-one-source-out", "probe", 4)
    assert set(figures.variants) == set(answers) == {"fp32", "int8"}
    assert figures.baselines["commonest label"].value == pytest.approx(20 / 30)
    assert figures.baselines["commonest label"].n == 30


def test_on_the_test_split_a_guess_by_source_is_a_baseline_of_its_own() -> None:
    """Where each source has pictures of one label, the source tells the label."""
    rows = [
        SplitRow(f"{label}/{i}.jpg", label, f"{label}{i}", "real", "test" if i > 5 else "train", "", label)
        for label in OUTPUTS
        for i in range(8)
    ]
    split = Photos(tuple(rows), Path("nowhere"), OUTPUTS, 2)
    found = elsewhere.test_baselines(split, None, FIT, seed=0)
    assert found["commonest label"].value == 0.5
    assert found["source's commonest label"].value == 1.0
    assert found["source's commonest label"].n == 4


def test_predictions_name_the_label_or_nothing_and_the_photos_own_label() -> None:
    whole = photos(12)
    answers = left_out(clouds(whole), whole, whole.parts(), FIT)
    rows = elsewhere.predictions(whole, {"fp32": answers})
    assert len(rows) == len(whole.rows)
    assert {row.truth for row in rows} == set(OUTPUTS)
    assert {row.answer for row in rows} <= {"art", "plant", ""}
    right = np.mean([row.right(("art", "plant")) for row in rows])
    assert right == pytest.approx(score(answers, seed=0).open_set_accuracy.value)


def test_one_part_alone_is_answered_with_what_can_be_known_without_it() -> None:
    whole = photos(4)
    alone = Parts(np.zeros(12, np.intp), 1, "grouped-k-fold")
    answers = left_out(clouds(whole), whole, alone, FIT)
    assert np.isfinite(answers.probabilities).all()
    assert answers.probabilities == pytest.approx(0.5)


@pytest.mark.parametrize("each", [2, 3])
def test_of_too_few_photos_the_learning_curve_says_nothing(each: int) -> None:
    whole = photos(each, sources=0)
    for gain in learning_curve.gains(clouds(whole), whole, FIT, seed=0).values():
        assert (gain.expected, gain.low, gain.high) == (None, None, None)


def test_where_every_photo_is_right_more_photos_bring_no_more_than_there_is_to_win() -> None:
    whole = photos(40)
    found = learning_curve.gains(clouds(whole, 20.0), whole, FIT, seed=0, more=20)
    assert set(found) == {"art", "plant"}
    for gain in found.values():
        assert gain.photos == 20
        if gain.expected is not None:
            assert gain.low is not None
            assert gain.high is not None
            assert gain.low <= gain.expected <= gain.high <= 1


def test_the_learning_curve_is_the_same_for_the_same_seed() -> None:
    whole = photos(20)
    x = clouds(whole, 3.0)
    assert learning_curve.gains(x, whole, FIT, 1) == learning_curve.gains(x, whole, FIT, 1)


def test_an_interval_that_helps_nobody_is_not_shown() -> None:
    steep = learning_curve._gain(np.array([2.0, 2, 10, 10]), np.array([0.0, 0.9, 0.1, 0.8]), 20, own=10, seed=0)
    assert steep.expected is None
    line = learning_curve._gain(
        np.array([5.0, 10, 20]).repeat(4), np.array([0.5, 0.55, 0.6]).repeat(4), 20, own=20, seed=0
    )
    assert line.expected == pytest.approx(0.05)  # as much as from 5 to 10, or from 10 to 20
