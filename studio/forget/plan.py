"""A plan: a request to forget as it stands, kept in .studio/forget/ until all of it is done; hashes, no picture."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from pipeline.core import files
from pipeline.core.errors import DataError
from pipeline.data.forgotten import Learnt, Receipt
from studio.forget.marks import Marks, Wanted

FOLDER = Path(".studio/forget")


class Plan(BaseModel):
    """What is forgotten, and how far that is. Written before each thing that it speaks of is done."""

    model_config = ConfigDict(extra="forbid")

    request: str  # its name, from the time and the first photo's hash
    at: AwareDatetime
    why: str
    photos: tuple[Marks, ...]
    stage: Literal["remove", "train"] = "remove"
    train: bool = True
    removed: dict[str, int] = {}
    derived: tuple[str, ...] = ()  # objects of DVC's stores that show a photo
    versions: tuple[Learnt, ...] = ()
    open: dict[str, str] = {}

    @classmethod
    def of(cls, photos: tuple[Marks, ...], why: str, *, train: bool) -> "Plan":
        """A new one."""
        at = datetime.now(UTC)
        return cls(request=f"{at:%Y%m%d-%H%M%S}-{photos[0].sha256[:8]}", at=at, why=why, photos=photos, train=train)

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return FOLDER / f"{self.request}.json"

    @property
    def wanted(self) -> Wanted:
        """What is looked for."""
        return Wanted.of(self.photos, self.derived)

    def write(self) -> None:
        """Keep it; raises StorageError."""
        files.write_text(self.path, self.model_dump_json(indent=2) + "\n")

    def count(self, place: str, found: int) -> None:
        """Note that a place holds that many traces; a run that goes on after a kill finds fewer."""
        if found:
            self.removed[place] = max(self.removed.get(place, 0), found)

    def receipts(self, unreachable: tuple[str, ...]) -> list[Receipt]:
        """One a photo."""
        return [
            Receipt(
                sha256=photo.sha256,
                request=self.request,
                at=datetime.now(UTC),
                why=self.why,
                versions=self.versions,
                removed=self.removed,
                open=self.open,
                unreachable=unreachable,
            )
            for photo in self.photos
        ]


def standing() -> list[Plan]:
    """The plans that are not done, oldest first.

    Raises:
        DataError: one can't be read.
    """
    plans = []
    for path in sorted(FOLDER.glob("*.json")):
        try:
            plans.append(Plan.model_validate_json(path.read_bytes()))
        except ValidationError as error:
            raise DataError(f"{path} is damaged; remove it, and forget its photos again by their sha256") from error
    return plans
