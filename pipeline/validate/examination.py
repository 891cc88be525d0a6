"""Looking at all the photos: from the folders and the manifest to findings and a split; nothing but the cache of
features is written."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from pipeline.data import folder as picture_folder
from pipeline.data import manifest, split
from pipeline.data.findings import Finding, Problem
from pipeline.data.settings import DataSettings
from pipeline.data.sources import source_of
from pipeline.data.split import SplitRow, SplitSettings
from pipeline.models import features as pretrained
from pipeline.models.settings import ModelSettings
from pipeline.validate import checks, duplicates, grouping
from pipeline.validate.checks import ValidateSettings
from pipeline.validate.inspection import Inspection, inspect_all

Progress = Callable[[str, int, int], None]  # what is being done, how many pictures are done, of how many
MOST_CLOSEST = 12  # pairs of pictures of two labels or sides that are listed


@dataclass(frozen=True)
class Leak:
    """Test pictures with a sibling (same group, near copy, same sitting) in train: what they measure is memory."""

    test: int  # test pictures
    random: float  # leaking ones, mean over random splits by picture
    grouped: int  # leaking ones in this split


@dataclass(frozen=True)
class Outcome:
    """What validate found out about the photos."""

    findings: list[Finding]  # errors first
    inspections: list[Inspection] = field(default_factory=list)  # of every picture in the folders
    alike: list[tuple[str, ...]] = field(default_factory=list)  # files of the pictures that show the same
    closest: list[tuple[float, str, str]] = field(default_factory=list)  # most alike across labels and sides: cosine
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
    model: ModelSettings,
    progress: Progress = lambda *_: None,
) -> Outcome:
    """Look at all the photos; nothing but the cache of features is written.

    Raises:
        DataError: the folder is not there, or a picture kills the process that decodes it. All other faults
            are findings.
        WeightsError: the pretrained weights that compare the photos can't be had.
    """
    contents = picture_folder.contents(data.images)
    rows, problems = manifest.examine(data.manifest)
    if not contents.pictures:
        message = f"{data.images} holds no picture; put a folder of photos for each label there, or `dvc pull data.dvc`"
        problems += [Problem("too_few_labels", (), message), *checks.check_folders(contents, None)]
        return Outcome(checks.judge(problems, settings))

    readable = not any(problem.kind == "manifest_unusable" for problem in problems)
    problems += checks.check_folders(contents, rows if readable else None)
    inspections = inspect_all(
        data.images,
        contents.pictures,
        max_pixels=settings.max_pixels,
        thumbnail=settings.thumbnail,
        progress=partial(progress, f"looking at {data.images}"),
    )
    problems += checks.check_pictures(inspections, settings)
    problems += checks.check_set(checks.by_label(inspections), data.ood_label, settings)
    seen = {found.file: found.measures for found in inspections if found.measures is not None}
    files, measures = list(seen), list(seen.values())
    vectors = duplicates.unit(
        pretrained.of(
            [pretrained.Photo(data.images / file, each.sha256) for file, each in seen.items()],
            model.backbone,
            model.size,
            progress=partial(progress, "comparing what they show"),
        )
    )
    likeness = checks.likeness(measures, vectors, settings)
    problems += checks.check_together(files, [each.pixels for each in measures], likeness)
    alike = [tuple(files[index] for index in indices) for indices in (*likeness.near, *likeness.similar)]

    pictures = checks.pair(inspections, rows)
    place = {picture.file: index for index, picture in enumerate(pictures)}
    places = [sorted(place[file] for file in members if file in place) for members in alike]
    index_of = {file: index for index, file in enumerate(files)}
    vectors = vectors[[index_of[picture.file] for picture in pictures]]
    groups = grouping.group(
        pictures,
        vectors,
        places[: len(likeness.near)],
        places[len(likeness.near) :],
        split_settings,
        # The few are reported already, and the pictures of none of the labels may be few.
        exempt={data.ood_label, *(p.files[0] for p in problems if p.kind == "too_few_pictures")},
    )
    problems += [*groups.problems, *checks.check_labels(pictures, vectors, groups.siblings, settings)]
    outcome = Outcome(checks.judge(problems, settings), inspections, alike)
    if outcome.errors:
        return outcome
    labels = [picture.label for picture in pictures]
    sides = split.assign(groups.groups, labels, split_settings)
    closest = duplicates.closest(vectors, list(zip(labels, sides, strict=True)), MOST_CLOSEST)
    sources = source_of([picture.row for picture in pictures])
    return replace(
        outcome,
        closest=[(cosine, pictures[one].file, pictures[other].file) for cosine, one, other in closest],
        rows=[
            SplitRow(picture.file, picture.label, group, picture.row.kind, side, picture.measures.sha256, source)
            for picture, group, side, source in zip(pictures, groups.groups, sides, sources, strict=True)
        ],
        leak=Leak(
            sides.count(split.TEST),
            split.leak_of_random_split(groups.siblings, sides, split_settings.leak_rounds),
            split.leaked(groups.siblings, sides),
        ),
    )
