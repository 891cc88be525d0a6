"""Targets: what is to be forgotten, from what a person names: files, hashes, recordings; and near duplicates."""

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.preprocessing import normalize

from pipeline.core import config
from pipeline.data import manifest
from pipeline.data.settings import DataSettings
from pipeline.models import features, graph
from pipeline.models.settings import ModelSettings
from pipeline.validate.checks import ValidateSettings
from studio.errors import NotFoundError
from studio.forget import layout, traces
from studio.forget.marks import Marks, Wanted, marks_of

RECORDINGS, GIFS = Path("data/recordings"), Path("docs/gifs")
_SHA256 = re.compile("[0-9a-f]{64}")


def below(data: DataSettings, name: str) -> str:
    """How the marks call what a person names: a path below the folder of photos, or a sha256."""
    images = data.images.as_posix() + "/"
    return Path(name).as_posix().removeprefix(f"{Path.cwd().as_posix()}/").removeprefix(images)


def find(repo: Any, data: DataSettings, names: Collection[str], recordings: Collection[str]) -> tuple[Marks, ...]:
    """The marks of each photo, whatever it is called, and of recordings with their GIFs.

    Args:
        names: see `below`; a hash is looked for in every folder of this machine.
        recordings: see `studio.forget.work.forget`.

    Raises:
        NotFoundError: one is not there.
    """
    hashes = {name for name in names if _SHA256.fullmatch(name)}
    paths = [_existing(data, name) for name in sorted({*names} - hashes)]
    for name in recordings:
        its = [path for folder in (RECORDINGS, GIFS) for path in sorted(folder.glob(f"{name}.*"))]
        if not its:
            raise NotFoundError(f"there is no recording {name!r} in {RECORDINGS}")
        paths += its
    everywhere = [path for folder in layout.folders(repo) for path in folder.files()]
    paths += _with_hashes([*data.images.rglob("*"), *everywhere], hashes)
    sides = {config.load("model", ModelSettings).size, *map(traces.sheet_side, everywhere)} - {0}
    marks = {each.sha256: each for each in (marks_of(path, (), sides, graph.FOLDER) for path in paths)}
    copies, files = Wanted.of([*marks.values()]), {sha: list[str]() for sha in marks}
    for path in sorted(data.images.rglob("*")):
        if path.is_file() and traces.find(path, copies) == traces.COPY:
            files[sha256_of(path)].append(path.relative_to(data.images).as_posix())
    return tuple(each.model_copy(update={"files": tuple(files[sha])}) for sha, each in marks.items())


def near(data: DataSettings, names: Collection[str]) -> dict[str, float]:
    """Other photos whose features are as close to one of ``names`` as validate's near duplicates, the closest first.

    Another frame of the burst shows the same person.

    Args:
        names: photos of the manifest, below the folder of photos.

    Returns:
        The cosine by file, 1 at most.

    Raises:
        PipelineError: the manifest or a photo can't be read, or there are no weights.
    """
    settings, model = config.load("validate", ValidateSettings), config.load("model", ModelSettings)
    rows = [row.file for row in manifest.read(data.manifest) if (data.images / row.file).is_file()]
    chosen = np.array([row in names for row in rows], bool)
    if not chosen.any():
        return {}
    photos = [features.Photo(data.images / row, sha256_of(data.images / row)) for row in rows]
    vectors = normalize(features.of(photos, model.backbone, model.size))
    closest = (vectors @ vectors[chosen].T).max(1)
    found = {
        row: round(float(cosine), 3)
        for row, cosine, own in zip(rows, closest, chosen, strict=True)
        if not own and cosine >= settings.near_duplicate_similarity
    }
    return dict(sorted(found.items(), key=lambda each: -each[1]))


def sha256_of(path: Path) -> str:
    """Of the bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _existing(data: DataSettings, name: str) -> Path:
    path = next((path for path in (data.images / name, Path(name)) if path.is_file()), None)
    if path is None:
        raise NotFoundError(f"{name} is not there; name a photo below {data.images}, or its sha256")
    return path


def _with_hashes(paths: Iterable[Path], hashes: set[str]) -> Sequence[Path]:
    found: dict[str, Path] = {}
    for path in paths:
        if len(found) == len(hashes):
            break
        if path.is_file() and (sha := sha256_of(path)) in hashes:
            found.setdefault(sha, path)
    if missing := hashes - found.keys():
        raise NotFoundError(f"no file here has the sha256 {min(missing)}; it is forgotten already, or lies elsewhere")
    return [*found.values()]
