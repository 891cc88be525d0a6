"""How fast validate is, and whether it stays linear: makes sets of 100, 1,000 and 10,000 photos and looks at them.

Usage: python -m scripts.bench.validate [--sizes 100 1000 10000] [--rounds 3] [--data DATA_FOLDER]

Each round is the stage as `dvc repro` runs it: a process of its own, decoding, report and split included. The made
photos are 640 x 480 JPEGs, a little larger than those in data/. ``--data`` looks at a real data folder as well.
"""

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from pipeline.core.config import compose
from pipeline.data import adoption
from pipeline.data.settings import DataSettings

ROOT = Path(__file__).parents[2]
LABELS = ("art", "other", "plant", "text")


@dataclass(frozen=True)
class Result:
    """One run of the stage."""

    wall: float  # seconds
    processor: float  # seconds, of all its processes
    memory: float  # MB, the largest process


def make_photos(images: Path, number: int) -> None:
    """Write ``number`` photos, no two alike, into four label folders."""
    random = np.random.default_rng(0)
    grain = random.integers(-12, 12, (480, 640, 3))
    for index in range(number):
        patches = Image.fromarray(random.integers(0, 255, (9, 12, 3), dtype=np.uint8))
        smooth = np.asarray(patches.resize((640, 480), Image.Resampling.BICUBIC)).astype(int)
        photo = Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8))
        path = images / LABELS[index % len(LABELS)] / f"{index:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo.save(path, quality=80)


def run(folder: Path) -> Result:
    """Run the stage in ``folder``, which holds params.yaml and data/."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pipeline.validate"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Result(wall, processor, after.ru_maxrss / 1024)


def bench(folder: Path, rounds: int) -> tuple[int, Result]:
    """Run the stage ``rounds`` times; number of pictures and medians."""
    results = [run(folder) for _ in range(rounds)]
    pictures: int = json.loads((folder / "reports/validation.json").read_text(encoding="utf-8"))["pictures"]
    return pictures, Result(
        statistics.median(result.wall for result in results),
        statistics.median(result.processor for result in results),
        max(result.memory for result in results),
    )


def prepare(folder: Path, number: int, data: Path | None) -> None:
    """Lay out ``folder`` for the stage: settings of conf/, and ``number`` made photos or the real ``data``."""
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(compose(conf=ROOT / "conf")), encoding="utf-8")
    if data is not None:
        (folder / "data").symlink_to(data.resolve())
        return
    make_photos(folder / "data/images", number)
    settings = DataSettings(
        images=folder / "data/images",
        manifest=folder / "data/manifest.csv",
        ood_label="other",
    )
    with redirect_stdout(io.StringIO()):
        adoption.adopt(settings)


def main(argv: Sequence[str] | None = None) -> int:
    """Make the sets, run the stage on each, print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, help="a data folder (images/, manifest.csv) to look at as well")
    arguments = parser.parse_args(argv)
    data = arguments.data and arguments.data.resolve()

    lines: list[tuple[str, int, Result, float]] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, number in [("real", 0)] * bool(data) + [("made", size) for size in arguments.sizes]:
            folder = Path(temporary) / f"{name}-{number}"
            prepare(folder, number, data if name == "real" else None)
            pictures, result = bench(folder, arguments.rounds)
            page = (folder / "reports/validation.html").stat().st_size / 1e6
            lines.append((name, pictures, result, page))

    print(f"\ncores: {len(os.sched_getaffinity(0))}, load: {os.getloadavg()[0]:.1f}, median of {arguments.rounds}")
    columns = (
        ("set", 6),
        ("pictures", 9),
        ("s", 8),
        ("pictures/s", 12),
        ("CPU ms each", 12),
        ("MB", 6),
        ("page MB", 9),
    )
    print("".join(f"{name:>{width}}" for name, width in columns) + "     pictures: time")
    previous: tuple[int, Result] | None = None
    for name, pictures, result, page in lines:
        ratio = ""
        if previous is not None and name == "made":
            ratio = f"x{pictures / previous[0]:.0f}: x{result.wall / previous[1].wall:.1f}"
        print(
            f"{name:>6}{pictures:9}{result.wall:8.2f}{pictures / result.wall:12.0f}"
            f"{1000 * result.processor / pictures:12.1f}{result.memory:6.0f}{page:9.1f}     {ratio}"
        )
        previous = (pictures, result) if name == "made" else None
    return 0


if __name__ == "__main__":
    sys.exit(main())
