"""The draft: the promoted model's body with a head that learnt the photos as they are now, in about a second.

No torch, no new body: what the body sees of each photo is kept, and a head is fitted as the pipeline fits one
(`pipeline.models.head`). Temperature and threshold come from photos that each head was not fitted on.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

import bundle
from bundle import Bundle, Golden, Variant, VariantName, decode
from pipeline.core import files
from pipeline.data.settings import DataSettings
from pipeline.data.split import SplitRow
from pipeline.metrics.calibration import Calibration
from pipeline.metrics.predictions import PHOTOS, PREDICTIONS, read, read_photos
from pipeline.models import crossval, graph
from pipeline.models.crossval import FOLDS
from pipeline.models.features import Features
from pipeline.models.head import Floats, Head, Space
from pipeline.models.photos import Classes, Photos
from studio.errors import StudioError

FOLDER = Path("models/draft")
MODEL = "model.onnx"
VARIANT: VariantName = "fp32"
MOST_JUDGED = 800  # photos that temperature and threshold are taken from; fits on more of them take seconds


@dataclass(frozen=True)
class Lesson:
    """The photos that a head is fitted on, all but those of the test split, and what the body sees in them."""

    photos: Photos
    features: NDArray[np.float32]

    @cached_property
    def space(self) -> Space:
        """Coordinates of all photos."""
        return Space(self.features)

    def take(self, where: NDArray[np.bool_]) -> "Lesson":
        """The photos for which ``where`` [n] holds."""
        return Lesson(self.photos.take(where), self.features[where])


@dataclass(frozen=True)
class Judged:
    """Photos, each answered by a head that was fitted without its part (source or group), and the calibration."""

    photos: Photos
    parts: NDArray[np.intp]  # index of each photo's part [n]
    logits: Floats  # [n, outputs]
    calibration: Calibration

    def right(self) -> NDArray[np.bool_]:
        """Which photos [n] are answered as they are labelled, or as none of these where they show none."""
        labels, targets = self.photos.labels, self.photos.targets
        passes = self.calibration.id_scores(self.logits, labels) >= self.calibration.threshold
        return np.where(targets < labels, passes & (self.logits[:, :labels].argmax(1) == targets), ~passes)


@dataclass(frozen=True)
class Draft:
    """What was made: the bundle's version, the photos, and how they are judged."""

    version: str
    parent: str  # version of the promoted model that it began with
    lesson: Lesson
    judged: Judged


class Base:
    """The promoted model, taken apart: what every draft of it begins with."""

    def __init__(self, promoted: Bundle, rejected: float) -> None:
        """Read its body and its golden frames.

        Args:
            promoted: the bundle.
            rejected: share of the labels' pictures that may be answered "none of these", as in conf/export/.

        Raises:
            StudioError: it was made before bundles had their head apart.
            DataError: the table of its photos is damaged.
        """
        manifest = promoted.manifest
        if not {bundle.HEAD, PREDICTIONS, PHOTOS} <= manifest.files.keys():
            raise StudioError(
                f"{promoted.folder} is of an older version and can't be taught; `dvc repro` makes it anew"
            )
        self.manifest, self.rejected = manifest, rejected
        self.size, self.strength = manifest.input.size, float(manifest.metrics["strength"])
        self.body = promoted.read(manifest.variants[VARIANT].file).removesuffix(promoted.read(bundle.HEAD))
        self.features = Features(self.body, self.size)
        answers = [row for row in read(promoted.path(PREDICTIONS)) if row.variant == VARIANT]
        self.known = {row.sha256: row.truth for row in answers}
        sides = read_photos(promoted.path(PHOTOS))
        self.split = {row.sha256: (row.group, sides[row.sha256]) for row in answers if row.sha256 in sides}
        self.golden = {each.file: promoted.read(each.file) for each in manifest.golden}
        frames = np.stack([decode.decode(data, self.size) for data in self.golden.values()])
        self.golden_features = self.features.see(frames)

    def knows(self, rows: Sequence[SplitRow]) -> bool:
        """Whether ``rows`` are the photos, labelled as they are now, that it was made of."""
        return {row.sha256: row.label for row in rows} == self.known

    def lesson(self, rows: Sequence[SplitRow], data: DataSettings) -> Lesson:
        """What there is to learn in ``rows``.

        Raises:
            DataError: fewer than two labels, or a photo is damaged.
        """
        every = Photos.of(rows, data.images, Classes.of(rows, data.ood_label))
        photos = every.take(every.fitted)
        return Lesson(photos, self.features.of(photos.files()))

    def is_new(self, photos: Photos) -> NDArray[np.bool_]:
        """Which photos [n] it does not know by the label that they have now."""
        return np.array([self.known.get(row.sha256) != row.label for row in photos.rows], bool)

    def draft(self, rows: Sequence[SplitRow], data: DataSettings, folder: Path = FOLDER) -> Draft:
        """Fit a head on ``rows`` and write the bundle ``folder``, whole or not at all.

        Raises:
            DataError: fewer than two labels, or a photo is damaged.
            StorageError: the disk is full; the draft before is as it was.
        """
        lesson = self.lesson(rows, data)
        judged, photos = self.judge(lesson), lesson.photos
        head = lesson.space.fitted(photos.targets, len(photos.outputs), self.strength)
        return Draft(self._write(head, judged.calibration, photos, folder), self.manifest.version, lesson, judged)

    def judge(self, lesson: Lesson, *, as_before: bool = False) -> Judged:
        """Answer each photo by a head that was fitted without its part, and calibrate on the answers.

        A label of one part can't be left out, as nothing would be left of it: its photos are not among the judged.
        Of a large set a sample stands for all, chosen by hash, half of it new photos if there are so many.

        Args:
            lesson: the photos.
            as_before: fit and calibrate without the photos that are new; they are answered all the same.
        """
        new = self.is_new(lesson.photos)
        if len(new) > MOST_JUDGED:
            order = np.argsort([row.sha256 for row in lesson.photos.rows])
            fresh = order[new[order]][: MOST_JUDGED // 2]
            sample = np.isin(np.arange(len(new)), [*fresh, *order[~new[order]][: MOST_JUDGED - len(fresh)]])
            lesson, new = lesson.take(sample), new[sample]
        photos = lesson.photos
        targets, parts = photos.targets, photos.parts()
        folds = parts.coarse(FOLDS).index
        kept = ~new if as_before else np.ones(len(new), bool)
        outputs = len(photos.outputs)
        logits = crossval.out_of_fold(lesson.space, targets, folds, outputs, self.strength, kept)
        several = [target for target in np.unique(targets) if len(np.unique(folds[targets == target])) > 1]
        where = np.isin(targets, several)
        photos, index, logits = photos.take(where), parts.index[where], logits[where]
        used = kept[where]
        found = Calibration.of(logits[used], targets[where][used], photos.labels, self.rejected, _dense(index[used]))
        return Judged(photos, index, logits, found)

    def _write(self, head: Head, found: Calibration, photos: Photos, folder: Path) -> str:
        labels = photos.outputs[: photos.labels]
        part = graph.head_part(head, found.temperature, labels)
        logits = head.logits(self.golden_features)
        shares = softmax(logits[:, : len(labels)] / found.temperature, axis=1)
        scores = found.id_scores(logits, len(labels))
        golden = tuple(
            Golden(file=name, probabilities={VARIANT: tuple(share.tolist())}, id_score={VARIANT: float(score)})
            for name, share, score in zip(self.golden, shares.clip(0, 1), scores.clip(0, 1), strict=True)
        )
        learnt = "\n".join(sorted(f"{row.sha256} {row.label}" for row in photos.rows))
        lineage = {"parent": self.manifest.version, "data_hash": hashlib.sha256(learnt.encode()).hexdigest()}
        variant = Variant(file=MODEL, threshold=round(found.threshold, 4), temperature=found.temperature)
        changed = {
            "created": datetime.now(UTC),
            "labels": labels,
            "variants": {VARIANT: variant},
            "default_variant": VARIANT,
            "golden": golden,
            "metrics": {},  # of the promoted model: of this one nothing is measured yet
            "lineage": self.manifest.lineage.model_copy(update=lineage),
        }
        with files.replace_dir(folder) as new:
            files.write_bytes(new / MODEL, self.body + part)
            files.write_bytes(new / bundle.HEAD, part)
            for name, data in self.golden.items():
                files.write_bytes(new / name, data)
            sealed = bundle.seal(new, self.manifest.model_copy(update=changed))
            version = f"draft-{bundle.fingerprint(sealed)[:8]}"
            bundle.seal(new, sealed.model_copy(update={"version": version}))
        return version


def remove(folder: Path = FOLDER) -> None:
    """There is nothing to learn that the promoted model does not know."""
    files.recover_dir(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _dense(index: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.asarray(np.unique(index, return_inverse=True)[1], np.intp)
