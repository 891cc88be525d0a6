"""The split set of photos as the steps of training, export and evaluation share it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import DataError
from pipeline.data.frames import served_frames
from pipeline.data.split import SPLIT, TEST, TRAIN, VALID, SplitRow
from pipeline.models.crossval import Parts, parts
from pipeline.models.features import Photo

SEED = 0  # of the folds of photos without a known source


@dataclass(frozen=True)
class Classes:
    """What the network tells apart.

    Attributes:
        labels: the labels, sorted; what the model may answer.
        ood_label: the folder of pictures of none of them, if there are any: one more output of the network, which
            takes probability away from the labels (outlier exposure) and is never an answer of its own.
    """

    labels: tuple[str, ...]
    ood_label: str | None

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the network's logits, in order."""
        return self.labels if self.ood_label is None else (*self.labels, self.ood_label)

    @classmethod
    def of(cls, rows: Sequence[SplitRow], ood_label: str) -> "Classes":
        """The classes that the training rows hold.

        Raises:
            DataError: there are fewer than two labels.
        """
        found = {row.label for row in rows if row.split == TRAIN}
        labels = tuple(sorted(found - {ood_label}))
        if len(labels) < 2:
            raise DataError(f"{SPLIT} has training pictures of fewer than two labels; `dvc repro validate` says why")
        return cls(labels, ood_label if ood_label in found else None)


@dataclass(frozen=True)
class Photos:
    """Rows of the split whose label is one of ``outputs``, in the order of the file names."""

    rows: tuple[SplitRow, ...]
    folder: Path
    outputs: tuple[str, ...]
    labels: int  # number of the outputs that are labels

    @classmethod
    def of(cls, rows: Sequence[SplitRow], folder: Path, classes: Classes) -> "Photos":
        """The photos of ``classes`` in ``folder``."""
        used = tuple(sorted((row for row in rows if row.label in classes.outputs), key=lambda row: row.file))
        return cls(used, folder, classes.outputs, len(classes.labels))

    def side(self, *sides: str) -> NDArray[np.bool_]:
        """Which photos [n] are on one of ``sides`` of the split."""
        return np.array([row.split in sides for row in self.rows], bool)

    @property
    def fitted(self) -> NDArray[np.bool_]:
        """Which photos [n] a head is fitted and calibrated on: all but those of the test split."""
        return self.side(TRAIN, VALID)

    @property
    def tested(self) -> NDArray[np.bool_]:
        """Which photos [n] are those of the test split."""
        return self.side(TEST)

    @property
    def targets(self) -> NDArray[np.intp]:
        """Index of each photo's output [n]."""
        return np.array([self.outputs.index(row.label) for row in self.rows], np.intp)

    def take(self, where: NDArray[np.bool_]) -> "Photos":
        """The photos for which ``where`` [n] holds."""
        kept = tuple(row for row, here in zip(self.rows, where, strict=True) if here)
        return Photos(kept, self.folder, self.outputs, self.labels)

    def parts(self) -> Parts:
        """The parts of cross-validation, see `pipeline.models.crossval.parts`."""
        sources, groups = [row.source for row in self.rows], [row.group for row in self.rows]
        return parts(sources, groups, self.targets, self.labels, SEED)

    def files(self) -> list[Photo]:
        """As `pipeline.models.features` wants them."""
        return [Photo(self.folder / row.file, row.sha256) for row in self.rows]

    def frames(self, size: int) -> NDArray[np.uint8]:
        """As the service sees them: uint8 [n, size, size, 3]."""
        return served_frames([self.folder / row.file for row in self.rows], size)
