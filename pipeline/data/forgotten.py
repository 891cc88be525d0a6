"""Photos that were forgotten (data/forgotten.jsonl): a receipt a line, a photo a receipt, so that none comes back.

`python -m studio forget` appends to it; whatever takes photos in asks it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from pipeline.core import files
from pipeline.core.errors import DataError
from pipeline.data.settings import DataSettings

NAME = "forgotten.jsonl"
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Learnt(BaseModel):
    """A registered model version that knew a photo, and from which side of the split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    bundle: str
    side: str  # "train" and "valid": trained and calibrated on it; "test": measured on it


class Receipt(BaseModel):
    """A photo that was forgotten: when, why, what was removed where, what could not be reached. No picture, no name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Sha256
    request: str  # photos that were forgotten together; one that was resumed has a receipt for each time
    at: AwareDatetime
    why: str
    versions: tuple[Learnt, ...]
    removed: dict[str, int]  # number of files or rows that the request removed, by place
    open: dict[str, str]  # places that could not be cleaned yet, and why
    unreachable: tuple[str, ...]  # what no command of this machine can clean, and what to do about it


def path(data: DataSettings) -> Path:
    """Where the receipts lie: beside the manifest's folder of photos, so that they travel with the data."""
    return data.images.parent / NAME


def read(data: DataSettings) -> list[Receipt]:
    """All receipts, oldest first; none where nothing was forgotten.

    Raises:
        DataError: a line is none of ours; names it.
    """
    file, receipts = path(data), []
    for number, line in enumerate(file.read_bytes().splitlines() if file.exists() else [], start=1):
        try:
            receipts.append(Receipt.model_validate_json(line))
        except ValidationError as error:
            raise DataError(
                f"{file}, line {number} is no receipt; bring the file back (git, `dvc checkout`)"
            ) from error
    return receipts


def hashes(data: DataSettings) -> frozenset[str]:
    """The sha256 of every photo that was forgotten; raises like `read`."""
    return frozenset(receipt.sha256 for receipt in read(data))


def append(data: DataSettings, receipts: Iterable[Receipt]) -> None:
    """Add receipts, all or none of them.

    Raises:
        DataError: the file is damaged. StorageError: it can't be written.
    """
    lines: Iterable[str] = (each.model_dump_json() + "\n" for each in (*read(data), *receipts))
    files.write_text(path(data), "".join(lines))
