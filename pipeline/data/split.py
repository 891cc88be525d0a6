"""Which pictures teach, which choose, which measure: train, valid and test, by group.

Pictures that show the same thing (one manifest group, near duplicates, one burst, one sitting) are merged into
one group, and a group is never divided. Its side follows from a hash of its name and a salt, so a new photo
moves no other. Three exceptions, each forced by a small or entangled set:

- a label without a group on one side borrows the one whose hash lies nearest to that side's range;
- a label with too small a part in train gets groups back in the same way;
- a new photo that resembles two groups makes them one, which then lies on the side of the older of the two.
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pipeline.core import files
from pipeline.core.config import Settings
from pipeline.core.errors import DataError

SPLIT = Path("build/split.csv")
TRAIN, VALID, TEST = SIDES = ("train", "valid", "test")


class SplitSettings(Settings):
    """conf/split/: the parts of the set and how small sets are treated."""

    test: float = Field(gt=0, lt=1)  # part of the groups that measures
    valid: float = Field(gt=0, lt=1)  # part of the groups that chooses (epochs, temperature, threshold)
    salt: str  # decides which groups; another salt is another split
    min_groups: int = Field(ge=1)  # of each label on each side
    min_train: float = Field(ge=0, le=1)  # least part of a label's pictures in train
    burst_seconds: float = Field(ge=0)  # photos of one camera this close in time are one burst
    sitting_seconds: float = Field(ge=0)  # photos of one camera this close in time may be of one sitting
    sitting_similarity: float = Field(ge=-1, le=1)  # cosine of features from which on they are

    @model_validator(mode="after")
    def _leaves_room_for_train(self) -> "SplitSettings":
        if self.test + self.valid >= 1:
            raise ValueError("test + valid must stay below 1: nothing is left to train on")
        return self


@dataclass(frozen=True)
class SplitRow:
    """A line of split.csv: ``file`` relative to data/images, ``split`` one of `SIDES`."""

    file: str
    label: str
    group: str
    kind: str
    split: str
    sha256: str
    source: str = ""  # see `pipeline.data.manifest.source_of`; "" where it is unknown


COLUMNS = tuple(field.name for field in fields(SplitRow))


def read_split(path: Path) -> list[SplitRow]:
    """Read split.csv, which is sorted by file.

    Raises:
        DataError: the file is missing, empty, or not as `write_split` writes it.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise DataError(f"{path} lacks columns of {','.join(COLUMNS)}; `dvc repro -f validate` makes it anew")
            rows = [SplitRow(**row) for row in reader]
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing; `dvc repro validate` makes it") from error
    except (csv.Error, TypeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is damaged ({error}); `dvc repro -f validate` makes it anew") from error
    if not rows or any(row.split not in SIDES for row in rows):
        raise DataError(f"{path} is empty or names an unknown side; `dvc repro -f validate` makes it anew")
    return rows


def write_split(path: Path, rows: Iterable[SplitRow]) -> None:
    """Write split.csv atomically, sorted by file, so that the same split is the same bytes."""
    files.write_csv(path, COLUMNS, map(astuple, sorted(rows, key=lambda row: row.file)))


def first_of_component(size: int, ties: Any) -> NDArray[np.intp]:
    """For each of the indices 0 .. size - 1 the lowest that ``ties``, pairs of indices, hold it together with."""
    from scipy.sparse import coo_array  # here, as every stage imports this module and only validate merges groups
    from scipy.sparse.csgraph import connected_components

    ones, others = np.asarray(ties, np.intp).reshape(-1, 2).T
    graph = coo_array((np.ones(len(ones), np.bool_), (ones, others)), shape=(size, size))
    _, number = connected_components(graph, directed=False)
    first: NDArray[np.intp] = np.unique(number, return_index=True)[1][number]
    return first


def merge_groups(groups: Sequence[str], clusters: Iterable[Sequence[int]] = ()) -> list[str]:
    """Merge the groups that ``clusters`` tie together.

    Args:
        groups: manifest group of each picture, in the order of the manifest.
        clusters: sets of picture indices that belong on one side.

    Returns:
        For each picture the name of its merged group: that of its oldest picture, the first in the manifest.
        New photos are appended there, so they take on the name (and the side) of what they resemble.
    """
    first: dict[str, int] = {}
    ties = [(index, first.setdefault(group, index)) for index, group in enumerate(groups)]
    ties += [(member, cluster[0]) for cluster in clusters for member in cluster[1:]]
    return [groups[index] for index in first_of_component(len(groups), ties)]


def assign(groups: Sequence[str], labels: Sequence[str], settings: SplitSettings) -> list[str]:
    """Put each picture on a side by a hash of its (merged) group.

    Returns:
        The side of each picture. Every label has `min_groups` groups on every side if it has that many in
        all, and at least the part `min_train` of its pictures in train as far as the other sides can spare
        them.
    """
    at = {  # a place in [0, 1): the first bits of a hash, evenly spread and the same everywhere
        group: int.from_bytes(hashlib.sha256(f"{settings.salt}:{group}".encode()).digest()[:8], "big") / 2**64
        for group in groups
    }
    side = {
        group: TEST if u < settings.test else VALID if u < settings.test + settings.valid else TRAIN
        for group, u in at.items()
    }
    for label in sorted(set(labels)):
        sizes = Counter(group for group, its_label in zip(groups, labels, strict=True) if its_label == label)
        _fill_sides(sizes, side, at, settings.min_groups)
        _fill_train(sizes, side, at, settings)
    return [side[group] for group in groups]


def _fill_sides(sizes: Counter[str], side: dict[str, str], at: dict[str, float], least: int) -> None:
    """Lend groups of a label to a side that has too few, from the side that can spare most, nearest its range first.

    Where there are too few groups for all, train comes first, then test, then valid.
    """
    least = min(least, max(1, len(sizes) // len(SIDES)))
    order = (TRAIN, TEST, VALID)
    for rank, wanted in enumerate(order):
        while sum(side[group] == wanted for group in sizes) < least:
            spare = {other: [g for g in sizes if side[g] == other] for other in reversed(order) if other != wanted}
            donors = [other for other in spare if len(spare[other]) > least]
            donors = donors or [other for other in spare if spare[other] and other in order[rank + 1 :]]
            if not donors:
                break
            donor = max(donors, key=lambda other: len(spare[other]))
            nearest = max if wanted == TRAIN else min
            side[nearest(spare[donor], key=lambda group: (at[group], group))] = wanted


def _fill_train(sizes: Counter[str], side: dict[str, str], at: dict[str, float], settings: SplitSettings) -> None:
    """Give groups of a label back to train, nearest its range first, until its part is `min_train`."""
    for group in sorted(sizes, key=lambda group: (-at[group], group)):
        if sum(size for other, size in sizes.items() if side[other] == TRAIN) >= settings.min_train * sizes.total():
            break
        if side[group] != TRAIN and sum(side[other] == side[group] for other in sizes) > settings.min_groups:
            side[group] = TRAIN
