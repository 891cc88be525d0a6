"""The Oxford-IIIT Pet set as photos of 37 labels, for `data=pets`.

Source: O. M. Parkhi, A. Vedaldi, A. Zisserman, C. V. Jawahar: Cats and Dogs, CVPR 2012. The archive holds one
folder images/ with breed_number.jpg; fast.ai's first lesson tells the breed from the name, and so does this.
"""

import argparse
import io
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from bundle.decode import open_rgb
from bundle.errors import PictureError
from pipeline.core import config, files
from pipeline.core.errors import DataError, run_stage
from pipeline.data import adoption, manifest
from pipeline.data.manifest import Row
from pipeline.data.settings import DataSettings

AUTHOR = "various; collected by Parkhi, Vedaldi, Zisserman and Jawahar (University of Oxford)"
LICENCE = "CC-BY-SA-4.0 (of the set; the photos belong to their authors)"
BREED = re.compile(r"(.+)_\d+\.jpg")


def prepare(data: DataSettings, folder: Path | None = None) -> None:
    """Make the folders and the manifest that ``data`` names, unless they are there.

    Args:
        folder: the unpacked archive; by default fastai fetches it (811 MB) and keeps it in its own cache.

    Raises:
        DataError: no connection, or the folder is not laid out as the archive.
        StorageError: the disk is full; nothing is left of the attempt.
    """
    if data.manifest.is_file() and data.images.is_dir():
        return
    convert(folder or _fetch(), data)


def _fetch() -> Path:
    from pipeline.core import torchvision_ops  # noqa: F401, I001  (before fastai)
    from fastai.data.external import URLs, untar_data

    try:
        return Path(untar_data(URLs.PETS))
    except (OSError, EOFError, AssertionError) as error:  # urllib raises OSErrors, a wrong checksum asserts
        raise DataError(
            f"the Oxford-IIIT Pet set can't be fetched from {URLs.PETS} ({error}); connect to the network "
            "and run again, or unpack a copy of the archive and run `python -m pipeline.data.pets FOLDER`"
        ) from error


def convert(folder: Path, data: DataSettings) -> None:
    """Copy the pictures of an unpacked archive into a folder a breed, and write their manifest.

    A few files of the set are GIF or PNG under the name .jpg, and some are damaged: what Pillow can read is
    saved as JPEG, what it can't is left out; both are listed.

    Raises:
        DataError: ``folder`` is not laid out as the archive.
        StorageError: a file can't be written; nothing is left of the attempt.
    """
    pictures = sorted((folder / "images").glob("*.jpg"))
    if not any(BREED.fullmatch(path.name) for path in pictures):
        raise DataError(
            f"{folder} holds no images/breed_number.jpg; name the folder that the archive unpacks to"
        )
    rows: list[Row] = []
    dropped: list[str] = []
    with files.replace_dir(data.images) as images:
        for path in pictures:
            breed = BREED.fullmatch(path.name)
            if breed is None:
                dropped.append(f"{path.name} (no breed in its name)")
                continue
            file = f"{breed[1]}/{path.name}"
            note = _copy(path, images / file)
            if note is None:
                dropped.append(f"{path.name} (damaged)")
            else:
                rows.append(_row(images, file, note))
    manifest.write(data.manifest, rows)
    print(f"{data.images}: {len(rows)} photos of {len({row.label for row in rows})} breeds")
    for name in dropped:
        print(f"  left out: {name}")


def _copy(source: Path, target: Path) -> str | None:
    """Copy a picture; returns what had to be done to it ("" for nothing), or None where it can't be read."""
    data = source.read_bytes()
    note = ""
    try:
        open_rgb(data, min_side=32)
    except PictureError:
        try:
            with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
                warnings.simplefilter("ignore")
                converted = image.convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None
        out = io.BytesIO()
        converted.save(out, "JPEG", quality=95)
        data, note = out.getvalue(), "saved again as JPEG: it was of another format"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(data)
    return note


def _row(images: Path, file: str, note: str) -> Row:
    row = adoption.row_of(images, file)
    return Row(
        file=row.file,
        label=row.label,
        group=row.group,
        kind=row.kind,
        source_package="oxford-iiit-pet",
        source_version="1",
        source_path=f"images/{Path(file).name}",
        author=AUTHOR,
        licence=LICENCE,
        sha256_of_source=row.sha256_of_source,
        notes=note,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare the set now; with a folder from there rather than from the network."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.data.pets", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="the unpacked archive, which holds images/")
    arguments = parser.parse_args(argv)

    def stage() -> None:
        composed = config.compose(["data=pets"])
        prepare(config.parse("data", composed.get("data"), DataSettings), arguments.folder)

    return run_stage(stage)


if __name__ == "__main__":
    sys.exit(main())
