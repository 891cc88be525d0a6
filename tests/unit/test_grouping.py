"""What is taken for the same picture, for one burst or sitting, and what is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_sample_image
from sklearn.preprocessing import normalize

from pipeline.data.adoption import row_of
from pipeline.data.manifest import Row
from pipeline.data.split import SplitSettings, first_of_component
from pipeline.models import features as pretrained
from pipeline.validate.checks import Picture, ValidateSettings
from pipeline.validate.grouping import closest, group, same, series, similar
from pipeline.validate.inspection import Measures, inspect, time_in_name
from tests.photo_folder import encoded, picture

CONF = Path(__file__).parents[2] / "conf"
SPLIT = SplitSettings(**yaml.safe_load((CONF / "split/default.yaml").read_text(encoding="utf-8")))
VALIDATE = ValidateSettings(**yaml.safe_load((CONF / "validate/default.yaml").read_text(encoding="utf-8")))


@pytest.fixture
def one(tmp_path: Path) -> Picture:
    """A photo of which nothing is known."""
    (tmp_path / "art").mkdir()
    (tmp_path / "art/a.jpg").write_bytes(encoded(picture(1)))
    measures = inspect(tmp_path, "art/a.jpg", max_pixels=1_000_000, thumbnail=96)
    assert isinstance(measures, Measures)
    return Picture("art/a.jpg", row_of(tmp_path, "art/a.jpg"), measures)


def taken(model: Picture, *times: tuple[str, float | None], row: Row | None = None) -> list[Picture]:
    """Photos by a camera at a time."""
    return [
        replace(model, row=row or model.row, measures=replace(model.measures, camera=camera, taken=time))
        for camera, time in times
    ]


def directions(number: int, seed: int = 0) -> NDArray[np.float32]:
    """Features that have nothing in common but chance."""
    features: NDArray[np.float32] = normalize(np.random.default_rng(seed).normal(size=(number, 64)).astype(np.float32))
    return features


@pytest.fixture
def views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Picture]:
    """A photo, its copies, the photo with less contrast and mirrored, then twelve parts of it."""
    monkeypatch.chdir(tmp_path)
    photo = Image.fromarray(load_sample_image("china.jpg"))  # 640 x 427
    images = [photo, photo.resize((480, 320)), photo.crop((3, 2, 637, 425))]
    images += [ImageEnhance.Contrast(photo).enhance(0.7), ImageOps.mirror(photo)]
    images += [photo.crop((x, y, x + 160, y + 140)) for x in range(0, 640, 160) for y in (0, 140, 280)]
    pictures = []
    (tmp_path / "art").mkdir()
    for index, image in enumerate(images):
        file = f"art/{index:02}.jpg"
        (tmp_path / file).write_bytes(encoded(image, quality=60))
        measures = inspect(tmp_path, file, max_pixels=1_000_000, thumbnail=96)
        assert isinstance(measures, Measures)
        pictures.append(Picture(file, replace(row_of(tmp_path, file), group=file), measures))
    return pictures


def test_copies_and_mirrored_copies_are_known_and_parts_of_one_photo_are_not_taken_for_them(
    views: list[Picture], tmp_path: Path
) -> None:
    photos = [pretrained.Photo(tmp_path / each.file, each.measures.sha256) for each in views]
    features = normalize(pretrained.of(photos, "efficientnet_lite0", 224))
    found = group(views, features, VALIDATE, SPLIT, exempt=())
    assert found.alike == [[0, 1, 2, 3, 4]]
    assert [problem.kind for problem in found.problems] == ["near_duplicate"]
    alone = group(views, np.eye(len(views), dtype=np.float32), VALIDATE, SPLIT, exempt=())
    assert alone.alike == [[0, 1, 2, 3]], "what grey values alone tell"


def test_pictures_of_one_colour_raise_no_error(one: Picture) -> None:
    white, grey = (
        replace(one, measures=replace(one.measures, look=f"{value:02x}" * 256, pixels=str(value)))
        for value in (255, 128)
    )
    group([one, white, grey], directions(3), VALIDATE, SPLIT, exempt=())


def test_same_keeps_the_order() -> None:
    assert same(["b", "a", "b", "c", "a", "b"]) == [[0, 2, 5], [1, 4]]


def test_what_hangs_together_bears_its_first_index() -> None:
    assert first_of_component(6, [(4, 1), (5, 4), (3, 2)]).tolist() == [0, 1, 2, 2, 1, 1]
    assert first_of_component(2, []).tolist() == [0, 1]


@pytest.mark.parametrize("number", [3, 700])
def test_similar_features_are_found(number: int) -> None:
    features = np.concatenate([directions(number), directions(number) + 0.01])
    assert similar(normalize(features), 0.95) == [[index, index + number] for index in range(number)]
    assert similar(features[:0], 0.95) == []


@pytest.mark.parametrize("number", [2, 30, 700])  # more than a block as well
def test_the_closest_pairs_are_those_that_comparing_all_pairs_finds(number: int) -> None:
    features = directions(number)
    names = [("art", "plant")[index % 3 == 0] for index in range(number)]
    pairs = sorted(
        (-float(features[one] @ features[other]), one, other)
        for one in range(number)
        for other in range(one + 1, number)
        if names[one] != names[other]
    )
    found = closest(features, names, 5)
    assert [pair[1:] for pair in found] == [pair[1:] for pair in pairs[:5]]
    assert [pair[0] for pair in found] == pytest.approx([-pair[0] for pair in pairs[:5]])


def test_a_burst_is_one_camera_in_a_short_time(one: Picture) -> None:
    times = ("x", 0.0), ("x", 9.0), ("x", 18.0), ("x", 29.0), ("y", 9.0), ("x", None), ("y", 10.0)
    pictures = taken(one, *times, row=replace(one.row, source_package="gcompris"))
    assert series(pictures, directions(7), SPLIT) == ([[0, 1], [1, 2], [4, 6]], [])


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("IMG_20260301_120005.jpg", 5),
        ("PXL_20260301_120005123.jpg", 5),
        ("2026-03-01 12.00.05.jpg", 5),
        ("Screenshot_2026-03-01-12-00-05.png", 5),
        ("20260301120005.jpg", None),
        ("IMG_20269901_120005.jpg", None),
        ("IMG_4711.jpg", None),
        ("wesnoth-1-16-data__2026030112000599.jpg", None),
    ],
)
def test_the_time_in_a_file_name(name: str, seconds: int | None) -> None:
    noon = time_in_name("art/IMG_20260301_120000.jpg")
    found = time_in_name(f"art/{name}")
    assert noon is not None
    assert (found is None) == (seconds is None)
    assert found is None or found - noon == seconds


def test_photos_of_one_sitting_follow_one_another(one: Picture) -> None:
    this, that = directions(2)
    names = ["mug 9.jpg", "mug 10.jpg", "mug 11.jpg", "mug 100.jpg"]
    pictures = [replace(one, file=name) for name in names]
    assert series(pictures, np.stack([this, this, that, this]), SPLIT) == ([], [[0, 1]])
    timed = taken(one, *(("x", time) for time in (0.0, 615.0, 15.0, 1300.0)))
    assert series(timed, np.stack([this] * 4), SPLIT) == ([], [[0, 2], [2, 1]])


@pytest.mark.parametrize("said", [{"source_package": "gcompris"}, {"group": "the mug"}])
def test_where_somebody_has_said_what_photos_are_no_sitting_is_guessed(one: Picture, said: dict[str, str]) -> None:
    pictures = [replace(one, row=replace(one.row, **said))] * 3
    assert series(pictures, np.stack([directions(1)[0]] * 3), SPLIT) == ([], [])
