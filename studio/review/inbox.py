"""The inbox: pictures that somebody sent in because the answer was wrong, until a person has looked at them.

A picture stays here after it was decided on, so that an undo brings it back into the queue; the journal says which are
still to be decided.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from pipeline.core import files
from pipeline.core.errors import DataError
from studio.burst import different
from studio.errors import NotFoundError, StudioError

FOLDER = Path(".studio/wrong")
BURST = timedelta(seconds=10)  # pictures of one word this close in time are of one burst


class Feedback(BaseModel):
    """What was said of a picture: a line of a service's feedback folder beside it, as ``<same>.json``."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    model: str  # version that was wrong
    answer: str | None = None  # what it said, None for none of these
    score: float = Field(default=0.0, ge=0, le=1)
    label: str = ""  # the right word, "" for none of these


class Sent(Feedback):
    """A picture of the inbox."""

    sha256: str
    group: str = ""  # the burst that it is of
    author: str = ""  # who took it, "" where nobody knows


class Inbox:
    """The pictures in ``folder``, each a JPEG named after its sha256 with a JSON file beside it."""

    def __init__(self, folder: Path, size: int) -> None:
        """Args: ``size``: pixels that the shorter side of a picture needs."""
        self.folder, self.size = folder, size

    def names(self) -> frozenset[str]:
        """Hashes of the pictures that are there."""
        return frozenset(path.stem for path in self.folder.glob("*.json")) if self.folder.is_dir() else frozenset()

    def read(self, names: Iterable[str]) -> list[Sent]:
        """What is known of the pictures with these hashes, the oldest first; damaged ones are passed over."""
        found = []
        for name in names:
            try:
                found.append(Sent.model_validate_json((self.folder / f"{name}.json").read_bytes()))
            except (OSError, ValidationError):
                continue
        return sorted(found, key=lambda sent: (sent.at, sent.sha256))

    def path(self, sha256: str) -> Path:
        """Where a picture lies."""
        return self.folder / f"{sha256}.jpg"

    def picture(self, sha256: str) -> bytes:
        """The bytes of a picture.

        Raises:
            NotFoundError: it is not there.
        """
        try:
            return self.path(sha256).read_bytes()
        except OSError as error:
            raise NotFoundError(f"the picture {sha256[:12]} is not there (any more)") from error

    def put(self, picture: bytes, said: Feedback, *, group: str = "", author: str = "") -> Sent:
        """Take in a picture that can be used.

        Raises:
            StudioError: it is no picture, too small, or shows nothing.
            StorageError: the disk is full; nothing was kept.
        """
        different([picture], self.size)
        sha256 = hashlib.sha256(picture).hexdigest()
        sent = Sent(**said.model_dump(), sha256=sha256, group=group or f"feedback:{sha256[:16]}", author=author)
        files.write_bytes(self.path(sha256), picture)
        files.write_text(self.folder / f"{sha256}.json", sent.model_dump_json())  # last: now it is there
        return sent


def pull(folder: Path, inbox: Inbox, known: Collection[str]) -> tuple[list[Sent], list[str]]:
    """Bring the feedback folder of a deployed service into the inbox; the folder stays as it is.

    Of a burst (one word, one model, each picture at most `BURST` after the one before) near-identical pictures count
    once, and the others get one group, so that they stay on one side of a split.

    Args:
        folder: holds ``<name>.jpg`` and ``<name>.json`` for each picture, see `Feedback`.
        inbox: takes them in.
        known: hashes that are passed over: forgotten, or decided on already.

    Returns:
        What is new, and a sentence for each picture that can't be used.

    Raises:
        DataError: there is no such folder. StorageError: the disk is full; what came before stays.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; give the one that FEEDBACK names in the service")
    found: list[tuple[Feedback, bytes]] = []
    problems = []
    for path in sorted(folder.glob("*.json")):
        try:
            picture = path.with_suffix(".jpg").read_bytes()
            said = Feedback.model_validate_json(path.read_bytes())
            different([picture], inbox.size)
            found.append((said, picture))
        except FileNotFoundError:
            problems.append(f"{path.name}: its picture is missing; copy the folder again")
        except OSError as error:
            problems.append(f"{path.name}: can't be read ({error.strerror}); check its permissions")
        except ValidationError:
            problems.append(f"{path.name}: is not what a service writes; look into it, or remove it")
        except StudioError as error:
            problems.append(f"{path.with_suffix('.jpg').name}: {error}")
    here, new = inbox.names(), []
    for burst in bursts(found):
        pictures = [picture for _, picture in burst]
        group = f"feedback:{hashlib.sha256(pictures[0]).hexdigest()[:16]}"
        for index in different(pictures, inbox.size):
            sha256 = hashlib.sha256(pictures[index]).hexdigest()
            if sha256 not in here and sha256 not in known:
                new.append(inbox.put(pictures[index], burst[index][0], group=group))
    return new, problems


def bursts(found: Sequence[tuple[Feedback, bytes]]) -> list[list[tuple[Feedback, bytes]]]:
    """Part pictures into bursts, each in the order of time."""
    parted: list[list[tuple[Feedback, bytes]]] = []
    ordered = sorted(found, key=lambda each: (each[0].label, each[0].model, each[0].at))
    for _, alike in groupby(ordered, key=lambda each: (each[0].label, each[0].model)):
        last = datetime.min.replace(tzinfo=UTC)
        for each in alike:
            if each[0].at - last > BURST:
                parted.append([])
            parted[-1].append(each)
            last = each[0].at
    return parted
