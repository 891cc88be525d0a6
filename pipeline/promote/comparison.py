"""A challenger beside other models, photo by photo: by cross-validation, and on the test split as they are served."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle import Bundle, VariantName, decode
from bundle.engine import Engine, Timing
from bundle.errors import BundleError, PictureError
from pipeline.core.errors import DataError
from pipeline.data.heif import FORMATS
from pipeline.data.settings import DataSettings
from pipeline.data.split import SPLIT, TEST, SplitRow, read_split
from pipeline.metrics.predictions import PHOTOS, PREDICTIONS, Prediction, read, read_photos
from pipeline.promote.champion import Champion
from pipeline.promote.paired import Difference, difference, least_pictures
from pipeline.promote.policy import LABELS, OTHER, ChampionRule, Comparison, Gate
from pipeline.tracking.registry import Registry

BATCH = 32  # pictures answered at once


@dataclass(frozen=True)
class Challenger:
    """The candidate, with its answers from elsewhere by the variants that are served, and what it is held against."""

    bundle: Bundle
    rule: ChampionRule
    data: DataSettings

    @cached_property
    def variants(self) -> list[VariantName]:
        """Those that are served: the service's default, and fp32, which the browser takes."""
        manifest = self.bundle.manifest
        return [v for v in manifest.variants if v in (manifest.default_variant, "fp32")]

    @cached_property
    def predictions(self) -> list[Prediction]:
        """Answers from elsewhere.

        Raises:
            DataError: the bundle has none, or they are damaged.
        """
        return [p for p in read(self.bundle.path(PREDICTIONS)) if p.variant in self.variants]

    def with_champion(self, champion: Champion) -> tuple[list[Comparison], list[Gate]]:
        """Compare by cross-validation and on the test split, or say in a note why that can't be.

        It has to be proved not inferior where both know the same photos by the same labels. Where photos were added,
        removed or relabelled the champion answers an older question, and may only not be proved better on the photos
        that both know; where the labels are others there is nothing to compare. The test split decides where it is
        large enough by itself and else must only not speak against the candidate; its pictures that taught the
        champion are left out.

        Raises:
            DataError: a table or a test picture can't be read, or a model can't be loaded.
        """
        model, labels = champion.bundle, self.bundle.manifest.labels
        if model is None:
            return _not_comparable(champion, "was made by an older version of this project and can't be read")
        if set(model.manifest.labels) != set(labels):
            return _not_comparable(champion, f"knows other labels ({', '.join(model.manifest.labels)})")
        if not {PREDICTIONS, PHOTOS} <= model.manifest.files.keys():
            return _not_comparable(champion, "keeps no answers from elsewhere")
        theirs, rival = read(model.path(PREDICTIONS)), ("the champion", champion.name)
        taught = {sha256 for sha256, side in read_photos(model.path(PHOTOS)).items() if side != TEST}
        rows = [row for row in read_split(SPLIT) if row.split == TEST and row.sha256 not in taught]
        rows = [row for row in rows if row.label in (*labels, self.data.ood_label)]
        enough = least_pictures(self.rule.margin, self.rule.confidence)
        decisive = sum(row.label in labels for row in rows) >= enough
        same = _photos(theirs) == _photos(self.predictions)
        try:
            was, now = (answers(each, rows, self.data.images, self.variants) for each in (model, self.bundle))
            found = [
                self._compare(rival, "cross-validation", theirs, self.predictions, same and not decisive),
                self._compare(rival, "test split", was, now, same and decisive),
            ]
        except BundleError as error:
            raise DataError(f"the models can't be compared: {error}") from error
        return found, []

    def with_best(self, registry: Registry, fingerprints: Iterable[str]) -> list[Comparison]:
        """Compare with the best of earlier champions, so that losses within the margin do not add up.

        Raises:
            TrackingError: the registry can't be read.
        """
        found, others = [], {self.data.ood_label}
        for version in filter(None, map(registry.find, fingerprints)):
            theirs = registry.predictions(version)
            if {p.truth for p in theirs} - others == {p.truth for p in self.predictions} - others:
                same = _photos(theirs) == _photos(self.predictions)
                rival = "the best before it", f"{version.bundle} (version {version.number})"
                found.append(self._compare(rival, "cross-validation", theirs, self.predictions, same))
        key = (self.bundle.manifest.default_variant, LABELS)
        found = [comparison for comparison in found if key in comparison.differences]
        return [min(found, key=lambda comparison: comparison.differences[key].value)] if found else []

    def _compare(
        self, rival: tuple[str, str], on: str, theirs: list[Prediction], ours: list[Prediction], prove: bool
    ) -> Comparison:
        found = differences(theirs, ours, self.bundle.manifest.labels, self.rule.confidence)
        return Comparison(*rival, on, prove, found)


def differences(
    theirs: Iterable[Prediction], ours: Iterable[Prediction], labels: Sequence[str], confidence: float
) -> dict[tuple[str, str], Difference]:
    """Pair two models' answers to the photos that both know by the same label.

    Args:
        theirs: answers of the champion. ours: answers of the challenger.
        labels: of both; any other truth is none of them.
        confidence: see `pipeline.promote.paired.difference`.

    Returns:
        By variant and part: all pictures of the labels, all others, and those of each label.
    """
    known = {(p.sha256, p.truth, p.variant): p for p in theirs}
    parts: dict[tuple[str, str], list[tuple[Prediction, Prediction]]] = {}
    for key, own in {(p.sha256, p.truth, p.variant): p for p in ours}.items():
        if other := known.get(key):
            for part in (LABELS, own.truth) if own.truth in labels else (OTHER,):
                parts.setdefault((own.variant, part), []).append((other, own))
    found = {}
    for place, pairs in parts.items():
        theirs_right, ours_right = (np.array([pair[i].right(labels) for pair in pairs]) for i in (0, 1))
        found[place] = difference(theirs_right, ours_right, [own.group for _, own in pairs], confidence)
    return found


def answers(
    model: Bundle, rows: Sequence[SplitRow], images: Path, variants: Iterable[VariantName]
) -> list[Prediction]:
    """What ``model`` answers to the pictures of ``rows``, whose files are relative to ``images``, as it is served.

    Raises:
        DataError: a picture is missing or can't be read.
        BundleError: the model can't be loaded.
    """
    engines = [Engine(model, variant) for variant in variants if variant in model.manifest.variants]
    found = []
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        frames = np.stack([_frame(images / row.file, model.manifest.input.size) for row in part])
        for engine in engines:
            output = engine.run(frames)
            for place, row in enumerate(part):
                answer = engine.answer(output, Timing(0, 0, 0), place).label or ""
                found.append(Prediction(row.sha256, row.group, row.label, engine.variant, answer))
    return found


def _photos(rows: Iterable[Prediction]) -> set[tuple[str, str]]:
    return {(row.sha256, row.truth) for row in rows}


def _not_comparable(champion: Champion, why: str) -> tuple[list[Comparison], list[Gate]]:
    note = f"{champion.name} {why}: no comparison, the floors decide"
    return [], [Gate("champion", True, None, "comparable", note)]


def _frame(path: Path, size: int) -> NDArray[np.uint8]:
    try:
        return decode.decode(path.read_bytes(), size, formats=FORMATS)
    except (OSError, PictureError) as error:
        raise DataError(f"{path} can't be read ({error}); `dvc repro` checks the photos again") from error
