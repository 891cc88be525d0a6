"""A project of a given size with a studio in it: a clone, the promoted model of this one, and more photos."""

import re
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import psutil
from PIL import Image, ImageOps

import bundle
from pipeline.core.config import PARAMS
from pipeline.core.errors import PipelineError
from pipeline.data import manifest
from pipeline.metrics import predictions
from pipeline.metrics.predictions import PHOTOS, PREDICTIONS, Prediction
from pipeline.models import graph
from scripts.bench.load import ROOT
from scripts.dev.clone import environment, fresh_clone

IMAGES, MANIFEST, PROMOTED = Path("data/images"), Path("data/manifest.csv"), Path("models/promoted")
START_S = 120.0  # until a studio serves, on a machine that does other things, too
SIDE = 300  # pixels of a made photo's shorter side
SERVES = re.compile(r"(http://\S+)/#studio=(\S+) serves \S+")


def make(root: Path, photos: int, seed: int = 0) -> Path:
    """A clone in ``root`` with about ``photos`` photos: those of the set, and cut and mirrored copies of them.

    The copies stand in the promoted model's tables as if it had been trained on them.
    """
    clone = fresh_clone(root)
    for folder in ("models", "build", ".mlflow"):
        shutil.copytree(folder, clone / folder, dirs_exist_ok=True)
    rows = manifest.read(clone / MANIFEST)
    random = np.random.default_rng(seed)
    known = {row.sha256: row for row in predictions.read(clone / PROMOTED / PREDICTIONS)}
    sides = predictions.read_photos(clone / PROMOTED / PHOTOS)
    made = []
    for number, index in enumerate(random.integers(0, len(rows), max(0, photos - len(rows)))):
        row = rows[index]
        original = (clone / IMAGES / row.file).read_bytes()
        copy = _changed(original, random)
        was, digest = known[sha256(original).hexdigest()], sha256(copy).hexdigest()
        known[digest] = Prediction(digest, was.group, was.truth, was.variant, was.answer)
        sides[digest] = sides[was.sha256]
        file = f"{row.label}/made-{number:05}.jpg"
        (clone / IMAGES / file).write_bytes(copy)
        made.append(replace(row, file=file, source_path=file, sha256_of_source=digest))
    if made:
        manifest.write(clone / MANIFEST, [*rows, *made])
        predictions.write(clone / PROMOTED / PREDICTIONS, known.values())
        predictions.write_photos(clone / PROMOTED / PHOTOS, sides)
        bundle.seal(clone / PROMOTED, bundle.load_manifest(clone / PROMOTED))
    return clone


def copied(to: Path) -> Path:
    """What a studio reads and writes, of this project, in the folder ``to``: no clone, and Keep can't run there.

    What is kept of the photos' features is copied, too, as the first draft would have to wait for them.
    """
    shutil.copy2(ROOT / PARAMS, to)
    for folder in (IMAGES.parent, PROMOTED, graph.FOLDER):
        if (ROOT / folder).exists():
            shutil.copytree(ROOT / folder, to / folder)
    return to


def _changed(photo: bytes, random: np.random.Generator) -> bytes:
    """Another photo of the same: a part of it, mirrored half of the time, and a little lighter or darker."""
    with Image.open(BytesIO(photo)) as image:
        return _jpeg(hand_held(ImageOps.exif_transpose(image).convert("RGB"), random, SIDE, 0.6))


def hand_held(picture: Image.Image, random: np.random.Generator, side: int, least: float) -> Image.Image:
    """The square of ``side`` pixels that a hand-held camera sees of a picture, ``least`` of its side at the least."""
    length = min(picture.size) * random.uniform(least, 1)
    left, top = (random.uniform(0, whole - length) for whole in picture.size)
    seen = picture.resize((side, side), Image.Resampling.BILINEAR, (left, top, left + length, top + length))
    lighter = np.asarray(seen) * random.uniform(0.85, 1.15)
    return Image.fromarray(np.clip(lighter, 0, 255).astype(np.uint8))


def burst(picture: Image.Image, frames: int, random: np.random.Generator, side: int = 480) -> list[bytes]:
    """What the page sends of one sitting: squares as JPEG, of a picture that is held before the camera."""
    return [_jpeg(hand_held(picture, random, side, 0.7)) for _ in range(frames)]


def _jpeg(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


@dataclass(frozen=True)
class Studio:
    """A studio that runs in a project, and a client with its session."""

    process: subprocess.Popen[str]
    client: httpx.Client
    entrance: str  # the address with the token, for a browser

    def memory_mb(self) -> float:
        """Resident."""
        return float(psutil.Process(self.process.pid).memory_info().rss / 1e6)


@contextmanager
def studio(project: Path, *options: str, **variables: str) -> Iterator[Studio]:
    """Start it with these options, and environment variables besides, wait until it serves, and end it after the block.

    Raises:
        PipelineError: it does not start.
    """
    command = [sys.executable, "-m", "studio", "--port", "0", *options]
    with (
        (project / "studio.log").open("a") as log,
        subprocess.Popen(
            command,
            cwd=project,
            env=environment() | variables,
            stdout=subprocess.PIPE,
            stderr=log,
            encoding="utf-8",
        ) as process,
    ):
        try:
            assert process.stdout is not None
            said, _, _ = select.select([process.stdout], [], [], START_S)
            found = SERVES.match(process.stdout.readline()) if said else None
            if not found:
                raise PipelineError(f"the studio does not start: {_last_line(project / 'studio.log')}")
            key = {"Authorization": f"Bearer {found[2]}"}
            with httpx.Client(base_url=found[1], headers=key, timeout=120) as client:
                yield Studio(process, client, f"{found[1]}/#studio={found[2]}")
        finally:
            process.terminate()


def _last_line(path: Path) -> str:
    """The last line of a log."""
    return (path.read_text(errors="replace").strip().splitlines() or ["its log is empty"])[-1]
