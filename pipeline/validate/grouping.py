"""Which pictures must not be parted by the split."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pipeline.data.components import first_of_component
from pipeline.data.findings import Problem
from pipeline.data.sources import is_known
from pipeline.data.split import SIDES, SplitSettings, merge_groups
from pipeline.validate import duplicates
from pipeline.validate.checks import Picture, listed
from pipeline.validate.duplicates import Features


@dataclass(frozen=True)
class Grouping:
    """The group of each picture, and what is wrong with the groups.

    Attributes:
        groups: as the split uses them.
        siblings: as they should be; differ from ``groups`` where a label had to be divided within a burst or sitting.
    """

    groups: list[str]
    siblings: list[str]
    problems: list[Problem]


def group(
    pictures: Sequence[Picture],
    features: Features,
    copies: Sequence[Sequence[int]],
    similar: Sequence[Sequence[int]],
    settings: SplitSettings,
    exempt: Collection[str],
) -> Grouping:
    """Merge manifest groups, sets of near ``copies``, sets of ``similar`` pictures, bursts and sittings.

    A label whose photos were all taken in one go is one burst or sitting and could not be divided at all. That is how
    a first try looks (a few photos of the mug on the desk), so it is divided within all but copies, with a warning: its
    figures will flatter. Labels in ``exempt`` may have as few groups as they like.
    """
    named = [picture.row.group for picture in pictures]
    bursts = duplicates.bursts([each.measures for each in pictures], seconds=settings.burst_seconds)
    sittings = _sittings(pictures, features, settings)
    siblings = merge_groups(named, [*copies, *similar, *bursts, *sittings])
    short = {label for label, number in _count(pictures, siblings).items() if number < len(SIDES)}
    short -= set(exempt)

    def whole(takes: Sequence[Sequence[int]]) -> list[list[int]]:
        kept = [[index for index in take if pictures[index].label not in short] for take in takes]
        return [take for take in kept if len(take) > 1]

    sittings = whole(sittings)
    groups = merge_groups(named, [*copies, *whole(similar), *whole(bursts), *sittings])
    number = _count(pictures, groups)
    problems: list[Problem] = []
    for label in sorted(short):
        if number[label] >= len(SIDES):
            message = (
                f"{label}/ was photographed in one go, so its photos are divided between training and test within it "
                "and its figures will flatter; add photos from another time and place"
            )
            problems.append(Problem("one_burst", (label,), message))
        else:
            message = (
                f"{label}/ needs 3 independent groups of photos (to learn, to choose, to measure), it has "
                f"{number[label]}: near copies, and a group of the manifest, count once; add other photos"
            )
            problems.append(Problem("too_few_groups", (label,), message))
    for indices in duplicates.same(first_of_component(len(pictures), sittings).tolist()):
        files = tuple(pictures[index].file for index in indices)
        message = (
            f"{listed(files)} look like one thing photographed in one sitting and count as one group; where they are "
            "independent, name a group for each in the manifest"
        )
        problems.append(Problem("sitting", files, message))
    return Grouping(groups, siblings, problems)


def _sittings(pictures: Sequence[Picture], features: Features, settings: SplitSettings) -> list[list[int]]:
    """Pairs of photos of one sitting, among those of which nobody has said where they are from or belong."""
    own = [
        index
        for index, picture in enumerate(pictures)
        if not is_known(picture.row) and picture.row.group.startswith("sha:")
    ]
    pairs = duplicates.sittings(
        [pictures[index].file for index in own],
        [pictures[index].measures for index in own],
        features[own],
        seconds=settings.sitting_seconds,
        similarity=settings.sitting_similarity,
    )
    return [[own[one], own[other]] for one, other in pairs]


def _count(pictures: Sequence[Picture], groups: Sequence[str]) -> Counter[str]:
    """How many groups each label has."""
    return Counter(
        label for label, _ in {(picture.label, group) for picture, group in zip(pictures, groups, strict=True)}
    )
