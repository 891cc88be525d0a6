"""Ways to make a GIF of a clip: this project's presets, ffmpeg by itself, gifski. All of the same rate and width."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.gif.convert import convert
from scripts.gif.progress import Progress
from scripts.gif.settings import GifSettings, load
from scripts.gif.tool import Ffmpeg

FPS, WIDTH = 20, 337  # the recipe's
PLACE = f"fps={FPS},scale={WIDTH}:-1:flags=lanczos"
RECIPE = (
    f"{PLACE},split[a][b];[a]palettegen=max_colors=37:reserve_transparent=0:stats_mode=single[p];"
    "[b][p]paletteuse=dither=sierra2"
)
NO_CROP = "crop={top:0,bottom:0,left:0,right:0}"
PRESETS = ("blog", "per_frame", "screen", "camera", "small")
GIFSKI = "gifski@1.7.1"
SIBLINGS = ("mp4", "avif", "webp")
QUALITIES = (100, 90, 80, 70, 60, 50, 40, 30)
CACHE = Path("build/gifski")


@dataclass(frozen=True)
class Contender:
    """``make(clip, gif)`` writes the GIF; what it takes from start to end is the time that is reported.

    One whose ``name`` has a suffix makes a sibling of that kind, and the GIF on the way.
    """

    name: str
    make: Callable[[Path, Path], None]


def preset(name: str, *overrides: str) -> GifSettings:
    """A preset without its crop, as the clips have nothing to take off, and without a budget."""
    return load(name, [NO_CROP, "max_bytes=null", *overrides])


def film_path(folder: Path, clip: str, contender: str) -> Path:
    """Where the ``contender``'s film of ``clip`` lies."""
    name = f"{clip}-{contender.replace(' ', '-')}"
    return folder / (name if Path(contender).suffix else f"{name}.gif")


def contenders(clip: str, ffmpeg: Ffmpeg, gifski: Path | None) -> list[Contender]:
    """All that can be had on this machine; siblings are those of the preset for what the ``clip`` is."""

    def ours(name: str, *siblings: str) -> Callable[[Path, Path], None]:
        settings = preset(name, f"siblings=[{','.join(siblings)}]")

        def make(clip: Path, film: Path) -> None:
            convert(clip, film.with_suffix(".gif"), settings, ffmpeg, Progress(), force=True)

        return make

    found = [Contender(name, ours(name)) for name in PRESETS]
    fitting = fitting_preset(clip)
    found += [Contender(f"{fitting}.{kind}", ours(fitting, kind)) for kind in SIBLINGS]
    found.append(Contender("the bare recipe", lambda clip, gif: bare(ffmpeg, clip, gif)))
    found.append(Contender("ffmpeg's default palette", lambda clip, gif: run(ffmpeg, clip, gif, "-vf", PLACE)))
    if gifski:
        program = gifski
        found += [Contender(f"gifski q{quality}", _gifski(ffmpeg, program, quality)) for quality in QUALITIES]
    return found


def fitting_preset(clip: str) -> str:
    """The preset that is meant for what ``clip`` shows."""
    return "camera" if clip == "camera" else "screen"


def bare(ffmpeg: Ffmpeg, clip: Path, gif: Path) -> None:
    """The recipe as it would be typed."""
    run(ffmpeg, clip, gif, "-filter_complex", RECIPE, "-map_metadata", "-1", "-loop", "0")


def command_line(clip: Path, gif: Path) -> None:
    """The preset `blog` as a user starts it, Python's start and all."""
    words = [str(clip), "-o", str(gif), "--preset", "blog", "--force", "--json", NO_CROP]
    subprocess.run([sys.executable, "-m", "scripts.gif", *words], check=True, stdout=subprocess.DEVNULL)


def run(ffmpeg: Ffmpeg, clip: Path, target: Path, *how: str) -> None:
    """ffmpeg by itself."""
    subprocess.run([ffmpeg.path, "-v", "error", "-nostdin", "-y", "-i", str(clip), *how, str(target)], check=True)


def seconds(work: Callable[[], None]) -> float:
    """How long ``work`` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def void(_: object) -> None:
    """For a function whose result nobody wants."""


def _gifski(ffmpeg: Ffmpeg, program: Path, quality: int) -> Callable[[Path, Path], None]:
    def make(clip: Path, gif: Path) -> None:
        frames = gif.with_suffix("")
        shutil.rmtree(frames, ignore_errors=True)
        frames.mkdir()
        run(ffmpeg, clip, frames / "%04d.png", "-vf", PLACE)
        pictures = sorted(map(str, frames.iterdir()))
        how = ["--quiet", "--no-sort", "--fps", str(FPS), "--quality", str(quality), "-o", str(gif)]
        subprocess.run([str(program), *how, *pictures], check=True)
        shutil.rmtree(frames)

    return make


def find_gifski() -> tuple[Path | None, str]:
    """gifski from npm, into a folder of its own under build/; else why there is none."""
    folder = {"linux": "debian", "darwin": "macos"}.get(sys.platform, "")
    program = CACHE / "node_modules" / "gifski" / "bin" / folder / "gifski"
    if not program.exists():
        npm = shutil.which("npm")
        if npm is None:
            return None, "gifski is left out: npm is not on this machine"
        CACHE.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(CACHE), GIFSKI]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["npm gave no reason"])[-1]
            return None, f"gifski is left out: npm can't install it ({last})"
    try:
        said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        return None, f"gifski is left out: it does not run here ({error})"
    return program, said.strip()
