"""Cross-validation: a photo is never answered by a head that was fitted on its source, or on its group."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.models import crossval
from pipeline.models.crossval import (
    FOLDS,
    MOST_SOURCES,
    Parts,
    choose_strength,
    grouped_folds,
    out_of_fold,
    parts,
)
from pipeline.models.head import Space

RNG = np.random.default_rng(4)
# source, group, target; the third target is none of the two labels
PHOTOS = st.lists(
    st.tuples(st.sampled_from(["", "ada", "ben", "cleo"]), st.integers(0, 12), st.integers(0, 2)),
    min_size=1,
    max_size=40,
)


def made(photos: list[tuple[str, int, int]]) -> tuple[list[str], list[str], np.ndarray, Parts]:
    sources, numbers, targets = ([photo[i] for photo in photos] for i in range(3))
    groups = [f"g{number}" for number in numbers]
    found = parts(sources, groups, np.array(targets, np.intp), 2, seed=0)  # type: ignore[arg-type]
    return sources, groups, np.array(targets), found  # type: ignore[return-value]


@given(PHOTOS)
def test_every_photo_is_in_one_part_and_no_part_is_empty(photos: list[tuple[str, int, int]]) -> None:
    *_, found = made(photos)
    assert np.bincount(found.index, minlength=found.number).min() > 0
    assert len(np.bincount(found.index)) == found.number


@given(PHOTOS)
def test_groups_stay_whole_where_sources_are_not_known(photos: list[tuple[str, int, int]]) -> None:
    _, groups, _, found = made([("", group, target) for _, group, target in photos])
    assert len(set(zip(groups, found.index, strict=True))) == len(set(groups))
    assert found.method == "grouped-k-fold"


def test_a_source_is_never_on_both_sides() -> None:
    photos = [("ada", i, i % 2) for i in range(9)] + [("ben", 20 + i, i % 2) for i in range(7)]
    sources, _, _, found = made(photos)
    assert found.method == "leave-one-source-out"
    assert found.number == 2
    assert len(set(zip(sources, found.index, strict=True))) == 2


def test_many_sources_are_put_together_and_each_stays_whole() -> None:
    photos = [(f"source {i % 120}", i, i % 2) for i in range(360)]
    sources, _, _, found = made(photos)
    assert found.number <= MOST_SOURCES
    assert len(set(zip(sources, found.index, strict=True))) == 120


def test_a_label_with_a_single_source_goes_by_group_and_is_never_left_out_as_a_whole() -> None:
    photos = [("ada" if i % 3 else "ben", i, 0) for i in range(12)] + [("cleo", 20 + i, 1) for i in range(6)]
    _, _, targets, found = made(photos)
    assert len(set(found.index[targets == 1])) > 1
    assert all((targets[found.index != part] == 1).any() for part in range(found.number))
    assert found.method == "leave-one-source-out"  # of most pictures


def test_a_group_that_is_partly_of_a_known_source_stays_whole() -> None:
    photos = [
        ("ada", 1, 0),
        ("", 1, 0),
        ("ada", 2, 0),
        ("ben", 3, 0),
        ("ada", 4, 1),
        ("ben", 5, 1),
        ("", 6, 1),
    ]
    _, groups, _, found = made(photos)
    together = {index for group, index in zip(groups, found.index, strict=True) if group == "g1"}
    assert len(together) == 1


def test_folds_hold_a_share_of_every_label_and_no_more_than_the_rarest_label_has_groups() -> None:
    targets = np.array([0] * 30 + [1] * 6, np.intp)
    folds = grouped_folds([str(i) for i in range(36)], targets, FOLDS, seed=0)
    assert set(folds) == set(range(6))
    assert all((targets[folds == fold] == 1).sum() == 1 for fold in range(6))


@pytest.mark.parametrize("groups", [[], ["one"], ["one"] * 9])
def test_a_single_group_can_not_be_parted(groups: list[str]) -> None:
    assert not grouped_folds(groups, np.arange(len(groups)) % 2, FOLDS, seed=0).any()


def test_two_photos_of_a_user_beside_known_sources_are_parted_though_each_is_of_another_label() -> None:
    photos = [(("ada", "ben")[i % 2], i, i // 2 % 2) for i in range(16)]
    *_, found = made([*photos, ("", 20, 0), ("", 21, 1)])
    assert found.number == 4
    assert found.index[-1] != found.index[-2]


def test_the_same_seed_gives_the_same_folds() -> None:
    groups, targets = [str(i) for i in range(40)], np.arange(40) % 3
    assert grouped_folds(groups, targets, 5, 1).tolist() == grouped_folds(groups, targets, 5, 1).tolist()
    assert grouped_folds(groups, targets, 5, 1).tolist() != grouped_folds(groups, targets, 5, 2).tolist()


@given(PHOTOS, st.integers(1, 6))
def test_parts_that_are_put_together_tear_none(photos: list[tuple[str, int, int]], most: int) -> None:
    *_, found = made(photos)
    coarse = found.coarse(most)
    assert coarse.number == min(most, found.number)
    assert set(coarse.index) == set(range(coarse.number))
    assert len(set(zip(found.index, coarse.index, strict=True))) == found.number


def test_a_photos_logits_do_not_depend_on_its_own_label_or_those_of_its_fold() -> None:
    x, targets, folds = RNG.normal(size=(30, 50)), np.arange(30) % 3, np.arange(30) // 10
    before = out_of_fold(x, targets, folds, 3, 0.1)
    wrong = np.where(folds == 1, (targets + 1) % 3, targets)
    after = out_of_fold(x, wrong, folds, 3, 0.1)
    assert (after[folds == 1] == before[folds == 1]).all()
    assert not np.allclose(after[folds == 0], before[folds == 0])


def test_of_noise_the_weakest_head_is_chosen_and_every_strength_has_its_loss() -> None:
    x, targets = RNG.normal(size=(60, 20)), np.arange(60) % 3
    apart = parts([""] * 60, [str(i) for i in range(60)], targets, 3, seed=0)
    strength, losses = choose_strength(Space(x), targets, apart, 3)
    assert set(losses) == set(crossval.STRENGTHS)
    assert strength == min(losses, key=lambda each: losses[each])
    # Nobody can do better on noise than to say that he does not know: ln 3.
    assert min(losses.values()) > np.log(3) - 0.02
