"""What is taken for the same picture, and what is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from pipeline.data.components import first_of_component
from pipeline.validate.duplicates import bursts, closest, near, same, similar, sittings, unit
from pipeline.validate.inspection import Measures, inspect
from tests.photo_folder import encoded, picture


def measures(folder: Path, image: Image.Image, name: str = "a.jpg", quality: int = 75) -> Measures:
    (folder / name).write_bytes(encoded(image, quality=quality))
    found = inspect(folder, name, max_pixels=1_000_000, thumbnail=96).measures
    assert found is not None
    return found


def alike(*pictures: Measures) -> list[list[int]]:
    return near(pictures, distance=10, correlation=0.9)


@pytest.mark.parametrize("number", range(5))
def test_copies_are_alike(tmp_path: Path, number: int) -> None:
    original = picture(number, (640, 480))
    copies = [
        original,
        original.resize((320, 240)),
        ImageEnhance.Contrast(original).enhance(0.7),
        original.crop((6, 6, 634, 474)),
    ]
    assert alike(*(measures(tmp_path, copy) for copy in copies), measures(tmp_path, original, quality=30)) == [
        [0, 1, 2, 3, 4]
    ]


def test_different_pictures_are_not_alike(tmp_path: Path) -> None:
    assert alike(*(measures(tmp_path, picture(number)) for number in range(40))) == []


def test_equal_hashes_of_different_looks_are_not_alike(tmp_path: Path) -> None:
    one, other = (measures(tmp_path, picture(number)) for number in (1, 2))
    assert alike(one, replace(other, phash=one.phash)) == []
    assert alike(one, replace(other, phash=one.phash ^ 1)) == []


def test_pictures_of_one_colour_raise_no_error(tmp_path: Path) -> None:
    white, grey = (measures(tmp_path, Image.new("RGB", (60, 60), (value,) * 3)) for value in (255, 128))
    assert alike(white, grey, measures(tmp_path, picture(1))) == [[0, 1]]


def brute_force(pictures: list[Measures], distance: int) -> list[list[int]]:
    pairs = [
        (i, j)
        for i, one in enumerate(pictures)
        for j, other in enumerate(pictures[:i])
        if (one.phash ^ other.phash).bit_count() <= distance
    ]
    return same(first_of_component(len(pictures), pairs).tolist())


@pytest.mark.parametrize("number", [1, 2, 700])  # more than a block as well
def test_the_fast_search_finds_what_comparing_all_pairs_finds(tmp_path: Path, number: int) -> None:
    random = np.random.default_rng(number)
    seeds = random.integers(0, 2**63, max(1, number // 3))
    flips = random.integers(0, 63, (number, 2))
    model = measures(tmp_path, picture(1))
    pictures = [
        replace(model, phash=int(random.choice(seeds)) ^ int(np.bitwise_xor.reduce(1 << flip))) for flip in flips
    ]
    found = near(pictures, distance=4, correlation=0.9)
    assert found == brute_force(pictures, 4)
    assert number < 3 or len(found) > 100


def test_same_keeps_the_order() -> None:
    assert same(["b", "a", "b", "c", "a", "b"]) == [[0, 2, 5], [1, 4]]


def test_a_burst_is_one_camera_in_a_short_time(tmp_path: Path) -> None:
    model = measures(tmp_path, picture(1))
    taken = [("x", 0.0), ("x", 9.0), ("x", 18.0), ("x", 29.0), ("y", 9.0), ("x", None), ("y", 10.0)]
    pictures = [replace(model, camera=camera, taken=time) for camera, time in taken]
    assert bursts(pictures, seconds=10) == [(0, 1), (1, 2), (4, 6)]


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
def test_the_time_in_a_file_name(tmp_path: Path, name: str, seconds: int | None) -> None:
    noon = measures(tmp_path, picture(1), "IMG_20260301_120000.jpg").taken
    taken = measures(tmp_path, picture(1), name.replace(".png", ".jpg")).taken
    assert noon is not None
    assert (taken is None) == (seconds is None)
    assert taken is None or taken - noon == seconds


def directions(number: int, seed: int = 0) -> np.ndarray:
    """Features that have nothing in common but chance."""
    return unit(np.random.default_rng(seed).normal(size=(number, 64)).astype(np.float32))


def test_what_hangs_together_bears_its_first_index() -> None:
    assert first_of_component(6, [(4, 1), (5, 4), (3, 2)]).tolist() == [0, 1, 2, 2, 1, 1]
    assert first_of_component(2, []).tolist() == [0, 1]


@pytest.mark.parametrize("number", [3, 700])  # more than a block as well
def test_similar_features_are_found_in_any_block(number: int) -> None:
    features = np.concatenate([directions(number), directions(number) + 0.01])
    assert similar(unit(features), similarity=0.95) == [[index, index + number] for index in range(number)]


@pytest.mark.parametrize("number", [2, 30, 700])
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


def test_photos_of_one_sitting_follow_one_another(tmp_path: Path) -> None:
    model = measures(tmp_path, picture(1))
    one, other = directions(2)
    names = ["mug 9.jpg", "mug 10.jpg", "mug 11.jpg", "mug 100.jpg"]
    features = np.stack([one, one, other, one])
    assert sittings(names, [model] * 4, features, seconds=600, similarity=0.75) == [(0, 1)]
    times = [replace(model, taken=taken) for taken in (0.0, 615.0, 15.0, 1300.0)]
    assert sittings(names, times, np.stack([one] * 4), seconds=600, similarity=0.75) == [(0, 2), (2, 1)]
