"""Record the page: a studio with a copy of photos and promoted model, a phone's browser, a camera that plays a film.

    python -m scripts.demo                  # data/recordings/demo.mp4, and demo.txt: what is seen in it
    python -m scripts.demo other.yaml -o other.mp4

What is shown, and how long, stands in scripts/demo/demo.yaml. `dvc repro gif` makes the GIF of it.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.core import files
from pipeline.core.errors import run_stage
from scripts.demo import film, phone, recording, script, teaching
from scripts.demo.hand import SETTLED_S
from scripts.gif import tool
from scripts.gif.stage import as_pipeline_errors

OUT: Final = Path("data/recordings/demo.mp4")


def record(path: Path, out: Path) -> None:
    """Record what the file at ``path`` says to ``out`` and, in words, to the .txt beside it.

    Raises:
        PipelineError: the file is wrong, something that it needs is missing, or the page shows no answers; ``out`` is
            as it was.
    """
    wanted = script.read(path)
    pictures = script.pictures(wanted)
    with as_pipeline_errors():
        ffmpeg = tool.find(["mp4"])
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        scratch = Path(folder)
        print(f"making a film of {wanted.seconds:g} s of {len(pictures)} pictures", flush=True)
        wall = film.Wall(pictures, wanted.begins, wanted.seconds, wanted.seed)
        camera = film.write(wall, scratch / "camera.mjpeg", ffmpeg.path)
        with (
            teaching.classroom(scratch) as address,
            phone.phone(wanted.screen, camera, address) as page,
        ):
            phone.await_live(page)
            before = wanted.rounds_before * wanted.seconds
            print(f"the page is live; the recording begins in {before:g} s", flush=True)
            begin = wanted.begins[-1] - SETTLED_S
            seen = phone.record(page, wanted.rounds_before, wanted.seconds, begin, wanted.shown[-1].taught)
    recording.write(seen, wanted.seconds, out, ffmpeg.path)
    said = recording.describe(wanted, seen)
    files.write_text(out.with_suffix(".txt"), f"{said}\n")
    print(f"{said}\n{recording.rate(seen, wanted.seconds):.1f} pictures a second from the browser -> {out}")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run; return the exit status."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description=__doc__, formatter_class=raw)
    parser.add_argument("script", nargs="?", type=Path, default=script.SCRIPT, help="what is shown (demo.yaml)")
    parser.add_argument("-o", "--out", type=Path, default=OUT, metavar="MP4", help=f"the recording ({OUT})")
    given = parser.parse_args(argv)
    return run_stage(lambda: record(given.script, given.out))


if __name__ == "__main__":
    sys.exit(main())
