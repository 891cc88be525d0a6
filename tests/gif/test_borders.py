"""crop=auto takes off what never changes at the edges, and nothing of a film that has no such thing."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.gif.__main__ import main
from scripts.gif.borders import of_frames
from scripts.gif.settings import Crop
from tests.gif.conftest import Film

HEIGHT, WIDTH = 600, 270


def moving(frames: int = 12) -> NDArray[np.uint8]:
    """Grey frames in which everything changes."""
    return np.random.default_rng(1).integers(0, 255, (frames, HEIGHT, WIDTH), dtype=np.uint8)


def test_status_bar_goes_though_its_clock_changes() -> None:
    frames = moving()
    frames[:, :24] = 30
    frames[:6, 8:16, 10:14] = 250
    frames[6:, 8:16, 12:18] = 250
    assert of_frames(frames) == Crop(top=24)


def test_status_bar_goes_where_an_app_head_that_never_changes_follows() -> None:
    frames = moving()
    frames[:, :24] = 30
    frames[:, 24:90] = 90
    frames[:, 40:60, 20:120] = 240
    assert of_frames(frames).top in (23, 24, 25)


def test_app_head_without_a_status_bar_stays() -> None:
    frames = moving()
    frames[:, :90] = 90
    assert of_frames(frames) == Crop()


def test_letterbox_goes_on_all_sides() -> None:
    frames = np.full((12, HEIGHT, WIDTH), 16, np.uint8)
    frames[:, 100:480, 40:250] = moving()[:, 100:480, 40:250]
    assert of_frames(frames) == Crop(top=100, bottom=120, left=40, right=20)


@pytest.mark.parametrize("count", [0, 1, 12])
def test_nothing_is_taken_off_a_picture_that_stands_still(count: int) -> None:
    assert of_frames(np.zeros((count, HEIGHT, WIDTH), np.uint8)) == Crop()


def test_nothing_is_taken_off_a_film_that_moves_everywhere() -> None:
    assert of_frames(moving()) == Crop()


def test_letterbox_of_a_real_film_goes(film: Film, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = film(
        "film.mp4",
        "-vf",
        "pad=160:200:0:40",
        "-pix_fmt",
        "yuv420p",
        picture="mandelbrot=s=160x120:r=20:end_pts=20,trim=end=1",
    )
    assert main([str(recording), "-o", str(out / "a.gif"), "crop=auto"]) == 0
    told = re.search(r"crop: (\d+) px off the top, (\d+) px off the bottom$", capsys.readouterr().err, re.MULTILINE)
    assert told
    assert all(abs(int(pixels) - 40) <= 1 for pixels in told.groups())
