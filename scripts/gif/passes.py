"""The passes from a recording to a GIF, each an ffmpeg of its own, in a scratch folder."""

import struct
from dataclasses import dataclass
from pathlib import Path

from . import graph, run
from .errors import FfmpegError, RecordingError
from .progress import Progress
from .recording import Recording
from .settings import SMALLEST, Crop, GifSettings
from .tool import Ffmpeg

# Film that may be missing at the end before a recording that ffmpeg complained of is called cut short.
MISSING_S = 0.3
MISSING_PART = 0.02
DAMAGE = (
    "partial file",
    "ended prematurely",
    "truncat",
    "Invalid data found",
    "error while decoding",
    "corrupt",
)


@dataclass(frozen=True)
class Job:
    """What every pass over one recording shares."""

    recording: Recording
    ffmpeg: Ffmpeg
    crop: Crop
    scratch: Path
    progress: Progress

    def seconds(self, settings: GifSettings) -> float:
        """How long the GIF will be, less what its last frame is held."""
        end = min(self.recording.seconds, settings.end or self.recording.seconds)
        return max(0.0, end - (settings.start or 0)) / settings.speed


@dataclass(frozen=True)
class Picture:
    """A GIF that was made: bytes, pixels, frames, and seconds without the hold."""

    path: Path
    bytes: int
    width: int
    height: int
    frames: int
    seconds: float


def check(job: Job, settings: GifSettings) -> None:
    """Raises RecordingError where the settings ask for what the recording hasn't."""
    recording, crop = job.recording, job.crop
    start = settings.start or 0
    if recording.seconds and start >= recording.seconds:
        raise RecordingError(
            f"{recording.path}: it is {recording.seconds:.2f} s long, so it can't start at {start:g} s"
        )
    width, height = recording.width - crop.left - crop.right, recording.height - crop.top - crop.bottom
    if min(width, height) < SMALLEST:
        raise RecordingError(
            f"{recording.path}: the crop (top {crop.top}, bottom {crop.bottom}, left {crop.left}, right {crop.right}) "
            f"leaves nothing of {recording.width} x {recording.height} pixels; crop less, or crop=auto"
        )


def frames(job: Job, settings: GifSettings) -> tuple[Path, run.Done]:
    """Read the recording once: its frames at the GIF's rate and size, without loss, for the passes that follow."""
    path = job.scratch / "frames.nut"
    stream = graph.source(job.recording, settings)
    stream = graph.prepared(stream, job.recording, settings, job.crop, job.ffmpeg.tonemaps)
    with job.progress.step("reading the recording", job.seconds(settings)) as report:
        done = run.ffmpeg(graph.command(graph.lossless(stream, path), job.ffmpeg.path), job.recording.path, report)
    _whole(job, settings, done)
    return path, done


def from_recording(job: Job, settings: GifSettings, path: Path) -> Picture:
    """A GIF in one pass over the recording, for palettes that are each made of one frame."""
    stream = graph.source(job.recording, settings)
    stream = graph.prepared(stream, job.recording, settings, job.crop, job.ffmpeg.tonemaps)
    with job.progress.step("writing the GIF", job.seconds(settings)) as report:
        command = graph.command(graph.streamed(stream, settings, path), job.ffmpeg.path)
        done = run.ffmpeg(command, job.recording.path, report)
    _whole(job, settings, done)
    return picture(path, done)


def from_frames(job: Job, kept: Path, of: GifSettings, settings: GifSettings, path: Path) -> Picture:
    """A GIF of the frames that were ``kept`` for ``of``: a pass for the palette, a pass for the picture."""
    seconds, program, about = job.seconds(settings), job.ffmpeg.path, job.recording.path
    colours = path.with_suffix(".palette.png")
    with job.progress.step("choosing the colours", seconds) as report:
        output = graph.palette_file(graph.frames(kept, settings, of), settings, colours)
        run.ffmpeg(graph.command(output, program), about, report)
    with job.progress.step("writing the GIF", seconds) as report:
        output = graph.from_palette(graph.frames(kept, settings, of), colours, settings, path)
        done = run.ffmpeg(graph.command(output, program), about, report)
    return picture(path, done)


def at_once(job: Job, kept: Path, of: GifSettings, settings: GifSettings, path: Path) -> Picture:
    """As `from_frames`, in one pass that holds all frames in memory: for a few dozen of them."""
    output = graph.streamed(graph.frames(kept, settings, of), settings, path)
    return picture(path, run.ffmpeg(graph.command(output, job.ffmpeg.path), job.recording.path))


def sibling(job: Job, kind: str, prepared: Path, settings: GifSettings, path: Path) -> None:
    """The same film as ``kind``: mp4, avif, webp or poster."""
    seconds = job.seconds(settings)
    if kind == "poster":
        output = graph.poster(prepared, seconds / 2, path)
    else:
        output = {"mp4": graph.mp4, "avif": graph.avif, "webp": graph.webp}[kind](prepared, settings, path)
    with job.progress.step(f"writing the {kind}", seconds + settings.hold) as report:
        run.ffmpeg(graph.command(output, job.ffmpeg.path), job.recording.path, report)


def picture(path: Path, done: run.Done) -> Picture:
    """What was written to ``path``.

    Raises:
        FfmpegError: nothing was.
    """
    head = path.read_bytes()[:10] if path.exists() else b""
    if len(head) < 10 or not done.frames:
        raise FfmpegError(f"{path.name}: ffmpeg wrote no frame of it; {run.last_useful(done.lines)}")
    width, height = struct.unpack("<HH", head[6:10])
    return Picture(path, path.stat().st_size, width, height, done.frames, done.seconds)


def _whole(job: Job, settings: GifSettings, done: run.Done) -> None:
    """ffmpeg ends with status 0 when a file ends in the middle; a half GIF would look like a whole one."""
    if not done.frames:
        said = run.last_useful(done.lines) or "ffmpeg gave no reason"
        raise RecordingError(f"{job.recording.path}: there is no frame in what was asked for; {said}")
    wanted = job.seconds(settings)
    short = wanted - done.seconds > max(MISSING_S, MISSING_PART * wanted) + 1 / settings.fps
    damage = [line for line in done.lines if any(word in line for word in DAMAGE)]
    if short and damage:
        whole = (settings.start or 0) + done.seconds * settings.speed - 0.1
        raise RecordingError(
            f"{job.recording.path}: it is cut short, {done.seconds:.1f} of {wanted:.1f} s could be read; "
            f"copy it anew, or take what there is with --to {whole:.1f}; {run.last_useful(damage)}"
        )
