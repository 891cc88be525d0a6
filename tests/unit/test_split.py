"""What the split promises: groups stay whole, a new photo moves no other, every label is on every side."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import DataError
from pipeline.data.split import (
    SIDES,
    TEST,
    TRAIN,
    VALID,
    SplitRow,
    SplitSettings,
    assign,
    merge_groups,
    read_split,
    write_split,
)

SETTINGS = SplitSettings(
    test=0.15,
    valid=0.15,
    salt="a salt",
    min_groups=1,
    min_train=0.5,
    burst_seconds=10,
    sitting_seconds=600,
    sitting_similarity=0.75,
)
HEADER = "file,label,group,kind,split,sha256,source"
ROWS = [
    SplitRow("plant/ä.jpg", "plant", "g2", "real", "test", "ab", "gcompris, data"),
    SplitRow('art/"quoted", comma.jpg', "art", "g1", "rendered", "train", "cd"),
]
GROUPS = st.lists(st.sampled_from([f"g{n}" for n in range(30)]), min_size=1, max_size=60)
LABELS = st.lists(st.sampled_from(["art", "plant", "text"]), min_size=60, max_size=60)


@given(GROUPS, LABELS)
def test_a_group_is_never_divided(groups: list[str], labels: list[str]) -> None:
    sides = assign(groups, labels[: len(groups)], SETTINGS)
    assert len(set(zip(groups, sides, strict=True))) == len(set(groups))


@given(GROUPS)
def test_a_label_with_three_groups_is_on_every_side(groups: list[str]) -> None:
    sides = assign(groups, ["art"] * len(groups), SETTINGS)
    expected = min(3, len(set(groups)))
    assert len(set(sides)) >= expected
    assert TRAIN in sides
    assert expected < 2 or TEST in sides


@given(GROUPS)
def test_half_of_a_label_teaches_if_the_others_can_spare_it(groups: list[str]) -> None:
    groups = sorted(set(groups))
    if len(groups) >= 4:
        sides = assign(groups, ["art"] * len(groups), SETTINGS)
        assert sides.count(TRAIN) >= len(groups) / 2


def test_the_fractions_are_met_by_many_groups() -> None:
    groups = [f"sha:{number}" for number in range(20_000)]
    sides = assign(groups, ["art"] * len(groups), SETTINGS)
    share = {side: sides.count(side) / len(sides) for side in SIDES}
    assert share == pytest.approx({TRAIN: 0.7, VALID: 0.15, TEST: 0.15}, abs=0.01)


def test_a_new_photo_moves_no_other() -> None:
    groups = [f"sha:{number}" for number in range(200)]
    labels = ["art", "plant"] * 100
    before = assign(groups, labels, SETTINGS)
    for number in range(50):
        groups.append(f"sha:new{number}")
        labels.append("plant")
        assert assign(groups, labels, SETTINGS)[:200] == before


def test_a_new_photo_that_resembles_an_old_one_joins_its_side() -> None:
    groups = [f"sha:{number}" for number in range(200)]
    before = assign(groups, ["art"] * 200, SETTINGS)
    for old in range(200):
        merged = merge_groups([*groups, "sha:new"], [[old, 200]])
        after = assign(merged, ["art"] * 201, SETTINGS)
        assert after[:200] == before
        assert after[200] == before[old]


def test_the_order_of_the_photos_does_not_matter() -> None:
    groups = [f"sha:{number}" for number in range(40)]
    sides = assign(groups, ["art"] * 40, SETTINGS)
    assert assign(groups[::-1], ["art"] * 40, SETTINGS) == sides[::-1]


def test_another_salt_is_another_split() -> None:
    groups = [f"sha:{number}" for number in range(40)]
    other = SETTINGS.model_copy(update={"salt": "another"})
    assert assign(groups, ["art"] * 40, SETTINGS) != assign(groups, ["art"] * 40, other)


def test_merged_groups_bear_the_name_of_their_oldest_photo() -> None:
    assert merge_groups(["a", "b", "c", "b", "d"], [[2, 3]]) == ["a", "b", "b", "b", "d"]
    assert merge_groups(["a", "b", "c", "d"], [[3, 0], [1, 3]]) == ["a", "a", "c", "a"]
    assert merge_groups([], []) == []


@settings(max_examples=50)
@given(GROUPS, st.lists(st.lists(st.integers(0, 59), min_size=2, max_size=4), max_size=6))
def test_what_is_tied_ends_in_one_group(groups: list[str], clusters: list[list[int]]) -> None:
    clusters = [[index % len(groups) for index in cluster] for cluster in clusters]
    merged = merge_groups(groups, clusters)
    assert all(len({merged[index] for index in cluster}) == 1 for cluster in clusters)
    assert len(set(zip(groups, merged, strict=True))) == len(set(groups))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "build/split.csv"
    write_split(path, ROWS)
    assert read_split(path) == sorted(ROWS, key=lambda row: row.file)
    first = path.read_bytes()
    write_split(path, ROWS[::-1])
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "file,label,group,kind,split,sha256\n",
        f"{HEADER}\n",
        f"{HEADER}\na.jpg,art,g,real,exam,00,\n",
        f"{HEADER}\na.jpg,art,g\n",
        f"{HEADER}\na.jpg,art,g,real,test,00,source,more\n",
        f'{HEADER}\n"a.jpg,art',
    ],
)
def test_a_bad_split_names_its_file_and_the_way_out(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "split.csv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"split\.csv .*dvc repro"):
        read_split(path)


def test_rows_can_not_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ROWS[0].split = "train"  # type: ignore[misc]


def test_nothing_left_to_train_on_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing is left to train on"):
        SplitSettings(**(SETTINGS.model_dump() | {"test": 0.5, "valid": 0.5}))
