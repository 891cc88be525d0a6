"""Features are computed once a photo, kept by content, and the same whatever else is asked for beside it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.core.errors import DataError
from pipeline.models import features, graph
from pipeline.models.features import AT_ONCE, Photo
from pipeline.models.graph import FOLDER

BACKBONE, SIZE = "efficientnet_lite0", 32


class Counted:
    """How many frames each call of `graph.Network.infer` was given."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def network(self) -> type[graph.Network]:
        """The network that counts."""
        calls = self.calls

        class Counting(graph.Network):
            def infer(self, outputs: Sequence[str], frames: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
                calls.append(len(frames))
                return super().infer(outputs, frames)

        return Counting


@pytest.fixture(scope="module")
def bodies() -> dict[int, bytes]:
    """The pretrained body for each size, exported once."""
    return {size: graph.pretrained(BACKBONE, size) for size in (SIZE, 48)}


@pytest.fixture
def counted(bodies: dict[int, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """An empty folder, and the count."""
    monkeypatch.chdir(tmp_path)
    counted = Counted()
    monkeypatch.setattr(graph, "Network", counted.network())
    monkeypatch.setattr(graph, "pretrained", lambda _, size: bodies[size])
    return counted


def photo(number: int, name: str = "") -> Photo:
    """A photo of its own in the current folder."""
    path = Path(name or f"{number}.png")
    pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return Photo(path, hashlib.sha256(path.read_bytes()).hexdigest())


def of(photos: list[Photo], size: int = SIZE) -> np.ndarray:
    return features.of(photos, BACKBONE, size)


def test_a_second_call_embeds_nothing_and_a_new_photo_itself_alone(counted: Counted) -> None:
    photos = [photo(i) for i in range(5)]
    first = of(photos)
    assert first.shape == (5, 1280)
    assert counted.calls == [5]
    assert np.array_equal(of(photos), first)
    assert counted.calls == [5]
    more = of([photo(9), *photos])
    assert counted.calls == [5, 1]
    assert np.array_equal(more[1:], first)


def test_photos_are_known_by_content_and_not_by_name(counted: Counted) -> None:
    first = of([photo(1)])
    assert np.array_equal(of([photo(1, "renamed.png")]), first)
    assert counted.calls == [1]
    assert not np.array_equal(of([photo(2, "1.png")]), first)
    assert counted.calls == [1, 1]


def test_a_photo_that_is_there_twice_is_embedded_once(counted: Counted) -> None:
    twice = of([photo(1), photo(1, "copy.png")])
    assert np.array_equal(twice[0], twice[1])
    assert counted.calls == [1]


def test_another_size_has_a_cache_of_its_own(counted: Counted) -> None:
    assert not np.array_equal(of([photo(1)]), of([photo(1)], size=48))
    assert counted.calls == [1, 1]
    assert len(list(FOLDER.iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file", b"no archive"])
def test_a_damaged_cache_is_computed_anew(counted: Counted, damage: bytes) -> None:
    first = of([photo(1)])
    (cache,) = FOLDER.iterdir()
    whole = cache.read_bytes()
    cache.write_bytes(damage)
    assert np.array_equal(of([photo(1)]), first)
    assert counted.calls == [1, 1]
    cache.write_bytes(whole[: len(whole) // 2])
    assert np.array_equal(of([photo(1)]), first)
    assert counted.calls == [1, 1, 1]
    of([photo(1)])
    assert counted.calls == [1, 1, 1]


def test_a_photos_features_do_not_depend_on_its_neighbours(bodies: dict[int, bytes]) -> None:
    """To the bit."""
    pixels = np.random.default_rng(0).integers(0, 256, (9, SIZE, SIZE, 3), dtype=np.uint8)
    (together,) = graph.infer(bodies[SIZE], [graph.FEATURES], pixels)
    for i in (0, 4, 8):
        assert np.array_equal(graph.infer(bodies[SIZE], [graph.FEATURES], pixels[i : i + 1])[0][0], together[i])


def test_the_pretrained_body_is_exported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = graph.pretrained(BACKBONE, SIZE)
    monkeypatch.setattr(graph, "export_body", None)
    assert graph.pretrained(BACKBONE, SIZE) == first


def test_progress_reaches_the_number_of_photos(counted: Counted) -> None:
    heard: list[tuple[int, int]] = []
    of([photo(0)])
    features.of([photo(i) for i in range(AT_ONCE + 2)], BACKBONE, SIZE, progress=lambda *done: heard.append(done))
    assert heard == [(AT_ONCE + 1, AT_ONCE + 2), (AT_ONCE + 2, AT_ONCE + 2)]


def test_a_photo_that_is_no_picture_is_named_and_nothing_is_kept(counted: Counted) -> None:
    Path("broken.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.jpg"):
        of([photo(1), Photo(Path("broken.jpg"), "0" * 64)])
    assert not FOLDER.exists()


def test_no_photos_have_no_features(counted: Counted) -> None:
    assert of([]).shape == (0, 1280)
