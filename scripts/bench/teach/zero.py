"""A label from nothing: three sittings of 20 frames teach it; what is said of it then, and how right it is on a fourth.

Beside ours stands the way of Teachable Machine: a small dense network on frozen features (its 100 hidden units), rated
by a random part of the frames. It gets the same features, as MobileNet's weights come from no package registry.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sklearn.neural_network import MLPClassifier

import bundle
from bundle import decode
from pipeline.core import config
from pipeline.data.settings import DataSettings
from pipeline.data.split import TRAIN, SplitRow
from pipeline.export.stage import ExportSettings
from pipeline.models.photos import Classes, Photos
from scripts.bench.teach import project
from studio.draft import Base, Lesson
from studio.photos import Collection

SITTINGS, FRAMES, FOURTH = 3, 20, 20  # the last: pictures that stand for fourth sittings, a frame each
DRAWS = 5  # of each label
HIDDEN, RANDOM_PART = 100, 0.15  # of Teachable Machine


@dataclass(frozen=True)
class Zero:
    """One label, the mean of its draws: shares of frames, 0..1."""

    label: str
    draws: int
    claimed: float  # by photos whose sitting was left out
    right: float  # answers with the label, on fourth sittings
    likeliest: float  # the same where "none of these" is not allowed, as in Teachable Machine
    dense_claimed: float  # by frames of the same sittings
    dense_right: float


def measure(seed: int = 0) -> list[Zero]:
    """Each label of the set in turn, as if it were new.

    Raises:
        PipelineError: there is no promoted model, or a photo can't be read.
    """
    data = config.load("data", DataSettings)
    base = Base(bundle.load(project.PROMOTED), config.load("export", ExportSettings).rejected)
    rows = Collection(data).rows(base.split)
    every = Photos.of(rows, data.images, Classes.of(rows, data.ood_label))
    features = base.features.of(every.files())
    random = np.random.default_rng(seed)
    found = []
    for label in every.outputs[: every.labels]:
        draws = [_draw(label, base, data, every, features, random) for _ in range(DRAWS)]
        found.append(Zero(label, DRAWS, *np.mean(draws, axis=0).tolist()))
    return found


def _draw(
    label: str,
    base: Base,
    data: DataSettings,
    every: Photos,
    features: NDArray[np.float32],
    random: np.random.Generator,
) -> tuple[float, ...]:
    """What both ways claim of a label, and how right they are on fourth sittings."""
    own = [row for row in every.rows if row.label == label]
    groups = random.permutation(sorted({row.group for row in own}))
    pictures = [next(row for row in own if row.group == group) for group in groups[: SITTINGS + FOURTH]]
    frames = [_frames(data.images / row.file, FRAMES if i < SITTINGS else 1, base.size, random)
              for i, row in enumerate(pictures)]  # fmt: skip
    taught = base.features.see(np.concatenate(frames[:SITTINGS]))
    fourth = base.features.see(np.concatenate(frames[SITTINGS:]))
    others = np.array([row.label != label for row in every.rows]) & every.fitted
    new = [
        SplitRow(f"{label}/{i}.jpg", label, f"burst:{i // FRAMES}", "captured", TRAIN, f"{i:064x}", "")
        for i in range(len(taught))
    ]
    photos = replace(every, rows=(*every.take(others).rows, *new))
    x = np.concatenate([features[others], taught])
    target = every.outputs.index(label)
    return (*_ours(base, Lesson(photos, x), fourth, target), *_dense(x, photos.targets, fourth, target, random))


def _ours(base: Base, lesson: Lesson, fourth: NDArray[np.float32], target: int) -> tuple[float, float, float]:
    judged, photos = base.judge(lesson), lesson.photos
    head = lesson.space.fitted(photos.targets, len(photos.outputs), base.strength)
    logits = head.logits(fourth)
    likeliest = logits[:, : photos.labels].argmax(1) == target
    passes = judged.calibration.id_scores(logits, photos.labels) >= judged.calibration.threshold
    claimed = judged.right()[judged.photos.targets == target].mean()
    return float(claimed), float((likeliest & passes).mean()), float(likeliest.mean())


def _dense(
    x: NDArray[np.float32],
    targets: NDArray[np.intp],
    fourth: NDArray[np.float32],
    target: int,
    random: np.random.Generator,
) -> tuple[float, float]:
    held = random.random(len(x)) < RANDOM_PART
    network = MLPClassifier((HIDDEN,), max_iter=300, random_state=0).fit(x[~held], targets[~held])
    own = held & (targets == target)
    return float((network.predict(x[own]) == target).mean()), float((network.predict(fourth) == target).mean())


def _frames(path: Path, count: int, size: int, random: np.random.Generator) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        picture = ImageOps.exif_transpose(image).convert("RGB")
    return np.stack([decode.decode(data, size) for data in project.burst(picture, count, random)])


def mean(found: Sequence[Zero]) -> Zero:
    """All labels together."""
    values = [[each.claimed, each.right, each.likeliest, each.dense_claimed, each.dense_right] for each in found]
    return Zero("all", sum(each.draws for each in found), *np.mean(values, axis=0).tolist())
