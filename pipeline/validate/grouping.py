"""Which pictures must not be parted by the split."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pipeline.data.findings import Problem
from pipeline.data.split import SIDES, merge_groups
from pipeline.validate import duplicates
from pipeline.validate.checks import Picture


@dataclass(frozen=True)
class Grouping:
    """The group of each picture, and what is wrong with the groups.

    Attributes:
        groups: as the split uses them.
        siblings: as they should be; differ from ``groups`` where a label had to be divided within a burst.
    """

    groups: list[str]
    siblings: list[str]
    problems: list[Problem]


def group(
    pictures: Sequence[Picture],
    alike: Sequence[Sequence[int]],
    *,
    burst_seconds: float,
    exempt: Collection[str],
) -> Grouping:
    """Merge manifest groups, sets of pictures that are ``alike``, and bursts.

    A label whose photos were all taken in one go is one burst and could not be divided at all. That is how a
    first try looks (a few photos of the mug on the desk), so it is divided within its bursts, with a warning:
    its figures will flatter. Labels in ``exempt`` may have as few groups as they like.
    """
    named = [picture.row.group for picture in pictures]
    bursts = duplicates.bursts([picture.measures for picture in pictures], seconds=burst_seconds)
    siblings = merge_groups(named, [*alike, *bursts])
    groups = siblings
    short = {label for label, number in _count(pictures, siblings).items() if number < len(SIDES)} - set(
        exempt
    )
    problems: list[Problem] = []
    if short:
        kept = [[index for index in burst if pictures[index].label not in short] for burst in bursts]
        groups = merge_groups(named, [*alike, *(burst for burst in kept if burst)])
        number = _count(pictures, groups)
        for label in sorted(short):
            if number[label] >= len(SIDES):
                message = (
                    f"{label}/ was photographed in one go, so its photos are divided between training and "
                    "test within a burst and its figures will flatter; add photos from another time and place"
                )
                problems.append(Problem("one_burst", (label,), message))
            else:
                message = (
                    f"{label}/ needs 3 independent groups of photos (to learn, to choose, to measure), it has "
                    f"{number[label]}: near copies, and a group of the manifest, count once; add other photos"
                )
                problems.append(Problem("too_few_groups", (label,), message))
    return Grouping(groups, siblings, problems)


def _count(pictures: Sequence[Picture], groups: Sequence[str]) -> dict[str, int]:
    pairs = {(picture.label, group) for picture, group in zip(pictures, groups, strict=True)}
    number = dict.fromkeys((label for label, _ in pairs), 0)
    for label, _ in pairs:
        number[label] += 1
    return number
