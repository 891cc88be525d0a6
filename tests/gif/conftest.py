"""Films for the converter, made by the very ffmpeg that it finds: tiny, so that hundreds of passes take seconds."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.gif import tool
from tests.small_project import ROOT

Film = Callable[..., Path]


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # conf/ is found from here


@pytest.fixture(scope="session")
def ffmpeg() -> tool.Ffmpeg:
    return tool.find(("mp4", "webp", "poster"))


@pytest.fixture
def film(tmp_path: Path, ffmpeg: tool.Ffmpeg) -> Film:
    """Makes a film called ``name`` of a moving picture, with ffmpeg's ``options`` on how."""

    def make(name: str = "film.mp4", *options: str, picture: str = "testsrc=s=160x120:r=20:d=1") -> Path:
        path = tmp_path / name
        how = options or ("-pix_fmt", "yuv420p", "-preset", "ultrafast")
        command = [ffmpeg.path, "-v", "error", "-y", "-f", "lavfi", "-i", picture, *how, f"file:{path}"]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return path

    return make


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder for what is made, so that nothing but it is in there."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder
