"""Photos of your own: rows of the manifest for what was dropped into the folders, asking nothing."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from pipeline.core.errors import DataError
from pipeline.data import folder as picture_folder
from pipeline.data import forgotten, manifest
from pipeline.data.findings import shown
from pipeline.data.manifest import OWN, Row, normal
from pipeline.data.settings import DataSettings

AUTHOR = "unknown"
LICENCE = "unknown (added by user)"
FORGOTTEN = "it was forgotten, see data/forgotten.jsonl; remove the file"
SHOWN = 5  # names of each list on the terminal


def adopt(settings: DataSettings) -> None:
    """Bring the manifest in line with the folders and print what was done.

    Rows of files that are there are never changed; rows of deleted files are dropped; a photo that was moved
    to another label keeps its author and licence. A photo that was forgotten is not taken again, under any name. The
    manifest is written whole or not at all.

    Raises:
        DataError: the folder is missing or holds no picture, or the manifest is damaged; nothing is written.
        StorageError: the manifest can't be written.
    """
    contents = picture_folder.contents(settings.images)
    if not contents.pictures:
        raise DataError(
            f"{settings.images} holds no picture; put a folder of photos for each label there "
            f"(JPEG, PNG, WebP or HEIC), or `dvc pull data.dvc` to have the project's own"
        )
    old = manifest.read(settings.manifest) if settings.manifest.exists() else []
    why_not = {file: why for file in contents.pictures if (why := manifest.why_illegal_path(file))}
    why_not |= dict.fromkeys(contents.unsupported, "format is not taken; save it as JPEG")
    present = {normal(file): file for file in contents.pictures if file not in why_not}
    known = {normal(row.file) for row in old}
    gone = [row for row in old if normal(row.file) not in present]
    new = [row_of(settings.images, file) for key, file in present.items() if key not in known]
    refused = forgotten.hashes(settings)
    why_not |= {row.file: FORGOTTEN for row in new if row.sha256_of_source in refused}
    new = [row for row in new if row.file not in why_not]
    moved = _moved(gone, new)
    rows = [row for row in old if normal(row.file) in present] + [moved.get(row.file, row) for row in new]
    if rows != old:
        manifest.write(settings.manifest, rows)
    names = set(map(_name, moved.values()))
    _show("added", [row.file for row in new if row.file not in moved])
    _show("moved, with author and licence kept", list(moved))
    _show("dropped, their files are gone", [row.file for row in gone if _name(row) not in names])
    _show("not adopted", [f"{file} ({why})" for file, why in why_not.items()])
    count = Counter(normal(row.label) for row in rows)
    labels = ", ".join(f"{label} {number}" for label, number in sorted(count.items()))
    print(f"{settings.manifest}: {len(rows)} photos, {labels}{'' if rows != old else ' (nothing to do)'}")
    if any(row.licence == LICENCE for row in rows):
        print(
            f"Photos of your own stand there with author '{AUTHOR}' and licence '{LICENCE}': correct that in "
            f"{settings.manifest} before you pass the photos or a model on, "
            f"then run `python -m pipeline.data attribution`."
        )
    print("Next: `make run` validates, trains and promotes; `dvc repro validate` only looks at the photos.")


def row_of(images: Path, file: str) -> Row:
    """Make the row of a photo about which nothing is known but its bytes.

    Its group is its own: photos that show the same thing are found by validate, which looks at the pictures.

    Raises:
        DataError: the file can't be read.
    """
    try:
        with (images / file).open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{images / file} can't be read ({error.strerror}); check its permissions") from error
    return Row(
        file=file,
        label=normal(PurePosixPath(file).parts[0]),
        group=f"sha:{digest[:16]}",
        kind="real",
        source_package=OWN,
        source_version="",
        source_path=file,
        author=AUTHOR,
        licence=LICENCE,
        sha256_of_source=digest,
        notes="",
    )


def _moved(gone: Sequence[Row], new: Sequence[Row]) -> dict[str, Row]:
    """Rows of new files that are deleted ones under another label: new file to its row, provenance kept.

    Told by the name, which has to be unique on both sides; for photos whose own hash is known by that as well.
    """
    origin = {_name(row): row for row in gone}
    number = Counter(map(_name, gone)) | Counter(map(_name, new))  # the larger of both
    return {
        row.file: replace(was, file=row.file, label=row.label)
        for row in new
        if (was := origin.get(_name(row)))
        and number[_name(row)] == 1
        and (was.source_package != OWN or was.sha256_of_source == row.sha256_of_source)
    }


def _name(row: Row) -> str:
    return PurePosixPath(normal(row.file)).name


def _show(what: str, names: Sequence[str]) -> None:
    if names:
        print(f"{len(names)} {what}:")
        for name in names[:SHOWN]:
            print(f"  {shown(name)}")
        if len(names) > SHOWN:
            print(f"  ... and {len(names) - SHOWN} more")
