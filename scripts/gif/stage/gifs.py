"""The stage ``gif``: a GIF of each recording in data/recordings/, with the settings of the group gif of conf/.

docs/gifs/NAME.gif and its text alternative, NAME.txt, of data/recordings/NAME.mp4; a NAME.txt beside the recording is
that text. Without recordings docs/gifs/ stays as it is.
"""

import sys
from pathlib import Path

from pipeline.core import config, files
from pipeline.core.errors import run_stage

from .. import tool
from ..convert import convert
from ..run import end_as_on_ctrl_c, tell
from ..settings import GifSettings, spell_bytes
from . import as_pipeline_errors
from .recordings import FOLDER, films

GIFS = Path("docs/gifs")


class StageSettings(GifSettings, config.Settings):
    """The section gif of params.yaml."""


def make() -> None:
    """Make all of them, or none.

    Raises:
        PipelineError: two recordings would have the same GIF, or one can't be used.
    """
    settings = config.load("gif", StageSettings)
    found = films()
    if not found:
        GIFS.mkdir(parents=True, exist_ok=True)
        print(f"no recordings in {FOLDER}: no GIF to make")
        return
    with as_pipeline_errors(), files.replace_dir(GIFS) as folder:
        ffmpeg = tool.find(settings.siblings)
        print(ffmpeg)
        for path in found:
            gif = convert(path, folder / f"{path.stem}.gif", settings, ffmpeg, tell).gif
            print(f"{path} -> {GIFS / gif.path.name}: {spell_bytes(gif.bytes)}, {gif.width} x {gif.height} pixels")


if __name__ == "__main__":
    end_as_on_ctrl_c()
    sys.exit(run_stage(make, description=__doc__))
