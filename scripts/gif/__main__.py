"""Recordings to GIFs: ``palette-gif RECORDING… [-o OUT] [--preset NAME] [--max-bytes 3MB] [key=value …]``."""

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


def name() -> str:
    """What a user types: the command of the installed package, or the module of a checkout."""
    started = Path(sys.argv[0]).name
    return "palette-gif" if started.startswith("palette-gif") else f"python -m {__package__}"


def parser() -> argparse.ArgumentParser:
    """The command line; what it can be told beyond its options is a setting."""
    made = argparse.ArgumentParser(
        prog=name(),
        description="Make small, sharp GIFs of recordings. stdout tells what was made, stderr how it goes.",
        epilog=f"Presets: {', '.join(gif_settings.presets())}. Settings: {', '.join(GifSettings.model_fields)}; "
        f"{gif_settings.PRESETS}/blog.yaml says what each is.",
    )
    made.add_argument("arguments", nargs="*", metavar="RECORDING… key=value…", help="films, and settings (below)")
    made.add_argument("-o", "--out", type=Path, help="the GIF, or a folder for it (default: beside the recording)")
    made.add_argument("--preset", default="screen", help="how it is made (screen)")
    made.add_argument("--max-bytes", metavar="SIZE", help="3MB, 800kB, …: the best-looking GIF that fits")
    made.add_argument("--from", dest="start", metavar="TIME", help="seconds, or 1:07.5: where it begins")
    made.add_argument("--to", dest="end", metavar="TIME", help="where it ends")
    made.add_argument("--alt", metavar="TEXT", help="what is seen in it, written beside it as NAME.txt")
    kinds = "mp4,avif,webp,poster: the same beside it; mp4 and avif have a tenth of the bytes"
    made.add_argument("--siblings", type=lambda text: text.split(","), metavar="KINDS", help=kinds)
    made.add_argument("--force", action="store_true", help="replace what is there")
    return made


def run(given: argparse.Namespace) -> None:
    """Convert every recording that is named; those that can't be are told at the end.

    Raises:
        GifError: a setting is wrong, there is no ffmpeg, or a recording could not be converted.
    """
    # A file that is there is a recording, whatever its name.
    overrides = [word for word in given.arguments if "=" in word and not Path(word).exists()]
    recordings = [Path(word) for word in given.arguments if word not in overrides]
    if not recordings:
        raise GifError(f"no recording is named; `{name()} --help` tells how")
    options = {key: value for key in OPTIONS if (value := getattr(given, key)) is not None}
    settings = gif_settings.load(given.preset, overrides, options)
    targets = _targets(recordings, given.out)
    ffmpeg = tool.find(settings.siblings)
    tell(str(ffmpeg))
    failed = []
    for recording, target in zip(recordings, targets, strict=True):
        tell(f"{recording} -> {target}")
        try:
            gif = convert(recording, target, settings, ffmpeg, tell, force=given.force).gif
        except GifError as error:
            failed.append(str(error))
        else:
            size = gif_settings.spell_bytes(gif.bytes)
            print(f"{gif.path}: {size}, {gif.width} x {gif.height}, {gif.frames} frames", flush=True)
    if failed:
        raise GifError("\nerror: ".join(failed))


def _targets(recordings: list[Path], out: Path | None) -> list[Path]:
    """Where each GIF goes.

    Raises:
        GifError: several recordings would be one file.
    """
    if out is None:
        targets = [path.with_suffix(".gif") for path in recordings]
    elif out.suffix.lower() == ".gif" and not out.is_dir():
        targets = [out] * len(recordings)
    else:
        targets = [out / f"{path.stem}.gif" for path in recordings]
    for number, target in enumerate(targets):
        if target in targets[:number]:
            raise GifError(f"{target}: two of the recordings would be this file; name a folder with -o, or rename one")
    return targets


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run."""
    words = list(sys.argv[1:] if argv is None else argv)
    # argparse's own handling of -- and of arguments between options don't go together.
    end = words.index("--") if "--" in words else len(words)
    given = parser().parse_intermixed_args(words[:end])
    given.arguments += words[end + 1 :]
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
