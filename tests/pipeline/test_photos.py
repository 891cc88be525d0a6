"""The pictures as training, calibration and evaluation see them."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bundle import decode
from pipeline.core.errors import DataError
from pipeline.data.frames import read_photo
from pipeline.data.split import TRAIN, SplitRow
from pipeline.models.photos import Classes, Photos
from pipeline.models.settings import ModelSettings
from pipeline.train.loaders import OpenPicture, class_weights, dataloaders, shown_in_an_epoch
from pipeline.train.settings import AugmentSettings
from tests.pipeline.colours import settings

SIZE = 48
MODEL = ModelSettings(backbone="efficientnet_lite0", size=SIZE)
STRONG = AugmentSettings(min_scale=0.25, quarter_turns=0.5, max_rotate=20, max_warp=0.4, max_light=0.4, degrade=0.5)


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


def photos(rows: list[SplitRow], folder: Path) -> Photos:
    return Photos.of(rows, folder, Classes.of(rows, "other"))


def test_the_ood_label_is_an_output_but_never_an_answer(rows: list[SplitRow]) -> None:
    classes = Classes.of(rows, "other")
    assert classes.labels == ("art", "text")
    assert classes.outputs == ("art", "text", "other")
    assert Classes.of([r for r in rows if r.label != "other"], "other").outputs == ("art", "text")


def test_fewer_than_two_labels_are_refused(rows: list[SplitRow]) -> None:
    with pytest.raises(DataError, match=r"fewer than two labels.*dvc repro validate"):
        Classes.of([r for r in rows if r.label != "text"], "other")


def test_pictures_of_none_are_left_out_where_none_is_no_output(rows: list[SplitRow], tmp_path: Path) -> None:
    found = Photos.of(rows, tmp_path, Classes(("art", "text"), None))
    assert {each.label for each in found.rows} == {"art", "text"}
    assert set(found.targets) == {0, 1}


def test_the_test_split_is_never_fitted_on(rows: list[SplitRow], tmp_path: Path) -> None:
    sides = ["train", "valid", "test"] * len(rows)
    found = photos([replace(r, split=side) for r, side in zip(rows, sides, strict=False)], tmp_path)
    assert (found.fitted != found.tested).all()
    assert {each.split for each in found.take(found.fitted).rows} == {"train", "valid"}


def test_each_output_has_the_same_say_in_the_loss_whatever_its_number_of_pictures(
    rows: list[SplitRow], tmp_path: Path
) -> None:
    found = photos(rows, tmp_path)
    weights = class_weights(found, found.side(TRAIN), 1)
    assert (weights * torch.tensor([5, 3, 2])).std() == pytest.approx(0, abs=1e-6)
    assert weights.mean() == pytest.approx(1)


def test_an_epoch_of_a_small_set_shows_its_pictures_several_times(rows: list[SplitRow], tmp_path: Path) -> None:
    found = photos(rows, tmp_path)
    once = shown_in_an_epoch(found, found.side(TRAIN), 1)
    assert once == [each for each in found.rows if each.split == "train"]
    shown = Counter(r.label for r in shown_in_an_epoch(found, found.side(TRAIN), 90))
    assert shown == {"art": 30, "text": 30, "other": 30}


def test_a_label_of_few_pictures_is_not_drowned_by_those_of_none(rows: list[SplitRow], tmp_path: Path) -> None:
    found = photos(rows + [row(f"other/{i}.png", "other", "train") for i in range(58)], tmp_path)
    shown = Counter(r.label for r in shown_in_an_epoch(found, found.side(TRAIN), 1))
    assert shown == {"other": 60, "art": 20, "text": 21}


def test_evaluation_sees_the_very_frame_that_the_service_sees(rows: list[SplitRow], tmp_path: Path) -> None:
    large = row("art/large.jpg", "art", "test")
    noise = np.random.default_rng(1).integers(0, 256, (400, 700, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / large.file)
    found = photos([*rows, large], tmp_path)
    for frame, each in zip(found.frames(SIZE), found.rows, strict=True):
        assert np.array_equal(frame, decode.decode((tmp_path / each.file).read_bytes(), SIZE))


def test_validation_batches_are_the_served_frames_whatever_training_does_to_its_own(
    rows: list[SplitRow], tmp_path: Path
) -> None:
    found = photos(rows, tmp_path)
    loaders = dataloaders(found, found.side(TRAIN), MODEL, settings(), STRONG, torch.device("cpu"))
    pixels, targets = loaders.valid.one_batch()
    kept = found.take(~found.side(TRAIN))
    seen = (pixels.permute(0, 2, 3, 1).numpy() * 0.5 + 0.5) * 255  # Lite0: mean and deviation 0.5
    assert np.abs(seen - kept.frames(SIZE)).max() < 1
    assert targets.tolist() == kept.targets.tolist()


def test_a_large_photo_is_not_kept_large(tmp_path: Path) -> None:
    Image.new("RGB", (3000, 2000), "red").save(tmp_path / "large.png")
    assert OpenPicture(tmp_path, 100).encodes(row("large.png", "art", "train")).size == (150, 100)


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    with pytest.raises(DataError, match=r"broken\.jpg"):
        read_photo(tmp_path / "broken.jpg", 100)
    with pytest.raises(DataError, match=r"gone\.jpg"):
        read_photo(tmp_path / "gone.jpg", 100)
