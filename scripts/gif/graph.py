"""The filter graphs, built with ffmpeg-python: from a recording to prepared frames, to a palette, to a GIF."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ffmpeg

from .recording import Recording
from .settings import Crop, GifSettings
from .tool import as_input

# Light of high dynamic range is mapped in linear light, at the GIF's own size.
HDR_WHITE = 203  # cd/m² of white paper in a film of high dynamic range (ITU-R BT.2408)
AVIF_QUALITY = 35  # crf of SVT-AV1
FILM = {
    "pix_fmt": "yuv420p",
    "map_metadata": -1,
    "colorspace": "bt709",
    "color_primaries": "bt709",
    "color_trc": "bt709",
}
HDR_PEAK = 5  # times that, about 1000 cd/m²: what is brighter is white


def source(recording: Recording, settings: GifSettings) -> Any:
    """The recording's first film that is no cover picture, from ``start`` to ``end``, in square pixels."""
    times = {"ss": settings.start, "to": settings.end}
    stream = ffmpeg.input(as_input(recording.path), **{k: v for k, v in times.items() if v is not None})["V:0"]
    if recording.stretched:
        stream = stream.filter("scale", recording.width, recording.height, flags="lanczos").filter("setsar", 1)
    return stream


def prepared(stream: Any, recording: Recording, settings: GifSettings, crop: Crop, tonemaps: bool) -> Any:
    """Frames of the GIF's rate and size in the recording's colours.

    The order is that of the blog post's recipe: rate, crop, size. ``tonemaps``: the ffmpeg can map high dynamic range.
    """
    if settings.speed != 1:
        stream = stream.filter("setpts", f"PTS/{settings.speed:g}")
    stream = stream.filter("fps", _number(settings.fps))
    if crop.any:
        width, height = f"in_w-{crop.left + crop.right}", f"in_h-{crop.top + crop.bottom}"
        stream = stream.filter("crop", width, height, crop.left, crop.top)
    scaled = scaled_width(recording, settings, crop)
    if scaled is not None:
        stream = stream.filter("scale", scaled, -1, flags="lanczos")
    if recording.hdr and tonemaps:
        stream = stream.filter(
            "zscale", min="bt2020nc", pin="bt2020", tin=recording.hdr, t="linear", npl=HDR_WHITE
        ).filter("format", "gbrpf32le")
        stream = stream.filter("zscale", p="bt709").filter("tonemap", "mobius", peak=HDR_PEAK, desat=0)
        stream = stream.filter("zscale", t="bt709", m="bt709", r="tv").filter("format", "yuv444p")
    if recording.alpha:
        stream = _on_white(stream)
    if settings.denoise:
        # Full colour resolution: a recording's is half, of a size that scaling has made smaller by now.
        stream = stream.filter("format", "yuv444p").filter("hqdn3d", _number(settings.denoise))
    return stream


def scaled_width(recording: Recording, settings: GifSettings, crop: Crop) -> int | None:
    """Pixels that the picture is scaled to; None where it stays as wide as it is."""
    own = recording.width - crop.left - crop.right
    if settings.width is None or settings.width == own or (settings.width > own and not settings.enlarge):
        return None
    return settings.width


def _on_white(stream: Any) -> Any:
    """A GIF's pixel is there or not: half-transparent ones are laid on white, as a page would."""
    split = stream.filter("format", "rgba").filter_multi_output("split")
    white = split[0].filter("lutrgb", r=255, g=255, b=255, a=255)  # ffmpeg 5.1 crashes on drawbox with replace
    return white.overlay(split[1], format="rgb")


def lossless(stream: Any, path: Path) -> Any:
    """``stream`` written to ``path`` as it will be quantised, for passes that read it again."""
    return stream.output(as_input(path), vcodec="ffv1", pix_fmt="bgr0", map_metadata=-1)


def palette(stream: Any, settings: GifSettings) -> Any:
    """The palette (or one a frame) of ``stream``, as the settings want it."""
    mode = "single" if settings.streams else settings.palette
    return stream.filter(
        "palettegen",
        max_colors=settings.colours,
        reserve_transparent=int(settings.transparency),
        stats_mode=mode,
    )


def frames(path: Path, settings: GifSettings, of: GifSettings) -> Any:
    """The frames that `lossless` kept for ``of``, at the rate and width of ``settings``, which are no greater."""
    stream = ffmpeg.input(as_input(path))
    if settings.fps != of.fps:
        stream = stream.filter("fps", _number(settings.fps))
    if settings.width != of.width:
        stream = stream.filter("scale", settings.width, -1, flags="lanczos")
    return stream


def palette_file(stream: Any, settings: GifSettings, path: Path) -> Any:
    """One palette of all of ``stream``, into ``path``; the frames also go nowhere, to be counted on the way."""
    split = stream.filter_multi_output("split")
    return ffmpeg.merge_outputs(
        palette(split[0], settings).output(as_input(path), vcodec="png", f="image2", update=1),
        split[1].output("-", f="null"),
    )


def gif(stream: Any, colours: Any, settings: GifSettings, path: Path) -> Any:
    """``stream`` in the palette ``colours``, written to ``path``."""
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


def streamed(stream: Any, settings: GifSettings, path: Path) -> Any:
    """A GIF in one pass; unless palettes are of one frame, it holds all frames until the palette is known."""
    split = stream.filter_multi_output("split")
    return gif(split[1], palette(split[0], settings), settings, path)


def from_palette(stream: Any, colours: Path, settings: GifSettings, path: Path) -> Any:
    """A GIF of ``stream`` in the palette of the picture ``colours``."""
    return gif(stream, ffmpeg.input(as_input(colours)), settings, path)


def mp4(frames: Path, settings: GifSettings, path: Path) -> Any:
    """H.264 that every browser plays."""
    return _film(frames, settings).output(
        as_input(path),
        f="mp4",
        vcodec="libx264",
        crf=23,
        preset="veryslow",  # where text scrolls, half of the bytes of `slow`
        refs=8,  # half of its 16: less to hold for what plays it
        movflags="+faststart",
        **FILM,
    )


def avif(frames: Path, settings: GifSettings, path: Path) -> Any:
    """Animated AVIF, for where a picture is asked for and a film is not taken: its frames know motion."""
    repeats = {"loop": _times(settings)} if settings.loop else {}  # for ever unless told; ffmpeg 5.1 can't be told
    return _film(frames, settings).output(
        as_input(path), f="avif", vcodec="libsvtav1", crf=AVIF_QUALITY, preset=6, **FILM, **repeats
    )


def webp(frames: Path, settings: GifSettings, path: Path) -> Any:
    """Animated WebP, for where AVIF is not taken either: each of its frames is a picture of its own."""
    return _held(ffmpeg.input(as_input(frames)), settings).output(
        as_input(path),
        f="webp",
        vcodec="libwebp_anim",
        quality=50,
        compression_level=4,
        loop=_times(settings),
        map_metadata=-1,
    )


def sample(kept: Path, spans: Sequence[tuple[float, float]], path: Path) -> Any:
    """The ``spans`` (from, to; seconds) of the frames that were ``kept``, one after the other, without loss."""
    chosen = "+".join(f"between(t,{start:.3f},{end:.3f})" for start, end in spans)
    stream = ffmpeg.input(as_input(kept)).filter("select", chosen).filter("setpts", "N/FR/TB")
    return lossless(stream, path)


def poster(frames: Path, at: float, path: Path) -> Any:
    """One frame, that at ``at`` seconds, for where nothing should move."""
    return ffmpeg.input(as_input(frames), ss=at).output(as_input(path), vcodec="png", f="image2", update=1, frames=1)


def command(output: Any, program: str, loglevel: str = "warning") -> list[str]:
    """The command line of a graph: told to overwrite, as the file is a new one in a folder of our own."""
    words = output.global_args("-hide_banner", "-nostdin", "-nostats", "-loglevel", loglevel, "-progress", "pipe:1")
    line: list[str] = words.compile(cmd=program, overwrite_output=True)
    return line


def _film(frames: Path, settings: GifSettings) -> Any:
    """4:2:0 wants even sides: a line less is seen by nobody, a scaled text is."""
    stream = _held(ffmpeg.input(as_input(frames)), settings).filter("crop", "trunc(iw/2)*2", "trunc(ih/2)*2", 0, 0)
    return stream.filter("scale", flags="lanczos", out_color_matrix="bt709")


def _times(settings: GifSettings) -> int:
    """How often it is shown, 0 for ever; a GIF doesn't count the first time."""
    return 1 if settings.loop < 0 else settings.loop + bool(settings.loop)


def _held(stream: Any, settings: GifSettings) -> Any:
    """The last frame for ``hold`` seconds longer; a GIF has a delay for that, films don't."""
    return stream.filter("tpad", stop_mode="clone", stop_duration=settings.hold) if settings.hold else stream


def _number(value: float) -> str:
    return f"{value:g}"
