"""Looking at all the photos: from the folders and the manifest to findings and a split; nothing is
written."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.data import folder as picture_folder
from pipeline.data import manifest, split
from pipeline.data.findings import Finding, Problem
from pipeline.data.settings import DataSettings
from pipeline.data.sources import source_of
from pipeline.data.split import SplitRow, SplitSettings
from pipeline.validate import checks as picture_checks
from pipeline.validate import grouping
from pipeline.validate.checks import ValidateSettings
from pipeline.validate.inspection import Inspection, inspect_all


@dataclass(frozen=True)
class Leak:
    """Test pictures with a sibling (same group, near copy, same burst) in train: what they measure is
    memory."""

    test: int  # test pictures
    random: float  # leaking ones, mean over random splits by picture
    grouped: int  # leaking ones in this split


@dataclass(frozen=True)
class Outcome:
    """What validate found out about the photos."""

    findings: list[Finding]  # errors first
    inspections: list[Inspection] = field(default_factory=list)  # of every picture in the folders
    alike: list[tuple[str, ...]] = field(default_factory=list)  # files of the pictures that show the same
    rows: list[SplitRow] = field(default_factory=list)  # empty if there is an error
    leak: Leak | None = None

    @property
    def errors(self) -> list[Finding]:
        """The findings that keep the pictures from being used."""
        return [finding for finding in self.findings if finding.severity == "error"]


def examine(
    data: DataSettings,
    settings: ValidateSettings,
    split_settings: SplitSettings,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> Outcome:
    """Look at all the photos; nothing is written.

    Raises:
        DataError: the folder is not there, or a picture kills the process that decodes it. All other faults
            are findings.
    """
    contents = picture_folder.contents(data.images)
    rows, problems = manifest.examine(data.manifest)
    if not contents.pictures:
        message = (
            f"{data.images} holds no picture; put a folder of photos for each label there, or `dvc pull`"
        )
        problems += [Problem("too_few_labels", (), message), *picture_checks.check_folders(contents, None)]
        return Outcome(picture_checks.judge(problems, settings))

    readable = not any(problem.kind == "manifest_unusable" for problem in problems)
    problems += picture_checks.check_folders(contents, rows if readable else None)
    inspections = inspect_all(
        data.images,
        contents.pictures,
        max_pixels=settings.max_pixels,
        thumbnail=settings.thumbnail,
        progress=progress,
    )
    problems += picture_checks.check_pictures(inspections, settings)
    labels = picture_checks.by_label(inspections)
    problems += picture_checks.check_set(labels, data.ood_label, settings)
    seen = {found.file: found.measures for found in inspections if found.measures is not None}
    files, measures = list(seen), list(seen.values())
    likeness = picture_checks.likeness(measures, settings)
    problems += picture_checks.check_together(files, [each.pixels for each in measures], likeness)
    alike = [tuple(files[index] for index in indices) for indices in likeness.near]

    pictures = picture_checks.pair(inspections, rows)
    place = {picture.file: index for index, picture in enumerate(pictures)}
    groups = grouping.group(
        pictures,
        [sorted(place[file] for file in files if file in place) for files in alike],
        burst_seconds=split_settings.burst_seconds,
        # The few are reported already, and the pictures of none of the labels may be few.
        exempt={data.ood_label, *(p.files[0] for p in problems if p.kind == "too_few_pictures")},
    )
    outcome = Outcome(picture_checks.judge([*problems, *groups.problems], settings), inspections, alike)
    if outcome.errors:
        return outcome
    sides = split.assign(groups.groups, [picture.label for picture in pictures], split_settings)
    return Outcome(
        outcome.findings,
        inspections,
        alike,
        [
            SplitRow(
                picture.file, picture.label, group, picture.row.kind, side, picture.measures.sha256, source
            )
            for picture, group, side, source in zip(
                pictures, groups.groups, sides, source_of([picture.row for picture in pictures]), strict=True
            )
        ],
        Leak(
            sides.count(split.TEST),
            split.leak_of_random_split(groups.siblings, sides, split_settings.leak_rounds),
            split.leaked(groups.siblings, sides),
        ),
    )
