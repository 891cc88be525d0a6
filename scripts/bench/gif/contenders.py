"""Ways to make a GIF of a clip: this project's presets, ffmpeg by itself, gifski. All of the same rate and width."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.gif import passes, recording
from scripts.gif.convert import Result, convert
from scripts.gif.passes import Job
from scripts.gif.settings import Crop, GifSettings, load
from scripts.gif.tool import Ffmpeg

FPS, WIDTH = 20, 337  # the recipe's
PLACE = f"fps={FPS},scale={WIDTH}:-1:flags=lanczos"
RECIPE = (
    f"{PLACE},split[a][b];[a]palettegen=max_colors=37:reserve_transparent=0:stats_mode=single[p];"
    "[b][p]paletteuse=dither=sierra2"
)
PRESETS = ("blog", "per_frame", "screen", "camera", "small")
BARE = "the bare recipe"
GIFSKI = "gifski@1.7.1"
QUALITIES = (100, 80, 60)
CACHE = Path("build/gifski")


def preset(name: str, *overrides: str) -> GifSettings:
    """A preset without its crop, as the clips have nothing to take off, and without a budget."""
    return load(name, ["crop={top:0,bottom:0,left:0,right:0}", "max_bytes=null", *overrides])


def fitting_preset(clip: str) -> str:
    """The preset that is meant for what ``clip`` shows."""
    return "camera" if clip == "camera" else "screen"


@contextmanager
def frames(clip: Path, settings: GifSettings, ffmpeg: Ffmpeg) -> Iterator[tuple[Job, Path]]:
    """The clip's own frames at the rate and width of ``settings``, without loss, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="bench-gif-") as folder:
        job = Job(recording.read(clip, ffmpeg), ffmpeg, Crop(), Path(folder))
        yield job, passes.frames(job, settings)


def ours(clip: Path, gif: Path, settings: GifSettings, ffmpeg: Ffmpeg) -> Result:
    """A GIF of this project's, and what lies beside it."""
    return convert(clip, gif, settings, ffmpeg, force=True)


def contenders(ffmpeg: Ffmpeg, gifski: Path | None) -> dict[str, Callable[[Path, Path], object]]:
    """What makes a GIF of a clip, by name: all that can be had on this machine."""

    def project(name: str) -> Callable[[Path, Path], object]:
        settings = preset(name)
        return lambda clip, gif: ours(clip, gif, settings, ffmpeg)

    def by_gifski(program: Path, quality: int) -> Callable[[Path, Path], object]:
        def make(clip: Path, gif: Path) -> None:
            frames = gif.with_suffix("")
            shutil.rmtree(frames, ignore_errors=True)
            frames.mkdir()
            _run(ffmpeg, clip, frames / "%04d.png", "-vf", PLACE)
            how = ["--quiet", "--no-sort", "--fps", str(FPS), "--quality", str(quality), "-o", str(gif)]
            subprocess.run([str(program), *how, *map(str, sorted(frames.iterdir()))], check=True)
            shutil.rmtree(frames)

        return make

    recipe = ("-filter_complex", RECIPE, "-map_metadata", "-1", "-loop", "0")
    found: dict[str, Callable[[Path, Path], object]] = {name: project(name) for name in PRESETS}
    found[BARE] = lambda clip, gif: _run(ffmpeg, clip, gif, *recipe)
    found["ffmpeg's default palette"] = lambda clip, gif: _run(ffmpeg, clip, gif, "-vf", PLACE)
    if gifski:
        found |= {f"gifski q{quality}": by_gifski(gifski, quality) for quality in QUALITIES}
    return found


def _run(ffmpeg: Ffmpeg, clip: Path, target: Path, *how: str) -> None:
    subprocess.run([ffmpeg.path, "-v", "error", "-nostdin", "-y", "-i", str(clip), *how, str(target)], check=True)


def find_gifski() -> tuple[Path | None, str]:
    """gifski from npm, into a folder of its own under build/; else why there is none."""
    folder = {"linux": "debian", "darwin": "macos"}.get(sys.platform, "")
    program = CACHE / "node_modules" / "gifski" / "bin" / folder / "gifski"
    try:
        if not program.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            command = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(CACHE), GIFSKI]
            subprocess.run(command, capture_output=True, check=True)
        said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        return None, f"gifski is left out ({error})"
    return program, said.strip()
