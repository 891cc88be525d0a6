"""A challenger beside other models, photo by photo: by cross-validation, and on the test split as they are served."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bundle import Bundle, VariantName
from bundle.engine import Engine, Timing
from bundle.errors import BundleError
from pipeline.core.errors import DataError
from pipeline.data.frames import served_frames
from pipeline.data.settings import DataSettings
from pipeline.data.split import SPLIT, TEST, SplitRow, read_split
from pipeline.metrics.predictions import PHOTOS, PREDICTIONS, Prediction, read, read_photos
from pipeline.promote.champion import Champion
from pipeline.promote.paired import Difference, difference, least_pictures
from pipeline.promote.policy import LABELS, OTHER, ChampionRule, Comparison
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

    def obstacle(self, champion: Champion) -> str:
        """Why the two can't be compared; empty where they can."""
        model = champion.bundle
        if model is None:
            return f"can't be read any more ({champion.why_not})"
        if set(model.manifest.labels) != set(self.bundle.manifest.labels):
            return f"knows other labels ({', '.join(model.manifest.labels)})"
        return "" if {PREDICTIONS, PHOTOS} <= model.manifest.files.keys() else "keeps no answers from elsewhere"

    def with_champion(self, model: Bundle, name: str) -> list[Comparison]:
        """Compare with the champion, which `obstacle` lets pass, by cross-validation and on the test split.

        It has to be proved not inferior where both know the same photos by the same labels. Where photos were added,
        removed or relabelled the champion answers an older question, and may only not be proved better on the photos
        that both know. The test split decides where it is large enough by itself and else must only not speak against
        the candidate; its pictures that taught the champion are left out.

        Raises:
            DataError: a table or a test picture can't be read, or a model can't be loaded.
        """
        labels, theirs = self.bundle.manifest.labels, read(model.path(PREDICTIONS))
        taught = {sha256 for sha256, side in read_photos(model.path(PHOTOS)).items() if side != TEST}
        rows = [row for row in read_split(SPLIT) if row.split == TEST and row.sha256 not in taught]
        rows = [row for row in rows if row.label in (*labels, self.data.ood_label)]
        enough = least_pictures(self.rule.margin, self.rule.confidence)
        decisive = sum(row.label in labels for row in rows) >= enough
        same = _photos(theirs) == _photos(self.predictions)
        try:
            was, now = (answers(each, rows, self.data.images, self.variants) for each in (model, self.bundle))
        except BundleError as error:
            raise DataError(f"the models can't be compared: {error}") from error
        return [
            Comparison("the champion", name, on, prove, differences(old, new, labels, self.rule.confidence))
            for on, old, new, prove in (
                ("cross-validation", theirs, self.predictions, same and not decisive),
                ("test split", was, now, same and decisive),
            )
        ]

    def with_best(self, registry: Registry, fingerprints: Iterable[str]) -> list[Comparison]:
        """Compare with the best of earlier champions, so that losses within the margin do not add up.

        Raises:
            TrackingError: the registry can't be read.
        """
        found, own, others = [], self.predictions, {self.data.ood_label}
        key = (self.bundle.manifest.default_variant, LABELS)
        for version in filter(None, map(registry.find, fingerprints)):
            theirs = registry.predictions(version)
            if {p.truth for p in theirs} - others == {p.truth for p in own} - others:
                compared = differences(theirs, own, self.bundle.manifest.labels, self.rule.confidence)
                if key in compared:
                    same = _photos(theirs) == _photos(own)
                    found.append(Comparison("the best before it", version.name, "cross-validation", same, compared))
        return [min(found, key=lambda comparison: comparison.differences[key].value)] if found else []


def differences(
    theirs: Iterable[Prediction], ours: Iterable[Prediction], labels: Sequence[str], confidence: float
) -> dict[tuple[str, str], Difference]:
    """Pair the answers of a champion and a challenger to the photos that both know by the same label.

    Args:
        labels: of both; any other truth is none of them.
        confidence: see `pipeline.promote.paired.difference`.

    Returns:
        By variant and part: all pictures of the labels, all others, and those of each label.
    """
    known = {(p.sha256, p.truth, p.variant): p for p in theirs}
    parts: dict[tuple[str, str], list[tuple[bool, bool, str]]] = {}
    for key, own in {(p.sha256, p.truth, p.variant): p for p in ours}.items():
        if other := known.get(key):
            for part in (LABELS, own.truth) if own.truth in labels else (OTHER,):
                pair = other.right(labels), own.right(labels), own.group
                parts.setdefault((own.variant, part), []).append(pair)
    found = {}
    for place, pairs in parts.items():
        theirs_right, ours_right, groups = zip(*pairs, strict=True)
        found[place] = difference(np.array(theirs_right), np.array(ours_right), groups, confidence)
    return found


def answers(model: Bundle, rows: Sequence[SplitRow], images: Path, variants: Iterable[VariantName]) -> list[Prediction]:
    """What ``model`` answers to the pictures of ``rows``, whose files are relative to ``images``, as it is served.

    Raises:
        DataError: a picture is missing or can't be read.
        BundleError: the model can't be loaded.
    """
    engines, found = [Engine(model, variant) for variant in variants if variant in model.manifest.variants], []
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        frames = served_frames([images / row.file for row in part], model.manifest.input.size)
        for engine in engines:
            output = engine.run(frames)
            for place, row in enumerate(part):
                answer = engine.answer(output, Timing(0, 0, 0), place).label or ""
                found.append(Prediction(row.sha256, row.group, row.label, engine.variant, answer))
    return found


def _photos(rows: Iterable[Prediction]) -> set[tuple[str, str]]:
    return {(row.sha256, row.truth) for row in rows}
