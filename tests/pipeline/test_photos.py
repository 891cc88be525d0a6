"""The pictures as training, calibration and evaluation see them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pipeline.models.dataset import (
    Classes,
    OpenPicture,
    camera_views,
    class_weights,
    dataloaders,
    read_picture,
    served_frames,
    shown_in_an_epoch,
)

from bundle import decode
from pipeline.core.errors import DataError
from pipeline.data.split import SplitRow
from pipeline.models.backbones import BACKBONES
from pipeline.train.augment import AugmentSettings

SIZE = 48
STRONG = AugmentSettings(
    min_scale=0.25, quarter_turns=0.5, max_rotate=20, max_warp=0.4, max_light=0.4, degrade=0.5
)
NOTHING = AugmentSettings(min_scale=1, quarter_turns=0, max_rotate=0, max_warp=0, max_light=0, degrade=0)


def row(file: str, label: str, split: str) -> SplitRow:
    return SplitRow(file=file, label=label, group=file, kind="real", split=split, sha256="")


@pytest.fixture
def rows(tmp_path: Path) -> list[SplitRow]:
    """Pictures of two labels and of none, in tmp_path, some taller and some wider than a square."""
    rng = np.random.default_rng(0)
    made = []
    for label, count in (("art", 6), ("text", 4), ("other", 3)):
        (tmp_path / label).mkdir()
        for i in range(count):
            shape = (60, 71, 3) if i % 2 else (68, 55, 3)
            name = f"{label}/{i}.jpg"
            Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / name)
            made.append(row(name, label, "valid" if i == 0 else "train"))
    return made


def test_the_ood_label_is_an_output_but_never_an_answer(rows: list[SplitRow]) -> None:
    classes = Classes.of(rows, "other")
    assert classes.labels == ("art", "text")
    assert classes.outputs == ("art", "text", "other")
    assert Classes.of([r for r in rows if r.label != "other"], "other").outputs == ("art", "text")


def test_each_output_has_the_same_say_in_the_loss_whatever_its_number_of_pictures(
    rows: list[SplitRow],
) -> None:
    classes = Classes.of(rows, "other")
    weights = class_weights(shown_in_an_epoch(rows, classes, 1), classes)
    assert (weights * torch.tensor([5, 3, 2])).std() == pytest.approx(0, abs=1e-6)
    assert weights.mean() == pytest.approx(1)


def test_an_epoch_of_a_small_set_shows_its_pictures_several_times(rows: list[SplitRow]) -> None:
    classes = Classes.of(rows, "other")
    train = [r for r in rows if r.split == "train"]
    assert shown_in_an_epoch(rows, classes, 1) == train
    shown = Counter(r.label for r in shown_in_an_epoch(rows, classes, 90))
    assert shown == {"art": 30, "text": 30, "other": 30}


def test_a_label_of_few_pictures_is_not_drowned_by_those_of_none(rows: list[SplitRow]) -> None:
    classes = Classes.of(rows, "other")
    many = rows + [row(f"other/{i}", "other", "train") for i in range(58)]
    shown = Counter(r.label for r in shown_in_an_epoch(many, classes, 1))
    assert shown == {"other": 60, "art": 20, "text": 21}


def test_evaluation_sees_the_very_frame_that_the_service_sees(rows: list[SplitRow], tmp_path: Path) -> None:
    large = row("art/large.jpg", "art", "test")
    noise = np.random.default_rng(1).integers(0, 256, (400, 700, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / large.file)
    rows.append(large)
    frames = served_frames(rows, tmp_path, SIZE)
    for frame, each in zip(frames, rows, strict=True):
        assert np.array_equal(frame, decode.decode((tmp_path / each.file).read_bytes(), SIZE))


def test_without_augmentation_validation_batches_are_the_served_frames(
    rows: list[SplitRow], tmp_path: Path
) -> None:
    loaders = dataloaders(
        rows,
        Classes.of(rows, "other"),
        tmp_path,
        size=SIZE,
        batch_size=4,
        epoch_pictures=1,
        augment=STRONG,
        backbone=BACKBONES["efficientnet_lite0"],
        device=torch.device("cpu"),
    )
    pixels, targets = loaders.valid.one_batch()
    frames = served_frames([r for r in rows if r.split == "valid"], tmp_path, SIZE)
    seen = (pixels.permute(0, 2, 3, 1).numpy() * 0.5 + 0.5) * 255  # Lite0: mean and deviation 0.5
    assert np.abs(seen - frames).max() < 1
    assert targets.tolist() == [0, 1, 2]


def test_a_none_only_split_row_is_left_out_when_it_is_no_output(rows: list[SplitRow], tmp_path: Path) -> None:
    classes = Classes(("art", "text"), None)
    loaders = dataloaders(
        rows,
        classes,
        tmp_path,
        size=SIZE,
        batch_size=4,
        epoch_pictures=1,
        augment=NOTHING,
        backbone=BACKBONES["efficientnet_lite0"],
        device=torch.device("cpu"),
    )
    assert len(loaders.train_ds) == 8
    assert len(loaders.valid_ds) == 2


def test_camera_views_differ_from_each_other_and_are_the_same_each_time(
    rows: list[SplitRow], tmp_path: Path
) -> None:
    views = camera_views(rows, tmp_path, SIZE, STRONG, 2, seed=5)
    assert views.shape == (2 * len(rows), SIZE, SIZE, 3)
    assert views.dtype == np.uint8
    assert not np.array_equal(views[: len(rows)], views[len(rows) :])
    assert np.array_equal(views, camera_views(rows, tmp_path, SIZE, STRONG, 2, seed=5))
    assert not np.array_equal(views, camera_views(rows, tmp_path, SIZE, STRONG, 2, seed=6))


def test_a_large_photo_is_not_kept_large(tmp_path: Path) -> None:
    Image.new("RGB", (3000, 2000), "red").save(tmp_path / "large.png")
    assert OpenPicture(tmp_path, 100).encodes(row("large.png", "art", "train")).size == (150, 100)


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    with pytest.raises(DataError, match=r"broken\.jpg"):
        read_picture(tmp_path / "broken.jpg", 100)
    with pytest.raises(DataError, match=r"gone\.jpg"):
        read_picture(tmp_path / "gone.jpg", 100)
