"""The stage ``gif``: a GIF of each recording in data/recordings/, with the settings of the group gif of conf/.

docs/gifs/NAME.gif and its text alternative, NAME.txt, of data/recordings/NAME.mp4; a NAME.txt beside the recording is
that text. Without recordings docs/gifs/ stays as it is.
"""

import itertools
import sys
from pathlib import Path

from pipeline.core import config, files
from pipeline.core.errors import DataError, run_stage
from scripts.gif import tool
from scripts.gif.convert import convert
from scripts.gif.listing import FOLDER, films
from scripts.gif.progress import Terminal
from scripts.gif.run import end_as_on_ctrl_c
from scripts.gif.settings import GifSettings, spell_bytes

GIFS = Path("docs/gifs")


def make() -> None:
    """Make all of them, or none.

    Raises:
        DataError: two recordings would have the same GIF.
        GifError: a recording can't be used.
    """
    settings = config.load("gif", GifSettings)
    found = films()
    if not found:
        GIFS.mkdir(parents=True, exist_ok=True)
        print(f"no recordings in {FOLDER}: no GIF to make")
        return
    for one, other in itertools.pairwise(found):
        if one.stem == other.stem:
            raise DataError(f"{one} and {other} would both be {one.stem}.gif; rename one of them")
    ffmpeg, progress = tool.find(settings.siblings), Terminal()
    progress.say(str(ffmpeg))
    with files.replace_dir(GIFS) as folder:
        for path in found:
            result = convert(path, folder / f"{path.stem}.gif", settings, ffmpeg, progress)
            gif = result.gif
            size = f"{gif.width} x {gif.height}"
            print(f"{path} -> {GIFS / gif.path.name}: {spell_bytes(gif.bytes)}, {size}, {gif.frames} frames")


if __name__ == "__main__":
    end_as_on_ctrl_c()
    sys.exit(run_stage(make, description=__doc__))
