"""Registered model versions: which knew a photo; they are tagged, and a champion among them is replaced."""

from datetime import UTC, datetime
from pathlib import Path

from pipeline.data.forgotten import Learnt
from pipeline.metrics.predictions import PHOTOS
from pipeline.promote import champion
from pipeline.tracking.registry import Registry
from studio.forget.marks import Wanted
from studio.forget.places import Found

CHAMPION = "the champion"
USE = {"train": "trained", "valid": "calibrated", "test": "measured"}


class Versions:
    """A place, see `studio.forget.places.Place`: what is found there are versions that are not tagged yet."""

    name = "registered versions"

    def __init__(self, registry: Registry, models: Path) -> None:
        self._registry, self._models = registry, models
        self.learnt: dict[int, Learnt] = {}  # as far as `find` has seen, also those that are tagged already
        self.silent: list[str] = []  # versions that keep no list of their photos

    def find(self, wanted: Wanted) -> Found:
        """Versions that knew a photo and are not tagged, and the champion where it is one of them.

        Raises:
            TrackingError: the store can't be read. DataError: a list of photos is damaged.
        """
        found: Found = {}
        self.silent = []
        for version in self._registry.versions():
            sides = self._registry.photos(version)
            if sides is None:
                self.silent.append(version.name)
                continue
            if known := {sides[sha] for sha in wanted.sha256 if sha in sides}:
                side = min(known, key=list(USE).index)
                self.learnt[version.number] = Learnt(version=version.number, bundle=version.bundle, side=side)
                found |= {} if version.tainted else {str(version.number): side}
        if champion.must_go(self._registry, self._models, wanted.sha256):
            found[CHAMPION] = f"in {self._models / champion.PROMOTED}, which knew it ({PHOTOS})"
        return found

    def remove(self, wanted: Wanted, found: Found) -> None:
        """Tag them, and bring the newest clean champion back.

        Raises:
            TrackingError, StorageError: the store or models/promoted/ can't be written.
            PipelineError: a promotion is at work.
        """
        day = datetime.now(UTC).date()
        with champion.lock(self._models):
            for number, side in found.items():
                if number != CHAMPION:
                    why = f"{USE[side]} on a photo that was forgotten on {day}"
                    self._registry.taint(self._registry.get(int(number)), why)
            champion.replace_tainted(
                self._registry,
                self._models,
                wanted.sha256,
                f"the model before knew a photo that was forgotten on {day}",
            )
