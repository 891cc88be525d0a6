"""Films for the converter, made by the packed ffmpeg: tiny, so that hundreds of passes take seconds."""

import functools
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import pytest

from scripts.gif import tool
from tests.small_project import ROOT

Film = Callable[..., Path]
PACKED = imageio_ffmpeg.get_ffmpeg_exe()
MP4 = ("-pix_fmt", "yuv420p", "-preset", "ultrafast")
BOTH = [PACKED, *([own] if (own := shutil.which("ffmpeg")) else [])]


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture(params=BOTH, ids=["packed", "machine's"][: len(BOTH)])
def each_ffmpeg(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The converter uses the packed ffmpeg, then the machine's where it has one."""
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", request.param)


@pytest.fixture
def ffmpeg() -> tool.Ffmpeg:
    """The one that the converter uses; a test that asks for `each_ffmpeg` too names that first."""
    return tool.find(("mp4", "avif"))


@functools.cache
def encoded(suffix: str, how: tuple[str, ...], picture: str) -> bytes:
    """A film of ffmpeg's source ``picture``, made once for all tests that want it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"film{suffix}")
        command = [PACKED, "-v", "error", "-f", "lavfi", "-i", picture, *how, str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return path.read_bytes()


@pytest.fixture
def film(tmp_path: Path) -> Film:
    """Makes a film called ``name`` of a moving picture, with ffmpeg's ``options`` on how."""

    def make(name: str = "film.mp4", *options: str, picture: str = "testsrc=s=160x120:r=20:d=1") -> Path:
        path = tmp_path / name
        path.write_bytes(encoded(path.suffix, options or MP4, picture))
        return path

    return make


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder for what is made, so that nothing but it is in there."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder
