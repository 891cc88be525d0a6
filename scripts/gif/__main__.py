"""Recordings to GIFs: ``palette-gif RECORDING [-o OUT] [--preset NAME] [--max-bytes 3MB] [key=value …]``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import settings as gif_settings
from . import tool
from .convert import convert
from .errors import GifError
from .run import end_as_on_ctrl_c, tell
from .settings import GifSettings

OPTIONS = ("start", "end", "max_bytes", "alt", "siblings")  # that are settings, too


def parser() -> argparse.ArgumentParser:
    """The command line; what it can be told beyond its options is a setting."""
    made = argparse.ArgumentParser(
        prog="palette-gif",
        description="Make a small, sharp GIF of a recording. stdout tells what was made, stderr how it goes.",
        epilog=f"Presets: {', '.join(gif_settings.presets())}. Settings: {', '.join(GifSettings.model_fields)}; "
        f"{gif_settings.PRESETS}/blog.yaml says what each is.",
    )
    made.add_argument("recording", type=Path, metavar="RECORDING", help="a film")
    made.add_argument("settings", nargs="*", metavar="key=value", help="settings (below)")
    made.add_argument("-o", "--out", type=Path, help="the GIF, or a folder for it (default: beside the recording)")
    made.add_argument("--preset", default="screen", help="how it is made (screen)")
    made.add_argument("--max-bytes", metavar="SIZE", help="3MB, 800kB, …: the best-looking GIF that fits")
    made.add_argument("--from", dest="start", metavar="TIME", help="seconds, or 1:07.5: where it begins")
    made.add_argument("--to", dest="end", metavar="TIME", help="where it ends")
    made.add_argument("--alt", metavar="TEXT", help="what is seen in it, written beside it as NAME.txt")
    kinds = "mp4,avif: the same beside it, a tenth of the bytes"
    made.add_argument("--siblings", type=lambda text: text.split(","), metavar="KINDS", help=kinds)
    made.add_argument("--force", action="store_true", help="replace what is there")
    return made


def run(given: argparse.Namespace) -> None:
    """Convert the recording that is named.

    Raises:
        GifError: a setting is wrong, there is no ffmpeg, or the recording can't be converted.
    """
    options = {key: value for key in OPTIONS if (value := getattr(given, key)) is not None}
    settings = gif_settings.load(given.preset, given.settings, options)
    target = given.out or given.recording.with_suffix(".gif")
    if target.is_dir() or target.suffix.lower() != ".gif":
        target = target / f"{given.recording.stem}.gif"
    ffmpeg = tool.find(settings.siblings)
    tell(f"{given.recording} -> {target}, with {ffmpeg}")
    gif = convert(given.recording, target, settings, ffmpeg, tell, force=given.force).gif
    print(f"{gif.path}: {gif_settings.spell_bytes(gif.bytes)}, {gif.width} x {gif.height}, {gif.frames} frames")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run."""
    given = parser().parse_intermixed_args(argv)
    try:
        run(given)
    except GifError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: no file was changed", file=sys.stderr)
        return 130
    return 0


def command() -> int:
    """What a user starts; returns the exit status."""
    end_as_on_ctrl_c()
    return main()


if __name__ == "__main__":
    sys.exit(command())
