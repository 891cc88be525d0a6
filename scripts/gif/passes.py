"""The passes from a recording to a GIF and what lies beside it: each a graph of ffmpeg-python's, run by an ffmpeg."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg

from . import run
from .errors import GifError
from .recording import Recording
from .settings import SMALLEST, Crop, GifSettings
from .tool import Ffmpeg, as_input

# Film that may be missing at the end before a recording that ffmpeg complained of is called cut short.
MISSING_S = 0.3
MISSING_PART = 0.02
DAMAGE = ("partial file", "ended prematurely", "truncat", "Invalid data", "error while decoding", "corrupt")
HDR_WHITE = 203  # cd/m² of white paper in a film of high dynamic range (ITU-R BT.2408)
HDR_PEAK = 5  # times that, about 1000 cd/m²: what is brighter is white

FILM = {"pix_fmt": "yuv420p", "colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709"}
ENCODING: dict[str, dict[str, Any]] = {
    # veryslow: where text scrolls, half of the bytes of `slow`; refs: half of its 16, less to hold for what plays it.
    "mp4": {"vcodec": "libx264", "crf": 23, "preset": "veryslow", "refs": 8, "movflags": "+faststart", **FILM},
    # For where a picture is asked for and a film is not taken: its frames know motion.
    "avif": {"vcodec": "libsvtav1", "crf": 35, "preset": 6, **FILM},
}
PICTURE = {"vcodec": "png", "f": "image2", "update": 1}


@dataclass(frozen=True)
class Job:
    """What every pass over one recording shares."""

    recording: Recording
    ffmpeg: Ffmpeg
    crop: Crop
    scratch: Path
    say: run.Say = run.silent

    def seconds(self, settings: GifSettings) -> float:
        """How long the GIF will be, less what its last frame is held."""
        end = min(self.recording.seconds, settings.end or self.recording.seconds)
        return max(0.0, end - (settings.start or 0)) / settings.speed

    def run(self, output: Any, step: str, loglevel: str = "warning") -> run.Done:
        """Run the graph of ``output``; it may overwrite, as its folder is the scratch one.

        Raises:
            GifError: it failed.
        """
        how = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", loglevel, "-progress", "pipe:1")
        command = output.global_args(*how).compile(cmd=self.ffmpeg.path, overwrite_output=True)
        self.say(step)
        return run.ffmpeg(command, self.recording.path)


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
    """Raises GifError where the settings ask for what the recording hasn't."""
    recording, crop = job.recording, job.crop
    start = settings.start or 0
    if recording.seconds and start >= recording.seconds:
        raise GifError(f"{recording.path}: it is {recording.seconds:.2f} s long, so it can't start at {start:g} s")
    width, height = recording.width - crop.left - crop.right, recording.height - crop.top - crop.bottom
    if min(width, height) < SMALLEST:
        raise GifError(
            f"{recording.path}: the crop (top {crop.top}, bottom {crop.bottom}, left {crop.left}, right {crop.right}) "
            f"leaves nothing of {recording.width} x {recording.height} pixels; crop less, or crop=auto"
        )


def source(recording: Recording, settings: GifSettings) -> Any:
    """The recording's first film that is no cover picture, from ``start`` to ``end``, in square pixels."""
    times = {"ss": settings.start, "to": settings.end}
    stream = ffmpeg.input(as_input(recording.path), **{k: v for k, v in times.items() if v is not None})["V:0"]
    if recording.stretched:
        stream = stream.filter("scale", recording.width, recording.height, flags="lanczos").filter("setsar", 1)
    return stream


def _prepared(job: Job, settings: GifSettings) -> Any:
    """Frames of the GIF's rate and size in the recording's colours; the blog post's order: rate, crop, size."""
    recording, crop = job.recording, job.crop
    stream = source(recording, settings)
    if settings.speed != 1:
        stream = stream.filter("setpts", f"PTS/{settings.speed:g}")
    stream = stream.filter("fps", f"{settings.fps:g}")
    if crop != Crop():
        width, height = f"in_w-{crop.left + crop.right}", f"in_h-{crop.top + crop.bottom}"
        stream = stream.filter("crop", width, height, crop.left, crop.top)
    own = recording.width - crop.left - crop.right
    if settings.width and (settings.width < own or (settings.width > own and settings.enlarge)):
        stream = stream.filter("scale", settings.width, -1, flags="lanczos")
    if recording.hdr and job.ffmpeg.tonemaps:  # in linear light, at the GIF's own size
        how = {"min": "bt2020nc", "pin": "bt2020", "tin": recording.hdr, "t": "linear", "npl": HDR_WHITE}
        stream = stream.filter("zscale", **how).filter("format", "gbrpf32le")
        stream = stream.filter("zscale", p="bt709").filter("tonemap", "mobius", peak=HDR_PEAK, desat=0)
        stream = stream.filter("zscale", t="bt709", m="bt709", r="tv").filter("format", "yuv444p")
    if recording.alpha:  # a GIF's pixel is there or not: half-transparent ones are laid on white, as a page would
        split = stream.filter("format", "rgba").filter_multi_output("split")
        white = split[0].filter("lutrgb", r=255, g=255, b=255, a=255)  # ffmpeg 5.1 crashes on drawbox with replace
        stream = white.overlay(split[1], format="rgb")
    if settings.denoise:
        # Full colour resolution: a recording's is half, of a size that scaling has made smaller by now.
        stream = stream.filter("format", "yuv444p").filter("hqdn3d", f"{settings.denoise:g}")
    return stream


def frames(job: Job, settings: GifSettings) -> Path:
    """Read the recording once: its frames at the GIF's rate and size, without loss, for the passes that follow."""
    path = job.scratch / "frames.nut"
    done = job.run(_lossless(_prepared(job, settings), path), "reading the recording")
    _refuse_cut_short(job, settings, done)
    return path


def _lossless(stream: Any, path: Path) -> Any:
    return stream.output(as_input(path), vcodec="ffv1", pix_fmt="bgr0", map_metadata=-1)


def sample(job: Job, kept: Path, spans: Sequence[tuple[float, float]]) -> Path:
    """The ``spans`` (from, to; seconds) of the frames that were ``kept``, one after the other."""
    path = job.scratch / "sample.nut"
    chosen = "+".join(f"between(t,{start:.3f},{end:.3f})" for start, end in spans)
    stream = ffmpeg.input(as_input(kept)).filter("select", chosen).filter("setpts", "N/FR/TB")
    job.run(_lossless(stream, path), "taking a sample")
    return path


def reread(kept: Path, of: GifSettings, settings: GifSettings) -> Any:
    """The frames that were ``kept`` for ``of``, at the rate and width of ``settings``, which are no greater."""
    stream = ffmpeg.input(as_input(kept))
    if settings.fps != of.fps:
        stream = stream.filter("fps", f"{settings.fps:g}")
    if settings.width != of.width:
        stream = stream.filter("scale", settings.width, -1, flags="lanczos")
    return stream


def from_recording(job: Job, settings: GifSettings, path: Path) -> Picture:
    """A GIF in one pass over the recording, for palettes that are each made of one frame."""
    output = _streamed(_prepared(job, settings), settings, path)
    done = job.run(output, "writing the GIF")
    _refuse_cut_short(job, settings, done)
    return _picture(path, done)


def from_frames(job: Job, kept: Path, of: GifSettings, settings: GifSettings, path: Path) -> Picture:
    """A GIF of the frames that were ``kept`` for ``of``: a pass for the palette, a pass for the picture."""
    colours = path.with_suffix(".palette.png")
    palette = _palette(reread(kept, of, settings), settings)
    job.run(palette.output(as_input(colours), **PICTURE), "choosing the colours")
    output = _gif(reread(kept, of, settings), ffmpeg.input(as_input(colours)), settings, path)
    return _picture(path, job.run(output, "writing the GIF"))


def at_once(job: Job, kept: Path, of: GifSettings, settings: GifSettings, path: Path) -> Picture:
    """As `from_frames`, in one pass that holds all frames in memory: for a few dozen of them."""
    return _picture(path, job.run(_streamed(reread(kept, of, settings), settings, path), "writing the sample"))


def _palette(stream: Any, settings: GifSettings) -> Any:
    mode = "single" if settings.streams else settings.palette
    reserved = int(settings.transparency)
    return stream.filter("palettegen", max_colors=settings.colours, reserve_transparent=reserved, stats_mode=mode)


def _streamed(stream: Any, settings: GifSettings, path: Path) -> Any:
    """A GIF in one pass; unless palettes are of one frame, it holds all frames until the palette is known."""
    split = stream.filter_multi_output("split")
    return _gif(split[1], _palette(split[0], settings), settings, path)


def _gif(stream: Any, colours: Any, settings: GifSettings, path: Path) -> Any:
    how: dict[str, Any] = {"dither": settings.dither}
    if settings.dither == "bayer":
        how["bayer_scale"] = settings.bayer_scale
    if settings.rectangle:
        how["diff_mode"] = "rectangle"
    if settings.palette == "frame":
        how["new"] = 1
    last = {}
    if settings.hold:
        last["final_delay"] = min(65535, round(100 * (settings.hold + 1 / settings.fps)))
    stream = ffmpeg.filter([stream, colours], "paletteuse", **how)
    return stream.output(as_input(path), f="gif", map_metadata=-1, loop=settings.loop, **last)


def sibling(job: Job, kind: str, kept: Path, settings: GifSettings, path: Path) -> None:
    """The frames that were ``kept`` as another ``kind`` of file: mp4 or avif."""
    stream, how = ffmpeg.input(as_input(kept)), ENCODING[kind]
    if settings.hold:  # a GIF has a delay for that, films don't
        stream = stream.filter("tpad", stop_mode="clone", stop_duration=settings.hold)
    # 4:2:0 wants even sides: a line less is seen by nobody, a scaled text is.
    stream = stream.filter("crop", "trunc(iw/2)*2", "trunc(ih/2)*2", 0, 0)
    stream = stream.filter("scale", flags="lanczos", out_color_matrix="bt709")
    if kind == "avif" and settings.loop:  # for ever unless told; ffmpeg 5.1 can't be told
        # How often it is shown; a GIF doesn't count the first time.
        how = {**how, "loop": 1 if settings.loop < 0 else settings.loop + 1}
    job.run(stream.output(as_input(path), f=kind, map_metadata=-1, **how), f"writing the {kind}")


def _picture(path: Path, done: run.Done) -> Picture:
    head = path.read_bytes()[:10] if path.exists() else b""
    if len(head) < 10 or not done.frames:
        raise GifError(f"{path.name}: ffmpeg wrote no frame of it; {run.last_useful(done.lines)}")
    width, height = struct.unpack("<HH", head[6:10])
    return Picture(path, path.stat().st_size, width, height, done.frames, done.seconds)


def _refuse_cut_short(job: Job, settings: GifSettings, done: run.Done) -> None:
    """ffmpeg ends with status 0 when a file ends in the middle; a half GIF would look like a whole one."""
    if not done.frames:
        said = run.last_useful(done.lines) or "ffmpeg gave no reason"
        raise GifError(f"{job.recording.path}: there is no frame in what was asked for; {said}")
    wanted = job.seconds(settings)
    short = wanted - done.seconds > max(MISSING_S, MISSING_PART * wanted) + 1 / settings.fps
    damage = [line for line in done.lines if any(word in line for word in DAMAGE)]
    if short and damage:
        whole = (settings.start or 0) + done.seconds * settings.speed - 0.1
        raise GifError(
            f"{job.recording.path}: it is cut short, {done.seconds:.1f} of {wanted:.1f} s could be read; "
            f"copy it anew, or take what there is with --to {whole:.1f}; {run.last_useful(damage)}"
        )
