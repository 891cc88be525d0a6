"""The stage that looks at the photos: everything that is wrong with them at once, a report, and the split.

Reads the pictures and the manifest, writes build/split.csv, reports/validation.json and
reports/validation.html. When it fails the reports are written as well, the split is not.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sklearn.preprocessing import normalize

from pipeline.core import config
from pipeline.core.errors import DataError, run_stage
from pipeline.data import folder, manifest, split
from pipeline.data.findings import Problem
from pipeline.data.manifest import normal, source_of
from pipeline.data.settings import DataSettings
from pipeline.data.split import SplitRow, SplitSettings
from pipeline.models import features as pretrained
from pipeline.models.settings import ModelSettings
from pipeline.validate import checks, grouping, report
from pipeline.validate.checks import Picture, ValidateSettings
from pipeline.validate.inspection import Measures, inspect_all
from pipeline.validate.report import Outcome

REPORTS = Path("reports")
MOST_CLOSEST = 12  # pairs of pictures of two labels or sides that are listed


def validate() -> None:
    """Look at the photos, write the reports, and the split if nothing is wrong.

    Raises:
        DataError: something is wrong with the photos; lists everything, capped for the terminal.
        StorageError: an output can't be written.
    """
    data, settings = config.load("data", DataSettings), config.load("validate", ValidateSettings)
    outcome = examine(data, settings, config.load("split", SplitSettings), config.load("model", ModelSettings))
    page = report.write(REPORTS, outcome, data, settings)
    if outcome.errors:
        raise DataError(
            f"the photos can't be used as they are (errors: {len(outcome.errors)}); nothing was made of them\n"
            + report.listing(outcome.errors, settings.terminal_findings, page)
        )
    split.write_split(split.SPLIT, outcome.rows)
    report.print_summary(outcome, data, settings, page)


def examine(
    data: DataSettings, settings: ValidateSettings, split_settings: SplitSettings, model: ModelSettings
) -> Outcome:
    """Look at all the photos; only caches are written.

    Raises:
        DataError: the folder is not there. All other faults are findings.
        StorageError: a cache can't be written.
        WeightsError: the pretrained weights that compare the photos can't be had.
    """
    contents = folder.contents(data.images)
    rows, problems = manifest.examine(data.manifest)
    if not contents.pictures:
        message = f"{data.images} holds no picture; put a folder of photos for each label there, or `dvc pull data.dvc`"
        problems += [Problem("too_few_labels", (), message), *checks.check_folders(contents, None)]
        return Outcome(checks.judge(problems, settings))
    readable = not any(problem.kind == "manifest_unusable" for problem in problems)
    problems += checks.check_folders(contents, rows if readable else None)
    found = inspect_all(data.images, contents.pictures, max_pixels=settings.max_pixels, thumbnail=settings.thumbnail)
    for file, each in found.items():
        problems += [each] if isinstance(each, Problem) else checks.check_picture(file, each, settings)
    problems += checks.check_set(found, data.ood_label, settings)

    seen = {normal(file): (file, each) for file, each in reversed(found.items()) if isinstance(each, Measures)}
    pictures = [
        Picture(file, row, each) for row in rows for file, each in [seen.get(normal(row.file), ("", None))] if each
    ]
    photos = [pretrained.Photo(data.images / each.file, each.measures.sha256) for each in pictures]
    vectors = pretrained.of(photos, model.backbone, model.size)
    vectors = normalize(vectors) if photos else vectors
    # The few are reported already, and the pictures of none of the labels may be few.
    exempt = {data.ood_label, *(p.files[0] for p in problems if p.kind == "too_few_pictures")}
    groups = grouping.group(pictures, vectors, settings, split_settings, exempt)
    files, labels = [picture.file for picture in pictures], [picture.label for picture in pictures]
    problems += [*groups.problems, *checks.check_labels(files, labels, vectors, groups.siblings, settings)]
    alike = [[files[index] for index in indices] for indices in groups.alike]
    outcome = Outcome(checks.judge(problems, settings), found, alike)
    if outcome.errors:
        return outcome
    sides = split.assign(groups.groups, labels, split_settings)
    closest = grouping.closest(vectors, list(zip(labels, sides, strict=True)), MOST_CLOSEST)
    sources = source_of([picture.row for picture in pictures])
    return replace(
        outcome,
        closest=[(cosine, files[one], files[other]) for cosine, one, other in closest],
        rows=[
            SplitRow(each.file, each.label, group, each.row.kind, side, each.measures.sha256, source)
            for each, group, side, source in zip(pictures, groups.groups, sides, sources, strict=True)
        ],
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage on the settings in params.yaml."""
    return run_stage(validate, description=__doc__, argv=argv)
